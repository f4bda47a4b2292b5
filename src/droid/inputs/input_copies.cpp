// SPDX-License-Identifier: Apache-2.0
#include "droid/inputs/input_copies.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

#include "core/base/checksum.hpp"
#include "sys/base/checked_copy.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t piece_bytes = 1u << 20;  ///< of the shared filesystem, at a time

struct Order {
    enum class Kind { copy_piece, append, finish, adopt, restart, read_block };
    Kind kind = Kind::append;
    std::uint32_t file = 0;
    std::uint64_t at = 0;     ///< offset, or size in all
    std::uint32_t count = 0;  ///< bytes of a block
    std::string bytes;
    Rank to = 0;
};

}  // namespace

struct InputCopies::Work {
    Work(std::string node_folder, std::vector<InputFile> files, std::string name_tag)
        : folder(std::move(node_folder)), inputs(std::move(files)), tag(std::move(name_tag))
    {}

    std::string const folder;
    std::vector<InputFile> const inputs;
    std::string const tag;
    FileDescriptor event;

    // Of the copy that is coming; the thread's own.
    std::uint32_t open_file = none;
    FileDescriptor source;
    FileDescriptor target;
    std::uint64_t have_bytes = 0;
    std::uint32_t crc = 0;
    std::optional<CopyCheck> check;
    std::string buffer;

    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Order> orders;     // guarded by mutex
    std::vector<InputNews> news;  // guarded by mutex
    bool stopping = false;        // guarded by mutex
    std::thread thread;           // last: it uses all of the above

    /// A folder for each: two jobs may name different files alike.
    std::string folder_of(std::uint32_t file) const { return fmt::format("{}/{}", folder, file); }
    std::string place(std::uint32_t file) const { return folder_of(file) + "/" + inputs[file].lfn; }
    std::string part(std::uint32_t file) const { return folder_of(file) + "/.part." + tag; }

    void order(Order order)
    {
        {
            std::lock_guard const lock(mutex);
            orders.push_back(std::move(order));
        }
        wake.notify_one();
    }

    void tell(InputNews one)
    {
        {
            std::lock_guard const lock(mutex);
            bool const same = !news.empty() && news.back().kind == InputNews::Kind::appended &&
                              one.kind == InputNews::Kind::appended && news.back().file == one.file;
            if (same)
                news.back() = std::move(one);
            else
                news.push_back(std::move(one));
        }
        std::uint64_t const count = 1;
        [[maybe_unused]] ssize_t const n = ::write(event.get(), &count, sizeof count);
    }

    void fail(std::uint32_t file, std::string why)
    {
        tell({InputNews::Kind::failed, file, 0, false, 0, std::move(why), 0});
    }

    void run()
    {
        for (;;) {
            Order next;
            {
                std::unique_lock lock(mutex);
                wake.wait(lock, [this] { return stopping || !orders.empty(); });
                if (stopping) return;
                next = std::move(orders.front());
                orders.pop_front();
            }
            switch (next.kind) {
                case Order::Kind::copy_piece:
                    copy_piece(next.file, next.at);
                    break;
                case Order::Kind::append:
                    if (append(next.file, next.bytes))
                        tell({InputNews::Kind::appended, next.file, have_bytes, false, 0, {}, 0});
                    break;
                case Order::Kind::finish:
                    finish(next.file);
                    break;
                case Order::Kind::adopt:
                    adopt(next.file, next.at);
                    break;
                case Order::Kind::restart:
                    forget(next.file);
                    break;
                case Order::Kind::read_block:
                    read_block(next);
                    break;
            }
        }
    }

    void forget(std::uint32_t file)
    {
        if (open_file == file) {
            open_file = none;
            target.reset();
            source.reset();
        }
        ::unlink(part(file).c_str());
    }

    /// The local copy, empty if it was not open. False: it has been told why.
    bool open_target(std::uint32_t file)
    {
        if (open_file == file) return true;
        if (auto made = make_folders(folder_of(file)); !made) {
            fail(file, made.error().text());
            return false;
        }
        auto opened = yoda::open_file(part(file), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);
        if (!opened) {
            fail(file, opened.error().text());
            return false;
        }
        target = *std::move(opened);
        source.reset();
        open_file = file;
        have_bytes = 0;
        crc = 0;
        check.emplace(CopyWanted{inputs[file].checksum, inputs[file].bytes});
        return true;
    }

