// SPDX-License-Identifier: Apache-2.0
// The thread of a Droid that writes bundles, step by step, so that a crash can come between any two: the same
// steps in the same order as droid/bundle_writer.cpp, sys/bundle/bundle_file.cpp and
// sys/bundle/sealed_copy.cpp take.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "bundle_names.hpp"
#include "droid/core/droid_core.hpp"
#include "sim.hpp"

namespace yoda::sim {

class BundleListener {
  public:
    virtual ~BundleListener() = default;
    virtual void stored(JobIndex job, std::uint32_t sequence,
                        std::vector<DroidCore::Stored> const& entries) = 0;
    virtual void output_bad(HandOut what) = 0;
    virtual void sealed(JobIndex job, std::uint32_t sequence, std::uint64_t bytes,
                        std::uint32_t entry_count) = 0;
    virtual void bundle_failed(JobIndex job, std::uint32_t sequence, std::string const& why) = 0;
};

class BundleThread {
  public:
    BundleThread(Sim& sim, Ledger& ledger, ProcessId self, Life life, Rank rank, BundleListener& listener);

    void store(std::uint32_t sequence, RangeOutput const& output, std::uint64_t bytes, bool is_bad);
    void seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected);
    void hurry();
    bool full() const { return orders_.size() + current_.size() - next_ >= queue_limit; }
    bool busy() const { return step_ != Step::idle; }
    TimePoint busy_since() const { return busy_since_; }
    /// What it is at comes back from the disk no sooner.
    void freeze(TimePoint until) { frozen_until_ = std::max(frozen_until_, until); }
    /// Its event has come.
    void step();

  private:
    static constexpr std::size_t queue_limit = 4096;
    enum class Step : std::uint8_t {
        idle,
        share,  ///< what is written waits for more that can share its syncs
        gather,
        sync_tars,
        sync_indexes,
        seal_names,
        seal_folder,
        seal_manifest,
    };
    struct Order {
        bool is_seal = false;
        bool is_bad = false;
        std::uint32_t sequence = 0;
        JobIndex job = 0;
        HandOut what;
        std::uint64_t bytes = 0;
        std::uint32_t cpu_ms = 0;
        std::uint32_t wall_ms = 0;
        std::string range_id;
        std::vector<HandOut> rejected;
    };
    struct Bundle {
        BundleOrigin origin;
        FileId tar = 0;
        FileId index = 0;
        bool named = false;  ///< its folder has been synced
        bool touched = false;
        std::string new_entries;
        std::vector<DroidCore::Stored> unsynced;
        std::uint32_t entry_count = 0;
        std::string trouble;
    };
    /// What is being sealed.
    struct Sealing {
        std::uint32_t sequence = 0;
        bool is_copy = false;
        FileId tar = 0;
        FileId index = 0;
        std::uint32_t entry_count = 0;
    };

    void wait(Step next, Duration time);
    void begin(bool hurry = false);
    void next_group();
    void carry_out(Order const& order);
    Bundle* open(JobIndex job, std::uint32_t sequence);
    void sync_tars();
    void sync_indexes();
    void group_done();
    void begin_seal(Order const& order);
    bool copy_without(Bundle& bundle, std::vector<HandOut> const& rejected);
    void seal_names();
    void seal_folder();
    void seal_manifest();
    void seal_done(std::uint32_t entry_count, std::uint64_t bytes);
    void remove_open_files(Bundle const& bundle);
    void fail(std::uint32_t sequence, std::string why);
    void fail_sealing(std::string why);

    Sim& sim_;
    Ledger& ledger_;
    ProcessId self_;
    Life life_;
    Rank rank_;
    BundleListener& listener_;
    Step step_ = Step::idle;
    TimePoint due_;  ///< of this step: what was called off still has its event
    TimePoint last_sync_ = TimePoint{} - Duration::max();  ///< when it began
    std::size_t unsynced_count_ = 0;
    TimePoint busy_since_ = TimePoint::never();
    TimePoint frozen_until_;
    bool in_a_hurry_ = false;
    std::vector<Order> orders_;
    std::vector<Order> current_;
    std::size_t next_ = 0;
    std::map<std::uint32_t, Bundle> open_;
    std::unordered_set<std::uint32_t> failed_;
    std::vector<std::uint32_t> touched_;
    Sealing sealing_;
};

}  // namespace yoda::sim
