#include "sys/hdf5_seal.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <vector>

#include "core/checksum.hpp"
#include "sys/files.hpp"

namespace yoda::hdf5 {

namespace {

constexpr std::string_view hdf5_magic = "\x89HDF\r\n\x1a\n";
constexpr std::size_t block_bytes = 1u << 20;

struct Sum {
    std::uint64_t bytes = 0;  ///< of the whole file
    std::uint32_t crc = 0;    ///< of what follows the seal
    bool operator==(Sum const&) const = default;
};

std::string print_seal(Sum const& sum)
{
    return fmt::format("yoda hdf5 1 bytes {} crc32c {:08x}\n", sum.bytes, sum.crc);
}

std::optional<Sum> parse_seal(std::string_view text)
{
    auto const end = std::min(text.find('\0'), text.size());
    if (text.find_first_not_of('\0', end) != std::string_view::npos) return std::nullopt;
    text = text.substr(0, end);
    Sum sum;
    constexpr std::string_view before_bytes = "yoda hdf5 1 bytes ";
    constexpr std::string_view before_crc = " crc32c ";
    if (!text.starts_with(before_bytes)) return std::nullopt;
    auto const at = text.find(before_crc);
    if (at == std::string_view::npos) return std::nullopt;
    char const* const digits = text.data() + before_bytes.size();
    char const* const hex = text.data() + at + before_crc.size();
    std::from_chars(digits, text.data() + at, sum.bytes);
    std::from_chars(hex, text.data() + text.size(), sum.crc, 16);
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

Result<Sum> sum_file(int fd, std::string const& path)
{
    std::vector<char> block(block_bytes);
    Sum sum{seal_bytes, 0};
    for (;;) {
        auto const got = read_at(fd, path, sum.bytes, block.data(), block.size());
        if (!got) return got.error();
        if (*got == 0) return sum;
        sum.crc = crc32c({block.data(), *got}, sum.crc);
        sum.bytes += *got;
    }
}

}  // namespace

Status write_seal(int fd, std::string const& path)
{
    auto const sum = sum_file(fd, path);
    if (!sum) return sum.error();
    auto const line = print_seal(*sum);
    if (::pwrite(fd, line.data(), line.size(), 0) != static_cast<ssize_t>(line.size()))
        return os_error("write", path, errno);
    return {};
}

Status check_seal(int fd, std::string const& path)
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
        if (text.starts_with(hdf5_magic)) return refuse("it is a HDF5 file that yoda did not write");
        return refuse("it is no HDF5 file");
    }
    if (size < seal->bytes) return refuse(fmt::format("it is cut off: {} of {} bytes", size, seal->bytes));
    auto const sum = sum_file(fd, path);
    if (!sum) return sum.error();
    if (*sum != *seal) return refuse("it is damaged or was changed: its checksum is not the one it tells");
    return {};
}

}  // namespace yoda::hdf5
