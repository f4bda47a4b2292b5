#include "droid/athenamp/kept_logs.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "sys/files.hpp"

namespace yoda::athenamp {

namespace fs = std::filesystem;

namespace {

constexpr unsigned max_file_count = 300;
constexpr std::uint64_t max_file_bytes = 2u << 20;

bool is_wanted(std::string_view name)
{
    return name == "jobReport.json" || name == "metadata.xml" || name.ends_with(".log") ||
           name.starts_with("log.") || (name.starts_with("PoolFileCatalog") && name.ends_with(".xml"));
}

/// The last part of a file; empty if it cannot be read.
std::string read_end(std::string const& path, std::uint64_t bytes)
{
    FileDescriptor const file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return {};
    auto const skip = bytes > max_file_bytes ? bytes - max_file_bytes : 0;
    std::string text(std::min(bytes, max_file_bytes), '\0');
    ssize_t const n = ::pread(file.get(), text.data(), text.size(), static_cast<off_t>(skip));
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
}

}  // namespace

unsigned keep_logs(std::string const& from, std::string const& to)
{
    unsigned count = 0;
    std::error_code code;
    auto const options = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator it(from, options, code), end;
         !code && it != end && count < max_file_count; it.increment(code)) {
        std::error_code ignored;
        auto const name = it->path().filename().string();
        if (!is_wanted(name) || it->is_symlink(ignored) || !it->is_regular_file(ignored)) continue;
        auto const text = read_end(it->path().string(), it->file_size(ignored));
        auto const parent = it->path().parent_path();
        auto const kept = it.depth() == 0 ? name : parent.filename().string() + "." + name;
        if (count == 0 && !make_folders(to)) return 0;
        if (replace_file(to + "/" + kept, text)) ++count;
    }
    return count;
}

}  // namespace yoda::athenamp
