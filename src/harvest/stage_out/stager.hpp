// SPDX-License-Identifier: Apache-2.0
// How a file of a run gets into its store, as a pure state machine: one record a file, time in, steps out.
//
//   sealed -> uploading -> uploaded     upload: the store takes the file
//   uploading, uploaded -> verified     check: the store holds the file, with its size and checksum
//   uploading, uploaded -> sealed       check: the store holds something else or nothing; the file goes again
//   verified -> reported -> cleaned     PanDA has taken the outputs; then the local data is removed
//   any before reported -> lost         the file is damaged or has vanished
//
// A failure changes no state: the same step is tried again at next_try_unix_s. Every step may be repeated: a
// kill at any instant costs one step done twice, never one left out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

enum class Stage { sealed, uploading, uploaded, verified, reported, cleaned, lost };
std::string_view print_stage(Stage stage);

/// Attempts at one store.
struct StageFailures {
    unsigned primary_count = 0;
    unsigned failover_count = 0;  ///< at es_failover or ordinary storage
    bool operator==(StageFailures const&) const = default;
};

/// All that is known of one file on its way. Holds no secret.
struct StageRecord {
    std::string name;  ///< "NAME.tar"; unique in its run
    std::string lfn;   ///< its name in the store; empty: `name`
    std::string path;  ///< local file, relative to the run folder; never leaves it
    /// Offset of its first byte in that file, for a range's output inside of a bundle; else 0.
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 0;
    /// A bundle whose outputs go one by one (not_es_to_zip): this record waits for their records.
    bool split = false;
    std::string activity = "es_events";  ///< which store it is for
    std::string scope;                   ///< for deterministic paths; empty: the store's
    std::int64_t panda_id = 0;
    std::int64_t task_id = 0;

    Stage stage = Stage::sealed;
    std::string target;  ///< activity whose store it goes or went to ("es_failover", "pw" after a failover)
    std::string key;     ///< in that store
    std::string url;
    std::string token;  ///< marks our object, drawn once
    std::string md5;
    std::string resume;
    std::string proof;

    StageFailures failures;  ///< since the last success of any step
    std::string reason;      ///< of the last failure; empty when all is well
    std::int64_t next_try_unix_s = 0;

    std::int64_t sealed_unix_s = 0;
    std::int64_t verified_unix_s = 0;
    std::int64_t reported_unix_s = 0;
    std::int64_t cleaned_unix_s = 0;
    bool operator==(StageRecord const&) const = default;
};

std::string print_stage_record(StageRecord const& record);
/// Errors: not JSON, another version, a key missing or of the wrong type, a path that leaves the run folder.
Result<StageRecord> parse_stage_record(std::string_view text);

struct StagePolicy {
    bool report = true;              ///< false: verified counts as reported
    bool clean = true;               ///< false: local data stays
    std::int64_t keep_s = 0;         ///< local data stays this long after it was reported
    unsigned failover_after = 3;     ///< failures at the primary store before the other one is tried
    std::int64_t first_wait_s = 60;  ///< after a failure; doubles
    std::int64_t longest_wait_s = 3600;
};

/// Its name in the store.
inline std::string const& stored_name(StageRecord const& record)
{
    return record.lfn.empty() ? record.name : record.lfn;
}

/// What to do with it now. `wait`: nothing before next_try_unix_s, or it is somebody else's turn (reporting).
enum class Step { upload, check, clean, wait, nothing };
Step next_step(StageRecord const& record, StagePolicy const& policy, std::int64_t now_unix_s);

/// Where a record belongs when nobody works on it.
struct StagePlace {
    enum class Kind { open, later, done } kind = Kind::open;
    std::int64_t due_unix_h = 0;  ///< later: the hour from which on there is something to do
    bool operator==(StagePlace const&) const = default;
};
StagePlace place_of(StageRecord const& record, StagePolicy const& policy);

/// Which store it should go to; `primary_works` and `failover_works` say whether each may be asked now.
bool should_fail_over(StageRecord const& record, StagePolicy const& policy, bool primary_works,
                      bool have_failover, bool failover_works);

// Transitions. Each checks that it comes from a state that allows it.
void begin_upload(StageRecord& record, std::string target, std::string key, std::string url);
void on_uploaded(StageRecord& record, std::string proof);
void on_verified(StageRecord& record, StagePolicy const& policy, std::int64_t now_unix_s);
/// The store does not hold what was uploaded: from the start again.
void on_not_there(StageRecord& record);
void on_reported(StageRecord& record, std::int64_t now_unix_s);
/// All outputs of a split bundle have been reported.
void on_split_done(StageRecord& record, std::int64_t now_unix_s);
void on_cleaned(StageRecord& record, std::int64_t now_unix_s);
void on_lost(StageRecord& record, std::string reason);
/// `jitter` in [0, 1).
void on_failure(StageRecord& record, Error const& error, StagePolicy const& policy, std::int64_t now_unix_s,
                double jitter);

}  // namespace yoda
