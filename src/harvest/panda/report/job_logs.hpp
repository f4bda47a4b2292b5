// SPDX-License-Identifier: Apache-2.0
// What PanDA is told out of a job's logs (docs/reference/panda.md §4): jobReport.json of its transform
// (metaData, exit code, memory), the run's warnings (pilotLog), the end of its payload's log (stdout, while
// debugging). Everything is bounded; what cannot be read is left out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace yoda {

/// Out of jobReport.json, which transforms leave. Pure.
struct TransformReport {
    int exit_code = 0;  ///< 0 also for those that mean no more than that some ranges failed
    std::string exit_text;
    std::int64_t max_rss_kb = 0;
    std::int64_t avg_rss_kb = 0;
    std::int64_t max_vmem_kb = 0;
    std::int64_t max_pss_kb = 0;
    bool operator==(TransformReport const&) const = default;
};
/// nullopt: no JSON object.
std::optional<TransformReport> parse_transform_report(std::string_view text);

/// The newest jobReport.json below RUN/logs of that job, as it is: at most 1 MB, and
/// JSON. Empty if there is none.
std::string find_transform_report(std::string const& logs, std::size_t job);

/// What its payload used on one node (droid/channel/memory_log.hpp): the most of all
/// nodes, and the largest mean.
struct MemoryUse {
    std::int64_t max_rss_kb = 0;
    std::int64_t avg_rss_kb = 0;
    bool operator==(MemoryUse const&) const = default;
};
MemoryUse read_memory_use(std::string const& logs, std::size_t job);

/// The last warnings and errors of RUN/logs/yoda.log, whole lines, at most `limit_bytes`.
std::string read_run_warnings(std::string const& logs, std::size_t limit_bytes = 8'000);

/// The end of the payload's log that was written last, at most `limit_bytes`.
std::string read_payload_tail(std::string const& logs, std::size_t job, std::size_t limit_bytes = 2'048);

/// Whether a file below RUN/logs is of another job's payload
/// ("payload_<rank>_<job>..."): the others belong to all jobs.
bool is_log_of_job(std::string_view path, std::size_t job);

}  // namespace yoda
