// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/base/file_sums.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/checksum.hpp"
#include "harvest/stores/base/digest.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t read_bytes = 256 * 1024;    ///< stays in the second-level cache between the sums
constexpr std::uint64_t part_count_limit = 1000;  ///< more made trouble with some Ceph versions
constexpr std::uint64_t mebibyte = 1u << 20;

}  // namespace

Result<PartSums> sum_part(int fd, std::uint64_t offset, std::uint64_t bytes, bool with_sha256)
{
    PartSums sums;
    Digest md5(DigestKind::md5);
    Digest sha256(DigestKind::sha256);
    std::vector<char> buffer(std::min<std::uint64_t>(read_bytes, std::max<std::uint64_t>(bytes, 1)));
    while (sums.bytes < bytes) {
        auto const wanted = std::min<std::uint64_t>(buffer.size(), bytes - sums.bytes);
        ssize_t const n = ::pread(fd, buffer.data(), wanted, static_cast<off_t>(offset + sums.bytes));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", "the file to send", errno);
        if (n == 0) return Error{ErrorKind::io, "the file to send became shorter", {}, {}};
        std::string_view const piece(buffer.data(), static_cast<std::size_t>(n));
        sums.adler32 = adler32(piece, sums.adler32);
        md5.add(piece);
        if (with_sha256) sha256.add(piece);
        sums.bytes += piece.size();
    }
    sums.md5 = md5.finish();
    if (with_sha256) sums.sha256 = sha256.finish();
    return sums;
}

PartPlan PartPlan::make(std::uint64_t bytes, std::uint64_t part_bytes)
{
    auto const least = (bytes + part_count_limit - 1) / part_count_limit;
    auto const rounded = (least + mebibyte - 1) / mebibyte * mebibyte;
    return {bytes, std::max({part_bytes, rounded, std::uint64_t{1}})};
}

std::uint64_t PartPlan::size(std::uint64_t part) const
{
    return std::min(part_bytes, bytes - offset(part));
}

std::uint32_t combined_adler32(std::vector<PartSums> const& parts)
{
    uLong sum = 1;
    for (auto const& part : parts)
        sum = ::adler32_combine(sum, part.adler32, static_cast<z_off_t>(part.bytes));
    return static_cast<std::uint32_t>(sum);
}

std::string combined_md5(std::vector<PartSums> const& parts)
{
    std::string all;
    for (auto const& part : parts) all += part.md5;
    return fmt::format("{}-{}", print_hex(digest_of(DigestKind::md5, all)), parts.size());
}

struct PartHasher::Impl {
    int fd;
    std::uint64_t offset;
    PartPlan plan;
    bool with_sha256;
    std::function<void()> ready;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::optional<Result<PartSums>>> done;
    std::uint64_t next = 0;
    std::uint64_t allowed = 0;  ///< parts before this one may be begun
    std::uint64_t ahead = 0;
    bool ending = false;
    std::vector<std::thread> threads;

    void work()
    {
        std::unique_lock lock(mutex);
        for (;;) {
            changed.wait(lock, [&] {
                return ending || (next < done.size() && next < allowed) || next >= done.size();
            });
            if (ending || next >= done.size()) return;
            auto const part = next++;
            lock.unlock();
            auto sums = sum_part(fd, offset + plan.offset(part), plan.size(part), with_sha256);
            lock.lock();
            done[part] = std::move(sums);
            changed.notify_all();
            if (ready) {
                lock.unlock();
                ready();
                lock.lock();
            }
        }
    }

    void allow(std::uint64_t part)
    {
        if (part + ahead <= allowed) return;
        allowed = part + ahead;
        changed.notify_all();
    }
};

PartHasher::PartHasher(int fd, std::uint64_t offset, PartPlan plan, bool with_sha256, unsigned thread_count,
                       unsigned ahead, std::function<void()> ready)
    : impl_(std::make_unique<Impl>())
{
    impl_->fd = fd;
    impl_->offset = offset;
    impl_->plan = plan;
    impl_->with_sha256 = with_sha256;
    impl_->ready = std::move(ready);
    impl_->done.resize(plan.count());
    impl_->ahead = impl_->allowed = std::max(ahead, 1u);
    auto const count = std::min<std::uint64_t>(std::max(thread_count, 1u), plan.count());
    for (std::uint64_t i = 0; i < count; ++i) impl_->threads.emplace_back([this] { impl_->work(); });
}

PartHasher::~PartHasher()
{
    {
        std::scoped_lock const lock(impl_->mutex);
        impl_->ending = true;
        impl_->changed.notify_all();
    }
    for (auto& thread : impl_->threads) thread.join();
}

std::optional<Result<PartSums>> PartHasher::take(std::uint64_t part)
{
    std::scoped_lock const lock(impl_->mutex);
    impl_->allow(part);
    return impl_->done[part];
}

Result<PartSums> PartHasher::wait(std::uint64_t part)
{
    std::unique_lock lock(impl_->mutex);
    impl_->allow(part);
    impl_->changed.wait(lock, [&] { return impl_->done[part].has_value(); });
    return *impl_->done[part];
}

Result<std::vector<PartSums>> sum_file(std::string const& path, std::uint64_t offset, PartPlan plan,
                                       unsigned thread_count)
{
    auto fd = open_file(path, O_RDONLY);
    if (!fd) return fd.error();
    PartHasher hasher(fd->get(), offset, plan, false, thread_count, thread_count + 1, {});
    std::vector<PartSums> all;
    for (std::uint64_t part = 0; part < plan.count(); ++part) {
        auto sums = hasher.wait(part);
        if (!sums) return sums.error();
        all.push_back(*std::move(sums));
    }
    return all;
}

}  // namespace yoda
