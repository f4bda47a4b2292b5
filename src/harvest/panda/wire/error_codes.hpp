// SPDX-License-Identifier: Apache-2.0
// Pilot error codes that we report, for jobs (pilotErrorCode) and ranges (errorCode);
// docs/reference/panda.md §9.
#pragma once

namespace yoda::pilot_error {

inline constexpr int general = 1008;
inline constexpr int no_local_space = 1098;
inline constexpr int stage_in_failed = 1099;
inline constexpr int no_such_file = 1103;
inline constexpr int setup_failure = 1110;
inline constexpr int stage_out_failed = 1137;
inline constexpr int killed_by_panda = 1144;
inline constexpr int input_md5_mismatch = 1145;
inline constexpr int stage_in_timeout = 1151;
inline constexpr int lost_job_maxed_out = 1158;
inline constexpr int input_adler_mismatch = 1171;
inline constexpr int input_wrong_size = 1175;
inline constexpr int reached_max_time = 1213;
inline constexpr int unknown_payload_failure = 1220;
inline constexpr int es_recoverable = 1224;
inline constexpr int es_fatal = 1228;
inline constexpr int executed_clone_job = 1234;
inline constexpr int no_events = 1238;
inline constexpr int over_subscribed = 1239;
inline constexpr int preemption = 1379;

}  // namespace yoda::pilot_error
