// SPDX-License-Identifier: Apache-2.0
// One thread's work of a push: takes a name, claims its record, and does its steps until
// it is done, waits or fails.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "harvest/stage_out/push_command.hpp"
#include "harvest/stage_out/stage_folder.hpp"

namespace yoda {

/// What all threads of one push share.
struct PushShared {
    PushOptions const* options = nullptr;
    Log* log = nullptr;
    Clock const* clock = nullptr;
    StoreContext context;
    /// Of jobs that name their own store: by PandaID.
    std::map<std::int64_t, StoreConfig> job_stores;
    std::atomic<bool> claims_lost{false};
    std::atomic<std::uint64_t> sent_bytes{0};

    std::mutex mutex;  ///< of what follows
    PushSummary summary;
    std::vector<Claim> to_clean;

    std::int64_t unix_s() const { return clock->unix_ns() / 1'000'000'000; }
    bool stopping() const
    {
        return claims_lost.load() || (options->stop && options->stop->load(std::memory_order_relaxed));
    }
    void note_failure(std::string const& name, std::string const& reason);
};

class PushWorker {
  public:
    PushWorker(PushShared& shared, StageFolder& folder);
    /// `name` is in the stage folder, or is a sealed bundle that nobody staged yet.
    void work(std::string const& name, bool is_new);
    /// False when nothing can be begun any more in this tick: every store is stopped or keeps failing.
    bool any_store_works();

  private:
    Result<StageRecord> new_record(std::string const& name);
    std::string target_of(StageRecord const& record);
    Status choose_target(StageRecord& record);
    Status stage_outputs(StageRecord& bundle);
    void steps(Claim& claim);
    Status upload(Claim& claim);
    Status check(Claim& claim);
    Status note_verified(Claim& claim);
    Result<bool> is_there(StageRecord const& record, Store& store, Presence presence);
    void lose(Claim& claim, Error const& error);
    void forget_log(StageRecord& record);
    void give_up_log(Claim& claim, Error const& error);
    void fail(Claim& claim, Error const& error);
    ObjectSpec spec_of(StageRecord const& record) const;
    StoreConfig const* config_of(std::string const& activity, StageRecord const& record) const;
    Result<Store*> store_of(std::string const& activity, StageRecord const& record);
    bool works(std::string const& activity, StageRecord const& record);
    PutHooks hooks_for(Claim& claim);

    PushShared& shared_;
    StageFolder& folder_;
    std::map<std::string, std::unique_ptr<Store>> stores_;  ///< by activity and URL
    bool is_fresh_ = false;  ///< the record in hand was made by us just now and nobody else saw it
    std::minstd_rand random_{std::random_device{}()};
};

}  // namespace yoda
