// SPDX-License-Identifier: Apache-2.0
// The event table against a naive model of it: random operations from fixed seeds, compared after each one.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "core/table/event_table.hpp"
#include "support/builders/table_builder.hpp"

namespace yoda {
namespace {

/// One range, as slowly and as plainly as possible.
struct ModelRange {
    struct Copy {
        Rank rank;
        Epoch epoch;
    };
    RangeState state = RangeState::ready;
    JobIndex job = 0;
    unsigned burnt = 0;
    unsigned deaths = 0;
    std::uint16_t handed_count = 0;  ///< in this life
    std::vector<Copy> copies;
    BundleNumber bundle = none;
    Epoch winner;
};

class Model {
  public:
    explicit Model(EventTable const& table) : policy(table.policy())
    {
        for (RangeIndex range = 0; range < table.size(); ++range)
            ranges.push_back({.job = table.job(range), .copies = {}, .winner = {}});
    }

    std::size_t count(RangeState state) const
    {
        return static_cast<std::size_t>(std::count_if(
            ranges.begin(), ranges.end(), [&](auto const& range) { return range.state == state; }));
    }

    /// Checks what the table did: any ready ranges of jobs that are not blocked.
    void hand_out(Rank rank, std::vector<RangeRun> const& runs, std::vector<bool> const& blocked)
    {
        for (auto const& run : runs) {
            for (RangeIndex range = run.begin; range < run.begin + run.count; ++range) {
                auto& it = ranges.at(range);
                ASSERT_EQ(it.state, RangeState::ready);
                ASSERT_FALSE(it.job < blocked.size() && blocked[it.job]);
                it.state = RangeState::sent;
                Epoch const epoch = Epoch::make(life, ++it.handed_count);
                ASSERT_EQ(run.hand_out, epoch.hand_out());
                ASSERT_TRUE(epochs[range].insert(epoch.value).second) << "an epoch twice";
                it.copies.push_back({rank, epoch});
            }
        }
    }

    bool copy_out(RangeIndex range, Rank rank)
    {
        auto& it = ranges.at(range);
        if (it.state != RangeState::sent || it.copies.size() != 1 || it.copies[0].rank == rank) return false;
        if (it.burnt >= policy.tries) return false;
        it.copies.push_back({rank, Epoch::make(life, ++it.handed_count)});
        return epochs[range].insert(it.copies.back().epoch.value).second;
    }

    Outcome finish(RangeIndex range, Epoch epoch, BundleNumber bundle)
    {
        if (range >= ranges.size()) return Outcome::ignored;
        auto& it = ranges[range];
        if (it.state != RangeState::ready && it.state != RangeState::sent) return Outcome::ignored;
        if (epoch.life() != life || !epochs[range].contains(epoch.value)) return Outcome::ignored;
        if (bundle != none && lost_bundles.contains(bundle)) return Outcome::ignored;
        it.state = RangeState::finished;
        it.copies.clear();
        it.bundle = bundle;
        it.winner = epoch;
        return Outcome::accepted;
    }

    Outcome fail(RangeIndex range, Epoch epoch, Rank rank, FailKind kind)
    {
        if (range >= ranges.size() || ranges[range].state != RangeState::sent) return Outcome::ignored;
        auto& it = ranges[range];
        auto const copy = std::find_if(it.copies.begin(), it.copies.end(), [&](auto const& each) {
            return each.rank == rank && each.epoch == epoch;
        });
        if (copy == it.copies.end()) return Outcome::ignored;
        it.copies.erase(copy);
        if (kind == FailKind::fatal) {
            it.state = RangeState::fatal;
            it.copies.clear();
            return Outcome::ended;
        }
        if (kind == FailKind::failed) ++it.burnt;
        if (kind == FailKind::payload_death && ++it.deaths == policy.payload_deaths) {
            it.deaths = 0;
            ++it.burnt;
        }
        if (!it.copies.empty()) return Outcome::retried;
        it.state = it.burnt >= policy.tries ? RangeState::failed : RangeState::ready;
        return it.state == RangeState::failed ? Outcome::ended : Outcome::retried;
    }

