// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/stage_in.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "core/base/checksum.hpp"
#include "core/base/types.hpp"
#include "sys/base/files.hpp"
#include "sys/base/node_folder.hpp"

namespace yoda::athenamp {

struct StageIn::Work {
    explicit Work(NodeFolder node_folder) : folder(std::move(node_folder)) {}
    NodeFolder folder;
    FileDescriptor copying;  ///< exclusive lock while one copies
    FileDescriptor event;

    struct File {
        State state = State::waiting;
        CopyFault fault;
        unsigned tries = 0;
    };
    mutable std::mutex mutex;
    std::condition_variable wake;
    std::deque<InputFile> orders;       // guarded by mutex
    std::map<std::string, File> files;  // guarded by mutex; by PFN
    std::vector<std::string> copied;    // guarded by mutex
    bool stopping = false;              // guarded by mutex
    std::thread thread;                 // last: it uses all of the above

    void run(StageIn const& owner)
    {
        for (;;) {
            InputFile input;
            {
                std::unique_lock lock(mutex);
                wake.wait(lock, [this] { return stopping || !orders.empty(); });
                if (stopping) return;
                input = std::move(orders.front());
                orders.pop_front();
            }
            lock_file(copying.get(), LOCK_EX);  // Another Droid may be at the same file.
            auto const place = owner.local_path(input);
            bool const was_here = path_exists(place);
            auto fault = copy(input, place);
            lock_file(copying.get(), LOCK_UN);
            {
                std::lock_guard const lock(mutex);
                auto const state = fault.error_code == 0 ? State::here : State::failed;
                if (state == State::here && !was_here) copied.push_back(place);
                auto& file = files[input.pfn];
                file.state = state;
                file.fault = std::move(fault);
                ++file.tries;
            }
            std::uint64_t const one = 1;
            [[maybe_unused]] ssize_t const n = ::write(event.get(), &one, sizeof one);
        }
    }

    static CopyFault copy(InputFile const& input, std::string const& place)
    {
        auto const folder = place.substr(0, place.rfind('/'));
        if (auto made = make_folders(folder); !made) return {yoda::code::no_local_space, made.error()};
        return copy_checked(input.pfn, place, {input.checksum, input.bytes});
    }
};

StageIn::StageIn(std::unique_ptr<Work> work) : work_(std::move(work))
{
    work_->thread = std::thread([this] { work_->run(*this); });
}

Result<std::unique_ptr<StageIn>> StageIn::open(std::string folder)
{
    auto opened = NodeFolder::open(folder);
    if (!opened) return opened.error();
    auto work = std::make_unique<Work>(*std::move(opened));
    work->copying = FileDescriptor(
        ::open((folder + "/.copying").c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    work->event.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!work->copying || !work->event) return os_error("use", folder, errno);
    return std::unique_ptr<StageIn>(new StageIn(std::move(work)));
}

StageIn::~StageIn()
{
    {
        std::lock_guard const lock(work_->mutex);
        work_->stopping = true;
    }
    work_->wake.notify_one();
    work_->thread.join();
}

bool StageIn::is_copied(InputFile const& input)
{
    return input.pfn.starts_with('/');
}

std::string StageIn::local_path(InputFile const& input) const
{
    // The payload sees the name that the file has; the folder is the same for all Droids of the node.
    return is_copied(input) ? fmt::format("{}/{:08x}/{}", work_->folder.path(), crc32c(input.pfn), input.lfn)
                            : input.pfn;
}

void StageIn::ask(InputFile const& input)
{
    {
        std::lock_guard const lock(work_->mutex);
        auto const [known, is_new] = work_->files.try_emplace(input.pfn);
        auto& file = known->second;
        if (!is_new && (file.state != State::failed || file.tries >= most_tries)) return;
        file.state = State::waiting;
        work_->orders.push_back(input);
    }
    work_->wake.notify_one();
}

StageIn::State StageIn::state(std::string const& pfn) const
{
    std::lock_guard const lock(work_->mutex);
    auto const found = work_->files.find(pfn);
    return found == work_->files.end() ? State::unknown : found->second.state;
}

CopyFault StageIn::fault(std::string const& pfn) const
{
    std::lock_guard const lock(work_->mutex);
    auto const found = work_->files.find(pfn);
    return found == work_->files.end() ? CopyFault{} : found->second.fault;
}

std::vector<std::string> StageIn::take_copied()
{
    std::lock_guard const lock(work_->mutex);
    return std::exchange(work_->copied, {});
}

int StageIn::event_fd() const
{
    return work_->event.get();
}

void StageIn::clear_event()
{
    std::uint64_t count = 0;
    [[maybe_unused]] ssize_t const n = ::read(work_->event.get(), &count, sizeof count);
}

}  // namespace yoda::athenamp
