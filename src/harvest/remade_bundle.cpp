#include "harvest/remade_bundle.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "harvest/stores/file_sums.hpp"
#include "sys/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t header_bytes = 512;
constexpr std::size_t copy_bytes = 1u << 20;
using Header = std::array<char, header_bytes>;

void put(Header& header, std::size_t at, std::string_view text)
{
    std::copy(text.begin(), text.end(), header.begin() + static_cast<std::ptrdiff_t>(at));
}

/// POSIX ustar. Sizes beyond its octal digits are written as GNU tar does, in binary.
Header make_header(BundleMember const& member)
{
    Header header{};
    put(header, 0, std::string_view(member.name).substr(0, 100));
    put(header, 100, "0000644");
    put(header, 108, "0000000");
    put(header, 116, "0000000");
    if (member.bytes < (1ull << 33)) {
        put(header, 124, fmt::format("{:011o}", member.bytes));
    } else {
        header[124] = '\x80';
        for (std::size_t i = 0; i < 8; ++i)
            header[135 - i] = static_cast<char>((member.bytes >> (8 * i)) & 0xff);
    }
    put(header, 136, "00000000000");
    put(header, 148, "        ");
    header[156] = '0';
    put(header, 257, std::string_view("ustar\00000", 8));
    unsigned sum = 0;
    for (char const c : header) sum += static_cast<unsigned char>(c);
    put(header, 148, fmt::format("{:06o}", sum));
    header[154] = '\0';
    return header;
}

Status write_at(int fd, std::string_view bytes, std::uint64_t offset, std::string const& path)
{
    while (!bytes.empty()) {
        ssize_t const n = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("write", path, errno);
        bytes.remove_prefix(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return {};
}

}  // namespace

Result<RemadeBundle> RemadeBundle::create(std::string const& path, BundleManifest const& manifest)
{
    auto part = PartFile::create(path);
    if (!part) return part.error();
    if (::ftruncate(part->fd(), static_cast<off_t>(manifest.bytes)) != 0)
        return os_error("write", path, errno);
    return RemadeBundle(*std::move(part), manifest.bytes);
}

Status RemadeBundle::add(BundleMember const& member, std::string const& output)
{
    if (member.data_offset < header_bytes || member.data_offset > bytes_ ||
        member.bytes > bytes_ - member.data_offset)
        return Error{ErrorKind::bad_input,
                     "the bundle of " + member.name + " cannot be made again",
                     "its index places it outside of the bundle",
                     {}};
    auto const header = make_header(member);
    if (auto const status = write_at(part_.fd(), {header.data(), header.size()},
                                     member.data_offset - header.size(), member.name);
        !status)
        return status;
    auto const from = open_file(output, O_RDONLY);
    if (!from) return from.error();
    std::string block(std::min<std::uint64_t>(copy_bytes, member.bytes), '\0');
    for (std::uint64_t done = 0; done < member.bytes;) {
        ssize_t const n =
            ::pread(from->get(), block.data(), std::min<std::uint64_t>(block.size(), member.bytes - done),
                    static_cast<off_t>(done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", output, errno);
        if (n == 0)
            return Error{ErrorKind::io, member.name + " cannot be put back", output + " became shorter", {}};
        if (auto const status =
                write_at(part_.fd(), std::string_view(block).substr(0, static_cast<std::size_t>(n)),
                         member.data_offset + done, member.name);
            !status)
            return status;
        done += static_cast<std::uint64_t>(n);
    }
    return {};
}

Status RemadeBundle::keep()
{
    return part_.keep();
}

bool holds_all_members(std::string const& path, BundleManifest const& manifest, BundleIndex const& index)
{
    std::error_code code;
    if (std::filesystem::file_size(path, code) != manifest.bytes || code) return false;
    auto const fd = open_file(path, O_RDONLY);
    if (!fd) return false;
    for (auto const& entry : index.entries)
        for (auto const& member : entry.members) {
            auto const sums = sum_part(fd->get(), member.data_offset, member.bytes, false);
            if (!sums || sums->adler32 != member.adler32) return false;
        }
    return true;
}

}  // namespace yoda