    std::uint64_t drop_job(JobIndex job)
    {
        std::uint64_t dropped = 0;
        for (auto& it : ranges) {
            if (it.job != job || (it.state != RangeState::ready && it.state != RangeState::sent)) continue;
            it.state = RangeState::dropped;
            it.copies.clear();
            ++dropped;
        }
        return dropped;
    }

    std::vector<RangeIndex> lose_bundle(BundleNumber bundle)
    {
        lost_bundles.insert(bundle);
        std::vector<RangeIndex> lost;
        for (RangeIndex range = 0; range < ranges.size(); ++range) {
            if (ranges[range].state != RangeState::finished || ranges[range].bundle != bundle) continue;
            ranges[range].state = RangeState::ready;
            lost.push_back(range);
        }
        return lost;
    }

    Outcome adopt(RangeIndex range, Epoch epoch, BundleNumber bundle)
    {
        if (ranges[range].state != RangeState::ready) return Outcome::ignored;
        ranges[range].state = RangeState::finished;
        ranges[range].bundle = bundle;
        ranges[range].winner = epoch;
        return Outcome::accepted;
    }

    void new_life()
    {
        ++life;
        for (auto& it : ranges) {
            if (it.state == RangeState::sent) it.state = RangeState::ready;
            it.handed_count = 0;
            it.copies.clear();
        }
    }

    void expect_same(EventTable const& table) const
    {
        for (RangeIndex range = 0; range < ranges.size(); ++range) {
            auto const& it = ranges[range];
            ASSERT_EQ(table.state(range), it.state) << "range " << range;
            ASSERT_EQ(table.tries_burnt(range), std::min(it.burnt, 15u)) << "range " << range;
            auto const copies = table.copies(range);
            ASSERT_EQ(copies.count, it.copies.size()) << "range " << range;
            for (unsigned i = 0; i < copies.count; ++i) {
                ASSERT_EQ(copies.ranks[i], it.copies[i].rank) << "range " << range;
                ASSERT_EQ(copies.epochs[i], it.copies[i].epoch) << "range " << range;
            }
            if (it.state == RangeState::finished) {
                ASSERT_EQ(table.progress(range).holder, it.bundle);
                if (it.bundle != none) {
                    ASSERT_EQ(table.winning_epoch(range), it.winner) << "range " << range;
                }
            }
        }
        auto const counts = test::recount(table);
        ASSERT_EQ(table.counts(), counts.all);
        for (FileIndex file = 0; file < counts.files.size(); ++file)
            ASSERT_EQ(table.file_counts(file), counts.files[file]) << "file " << file;
        for (JobIndex job = 0; job < counts.jobs.size(); ++job)
            ASSERT_EQ(table.job_counts(job), counts.jobs[job]) << "job " << job;
        ASSERT_EQ(table.ready_count(), count(RangeState::ready));
    }

