// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/posix/posix_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "core/base/checksum.hpp"
#include "harvest/stores/base/object_key.hpp"
#include "harvest/stores/base/part_file.hpp"
#include "sys/base/files.hpp"

namespace yoda {

PosixStore::PosixStore(StoreUrl const& url, StoreContext context)
    : base_(url.path), context_(std::move(context)), breaker_(context_.breakers->of(url.endpoint()))
{}

std::string PosixStore::path_of(std::string const& key) const
{
    return base_ + "/" + key;
}

std::string PosixStore::url(std::string const& key) const
{
    return "file://" + path_of(key);
}

Result<std::uint32_t> PosixStore::copy(int from, std::uint64_t offset, std::uint64_t bytes, int to,
                                       PutHooks const& hooks)
{
    std::uint64_t done = 0;
    std::vector<char> buffer(1 << 20);
    std::uint32_t sum = 1;
    for (;;) {
        if (context_.stop && context_.stop->load(std::memory_order_relaxed))
            return Error{ErrorKind::unavailable, "the copy was given up", "we were asked to stop", {}};
        auto wanted = std::min<std::uint64_t>(buffer.size(), bytes - done);
        if (wanted == 0) return sum;
        if (context_.send_limit) {
            wanted = context_.send_limit->take(context_.clock->now(), wanted);
            if (wanted == 0) {
                ::poll(nullptr, 0, 10);
                continue;
            }
        }
        ssize_t const n = ::pread(from, buffer.data(), wanted, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", "the file to copy", errno);
        if (n == 0) return sum;
        std::string_view const piece(buffer.data(), static_cast<std::size_t>(n));
        sum = adler32(piece, sum);
        done += piece.size();
        if (Status const status = write_all(to, piece, "the copy"); !status) return status.error();
        if (hooks.moved) hooks.moved(piece.size());
    }
}

Result<PutResult> PosixStore::put(ObjectSpec const& spec, PutHooks const& hooks)
{
    if (auto stopped = breaker_->stopped()) return *std::move(stopped);
    // Never create the base folder: if it is missing, its file system is probably not mounted.
    std::error_code code;
    if (!std::filesystem::is_directory(base_, code)) {
        Error const gone{ErrorKind::unavailable, "the store " + base_ + " is not there",
                         code ? code.message() : "it is no folder", "create it, or mount its file system"};
        breaker_->stop(gone);
        return gone;
    }
    auto result = put_file(spec, hooks);
    if (!result && result.error().kind == ErrorKind::no_space) breaker_->stop(result.error());
    return result;
}

Result<PutResult> PosixStore::put_file(ObjectSpec const& spec, PutHooks const& hooks)
{
    if (Status const status = check_object_key(spec.key); !status) return status.error();
    std::string const target = path_of(spec.key);
    if (Status const status = make_folders(std::filesystem::path(target).parent_path().string()); !status)
        return status.error();
    auto from = open_file(spec.path, O_RDONLY);
    if (!from) return from.error();
    if (spec.repeated) remove_leftovers(spec);
    auto part = PartFile::create(target, spec.token);
    if (!part) return part.error();
    auto const sum = copy(from->get(), spec.offset, spec.bytes, part->fd(), hooks);
    if (!sum) return sum.error();
    struct stat info {};
    if (::fstat(part->fd(), &info) != 0) return os_error("look at the copy of", spec.path, errno);
    if (*sum != spec.adler32 || static_cast<std::uint64_t>(info.st_size) != spec.bytes)
        return Error{ErrorKind::bad_input,
                     spec.path + " is damaged",
                     fmt::format("{} bytes with adler32 {}, {} bytes with {} were promised", info.st_size,
                                 print_adler32(*sum), spec.bytes, print_adler32(spec.adler32)),
                     {}};
    if (Status const status = part->keep(); !status) return status.error();
    return PutResult{"adler32:" + print_adler32(*sum), false};
}

Result<std::optional<StoredObject>> PosixStore::head(std::string const& key)
{
    if (Status const status = check_object_key(key); !status) return status.error();
    std::string const path = path_of(key);
    int const raw = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (raw < 0 && (errno == ENOENT || errno == ENOTDIR)) return std::optional<StoredObject>{};
    if (raw < 0) return os_error("open", path, errno);
    FileDescriptor const fd(raw);
    std::vector<char> buffer(1 << 20);
    StoredObject found;
    found.adler32 = 1;
    for (;;) {
        ssize_t const n = ::read(fd.get(), buffer.data(), buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", path, errno);
        if (n == 0) return std::optional(found);
        found.adler32 = adler32({buffer.data(), static_cast<std::size_t>(n)}, *found.adler32);
        found.bytes += static_cast<std::uint64_t>(n);
    }
}

Result<Presence> PosixStore::check(ObjectSpec const& spec)
{
    auto found = head(spec.key);
    if (!found) return found.error();
    return compare_with_spec(*found, spec);
}

void PosixStore::remove_leftovers(ObjectSpec const& spec)
{
    if (check_object_key(spec.key)) remove_part_files(path_of(spec.key), spec.token);
}

Status PosixStore::get(std::string const& key, std::string const& path)
{
    if (Status const status = check_object_key(key); !status) return status;
    auto from = open_file(path_of(key), O_RDONLY);
    if (!from) return from.error();
    auto part = PartFile::create(path);
    if (!part) return part.error();
    auto const sum = copy(from->get(), 0, UINT64_MAX, part->fd(), {});
    if (!sum) return sum.error();
    return part->keep();
}

Status PosixStore::remove(std::string const& key)
{
    if (Status const status = check_object_key(key); !status) return status;
    std::string const path = path_of(key);
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return os_error("remove", path, errno);
    return {};
}

}  // namespace yoda
