// SPDX-License-Identifier: Apache-2.0
// The channel's part that watches limits and stops what broke one.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "droid/athenamp/channel.hpp"
#include "droid/athenamp/worker_search.hpp"

namespace yoda::athenamp {

namespace {

constexpr Duration look_interval = Duration::from_s(10);

}  // namespace

/// A range that has not reached the payload: it is no more, but its peer still waits for an answer.
std::optional<Channel::Held> Channel::take_waiting(HandOut what)
{
    for (auto* const list : {&held_, &unsent_}) {
        auto const found = std::find_if(list->begin(), list->end(),
                                        [&](Held const& held) { return held.item.what == what; });
        if (found == list->end()) continue;
        auto waiting = std::move(*found);
        list->erase(found);
        return waiting;
    }
    return prefetcher_ ? prefetcher_->cancel(what) : std::nullopt;
}

/// All of them; no more will wait in this start.
std::vector<Channel::Held> Channel::take_all_waiting()
{
    auto all = std::exchange(held_, {});
    auto const add = [&all](std::vector<Held>&& more) {
        std::move(more.begin(), more.end(), std::back_inserter(all));
    };
    add(std::exchange(unsent_, {}));
    if (prefetcher_) add(prefetcher_->take_back());
    return all;
}

void Channel::kill_range(HandOut what, bool must_stop)
{
    if (auto const waiting = take_waiting(what))
        return refuse(waiting->peer, what, FailKind::given_back, 0, "not wanted any more", true);
    auto const found = std::find_if(flights_.begin(), flights_.end(),
                                    [&](auto const& entry) { return entry.second.what == what; });
    if (found == flights_.end()) return;
    found->second.wanted = false;
    if (payload_) {
        for (auto const& worker : find_workers(pid_, start_folder_, {found->first})) {
            spawner_.kill_member(*payload_, worker.pid);  // The payload makes a new worker.
            return;
        }
    }
    if (must_stop)
        stop_for(yoda::code::looping_job, "a range had to be stopped and its worker was not to be found", {});
}

void Channel::list_busy(std::vector<BusyWorker>& busy) const
{
    auto const before = busy.size();
    list_workers(busy);
    if (multithreaded_ && busy.size() == before) list_threads(busy);
}

/// Threads of one process cannot be told apart: the range that is out the longest answers for all.
void Channel::list_threads(std::vector<BusyWorker>& busy) const
{
    Flight const* oldest = nullptr;
    for (auto const& [id, flight] : flights_) {
        if (flight.wanted && (!oldest || flight.begun < oldest->begun)) oldest = &flight;
    }
    if (payload_ && oldest)
        busy.push_back({oldest->what, setup_.job, pid_, start_folder_, silence_.last_sign(), worker_count_});
}

void Channel::list_workers(std::vector<BusyWorker>& busy) const
{
    if (!payload_ || flights_.empty()) return;
    std::vector<std::string> ids;
    for (auto const& [id, flight] : flights_) {
        if (flight.wanted) ids.push_back(id);
    }
    for (auto const& worker : find_workers(pid_, start_folder_, ids)) {
        auto const [begin, end] = flights_.equal_range(worker.range_id);
        auto const& flight =
            std::find_if(begin, end, [](auto const& entry) { return entry.second.wanted; })->second;
        busy.push_back({flight.what, setup_.job, worker.pid, worker.folder, flight.begun});
    }
}

/// A payload that says nothing and writes nothing, initialising or with all workers stuck.
void Channel::watch_silence()
{
    if (now_ < next_look_ || !payload_ || exited_ || trouble_code_ != 0 || setup_.silence == Duration::max())
        return;
    next_look_ = now_ + std::min(look_interval, setup_.silence * 0.25);
    silence_.look(*setup_.meter, start_folder_, now_);
    auto const silence = silence_.proven();
    if (silence <= setup_.silence) return;
    // A range whose worker is known has its own limit, and then only that worker goes.
    std::vector<BusyWorker> busy;
    list_workers(busy);
    if (!busy.empty()) return;
    // A payload that waits for its prefetcher can do nothing else: what it has done
    // already it may still tell.
    if (prefetcher_ && prefetcher_->is_waited_for())
        return stop_for(code::prefetcher_died,
                        fmt::format("the prefetcher has not answered for {:.0f} s", silence.s()),
                        setup_.stop_grace);
    blame_flights_ = true;
    stop_for(yoda::code::looping_job,
             fmt::format("the payload neither spoke nor wrote for {:.0f} s", silence.s()), {});
}

}  // namespace yoda::athenamp