    bool append(std::uint32_t file, std::string_view bytes)
    {
        if (!open_target(file)) return false;
        if (auto written = write_all(target.get(), bytes, part(file)); !written) {
            fail(file, written.error().text());
            return false;
        }
        crc = crc32c(bytes, crc);
        check->add(bytes);
        have_bytes += bytes.size();
        return true;
    }

    void copy_piece(std::uint32_t file, std::uint64_t offset)
    {
        if (!open_target(file)) return;
        if (!source) {
            auto opened = yoda::open_file(inputs[file].pfn, O_RDONLY | O_CLOEXEC);
            if (!opened) return fail(file, opened.error().text());
            source = *std::move(opened);
        }
        buffer.resize(piece_bytes);
        ssize_t got = 0;
        do got = ::pread(source.get(), buffer.data(), buffer.size(), static_cast<off_t>(offset));
        while (got < 0 && errno == EINTR);
        if (got < 0) return fail(file, os_error("read", inputs[file].pfn, errno).text());
        if (!append(file, {buffer.data(), static_cast<std::size_t>(got)})) return;
        tell({InputNews::Kind::copied, file, have_bytes, got == 0, 0, {}, 0});
    }

    void finish(std::uint32_t file)
    {
        if (!open_target(file)) return;
        auto const fault = check->finish(inputs[file].pfn);
        if (fault.error_code != 0)
            return tell({InputNews::Kind::mismatch, file, 0, false, 0, fault.error.text(), 0});
        if (::rename(part(file).c_str(), place(file).c_str()) != 0)
            return fail(file, os_error("rename", part(file), errno).text());
        open_file = none;
        target.reset();
        source.reset();
        tell({InputNews::Kind::finished, file, have_bytes, false, crc, {}, 0});
    }

    void adopt(std::uint32_t file, std::uint64_t total_bytes)
    {
        struct stat info {};
        bool const there = ::stat(place(file).c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
                           static_cast<std::uint64_t>(info.st_size) == total_bytes;
        tell({InputNews::Kind::adopted, file, 0, there, 0, {}, 0});
    }

    void read_block(Order const& order)
    {
        InputNews block{InputNews::Kind::block, order.file, order.at, false, 0, {}, order.to};
        FileDescriptor finished;
        if (open_file != order.file)
            finished.reset(::open(place(order.file).c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
        int const fd = open_file == order.file ? target.get() : finished.get();
        block.text.resize(order.count);
        ssize_t got = 0;
        do got = ::pread(fd, block.text.data(), block.text.size(), static_cast<off_t>(order.at));
        while (got < 0 && errno == EINTR);
        block.text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        tell(std::move(block));
    }
};

InputCopies::InputCopies(std::string folder, std::vector<InputFile> inputs, std::string tag)
    : work_(std::make_unique<Work>(std::move(folder), std::move(inputs), std::move(tag)))
{
    work_->event.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (work_->event) work_->thread = std::thread([work = work_.get()] { work->run(); });
}

InputCopies::~InputCopies()
{
    {
        std::lock_guard const lock(work_->mutex);
        work_->stopping = true;
    }
    work_->wake.notify_one();
    if (work_->thread.joinable()) work_->thread.join();
}

int InputCopies::event_fd() const
{
    return work_->event.get();
}

std::string InputCopies::place(std::uint32_t file) const
{
    return work_->place(file);
}

void InputCopies::copy_piece(std::uint32_t file, std::uint64_t offset)
{
    work_->order({Order::Kind::copy_piece, file, offset, 0, {}, 0});
}

void InputCopies::append(std::uint32_t file, std::string bytes)
{
    work_->order({Order::Kind::append, file, 0, 0, std::move(bytes), 0});
}

void InputCopies::finish(std::uint32_t file)
{
    work_->order({Order::Kind::finish, file, 0, 0, {}, 0});
}

void InputCopies::adopt(std::uint32_t file, std::uint64_t total_bytes)
{
    work_->order({Order::Kind::adopt, file, total_bytes, 0, {}, 0});
}

void InputCopies::restart(std::uint32_t file)
{
    work_->order({Order::Kind::restart, file, 0, 0, {}, 0});
}

void InputCopies::read_block(Rank to, std::uint32_t file, std::uint64_t offset, std::uint32_t bytes)
{
    work_->order({Order::Kind::read_block, file, offset, bytes, {}, to});
}

std::vector<InputNews> InputCopies::take()
{
    std::uint64_t count = 0;
    [[maybe_unused]] ssize_t const n = ::read(work_->event.get(), &count, sizeof count);
    std::lock_guard const lock(work_->mutex);
    return std::exchange(work_->news, {});
}

}  // namespace yoda
