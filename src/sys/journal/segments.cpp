// SPDX-License-Identifier: Apache-2.0
#include "sys/journal/segments.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <tuple>

namespace yoda {

namespace {

std::string segment_name(Life life, std::uint64_t number)
{
    return fmt::format("{:05}-{:010}.journal", life, number);
}

std::optional<JournalSegment> parse_name(std::string const& name)
{
    JournalSegment segment;
    char const* const end = name.data() + name.size();
    auto const life = std::from_chars(name.data(), end, segment.life);
    if (life.ec != std::errc{} || life.ptr == end) return std::nullopt;
    auto const number = std::from_chars(life.ptr + 1, end, segment.number);
    if (number.ec != std::errc{} || segment_name(segment.life, segment.number) != name) return std::nullopt;
    return segment;
}

}  // namespace

std::string segment_path(std::string const& folder, Life life, std::uint64_t number)
{
    return folder + "/" + segment_name(life, number);
}

Result<std::vector<JournalSegment>> list_segments(std::string const& folder)
{
    std::vector<JournalSegment> segments;
    std::error_code code;
    for (std::filesystem::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
        auto segment = parse_name(at->path().filename().string());
        if (!segment) continue;
        std::error_code gone;
        segment->path = at->path().string();
        segment->bytes = at->file_size(gone);
        if (!gone) segments.push_back(*std::move(segment));
    }
    if (code) return os_error("read folder", folder, code.value());
    std::sort(segments.begin(), segments.end(), [](JournalSegment const& a, JournalSegment const& b) {
        return std::tie(a.life, a.number) < std::tie(b.life, b.number);
    });
    return segments;
}

Result<FileDescriptor> create_segment(std::string const& folder, Life life, std::uint64_t number)
{
    auto const path = segment_path(folder, life, number);
    auto file = open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644);
    if (!file) return file.error();
    if (Status const synced = sync_folder(folder); !synced) {
        ::unlink(path.c_str());
        return synced.error();
    }
    return file;
}

Status remove_segments(std::string const& folder, Life life, std::uint64_t number)
{
    auto const segments = list_segments(folder);
    if (!segments) return segments.error();
    for (auto const& segment : *segments) {
        if (segment.life > life || (segment.life == life && segment.number >= number)) continue;
        if (::unlink(segment.path.c_str()) != 0 && errno != ENOENT)
            return os_error("remove", segment.path, errno);
    }
    return {};
}

}  // namespace yoda
