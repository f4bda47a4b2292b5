// SPDX-License-Identifier: Apache-2.0
#include "sys/journal/reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace yoda {

using journal::Reader;

namespace {

/// No frame is longer: so much is looked at before bytes are called damaged.
constexpr std::size_t longest_frame_bytes = (1u << 20) + 64;
constexpr std::size_t read_bytes = 1u << 18;

}  // namespace

Result<SegmentReader> SegmentReader::open(std::string const& path, std::size_t window_bytes)
{
    auto file = open_file(path, O_RDONLY);
    if (!file) return file.error();
    return SegmentReader(std::move(*file), path, std::max(window_bytes, 2 * longest_frame_bytes));
}

SegmentReader::SegmentReader(FileDescriptor file, std::string path, std::size_t window_bytes)
    : file_(std::move(file)), path_(std::move(path)), window_bytes_(window_bytes), reader_({})
{}

/// Moves the window on so that it begins where the reader stands. False: the disk failed.
bool SegmentReader::fill()
{
    window_.erase(0, reader_.offset());
    window_begin_ += reader_.offset();
    while (window_.size() < window_bytes_ && !at_end_) {
        std::size_t const have = window_.size();
        std::size_t const count = std::min(read_bytes, window_bytes_ - have);
        window_.resize(have + count);
        ssize_t const n =
            ::pread(file_.get(), window_.data() + have, count, static_cast<off_t>(window_begin_ + have));
        window_.resize(have + (n > 0 ? static_cast<std::size_t>(n) : 0));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            trouble_ = os_error("read", path_, errno).text();
            return false;
        }
        at_end_ = n == 0;
    }
    reader_ = Reader(window_);
    return true;
}

SegmentReader::Step SegmentReader::next()
{
    // The rest of the window may be shorter than a frame: then more is needed before anything can be said.
    if (!at_end_ && window_.size() - reader_.offset() < longest_frame_bytes && !fill())
        return Step::unreadable;
    offset_ = window_begin_ + reader_.offset();
    switch (reader_.next()) {
        case Reader::Step::record:
            return Step::record;
        case Reader::Step::end:
            return Step::end;
        case Reader::Step::bad:
            break;
    }
    if (reader_.is_other_version()) {
        trouble_ = reader_.trouble();
        return Step::other_version;
    }
    return skip_damage();
}

SegmentReader::Step SegmentReader::skip_damage()
{
    for (;;) {
        bool const found = reader_.skip_bad();
        damage_end_ = window_begin_ + (found ? reader_.offset() : window_.size());
        if (found) return Step::damage;
        if (at_end_) return Step::torn;
        // A frame may begin near the end of the window: that part is looked at again with what follows.
        std::size_t const looked_at = window_.size() - longest_frame_bytes;
        window_.erase(0, looked_at);
        window_begin_ += looked_at;
        reader_ = Reader(window_);
        if (!fill()) return Step::unreadable;
    }
}

Status copy_bytes(std::string const& from, std::uint64_t begin, std::uint64_t end, std::string const& to)
{
    auto const source = open_file(from, O_RDONLY);
    if (!source) return source.error();
    if (path_exists(to)) return {};
    std::string const part = to + ".part";
    auto const target = open_file(part, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (!target) return target.error();
    std::string buffer;
    while (begin < end) {
        buffer.resize(static_cast<std::size_t>(std::min<std::uint64_t>(end - begin, 1u << 20)));
        ssize_t const n = ::pread(source->get(), buffer.data(), buffer.size(), static_cast<off_t>(begin));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", from, errno);
        if (n == 0) break;  // It has become shorter.
        auto const count = static_cast<std::size_t>(n);
        if (auto status = write_all(target->get(), std::string_view(buffer).substr(0, count), part); !status)
            return status;
        begin += count;
    }
    if (::fsync(target->get()) != 0) return os_error("sync", part, errno);
    if (::rename(part.c_str(), to.c_str()) != 0) return os_error("rename", part, errno);
    return {};
}

}  // namespace yoda
