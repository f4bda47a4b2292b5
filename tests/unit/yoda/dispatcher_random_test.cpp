// SPDX-License-Identifier: Apache-2.0
// The dispatcher against simple Droids with random delays, failures, deaths and freezes, from
// fixed seeds. After every input: counts equal a recount, only living Droids hold ranges. At
// the end: the run is over, every range has ended once, its bytes are in the bundle that the
// table names, and the journal says the same.
#include "naive_droid.hpp"
#include "yoda_under_test.hpp"

namespace yoda {
namespace {

/// What a later life would know: the records, applied one by one as docs/journal.md says.
class NaiveReplay {
  public:
    struct Row {
        RangeState state = RangeState::ready;
        unsigned burnt = 0;
        BundleNumber bundle = none;
        std::uint16_t hand_out = 0;
        JobIndex job = 0;
    };
    std::vector<Row> rows;

    void apply(journal::Record const& record, EventTable const& table)
    {
        if (auto const* finished = std::get_if<journal::RangesFinished>(&record)) {
            for (auto const& entry : finished->entries) {
                auto& row = rows.at(entry.range);
                ASSERT_NE(row.state, RangeState::finished) << "range " << entry.range << " counts twice";
                row.state = RangeState::finished;
                row.bundle = finished->bundle;
                row.hand_out = entry.hand_out;
            }
        } else if (auto const* failed = std::get_if<journal::RangeFailed>(&record)) {
            auto& row = rows.at(failed->range);
            ASSERT_FALSE(is_ended(row.state));
            row.state = failed->state;
            row.burnt = failed->burnt;
        } else if (auto const* bundle = std::get_if<journal::BundleChanged>(&record)) {
            if (!bundle->state.lost) return;
            for (auto& row : rows) {
                if (row.state == RangeState::finished && row.bundle == bundle->number)
                    row.state = RangeState::ready;
            }
        } else if (auto const* dropped = std::get_if<journal::JobDropped>(&record)) {
            for (auto& row : rows) {
                if (row.job == dropped->job && !is_ended(row.state)) row.state = RangeState::dropped;
            }
        } else if (auto const* added = std::get_if<journal::RangeAdded>(&record)) {
            ASSERT_EQ(added->range, rows.size());
            rows.push_back({.job = table.files().at(added->row.file).job});
        }
    }
};

/// Rank 0 with its network: what it sends arrives in order, some time later; Accepted after a sync.
class World final : public DispatcherEffects {
  public:
    World(unsigned seed, std::uint32_t ranges, std::uint32_t droid_count, DispatchPolicy const& policy,
          test::DroidHabits const& habits = {})
        : random(seed),
          dispatcher(test::make_table({.ranges = ranges, .files = 3, .events = 2}), {200}, droid_count + 1,
                     policy),
          links_(droid_count + 1)
    {
        replay.rows.resize(dispatcher.table().size());
        for (Rank rank = 1; rank <= droid_count; ++rank) {
            droids.emplace_back(rank, dispatcher.table().life(), 1 + pick(4), seed * 1000 + rank, habits);
            droids.back().say_hello();
        }
    }

    std::uint32_t pick(std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); }

    void step()
    {
        now = now + Duration::from_ms(10);
        for (auto& droid : droids) {
            auto& link = links_[droid.rank()];
            if (link.dead) continue;
            if (now >= link.frozen_until) {
                for (; !link.down.empty() && link.down.front().at <= now; link.down.pop_front())
                    droid.hear(now, link.down.front().message->get());
                droid.live(now);
            }
            for (; !droid.outbox.empty(); droid.outbox.pop_front()) {
                auto const at = std::max(link.last_up, now + Duration::from_ms(pick(40)));
                link.last_up = at;
                link.up.push_back({at, droid.outbox.front().header, std::move(droid.outbox.front().message)});
            }
        }
        for (Rank rank = 1; rank < links_.size(); ++rank) {
            auto& link = links_[rank];
            for (; !link.up.empty() && link.up.front().at <= now; link.up.pop_front())
                dispatcher.on_message(now, rank, link.up.front().header, link.up.front().message->get(),
                                      *this);
        }
        dispatcher.on_batch_end(now, *this);
        if (now.ns / 10'000'000 % 5 == 0) dispatcher.on_tick(now, *this);
    }

