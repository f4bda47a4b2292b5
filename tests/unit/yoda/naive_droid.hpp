// SPDX-License-Identifier: Apache-2.0
// A Droid of a few lines, on a network and a clock of its own, for random runs of the dispatcher. It keeps to
// docs/protocol.md and keeps book of what its bundle holds. The real one is src/droid; the simulation of both
// together is tests/sim.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "support/recording_effects.hpp"

namespace yoda::test {

struct DroidHabits {
    double fail = 0.02;
    double payload_death = 0.01;
    double fatal = 0.002;
    double median_s = 0.2;
    double sigma = 0.7;
};

class NaiveDroid {
  public:
    NaiveDroid(Rank rank, Life life, std::uint32_t workers, unsigned seed, DroidHabits habits)
        : rank_(rank), life_(life), workers_(workers), random_(seed), habits_(habits)
    {}

    struct Outgoing {
        FrameHeader header;
        std::unique_ptr<KeptMessage> message;
    };
    std::deque<Outgoing> outbox;

    bool gone() const { return gone_; }
    Rank rank() const { return rank_; }
    void say_hello() { say(Hello{"node", rank_, workers_}); }

    void hear(TimePoint now, Message const& message)
    {
        if (auto const* grant = std::get_if<Grant>(&message)) {
            asked_idle_ = 0;
            for (std::uint32_t i = 0; i < grant->run.count; ++i)
                queue_.push_back({grant->run.begin + i, grant->run.hand_out});
            if (leaving_) give_back(queue_.size());
        } else if (auto const* revoke = std::get_if<Revoke>(&message)) {
            for (auto const& what : revoke->entries) {
                std::erase(queue_, what);
                std::erase_if(running_, [&](Running const& each) { return each.what == what; });
            }
        } else if (auto const* recall = std::get_if<Recall>(&message)) {
            give_back(recall->count);
        } else if (std::holds_alternative<AskRunning>(message)) {
            std::vector<RunningEntry> entries;
            for (auto const& each : running_)
                entries.push_back({each.what, static_cast<std::uint32_t>((now - each.since).ms())});
            say(yoda::Running{entries});
        } else if (auto const* rejected = std::get_if<Rejected>(&message)) {
            for (auto const& what : rejected->entries) rejected_.insert({what.range, what.hand_out});
        } else if (auto const* accepted = std::get_if<Accepted>(&message)) {
            while (!reported_.empty() && reported_.begin()->first <= accepted->sequence)
                reported_.erase(reported_.begin());
        } else if (std::holds_alternative<NothingEver>(message) || std::holds_alternative<Drain>(message)) {
            leave(std::holds_alternative<Drain>(message));
        } else if (std::holds_alternative<Reset>(message)) {
            if (gone_) return;
            ++generation_;
            queue_.clear();
            running_.clear();
            asked_idle_ = 0;
            say_hello();
        }
    }

    void live(TimePoint now)
    {
        if (gone_) return;
        end_ranges(now);
        while (running_.size() < workers_ && !queue_.empty()) {
            std::lognormal_distribution<double> time(std::log(habits_.median_s), habits_.sigma);
            running_.push_back({queue_.front(), now, now + Duration::from_s(time(random_))});
            queue_.pop_front();
        }
        auto const idle = static_cast<std::uint32_t>(workers_ - running_.size());
        if (!leaving_ && queue_.empty() && idle > asked_idle_) {
            asked_idle_ = idle;
            say(Request{idle});
        }
        if (now - last_heartbeat_ >= Duration::from_s(1)) {
            last_heartbeat_ = now;
            say(Heartbeat{});
        }
        if (leaving_ && queue_.empty() && running_.empty() && reported_.empty()) {
            if (bundle_used_) say(Sealed{0, 0, 1, 1});
            say(Goodbye{});
            gone_ = true;
        }
    }

    /// What its bundle would keep when sealed now: stored, and not rejected.
    bool keeps(RangeIndex range, std::uint16_t hand_out) const
    {
        return stored_.contains({range, hand_out}) && !rejected_.contains({range, hand_out});
    }
    std::set<std::pair<RangeIndex, std::uint16_t>> const& stored() const { return stored_; }

  private:
    struct Running {
        HandOut what;
        TimePoint since;
        TimePoint until;
    };

    void say(Message const& message)
    {
        outbox.push_back({{life_, generation_}, std::make_unique<KeptMessage>(message)});
    }
    bool chance(double probability)
    {
        return std::uniform_real_distribution<double>(0, 1)(random_) < probability;
    }

    void give_back(std::size_t most)
    {
        std::vector<HandOut> back;
        while (back.size() < most && !queue_.empty()) {
            back.push_back(queue_.back());
            queue_.pop_back();
        }
        say(GivenBack{back});
    }
    void leave(bool at_once)
    {
        leaving_ = true;
        give_back(queue_.size());
        if (!at_once) return;
        std::vector<HandOut> back;
        for (auto const& each : running_) back.push_back(each.what);
        running_.clear();
        say(GivenBack{back});
    }
    void end_ranges(TimePoint now)
    {
        std::vector<FinishedEntry> finished;
        for (std::size_t i = 0; i < running_.size();) {
            auto const each = running_[i];
            if (each.until > now) {
                ++i;
                continue;
            }
            running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
            if (chance(habits_.fatal)) {
                say(Failed{each.what, FailKind::fatal, code::es_fatal, "fatal"});
            } else if (chance(habits_.fail)) {
                say(Failed{each.what, FailKind::failed, code::payload_failure, "failed"});
            } else if (chance(habits_.payload_death)) {
                say(Failed{each.what, FailKind::payload_death, code::athenamp_died, "died"});
            } else if (finished.size() < max_finished_entries) {
                auto const wall_ms = static_cast<std::uint32_t>((now - each.since).ms());
                finished.push_back({each.what.range, each.what.hand_out, wall_ms, wall_ms});
                stored_.insert({each.what.range, each.what.hand_out});
            }
        }
        if (finished.empty()) return;
        bundle_used_ = true;
        reported_[++sequence_] = finished.size();
        say(Finished{sequence_, 0, 0, finished});
    }

    Rank rank_;
    Life life_;
    std::uint32_t workers_;
    std::mt19937 random_;
    DroidHabits habits_;
    std::uint32_t generation_ = 0;
    std::deque<HandOut> queue_;
    std::vector<Running> running_;
    std::map<std::uint32_t, std::size_t> reported_;  ///< Finished messages without an answer so far
    std::set<std::pair<RangeIndex, std::uint16_t>> stored_;
    std::set<std::pair<RangeIndex, std::uint16_t>> rejected_;
    std::uint32_t sequence_ = 0;
    std::uint32_t asked_idle_ = 0;
    TimePoint last_heartbeat_;
    bool leaving_ = false;
    bool gone_ = false;
    bool bundle_used_ = false;
};

}  // namespace yoda::test
