// SPDX-License-Identifier: Apache-2.0
#include "swarm.hpp"

#include <algorithm>

namespace yoda::bench {

namespace {

constexpr std::size_t frame_header_bytes = 12;
constexpr unsigned char grant_type = 13;  // docs/protocol.md

bool holds_grant(std::string_view frame)
{
    for (std::size_t at = frame_header_bytes; at + 4 <= frame.size();) {
        if (static_cast<unsigned char>(frame[at]) == grant_type) return true;
        auto const low = static_cast<unsigned char>(frame[at + 2]);
        auto const high = static_cast<unsigned char>(frame[at + 3]);
        at += 4 + (low | static_cast<std::size_t>(high) << 8);
    }
    return false;
}

}  // namespace

SwarmTransport::SwarmTransport(SwarmPlan plan, Clock const& clock)
    : plan_(plan), clock_(clock), waits_since_(plan.droids + 1), droids_(plan.droids + 1)
{}

SwarmTransport::~SwarmTransport()
{
    stops_ = true;
    if (thread_.joinable()) thread_.join();
}

void SwarmTransport::start()
{
    thread_ = std::thread([this] { run(); });
}

void SwarmTransport::send(Rank to, std::string_view frame)
{
    ++frame_count_;
    auto& since = waits_since_[to];
    if (since != TimePoint{} && holds_grant(frame)) {
        answer_ms_.push_back(static_cast<float>((clock_.now() - since).s() * 1e3));
        since = {};
    }
    leaving_.push_back({to, {}, std::string(frame)});
}

bool SwarmTransport::receive(Rank& from, std::string& frame)
{
    if (next_arrived_ == arrived_.size()) {
        arrived_.clear();
        next_arrived_ = 0;
        std::lock_guard const lock(mutex_);
        std::swap(arrived_, to_zero_);
        std::move(leaving_.begin(), leaving_.end(), std::back_inserter(to_swarm_));
        leaving_.clear();
        if (arrived_.empty()) return false;
    }
    auto& parcel = arrived_[next_arrived_++];
    if (waits_since_[parcel.rank] == TimePoint{}) waits_since_[parcel.rank] = parcel.at;
    from = parcel.rank;
    frame.swap(parcel.frame);
    ++frame_count_;
    return true;
}

void SwarmTransport::run()
{
    TimePoint const begin = clock_.now();
    FrameWriter writer;
    writer.set_header({plan_.life, 0});
    for (Rank rank = 1; rank <= plan_.droids; ++rank) {
        auto const phase = static_cast<double>(rank) / plan_.droids;
        droids_[rank].due = begin + plan_.event_time * (1 + phase);
        writer.put(Hello{"node", rank, plan_.workers});
        outgoing_.push_back({rank, begin, writer.frame(0)});
        writer.clear();
    }
    std::vector<Parcel> incoming;
    Rank next = 1;
    while (!stops_) {
        {
            std::lock_guard const lock(mutex_);
            std::move(outgoing_.begin(), outgoing_.end(), std::back_inserter(to_zero_));
            std::swap(incoming, to_swarm_);
        }
        outgoing_.clear();
        for (auto const& parcel : incoming) take(parcel);
        incoming.clear();
        // All have the same event time, so they come up in turn.
        TimePoint now = clock_.now();
        while (droids_[next].due <= now) {
            finish_round(next, now);
            next = next % plan_.droids + 1;
        }
        std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
}

void SwarmTransport::take(Parcel const& parcel)
{
    FrameReader reader;
    if (!reader.open(parcel.frame)) return;
    while (auto const message = reader.next()) {
        if (auto const* grant = std::get_if<Grant>(&*message))
            droids_[parcel.rank].queue.push_back(grant->run);
    }
}

/// What its workers began an event time ago is done: a node-sized batch.
void SwarmTransport::finish_round(Rank rank, TimePoint now)
{
    auto& droid = droids_[rank];
    auto const event_ms = static_cast<std::uint32_t>(plan_.event_time.ms());
    std::vector<FinishedEntry> entries;
    while (!droid.queue.empty() && entries.size() < plan_.workers) {
        auto& run = droid.queue.front();
        entries.push_back({run.begin, run.hand_out, event_ms, event_ms});
        ++run.begin;
        if (--run.count == 0) droid.queue.pop_front();
    }
    FrameWriter writer;
    writer.set_header({plan_.life, 0});
    for (std::size_t at = 0; at < entries.size(); at += max_finished_entries) {
        auto const count = std::min(max_finished_entries, entries.size() - at);
        writer.put(Finished{droid.sequence++, none, 0, {entries.data() + at, count}});
    }
    if (droid.queue.empty()) writer.put(Request{plan_.workers});
    for (std::size_t i = 0; i < writer.count(); ++i) outgoing_.push_back({rank, now, writer.frame(i)});
    droid.due = droid.due + plan_.event_time;
}

}  // namespace yoda::bench