    /// What it had sent and nobody has read is lost with it.
    void kill(Rank rank, bool told)
    {
        auto& link = links_[rank];
        link.dead = true;
        link.up.clear();
        if (told) dispatcher.on_exit(now, rank, *this);
    }
    bool is_dead(Rank rank) const { return links_[rank].dead; }
    void freeze(Rank rank, Duration time) { links_[rank].frozen_until = now + time; }

    void send(Rank to, Message const& message) override { put(to, message, Duration{}); }
    void send_grant(Rank to, RangeRun const& run, std::string_view text_id) override
    {
        for (std::uint32_t i = 0; i < run.count; ++i)
            ASSERT_TRUE(hand_outs_.insert({run.begin + i, run.hand_out}).second) << "an epoch twice";
        put(to, Grant{run, text_id}, Duration{});
    }
    void accept(Rank to, std::uint32_t sequence) override
    {
        put(to, Accepted{sequence}, Duration::from_ms(pick(60)));
    }
    void record(journal::Record const& record) override { replay.apply(record, dispatcher.table()); }
    void note(std::string_view, Rank, std::uint64_t, std::string_view) override {}

    void check()
    {
        auto const& table = dispatcher.table();
        std::vector<std::uint32_t> held(links_.size());
        for (RangeIndex range = 0; range < table.size(); ++range) {
            auto const copies = table.copies(range);
            for (unsigned i = 0; i < copies.count; ++i) ++held.at(copies.ranks[i]);
        }
        for (Rank rank = 1; rank < held.size(); ++rank) {
            ASSERT_EQ(dispatcher.droid(rank).outstanding_count, held[rank]) << "rank " << rank;
            ASSERT_TRUE(held[rank] == 0 || dispatcher.droid(rank).state == DroidState::alive);
        }
        ASSERT_EQ(table.counts(), test::recount(table).all);
    }

    /// The promises, when all is over.
    void check_end()
    {
        auto const& table = dispatcher.table();
        for (RangeIndex range = 0; range < table.size(); ++range) {
            auto const& row = replay.rows.at(range);
            auto const state =
                table.state(range) == RangeState::sent ? RangeState::ready : table.state(range);
            ASSERT_EQ(row.state, state) << "a later life would find another state of range " << range;
            ASSERT_EQ(row.burnt, table.tries_burnt(range) | (table.progress(range).burnt & 0xF0u));
            if (state != RangeState::finished) continue;
            auto const& bundle = table.bundles().at(table.progress(range).holder);
            ASSERT_EQ(row.hand_out, table.row(range).winner);
            std::size_t keeper_count = 0;
            for (auto const& droid : droids) {
                bool const is_winner = droid.rank() == bundle.origin.rank;
                if (is_winner) {
                    ASSERT_TRUE(droid.keeps(range, row.hand_out))
                        << "the bytes that count are gone: " << range;
                }
                for (auto const& [stored, hand_out] : droid.stored())
                    keeper_count +=
                        stored == range && droid.keeps(stored, hand_out) && droid.gone() ? 1u : 0u;
            }
            ASSERT_LE(keeper_count, 1u) << "two sealed bundles hold range " << range;
        }
    }

    std::mt19937 random;
    TimePoint now;
    Dispatcher dispatcher;
    std::deque<test::NaiveDroid> droids;
    NaiveReplay replay;

  private:
    struct Down {
        TimePoint at;
        std::unique_ptr<test::KeptMessage> message;
    };
    struct Up {
        TimePoint at;
        FrameHeader header;
        std::unique_ptr<test::KeptMessage> message;
    };
    struct Link {
        std::deque<Down> down;
        std::deque<Up> up;
        TimePoint last_down;
        TimePoint last_up;
        TimePoint frozen_until;
        bool dead = false;
    };
    void put(Rank to, Message const& message, Duration extra)
    {
        auto& link = links_[to];
        if (link.dead) return;
        auto const at = std::max(link.last_down, now + Duration::from_ms(pick(40)) + extra);
        link.last_down = at;
        link.down.push_back({at, std::make_unique<test::KeptMessage>(message)});
    }

