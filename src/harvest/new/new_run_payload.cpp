// SPDX-License-Identifier: Apache-2.0
#include "harvest/new/new_run_payload.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "sys/base/files.hpp"

namespace yoda {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t max_config_bytes = 1u << 20;

/// Empty if it can be run, else why not.
std::string find_fault(std::string const& path)
{
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return fmt::format("there is no {}", path);
    if (!S_ISREG(info.st_mode)) return fmt::format("{} is no regular file", path);
    if (::access(path.c_str(), X_OK) != 0) return fmt::format("{} may not be executed", path);
    return {};
}

std::vector<std::string> split_folders(std::string const& search_path)
{
    std::vector<std::string> folders;
    for (std::size_t begin = 0; begin <= search_path.size();) {
        auto const end = std::min(search_path.find(':', begin), search_path.size());
        if (end > begin) folders.push_back(search_path.substr(begin, end - begin));
        begin = end + 1;
    }
    return folders;
}

}  // namespace

Result<PayloadConfig> read_payload(std::string const& path, std::string const& program_folder,
                                   std::string const& search_path)
{
    auto const text = read_file(path, max_config_bytes);
    if (!text) {
        auto error = text.error();
        error.fix = "give the path of a payload configuration, as those in config/payloads";
        return error;
    }
    auto config = parse_payload_config(*text, path);
    if (!config || config->executable.empty()) return config;
    auto const refuse = [&](std::string why) {
        return Error{
            ErrorKind::usage,
            fmt::format("the payload of {} cannot be run: executable = {}", path, config->executable),
            std::move(why), "build or install it, or mend the path"};
    };

    std::string const name = config->executable;
    if (config->in_container) {
        // Only the job sees it; yoda says there what is wrong with it.
        if (!name.starts_with('/')) return refuse("in_container wants an absolute path, as it is in there");
        return config;
    }
    if (name.find('/') != std::string::npos) {
        fs::path const whole = name.starts_with('/') ? fs::path(name) : fs::path(path).parent_path() / name;
        config->executable = fs::absolute(whole).lexically_normal().string();
        if (auto why = find_fault(config->executable); !why.empty()) return refuse(std::move(why));
        return config;
    }
    std::vector<std::string> folders = split_folders(search_path);
    if (!program_folder.empty()) folders.insert(folders.begin(), program_folder);
    std::string why;
    for (auto const& folder : folders) {
        auto const candidate = fs::absolute(fs::path(folder) / name).lexically_normal().string();
        why = find_fault(candidate);
        if (why.empty()) {
            config->executable = candidate;
            return config;
        }
    }
    return refuse(fmt::format("it is neither in {} nor in $PATH", program_folder));
}

}  // namespace yoda
