// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/remade_bundle.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "core/base/checksum.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t copy_bytes = 1u << 20;

Error not_the_same(std::string const& name, std::string why)
{
    return {ErrorKind::bad_input, name + " cannot be made again", std::move(why), {}};
}

}  // namespace

Result<RemadeBundle> RemadeBundle::create(std::string const& path)
{
    auto part = PartFile::create(path);
    if (!part) return part.error();
    FileDescriptor file(::fcntl(part->fd(), F_DUPFD_CLOEXEC, 0));
    if (!file) return os_error("write", path, errno);
    auto tar = std::make_unique<TarFile>(std::move(file), path);
    return RemadeBundle(*std::move(part), std::move(tar));
}

Status RemadeBundle::add(BundleMember const& member, std::string const& output)
{
    auto const from = open_file(output, O_RDONLY);
    if (!from) return from.error();
    if (auto begun = tar_->begin_member(member.name, member.bytes); !begun) return begun;
    if (tar_->bytes() != member.data_offset)
        return not_the_same("the bundle of " + member.name, "its index has it at another place");
    std::string block(copy_bytes, '\0');
    for (std::uint64_t left = member.bytes; left > 0;) {
        ssize_t const n = ::read(from->get(), block.data(), std::min<std::uint64_t>(block.size(), left));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", output, errno);
        if (n == 0)
            return Error{ErrorKind::io, member.name + " cannot be put back", output + " became shorter", {}};
        auto const content = std::string_view(block).substr(0, static_cast<std::size_t>(n));
        if (auto written = tar_->write(content); !written) return written;
        left -= content.size();
    }
    return tar_->end_member();
}

Status RemadeBundle::keep(BundleManifest const& manifest)
{
    if (auto finished = tar_->finish(); !finished) return finished;
    if (tar_->bytes() != manifest.bytes || tar_->adler32() != manifest.adler32)
        return not_the_same(
            manifest.bundle,
            fmt::format("it has {} bytes and adler32 {}, the manifest says {} and {}", tar_->bytes(),
                        print_adler32(tar_->adler32()), manifest.bytes, print_adler32(manifest.adler32)));
    return part_.keep();
}

}  // namespace yoda