    std::vector<Link> links_;
    std::set<std::pair<RangeIndex, std::uint16_t>> hand_outs_;
};

DispatchPolicy random_policy(std::mt19937& random)
{
    DispatchPolicy policy;
    policy.batch = random() % 3 ? 0 : 1 + static_cast<std::uint32_t>(random() % 8);
    policy.silence = Duration::from_s(4);
    policy.second_copies = random() % 4 != 0;
    return policy;
}

constexpr std::uint32_t ranges_per_file = 60;
constexpr int most_steps = 60'000;  // Ten minutes.

class RandomRuns : public testing::TestWithParam<unsigned> {};

TEST_P(RandomRuns, EndWithEveryRangeOnce)
{
    std::mt19937 random(GetParam());
    World world(GetParam(), ranges_per_file, 2 + GetParam() % 5, random_policy(random));
    for (int step = 0; step < most_steps && !world.dispatcher.over(); ++step) {
        world.step();
        if (step % 10 == 0) world.check();
        if (HasFatalFailure()) return;
    }
    ASSERT_TRUE(world.dispatcher.over());
    EXPECT_EQ(world.dispatcher.table().unended_count(), 0u);
    for (auto const& droid : world.droids) EXPECT_TRUE(droid.gone());
    world.check_end();
}

TEST_P(RandomRuns, SurviveDeathsAndFreezes)
{
    std::mt19937 random(GetParam());
    std::uint32_t const droid_count = 3 + GetParam() % 4;
    World world(GetParam(), ranges_per_file, droid_count, random_policy(random));
    for (int step = 0; step < most_steps && !world.dispatcher.over(); ++step) {
        world.step();
        Rank const rank = 1 + world.pick(droid_count);
        if (rank != 1 && world.pick(700) == 0 && !world.is_dead(rank)) world.kill(rank, world.pick(2) == 0);
        if (world.pick(300) == 0) world.freeze(rank, Duration::from_ms(500 + world.pick(12000)));
        if (step % 10 == 0) world.check();
        if (HasFatalFailure()) return;
    }
    ASSERT_TRUE(world.dispatcher.over());
    if (world.dispatcher.table().unended_count() > 0) {  // All the others were dead and the first one frozen.
        EXPECT_EQ(world.dispatcher.exit_code(), 3);
    }
    world.check_end();
}

TEST_P(RandomRuns, CanBeDrainedAtAnyMoment)
{
    std::mt19937 random(GetParam());
    World world(GetParam(), ranges_per_file, 2 + GetParam() % 5, random_policy(random));
    auto const drain_at = static_cast<int>(random() % 1500);
    TimePoint deadline = TimePoint::never();
    for (int step = 0; step < most_steps && !world.dispatcher.over(); ++step) {
        world.step();
        if (step == drain_at) {
            deadline = world.now + Duration::from_s(5);
            world.dispatcher.on_drain(world.now, deadline, "asked to", world);
        }
        if (step % 10 == 0) world.check();
        if (HasFatalFailure()) return;
    }
    ASSERT_TRUE(world.dispatcher.over());
    EXPECT_LE(world.now, deadline);
    world.check_end();
}

TEST_P(RandomRuns, TakeMoreRangesAndAKill)
{
    std::mt19937 random(GetParam());
    auto policy = random_policy(random);
    policy.closed = false;
    World world(GetParam(), ranges_per_file, 3, policy);
    unsigned next = ranges_per_file;
    bool closed = false;
    for (int step = 0; step < most_steps && !world.dispatcher.over(); ++step) {
        world.step();
        auto& dispatcher = world.dispatcher;
        if (!closed && world.pick(150) == 0) {
            std::vector<EventRange> ranges;
            for (auto count = 1 + world.pick(20); count > 0; --count)
                ranges.push_back(test::make_range(0, 0, ++next));
            std::vector<std::string> const pfns(ranges.size(), "/d");
            ASSERT_TRUE(dispatcher.on_more_ranges(world.now, 0, ranges, pfns, world));
        }
        if (step == 1500) {
            closed = true;
            dispatcher.on_closed(world.now, world);
        }
        if (step == 2000 && GetParam() % 3 == 0) dispatcher.on_job_killed(world.now, 0, world);
        if (step % 10 == 0) world.check();
        if (HasFatalFailure()) return;
    }
    ASSERT_TRUE(world.dispatcher.over());
    EXPECT_EQ(world.dispatcher.table().unended_count(), 0u);
    world.check_end();
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRuns, testing::Range(0u, 25u));

}  // namespace
}  // namespace yoda
