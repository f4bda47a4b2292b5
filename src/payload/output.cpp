#include <sys/stat.h>
#include <unistd.h>

#include "payload/yoda_payload.hpp"

namespace yoda::payload {
namespace {

void refuse_unspeakable(std::string_view path)
{
    if (path.empty()) throw std::invalid_argument("an output file has an empty name");
    for (char const c : path) {
        if (c == ',' || static_cast<unsigned char>(c) < 0x20) {
            throw std::invalid_argument(
                "output file '" + std::string(path) +
                "' cannot be reported: its path holds a comma or a control character");
        }
    }
}

}  // namespace

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
    auto full = path.starts_with('/') ? std::string(path) : folder_ + "/" + std::string(path);
    refuse_unspeakable(full);
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
