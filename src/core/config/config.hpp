// SPDX-License-Identifier: Apache-2.0
// yoda's configuration: every key with its default, unit and meaning, in one table (config.cpp).
// config/yoda.cfg is printed from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

/// Times in seconds, sizes in bytes.
struct Config {
    // dispatch
    std::uint64_t dispatch_batch = 0;
    std::uint64_t dispatch_window = 2;
    double dispatch_ask_interval_s = 3;
    bool dispatch_second_copies = true;
    // range
    std::uint64_t range_tries = 3;
    std::uint64_t range_payload_deaths = 5;
    double range_time_limit_s = 6 * 3600;
    double range_silence_s = 0;  ///< 0: core/config/silence.hpp
    // payload
    std::uint64_t payload_workers = 0;
    std::uint64_t payload_starts = 5;
    std::uint64_t payload_memory_bytes = 0;
    std::uint64_t payload_stdout_bytes = 2'000'000'000;
    bool payload_bind = true;
    double payload_stop_grace_s = 30;
    // disk
    std::uint64_t disk_free_at_start_bytes = 5'000'000'000;
    std::uint64_t disk_free_running_bytes = 2'000'000'000;
    std::uint64_t disk_work_folder_bytes = 7'000'000'000;
    double disk_check_interval_s = 60;
    // bundle
    std::uint64_t bundle_size_bytes = 1ull << 30;
    double bundle_time_gap_s = 7200;
    // journal
    double journal_commit_interval_s = 0.05;
    std::uint64_t journal_queue_bytes = 64ull << 20;
    double journal_checkpoint_interval_s = 300;
    std::uint64_t journal_checkpoint_bytes = 1ull << 30;
    // droid
    double droid_heartbeat_s = 5;
    double droid_silence_s = 120;
    double yoda_silence_s = 120;
    // walltime
    double walltime_s = 0;  ///< 0: asked of the batch system
    double walltime_drain_s = 600;
    double walltime_seal_s = 60;
    double walltime_notice_s = 60;
    // places
    std::string work_folder;  ///< empty: chosen (docs/operations.md)
    bool work_stage_inputs = false;
    std::string setup_command;
    std::string cleanup_command;
    double node_time_limit_s = 600;
    // run
    bool run_open = false;  ///< more ranges may come through the inbox
    double status_interval_s = 2;
};

/// One key of the table, for `harvest config` and the documentation.
struct ConfigKey {
    std::string_view name;
    std::string_view kind;  ///< count, time, size, yes/no, text
    std::string_view meaning;
};
std::vector<ConfigKey> config_keys();

/// Sets one key. Error: unknown key (with the nearest one), or a value that does not fit.
Status set_config(Config& config, std::string_view key, std::string_view value);
/// Sets all keys of a file. Errors name `source` and the line.
Status read_config(Config& config, std::string_view text, std::string_view source);
/// The value as set_config takes it.
std::string print_config_value(Config const& config, std::string_view key);
/// The whole file with comments, as in config/yoda.cfg.
std::string print_config(Config const& config);

}  // namespace yoda
