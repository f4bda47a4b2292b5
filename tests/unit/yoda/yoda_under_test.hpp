// SPDX-License-Identifier: Apache-2.0
// A dispatcher with a recording fake and time by hand; each call is one poll of rank 0's loop.
#pragma once

#include <gtest/gtest.h>

#include <numeric>

#include "support/builders/table_builder.hpp"
#include "support/recording_effects.hpp"
#include "yoda/dispatcher.hpp"

namespace yoda::test {

class YodaUnderTest {
  public:
    explicit YodaUnderTest(TableShape const& shape, std::uint32_t droid_count = 2, DispatchPolicy policy = {})
        : dispatcher(make_table(shape), ids(shape.jobs), droid_count + 1, policy), life_(shape.life)
    {}

    /// A message of the Droid as rank 0 knows it: of its life and generation.
    void say(Rank from, Message const& message) { say_as(from, {life_, generation(from)}, message); }
    void say_as(Rank from, FrameHeader const& header, Message const& message)
    {
        dispatcher.on_message(now, from, header, message, effects);
        end_batch();
    }
    void end_batch()
    {
        dispatcher.on_batch_end(now, effects);
        check();
    }

    void hello(Rank from, std::uint32_t workers = 2) { say(from, Hello{"node", 42, workers}); }
    void request(Rank from, std::uint32_t idle) { say(from, Request{idle}); }
    /// `from` has finished these; it stores them in its bundle 0. Returns the message's sequence.
    std::uint32_t finish(Rank from, std::vector<HandOut> const& what, std::uint32_t wall_ms = 1000,
                         JobIndex job = 0)
    {
        say(from, Finished{++sequence_, 0, job, entries(what, wall_ms)});
        return sequence_;
    }
    std::vector<FinishedEntry> const& entries(std::vector<HandOut> const& what, std::uint32_t wall_ms = 1000)
    {
        entries_.clear();
        for (auto const& each : what) entries_.push_back({each.range, each.hand_out, wall_ms, wall_ms});
        return entries_;
    }
    void fail(Rank from, HandOut what, FailKind kind = FailKind::failed,
              std::uint16_t error_code = code::payload_failure)
    {
        say(from, Failed{what, kind, error_code, "why"});
    }
    void give_back(Rank from, std::vector<HandOut> const& what) { say(from, GivenBack{what}); }
    void tick(Duration later = {})
    {
        now = now + later;
        dispatcher.on_tick(now, effects);
        check();
    }
    /// Ticks every second for so long; Droids in `alive` send heartbeats.
    void wait(Duration time, std::vector<Rank> const& alive = {})
    {
        for (auto const end = now + time; now < end;) {
            for (Rank const rank : alive) say(rank, Heartbeat{});
            tick(Duration::from_s(1));
        }
    }

    std::uint32_t generation(Rank rank) const { return dispatcher.droid(rank).generation; }
    std::uint32_t outstanding(Rank rank) const { return dispatcher.droid(rank).outstanding_count; }
    RangeState state(RangeIndex range) const { return dispatcher.table().state(range); }
    std::uint64_t count(RangeState state) const
    {
        return dispatcher.table().counts()[static_cast<std::size_t>(state)];
    }

    /// What must hold after every input: the table's counts, and who holds how much.
    void check()
    {
        auto const& table = dispatcher.table();
        std::vector<std::uint32_t> held(dispatcher.rank_count());
        for (RangeIndex range = 0; range < table.size(); ++range) {
            auto const copies = table.copies(range);
            for (unsigned i = 0; i < copies.count; ++i) {
                ++held.at(copies.ranks[i]);
                ASSERT_EQ(dispatcher.droid(copies.ranks[i]).state, DroidState::alive)
                    << "only living Droids hold ranges";
            }
        }
        for (Rank rank = 1; rank < held.size(); ++rank)
            ASSERT_EQ(dispatcher.droid(rank).outstanding_count, held[rank]) << "rank " << rank;
        ASSERT_EQ(table.counts(), recount(table).all);
    }

    RecordingEffects effects;
    Dispatcher dispatcher;
    TimePoint now;

  private:
    static std::vector<std::int64_t> ids(JobIndex jobs)
    {
        std::vector<std::int64_t> ids(jobs);
        std::iota(ids.begin(), ids.end(), first_panda_id);
        return ids;
    }

    Life life_;
    std::uint32_t sequence_ = 0;
    std::vector<FinishedEntry> entries_;
};

}  // namespace yoda::test
