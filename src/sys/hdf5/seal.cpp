// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/seal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/checksum.hpp"
#include "sys/base/files.hpp"
#include "sys/base/named_output.hpp"
#include "sys/hdf5/superblock.hpp"

namespace yoda::hdf5 {

namespace {

constexpr std::size_t block_bytes = 1u << 20;
constexpr std::string_view old_seal = "yoda hdf5 1 bytes ";
constexpr std::string_view current_seal = "yoda hdf5 2 bytes ";
static_assert(old_seal.size() == current_seal.size());

struct Sum {
    std::uint64_t bytes = 0;  ///< of the whole file
    std::uint32_t crc = 0;    ///< of what follows the seal
    std::string left_out;     ///< fields of the superblock that the CRC takes as zeros; empty in the old form
    bool operator==(Sum const&) const = default;
};

std::string print_seal(Sum const& sum)
{
    if (sum.left_out.empty()) return fmt::format("{}{} crc32c {:08x}\n", old_seal, sum.bytes, sum.crc);
    return fmt::format("{}{} crc32c {:08x} without {}\n", current_seal, sum.bytes, sum.crc, sum.left_out);
}

std::optional<Sum> parse_seal(std::string_view text)
{
    auto const end = std::min(text.find('\0'), text.size());
    if (text.find_first_not_of('\0', end) != std::string_view::npos) return std::nullopt;
    text = text.substr(0, end);
    Sum sum;
    constexpr std::string_view before_crc = " crc32c ";
    constexpr std::string_view before_left_out = " without ";
    auto const at = text.find(before_crc);
    if (at == std::string_view::npos || at < old_seal.size()) return std::nullopt;
    char const* const hex = text.data() + at + before_crc.size();
    std::from_chars(text.data() + old_seal.size(), text.data() + at, sum.bytes);
    std::from_chars(hex, text.data() + text.size(), sum.crc, 16);
    if (auto const without = text.find(before_left_out); without != std::string_view::npos) {
        auto const begin = without + before_left_out.size();
        sum.left_out = text.substr(begin, text.find('\n') - begin);
    }
    return print_seal(sum) == text ? std::optional(sum) : std::nullopt;
}

/// Reads on from `offset` through short reads; returns how much there was.
Result<std::size_t> read_at(int fd, std::string const& path, std::uint64_t offset, char* to, std::size_t size)
{
    std::size_t done = 0;
    while (done < size) {
        ssize_t const n = ::pread(fd, to + done, size - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", path, errno);
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

/// With HDF5's own marks as they are, or as if they were `marks`.
Result<Sum> sum_file(int fd, std::string const& path, std::optional<OwnMarks> marks)
{
    std::vector<char> block(block_bytes);
    Sum sum{seal_bytes, 0, {}};
    for (;;) {
        auto const got = read_at(fd, path, sum.bytes, block.data(), block.size());
        if (!got) return got.error();
        if (*got == 0) return sum;
        if (sum.bytes == seal_bytes && marks) {
            if (marks == OwnMarks::cleared) sum.left_out = print_own_marks({block.data(), *got});
            set_own_marks({block.data(), *got}, *marks);
        }
        sum.crc = crc32c({block.data(), *got}, sum.crc);
        sum.bytes += *got;
    }
}

Status copy_bytes(int from, std::string const& from_path, int to, std::string const& to_path)
{
    std::string block(block_bytes, '\0');
    for (std::uint64_t offset = 0;;) {
        auto const got = read_at(from, from_path, offset, block.data(), block.size());
        if (!got) return got.error();
        if (*got == 0) return {};
        if (auto status = write_all(to, {block.data(), *got}, to_path); !status) return status;
        offset += *got;
    }
}

}  // namespace

Status write_seal(int fd, std::string const& path)
{
    auto const sum = sum_file(fd, path, OwnMarks::cleared);
    if (!sum) return sum.error();
    auto const line = print_seal(*sum);
    std::string user_block(seal_bytes, '\0');  // All of it: there may be another seal.
    YODA_CHECK(line.size() < seal_bytes, "a seal fits into the user block");
    user_block.replace(0, line.size(), line);
    if (::pwrite(fd, user_block.data(), user_block.size(), 0) != static_cast<ssize_t>(user_block.size()))
        return os_error("write", path, errno);
    return {};
}

Status commit_sealed(int fd, std::string const& part, std::string const& path)
{
    if (auto status = write_seal(fd, part); !status) return status;
    struct stat info {};
    // Best effort: some network file systems have no modes.
    if (::fstat(fd, &info) == 0 && ::fchmod(fd, info.st_mode & 0444) != 0) errno = 0;
    if (::fsync(fd) != 0) return os_error("sync", part, errno);
    if (::rename(part.c_str(), path.c_str()) != 0) return os_error("rename", part, errno);
    return sync_folder(std::filesystem::path(path).parent_path().string());
}

Result<SealForm> check_seal(int fd, std::string const& path)
{
    auto const refuse = [&](std::string why) {
        return Error{ErrorKind::bad_input, "cannot use " + path, std::move(why), {}};
    };
    struct stat info {};
    if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return refuse("it is no regular file");
    auto const size = static_cast<std::uint64_t>(info.st_size);
    if (size == 0) return refuse("it is empty");
    std::array<char, seal_bytes> head{};
    auto const got = read_at(fd, path, 0, head.data(), head.size());
    if (!got) return got.error();
    std::string_view const text(head.data(), *got);
    auto const seal = parse_seal(text);
    if (!seal) {
        if (text.starts_with(superblock_magic)) return refuse("it is a HDF5 file that yoda did not write");
        return refuse("it is no HDF5 file");
    }
    if (size < seal->bytes) return refuse(fmt::format("it is cut off: {} of {} bytes", size, seal->bytes));
    bool const is_old = seal->left_out.empty();
    auto const sum = sum_file(fd, path, is_old ? std::nullopt : std::optional(OwnMarks::cleared));
    if (!sum) return sum.error();
    if (*sum == *seal) return is_old ? SealForm::old : SealForm::current;
    if (is_old) {
        auto const before = sum_file(fd, path, OwnMarks::as_created);
        if (!before) return before.error();
        if (*before == *seal) return SealForm::old_opened;
    }
    return refuse("it is damaged or was changed: its checksum is not the one it tells");
}

bool wants_renewal(std::string const& path)
{
    auto const file = open_file(path, O_RDONLY | O_NONBLOCK);
    if (!file) return false;
    std::array<char, old_seal.size()> head{};
    auto const got = read_at(file->get(), path, 0, head.data(), head.size());
    if (!got || std::string_view(head.data(), *got) != old_seal) return false;
    auto const form = check_seal(file->get(), path);
    return form && *form == SealForm::old_opened;
}

Status renew_seal(std::string const& path)
{
    auto const source = open_file(path, O_RDONLY);
    if (!source) return source.error();
    auto const part = fmt::format("{}.{}.part", path, ::getpid());
    auto const copy = open_part(part, 0644);
    if (!copy) return copy.error();
    auto status = copy_bytes(source->get(), path, copy->get(), part);
    if (status) status = commit_sealed(copy->get(), part, path);
    if (!status) ::unlink(part.c_str());
    return status;
}

}  // namespace yoda::hdf5
