// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "payload/yoda_payload.hpp"

namespace yoda::payload {
namespace {

bool is_unspeakable(std::string_view path)
{
    return std::any_of(path.begin(), path.end(),
                       [](char c) { return c == ',' || static_cast<unsigned char>(c) < 0x20; });
}

std::string why_unspeakable(std::string_view path)
{
    return "output file '" + std::string(path) +
           "' cannot be reported: its path holds a comma or a control character";
}

}  // namespace

std::string out_lfn(std::string_view name)
{
    auto const variable = "YODA_OUT_LFN" + (name.empty() ? std::string() : "_" + std::string(name));
    auto const* const value = std::getenv(variable.c_str());
    return value ? value : "";
}

Output::Output(std::string folder) : folder_(std::move(folder)) {}

void Output::start(std::string const& id)
{
    id_ = id;
    paths_.clear();
}

std::string Output::file(std::string_view stem)
{
    if (id_.find('/') != std::string::npos)
        throw Fatal("eventRangeID '" + id_ + "' holds a '/' and cannot be part of a file name");
    add(std::string(stem) + "." + id_);
    return paths_.back();
}

void Output::add(std::string_view path)
{
    if (path.empty()) throw Fatal("an output file has an empty name");
    auto own = path;
    if (path.starts_with(folder_ + "/")) own.remove_prefix(folder_.size());
    if (is_unspeakable(own)) throw Fatal(why_unspeakable(path));
    auto full = path.starts_with('/') ? std::string(path) : folder_ + "/" + std::string(path);
    if (is_unspeakable(full))
        throw std::invalid_argument(why_unspeakable(full));  // The folder is this worker's.
    paths_.push_back(std::move(full));
}

void Output::remove_files() const
{
    for (auto const& path : paths_) {
        struct stat info {};  // A device or FIFO that the payload named stays.
        if (lstat(path.c_str(), &info) == 0 && (S_ISREG(info.st_mode) || S_ISLNK(info.st_mode)))
            unlink(path.c_str());
    }
}

}  // namespace yoda::payload
