// SPDX-License-Identifier: Apache-2.0
#include "sys/bundle/sealed_copy.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/base/checksum.hpp"
#include "sys/base/files.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/bundle/tar_file.hpp"

namespace yoda {

namespace {

constexpr std::size_t chunk_bytes = 1u << 18;

/// Reads exactly `count` bytes; false if they are not there or cannot be read.
bool read_at(int fd, std::uint64_t offset, char* out, std::size_t count)
{
    while (count > 0) {
        ssize_t const n = ::pread(fd, out, count, static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        out += n;
        offset += static_cast<std::uint64_t>(n);
        count -= static_cast<std::size_t>(n);
    }
    return true;
}

enum class Copied { whole, damaged };

Result<Copied> copy_member(int source, BundleMember& member, TarFile& tar, std::string& buffer)
{
    if (auto status = tar.begin_member(member.name, member.bytes); !status) return status.error();
    std::uint64_t from = member.data_offset;
    member.data_offset = tar.bytes();
    std::uint32_t sum = 1;
    for (std::uint64_t left = member.bytes; left > 0;) {
        auto const count = static_cast<std::size_t>(std::min<std::uint64_t>(left, chunk_bytes));
        buffer.resize(count);
        if (!read_at(source, from, buffer.data(), count)) return Copied::damaged;
        sum = adler32(buffer, sum);
        if (auto status = tar.write(buffer); !status) return status.error();
        from += count;
        left -= count;
    }
    if (sum != member.adler32) return Copied::damaged;
    if (auto status = tar.end_member(); !status) return status.error();
    return Copied::whole;
}

Result<Copied> copy_entry(int source, BundleEntry& entry, TarFile& tar, std::string& buffer)
{
    auto const before = tar.mark();
    entry.begin = before.bytes;
    for (auto& member : entry.members) {
        auto copied = copy_member(source, member, tar, buffer);
        if (!copied) return copied;
        if (*copied == Copied::whole) continue;
        if (auto status = tar.cut_back(before); !status) return status.error();
        return copied;
    }
    entry.end = tar.bytes();
    return Copied::whole;
}

Result<SealedCopy> copy_entries(int source, std::span<BundleEntry const> entries, TarFile& tar,
                                std::string& index)
{
    SealedCopy copy;
    std::string buffer;
    for (auto entry : entries) {
        auto copied = copy_entry(source, entry, tar, buffer);
        if (!copied) return copied.error();
        if (*copied == Copied::damaged) {
            copy.damaged.push_back({entry.range, Epoch{entry.epoch}});
            continue;
        }
        encode_index_entry(entry, index);
        ++copy.manifest.entry_count;
    }
    return copy;
}

Status write_synced(std::string const& path, std::string_view bytes)
{
    auto file = open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (!file) return file.error();
    auto status = write_all(file->get(), bytes, path);
    if (status && ::fsync(file->get()) != 0) status = os_error("sync", path, errno);
    return status;
}

}  // namespace

Status rename_file(std::string const& from, std::string const& to)
{
    if (std::rename(from.c_str(), to.c_str()) != 0) return os_error("rename", from, errno);
    return {};
}

Status write_manifest(std::string const& path, BundleManifest const& manifest)
{
    return replace_file(path, print_manifest(manifest));
}

Result<SealedCopy> write_sealed_copy(std::string const& source_tar, std::span<BundleEntry const> entries,
                                     std::string const& folder, BundleOrigin const& origin,
                                     SealFacts const& facts)
{
    auto const paths = bundle_paths(folder, origin);
    auto const new_tar = paths.tar + ".new";
    auto const new_index = paths.index + ".new";
    auto const source = open_file(source_tar, O_RDONLY);
    if (!source) return source.error();
    auto file = open_file(new_tar, O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (!file) return file.error();

    std::string index = encode_index_header(origin);
    TarFile tar(std::move(*file), new_tar);
    auto const give_up = [&](Error error) {
        ::unlink(new_tar.c_str());
        ::unlink(new_index.c_str());
        return error;
    };
    auto copy = copy_entries(source->get(), entries, tar, index);
    if (!copy) return give_up(copy.error());
    if (copy->manifest.entry_count == 0) {
        ::unlink(new_tar.c_str());
        return copy;
    }
    if (auto status = tar.finish(); !status) return give_up(status.error());
    if (auto status = write_synced(new_index, index); !status) return give_up(status.error());
    if (auto status = rename_file(new_index, paths.index); !status) return give_up(status.error());
    if (auto status = rename_file(new_tar, paths.tar); !status) return give_up(status.error());
    if (auto status = sync_folder(folder); !status) return status.error();

    auto& manifest = copy->manifest;
    manifest.origin = origin;
    manifest.task_id = facts.task_id;
    manifest.jobset_id = facts.jobset_id;
    manifest.bundle = bundle_name(origin) + ".tar";
    manifest.bytes = tar.bytes();
    manifest.adler32 = tar.adler32();
    manifest.index_bytes = index.size();
    manifest.sealed_unix_s = facts.unix_s;
    if (auto status = write_manifest(paths.manifest, manifest); !status) return status.error();
    return copy;
}

}  // namespace yoda