    TablePolicy policy;
    Life life = 1;
    std::vector<ModelRange> ranges;
    std::map<RangeIndex, std::set<std::uint32_t>> epochs;  ///< ever given, over all lives
    std::set<BundleNumber> lost_bundles;
};

class EventTableModel : public testing::TestWithParam<unsigned> {};

TEST_P(EventTableModel, DoesTheSameAsTheTable)
{
    std::mt19937 random(GetParam());
    auto const pick = [&](std::uint32_t below) { return static_cast<std::uint32_t>(random() % below); };
    constexpr std::uint32_t jobs = 3;
    constexpr std::uint32_t ranks = 5;
    auto table = test::make_table({.ranges = 12,
                                   .files = 2,
                                   .jobs = jobs,
                                   .events = 5,
                                   .policy = {.tries = 1 + pick(4), .payload_deaths = 1 + pick(5)}});
    Model model(table);
    std::vector<FileIndex> files(ranks, none);

    // Mostly a hand-out that is out there now, sometimes anything.
    auto const some_hand_out = [&](RangeIndex& range, Epoch& epoch, Rank& rank) {
        range = pick(table.size());
        rank = pick(ranks);
        epoch = Epoch::make(static_cast<Life>(table.life() - pick(2)), static_cast<std::uint16_t>(pick(4)));
        auto const copies = table.copies(range);
        if (copies.count > 0 && pick(8) > 0) {
            auto const which = pick(copies.count);
            rank = copies.ranks[which];
            epoch = copies.epochs[which];
        }
        if (pick(50) == 0) range = table.size() + pick(5);
    };

    for (int step = 0; step < 3000; ++step) {
        RangeIndex range = 0;
        Epoch epoch;
        Rank rank = 0;
        std::vector<RangeRun> runs;
        some_hand_out(range, epoch, rank);
        switch (auto const what = pick(1000); what / 100) {
            case 0:
            case 1:
            case 2: {
                std::vector<bool> blocked;
                if (pick(4) == 0) blocked = {pick(2) == 0, pick(2) == 0};
                auto const wanted = pick(9);
                auto const handed = table.hand_out(rank, files[rank], wanted, runs, blocked);
                std::uint32_t in_runs = 0;
                for (auto const& run : runs) in_runs += run.count;
                ASSERT_EQ(in_runs, handed);
                ASSERT_LE(handed, wanted);
                std::uint64_t available = 0;
                for (auto const& it : model.ranges)
                    available +=
                        it.state == RangeState::ready && !(it.job < blocked.size() && blocked[it.job]);
                ASSERT_EQ(handed, std::min<std::uint64_t>(wanted, available))
                    << "it hands out all that it may";
                model.hand_out(rank, runs, blocked);
                break;
            }
            case 3: {
                if (range >= table.size()) break;
                ASSERT_EQ(table.copy_out(range, rank, runs), model.copy_out(range, rank));
                break;
            }
            case 4:
            case 5: {
                auto bundle = pick(5) == 0 ? none : table.bundle({200, 0, table.life(), rank, pick(3)});
                ASSERT_EQ(table.finish(range, epoch, bundle, 1, 2), model.finish(range, epoch, bundle));
                break;
            }
            case 6:
            case 7:
            case 8: {
                auto const kind = pick(20) == 0 ? FailKind::fatal
                                  : pick(2)     ? FailKind::given_back
                                  : pick(2)     ? FailKind::payload_death
                                                : FailKind::failed;
                ASSERT_EQ(table.fail(range, epoch, rank, kind, 1), model.fail(range, epoch, rank, kind));
                break;
            }
            default:
                if (what < 910) {
                    table.start_life(static_cast<Life>(table.life() + 1));
                    table.rebuild();
                    model.new_life();
                    std::fill(files.begin(), files.end(), none);
                } else if (what < 912) {
                    ASSERT_EQ(table.drop_job(0), model.drop_job(0));
                } else if (what < 940 && !table.bundles().empty()) {
                    auto const bundle = pick(static_cast<std::uint32_t>(table.bundles().size()));
                    ASSERT_EQ(table.lose_bundle(bundle), model.lose_bundle(bundle));
                } else if (what < 950 && range < table.size()) {
                    auto const bundle = table.bundle({200, 0, table.life(), rank, 9});
                    if (model.lost_bundles.contains(bundle)) break;
                    auto const adopted = Epoch::make(table.life(), static_cast<std::uint16_t>(1 + pick(3)));
                    ASSERT_EQ(table.adopt(range, adopted, bundle, 0, 0), model.adopt(range, adopted, bundle));
                }
        }
        if (HasFatalFailure()) return;
        model.expect_same(table);
        if (HasFatalFailure()) {
            ADD_FAILURE() << "seed " << GetParam() << ", step " << step;
            return;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, EventTableModel, testing::Range(0u, 40u));

}  // namespace
}  // namespace yoda
