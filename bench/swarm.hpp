// SPDX-License-Identifier: Apache-2.0
// Thousands of Droids in one thread, in real time, for rank 0's real loop: each does its workers' ranges in
// rounds of one event time, each at a phase of its own. No product code runs on their side but the codec.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/time.hpp"
#include "core/messages/codec.hpp"
#include "sys/base/clock.hpp"
#include "sys/transport/transport.hpp"

namespace yoda::bench {

struct SwarmPlan {
    std::uint32_t droids = 10'000;
    std::uint32_t workers = 250;
    Duration event_time = Duration::from_s(1);
    Life life = 1;
};

/// Rank 0's end of the wire: what it receives comes from the swarm's thread, what it sends goes there.
class SwarmTransport final : public Transport {
  public:
    SwarmTransport(SwarmPlan plan, Clock const& clock);
    ~SwarmTransport() override;
    void start();

    Rank rank() const override { return 0; }
    std::uint32_t rank_count() const override { return plan_.droids + 1; }
    void send(Rank to, std::string_view frame) override;
    bool receive(Rank& from, std::string& frame) override;
    std::size_t unsent_count(Rank) const override { return 0; }
    void give_up(Rank) override {}
    int fd() const override { return -1; }

    /// From a Droid's report of finished ranges, as it arrived, to the grant that answers it.
    std::vector<float> const& answer_ms() const { return answer_ms_; }
    std::uint64_t frame_count() const { return frame_count_; }

  private:
    struct Parcel {
        Rank rank;
        TimePoint at;
        std::string frame;
    };
    struct Droid {
        std::deque<RangeRun> queue;
        std::uint32_t sequence = 1;
        TimePoint due;
        bool is_hungry = false;
    };
    void run();
    void take(Parcel const& parcel);
    void finish_round(Rank rank, TimePoint now);

    SwarmPlan plan_;
    Clock const& clock_;
    std::mutex mutex_;
    std::vector<Parcel> to_zero_;   ///< under the mutex
    std::vector<Parcel> to_swarm_;  ///< under the mutex
    std::vector<Parcel> arrived_;   ///< rank 0's own
    std::size_t next_arrived_ = 0;
    std::vector<Parcel> leaving_;  ///< rank 0's own
    std::vector<TimePoint> waits_since_;
    std::vector<float> answer_ms_;
    std::uint64_t frame_count_ = 0;

    std::vector<Droid> droids_;     ///< the swarm's own
    std::vector<Parcel> outgoing_;  ///< the swarm's own
    std::atomic<bool> stops_ = false;
    std::thread thread_;
};

}  // namespace yoda::bench
