// SPDX-License-Identifier: Apache-2.0
#include "sys/transport/local_transport.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <deque>
#include <mutex>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

struct Mailbox {
    struct Frame {
        Rank from;
        std::string bytes;
    };
    std::mutex mutex;
    std::deque<Frame> frames;
    FileDescriptor event;
};

class LocalTransport final : public Transport {
  public:
    LocalTransport(Rank rank, std::vector<std::shared_ptr<Mailbox>> boxes)
        : rank_(rank), boxes_(std::move(boxes))
    {}

    Rank rank() const override { return rank_; }
    std::uint32_t rank_count() const override { return static_cast<std::uint32_t>(boxes_.size()); }
    int fd() const override { return boxes_[rank_]->event.get(); }
    std::size_t unsent_count(Rank) const override { return 0; }
    void give_up(Rank) override {}

    void send(Rank to, std::string_view frame) override
    {
        auto& box = *boxes_[to];
        {
            std::lock_guard const lock(box.mutex);
            box.frames.push_back({rank_, std::string(frame)});
        }
        std::uint64_t const one = 1;
        [[maybe_unused]] auto const n = ::write(box.event.get(), &one, sizeof one);
    }

    bool receive(Rank& from, std::string& frame) override
    {
        auto& box = *boxes_[rank_];
        std::lock_guard const lock(box.mutex);
        if (box.frames.empty()) {
            std::uint64_t count;
            [[maybe_unused]] auto const n = ::read(box.event.get(), &count, sizeof count);
            return false;
        }
        from = box.frames.front().from;
        frame = std::move(box.frames.front().bytes);
        box.frames.pop_front();
        return true;
    }

  private:
    Rank rank_;
    std::vector<std::shared_ptr<Mailbox>> boxes_;
};

}  // namespace

Result<std::vector<std::unique_ptr<Transport>>> make_local_transports(std::uint32_t rank_count)
{
    std::vector<std::shared_ptr<Mailbox>> boxes;
    for (std::uint32_t i = 0; i < rank_count; ++i) {
        boxes.push_back(std::make_shared<Mailbox>());
        boxes.back()->event.reset(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
        if (!boxes.back()->event) return os_error("make", "an eventfd", errno);
    }
    std::vector<std::unique_ptr<Transport>> ends;
    for (std::uint32_t i = 0; i < rank_count; ++i) ends.push_back(std::make_unique<LocalTransport>(i, boxes));
    return ends;
}

}  // namespace yoda
