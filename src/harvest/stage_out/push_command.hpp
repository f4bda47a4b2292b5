// SPDX-License-Identifier: Apache-2.0
// `harvest push`: brings every sealed bundle (and whatever else was staged) of the given runs to its store,
// proves that it is there, and removes the local data of what has been reported. Safe to run twice at once,
// from cron, killed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/exit_code.hpp"
#include "core/base/result.hpp"
#include "harvest/stage_out/stager.hpp"
#include "harvest/stores/base/store_context.hpp"
#include "harvest/stores/make_store.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"

namespace yoda {

/// Whether outputs may go to ordinary storage (the store "pw") instead of an object store: never, when object
/// stores fail, or at once (allow_alt_os_stageout).
enum class Alternative { off, on, force };

struct PushProgress {
    std::uint64_t file_count = 0;  ///< to do in all
    std::uint64_t done_count = 0;
    std::uint64_t failed_count = 0;
    std::uint64_t sent_bytes = 0;
};

struct PushOptions {
    /// Run folders, or folders of run folders (spools).
    std::vector<std::string> folders;
    /// By activity: es_events (needed for bundles), es_failover, pw (ordinary storage), pl, logs
    /// (docs/reference/panda.md §8).
    std::map<std::string, StoreConfig> stores;
    StagePolicy stage;
    TransferPolicy transfer;
    unsigned parallel = 8;                     ///< files at once
    std::uint64_t send_limit_bytes_per_s = 0;  ///< 0: none
    bool read_back = true;                     ///< where a store names no checksum; false: its size has to do
    bool one_object_per_output = false;        ///< not_es_to_zip
    /// Of a run folder: records of logs that are to be brought to a store now
    /// (harvest/panda/report/log_upload.hpp).
    std::function<Result<std::vector<StageRecord>>(std::string const& run)> find_logs;
    Alternative alternative = Alternative::off;
    bool use_job_stores = true;  ///< prodDBlockTokenForOutput of a job goes before the configuration
    Duration start_limit{};      ///< no file is begun after this long; zero: no limit
    /// After so many failures in a row of one store nothing more is begun there in this tick.
    unsigned give_up_after = 20;
    bool dry_run = false;
    std::atomic<bool> const* stop = nullptr;
    std::function<void(PushProgress const&)> progress;
};

struct PushFailure {
    std::string name;
    std::string reason;
};

struct PushSummary {
    std::uint64_t run_count = 0;
    std::uint64_t found_count = 0;     ///< files that were not finished when we came
    std::uint64_t verified_count = 0;  ///< brought to their store and proven by this call
    std::uint64_t cleaned_count = 0;
    std::uint64_t failed_count = 0;
    std::uint64_t lost_count = 0;     ///< damaged or vanished, put into quarantine
    std::uint64_t waiting_count = 0;  ///< for their next try, for being reported, or not begun
    std::uint64_t busy_count = 0;     ///< in the hands of another harvest
    std::uint64_t sent_bytes = 0;
    Duration took{};
    std::vector<PushFailure> failures;  ///< the first 20
    std::vector<std::string> plan;      ///< dry run: what would be done

    /// The figures of another run's push.
    void add(PushSummary const& other);
    bool did_something() const { return verified_count + cleaned_count > 0; }
    bool all_well() const { return failed_count == 0 && lost_count == 0; }
    /// One line.
    std::string text() const;
    std::string json() const;
    /// 0: all is well; 1: something failed and will be tried again; 3:
    /// bundles were lost and put into quarantine.
    ExitCode exit_code() const;
};

/// The runs among the folders: itself, or those in a folder of runs. Error (usage): no such folder.
Result<std::vector<std::string>> find_runs(std::vector<std::string> const& folders);

/// Errors are of the call as a whole (no such folder, a store that cannot be used); what happens to single
/// files is in the summary.
Result<PushSummary> push(PushOptions const& options, Log& log, Clock const& clock);

}  // namespace yoda
