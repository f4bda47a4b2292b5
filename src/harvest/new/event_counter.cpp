// SPDX-License-Identifier: Apache-2.0
#include "harvest/new/event_counter.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "core/base/checksum.hpp"
#include "sys/base/files.hpp"
#include "sys/hdf5/events.hpp"

namespace yoda {

namespace {

constexpr std::size_t head_bytes = 4096;
constexpr std::size_t block_bytes = 1u << 20;
constexpr std::size_t line_head_bytes = 256;  // More of a line is never looked at.

Error bad_input(std::string why, std::string fix)
{
    return {ErrorKind::bad_input, {}, std::move(why), std::move(fix)};
}

/// Whether `line` begins with `tag` as a whole word: `<init` must not find `<initrwgt>`.
bool begins_tag(std::string_view line, std::string_view tag)
{
    if (!line.starts_with(tag)) return false;
    if (line.size() == tag.size()) return true;
    char const next = line[tag.size()];
    return next == '>' || next == ' ' || next == '\t' || next == '\r';
}

std::string_view without_indent(std::string_view line)
{
    auto const begin = line.find_first_not_of(" \t");
    return begin == std::string_view::npos ? std::string_view() : line.substr(begin);
}

}  // namespace

std::string_view print_format(EventFormat format)
{
    switch (format) {
        case EventFormat::les_houches:
            return "Les Houches events";
        case EventFormat::hepmc:
            return "HepMC events";
        case EventFormat::hdf5:
            return "HDF5";
        case EventFormat::unknown:
            return "unknown format";
    }
    return "unknown format";
}

Result<EventFormat> detect_format(std::string_view head)
{
    struct Magic {
        std::string_view bytes;
        std::string_view program;
    };
    static constexpr Magic compressed[] = {{"\x1f\x8b", "gunzip"},
                                           {"\x28\xb5\x2f\xfd", "zstd -d"},
                                           {"BZh", "bunzip2"},
                                           {"\xfd"
                                            "7zXZ",
                                            "unxz"}};
    for (auto const& [bytes, program] : compressed) {
        if (head.starts_with(bytes))
            return bad_input("it is compressed, so its events cannot be reached by position",
                             fmt::format("unpack it with {} and give the unpacked file", program));
    }
    if (head.starts_with("\x89HDF\r\n\x1a\n")) return EventFormat::hdf5;
    head = head.substr(0, head_bytes);
    if (head.find("<LesHouchesEvents") != std::string_view::npos) return EventFormat::les_houches;
    if (head.find("HepMC::") != std::string_view::npos) return EventFormat::hepmc;
    return EventFormat::unknown;
}

void EventCounter::feed(std::string_view piece)
{
    while (!piece.empty()) {
        auto const end = piece.find('\n');
        bool const whole = end != std::string_view::npos;
        auto const part = piece.substr(0, whole ? end : piece.size());
        if (line_.empty() && whole) {
            take_line(part);
        } else {
            line_.append(part.substr(0, line_head_bytes - std::min(line_head_bytes, line_.size())));
            if (whole) {
                take_line(line_);
                line_.clear();
            }
        }
        piece.remove_prefix(part.size() + (whole ? 1 : 0));
    }
}

void EventCounter::take_line(std::string_view line)
{
    if (format_ == EventFormat::les_houches) take_les_houches_line(line);
    if (format_ == EventFormat::hepmc) take_hepmc_line(line);
}

void EventCounter::take_les_houches_line(std::string_view line)
{
    line = without_indent(line);
    if (line.empty()) return;
    if (line[0] != '<') return;
    if (line.starts_with("</init>")) {
        has_init_ = true;
    } else if (has_init_ && begins_tag(line, "<event")) {
        ++begun_;
    } else if (has_init_ && line.starts_with("</event>")) {
        ended_ = begun_;
    } else if (line.starts_with("</LesHouchesEvents>")) {
        closed_ = true;
    }
}

void EventCounter::take_hepmc_line(std::string_view line)
{
    if (line.starts_with("E ")) {
        ++begun_;
        closed_ = false;
    } else if (line.starts_with("HepMC::") && line.find("-END_EVENT_LISTING") != std::string_view::npos) {
        closed_ = true;
        ended_ = begun_;
    }
}

Result<std::uint64_t> EventCounter::finish()
{
    if (!line_.empty()) take_line(line_);
    line_.clear();
    std::string const again = "get the file again, or make it anew";
    if (format_ == EventFormat::les_houches && !has_init_)
        return bad_input("it has no complete <init> block", again);
    if (!closed_) {
        std::string_view const mark =
            format_ == EventFormat::les_houches ? "</LesHouchesEvents>" : "HepMC::...-END_EVENT_LISTING";
        return bad_input(fmt::format("it is cut off: {} is missing at its end, after {} events{}", mark,
                                     begun_, ended_ == begun_ ? "" : " of which the last is not complete"),
                         again);
    }
    if (ended_ != begun_) return bad_input(fmt::format("event {} has no </event>", begun_), again);
    if (begun_ == 0) return bad_input("it holds no events", "give a file with events");
    return begun_;
}

Result<InputSurvey> survey_input(std::string const& path)
{
    auto const refuse = [&](Error error) {
        error.what = fmt::format("input {} cannot be used", path);
        return error;
    };
    auto fd = open_file(path, O_RDONLY | O_NONBLOCK);  // A FIFO must not make us wait.
    if (!fd) {
        auto error = fd.error();
        error.fix = "give the path of a readable file";
        return error;
    }
    struct stat info {};
    if (::fstat(fd->get(), &info) != 0) return os_error("look at", path, errno);
    if (S_ISDIR(info.st_mode)) return refuse(bad_input("it is a folder", "give its files one by one"));
    if (!S_ISREG(info.st_mode)) return refuse(bad_input("it is no regular file", "copy it to a file"));
    if (info.st_size == 0) return refuse(bad_input("it is empty", "get the file again"));

    InputSurvey survey;
    std::optional<EventCounter> counter;
    std::vector<char> block(block_bytes);
    for (;;) {
        ssize_t const n = ::read(fd->get(), block.data(), block.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", path, errno);
        if (n == 0) break;
        std::string_view const piece(block.data(), static_cast<std::size_t>(n));
        if (survey.bytes == 0) {
            auto const format = detect_format(piece);
            if (!format) return refuse(format.error());
            survey.format = *format;
            counter.emplace(*format);
        }
        survey.bytes += piece.size();
        survey.adler32 = adler32(piece, survey.adler32);
        survey.crc32c = crc32c(piece, survey.crc32c);
        counter->feed(piece);
    }
    if (survey.format == EventFormat::hdf5) {
        auto const count = hdf5::count_events(path);
        if (!count) return refuse(count.error());
        survey.event_count = *count;
        if (survey.event_count == 0)
            return refuse(bad_input("it holds no events", "give a file with events"));
    } else if (survey.format != EventFormat::unknown) {
        auto const count = counter->finish();
        if (!count) return refuse(count.error());
        survey.event_count = *count;
    }
    return survey;
}

}  // namespace yoda
