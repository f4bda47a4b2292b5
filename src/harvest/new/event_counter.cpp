// SPDX-License-Identifier: Apache-2.0
#include "harvest/new/event_counter.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "core/base/checksum.hpp"
#include "core/event_text/archive_members.hpp"
#include "sys/base/files.hpp"
#include "sys/hdf5/events.hpp"

namespace yoda {

namespace {

constexpr std::size_t head_bytes = 4096;
constexpr std::size_t block_bytes = 1u << 20;

Error bad_input(std::string why, std::string fix)
{
    return {ErrorKind::bad_input, {}, std::move(why), std::move(fix)};
}

/// Error: an archive of several files. Those of one are looked at as they are.
Status check_archive(int fd, std::uint64_t bytes)
{
    auto const read = [fd](std::uint64_t offset, std::size_t size) {
        std::string text(size, '\0');
        ssize_t const n = ::pread(fd, text.data(), size, static_cast<off_t>(offset));
        text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
        return text;
    };
    auto const count = count_archive_members(bytes, read);
    if (count.value_or(1) <= 1) return {};
    return bad_input(fmt::format("it is an archive of {} files", *count),
                     "unpack it and give its files one by one");
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
    if (is_les_houches(head)) return EventFormat::les_houches;
    if (head.substr(0, head_bytes).find("HepMC::") != std::string_view::npos) return EventFormat::hepmc;
    return EventFormat::unknown;
}

void EventCounter::feed(std::string_view piece)
{
    if (format_ == EventFormat::les_houches) les_houches_.feed(piece, found_);
    if (format_ == EventFormat::hepmc) hepmc_.feed(piece, found_);
    found_.clear();  // The scanners count.
}

Result<std::uint64_t> EventCounter::finish(CutEvents cut)
{
    bool const is_hepmc = format_ == EventFormat::hepmc;
    if (is_hepmc) hepmc_.finish(found_);
    if (auto const status = is_hepmc ? hepmc_.check(cut) : les_houches_.check(cut); !status)
        return status.error();
    return is_hepmc ? hepmc_.event_count() : les_houches_.event_count();
}

Result<InputSurvey> survey_input(std::string const& path, CutEvents cut)
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
    if (auto const status = check_archive(fd->get(), static_cast<std::uint64_t>(info.st_size)); !status)
        return refuse(status.error());

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
        auto const count = counter->finish(cut);
        if (!count) return refuse(count.error());
        survey.event_count = *count;
        survey.joined = counter->joined();
    }
    return survey;
}

}  // namespace yoda
