// SPDX-License-Identifier: Apache-2.0
// Which jobs are ours, and what is changed in a job definition before anybody else sees it. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/result.hpp"
#include "core/job/job.hpp"
#include "harvest/panda/run/refused_ranges.hpp"

namespace yoda {

/// Why a job cannot run here, as PanDA is told: state failed, pilotErrorCode, pilotErrorDiag.
struct JobEnd {
    std::int64_t panda_id = 0;
    std::int64_t attempt = 0;
    int code = 0;
    std::string diag;
    bool operator==(JobEnd const&) const = default;
};

/// Of a job none of whose ranges can be worked on, with the reason of the first one; nullptr: there are none.
JobEnd end_without_ranges(std::int64_t panda_id, std::int64_t attempt, RefusedRange const* first);

/// A number, or a text of one (URL-encoded answers have no types); 0 if it is neither.
std::int64_t number_in(nlohmann::json const& fields, char const* name);

/// A job that merges the outputs of finished ranges. Never to be ended as failed: PanDA then discards all
/// these ranges (held_job.hpp says what becomes of such a job).
bool is_merge_job(nlohmann::json const& fields);

/// A job as it came -> a job of ours, or why not: not an event-service job, a merge job, a clone, a
/// definition that makes no sense. In jobPars base64 is decoded and --overwriteQueuedata cut out; the text as
/// it came then stays in the field jobParsAsReceived.
std::variant<Job, JobEnd> take_job(nlohmann::json fields);

/// --overwriteQueuedata={a=1,b=2}: cut out of `parameters`, its settings returned. Also "overwriteQueueData",
/// quotes around it, blanks instead of commas, several of them (the last setting of a name counts).
std::map<std::string, std::string> cut_overwrites(std::string& parameters);

/// The text if it is base64 of a printable command line, else as it is.
std::string decode_parameters(std::string const& parameters);

}  // namespace yoda
