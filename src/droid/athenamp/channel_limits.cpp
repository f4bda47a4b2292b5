// The channel's part that watches limits and stops what broke one.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "droid/athenamp/channel.hpp"
#include "droid/athenamp/worker_search.hpp"
#include "droid/watch.hpp"

namespace yoda::athenamp {

namespace {

constexpr Duration look_interval = Duration::from_s(10);

}  // namespace

void Channel::kill_range(HandOut what, bool must_stop)
{
    auto const waits =
        std::find_if(held_.begin(), held_.end(), [&](Held const& held) { return held.item.what == what; });
    if (waits != held_.end()) {
        auto const peer = waits->peer;
        held_.erase(waits);
        refuse(peer, what, FailKind::given_back, 0, "revoked", true);  // The core knows it no more.
        return;
    }
    auto const found = std::find_if(flights_.begin(), flights_.end(),
                                    [&](auto const& entry) { return entry.second.what == what; });
    if (found == flights_.end()) return;
    found->second.wanted = false;
    bool const too_old = now_ - found->second.begun > setup_.range_limit;
    if (payload_) {
        for (auto const& worker : find_workers(pid_, start_folder_, {found->first})) {
            spawner_.kill_member(*payload_, worker.pid);  // The payload makes a new worker.
            return;
        }
    }
    if (must_stop || too_old)
        stop_for(yoda::code::looping_job, "a range had to be stopped and its worker was not to be found", {});
}

void Channel::list_busy(std::vector<BusyWorker>& busy) const
{
    if (!payload_ || flights_.empty()) return;
    std::vector<std::string> ids;
    for (auto const& [id, flight] : flights_) {
        if (flight.wanted) ids.push_back(id);
    }
    for (auto const& worker : find_workers(pid_, start_folder_, ids)) {
        auto const& flight = flights_.find(worker.range_id)->second;
        busy.push_back({flight.what, setup_.job, worker.pid, worker.folder, flight.begun});
    }
}

/// A payload that says nothing and writes nothing, initialising or with all workers stuck.
void Channel::watch_silence()
{
    if (now_ < next_look_ || !payload_ || exited_ || setup_.silence == Duration::max()) return;
    next_look_ = now_ + std::min(look_interval, setup_.silence * 0.25);
    auto const use = measure_folder(start_folder_);
    auto const sign = use.bytes * 31 + static_cast<std::uint64_t>(use.newest_ns);
    if (sign != std::exchange(seen_use_, sign)) last_sign_ = now_;
    if (now_ - last_sign_ <= setup_.silence) return;
    // A range whose worker is known has its own limit, and then only that worker goes.
    std::vector<BusyWorker> busy;
    list_busy(busy);
    if (!busy.empty()) return;
    blame_flights_ = true;
    stop_for(yoda::code::looping_job,
             fmt::format("the payload neither spoke nor wrote for {:.0f} s", (now_ - last_sign_).s()), {});
}

}  // namespace yoda::athenamp
