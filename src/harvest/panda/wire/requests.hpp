// SPDX-License-Identifier: Apache-2.0
// What we ask PanDA, as bytes, for both interfaces. Exactly the fields a server knows: one unknown name makes
// it answer HTTP 500 (docs/reference/panda.md §1). In v1 every value has its true JSON type.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harvest/panda/wire/envelope.hpp"
#include "harvest/panda/wire/outcome.hpp"

namespace yoda {

struct PandaRequest {
    CallKind kind = CallKind::question;
    std::string method;  ///< GET or POST
    std::string path;    ///< with the query of a GET: "/server/panda/getJob", "/api/v1/pilot/acquire_jobs"
    std::string content_type;
    std::string body;
    bool gzip = false;  ///< the body may be sent compressed (v1 only: the classic interface would choke)
};

/// getJob / acquire_jobs. Empty and absent fields are not sent.
struct JobQuery {
    std::string site;
    std::string source_label = "managed";
    std::string node;
    std::string computing_element;
    std::string resource_type;
    std::string harvester_id;
    std::string scheduler_id;
    std::string job_type;
    std::string working_group;  ///< classic only
    std::string country_group;  ///< classic only
    std::string prod_user_id;
    std::optional<std::int64_t> worker_id;
    std::optional<std::int64_t> task_id;
    std::optional<std::int64_t> memory_mb;
    std::optional<std::int64_t> disk_mb;
    std::optional<std::int64_t> remaining_time_s;
    std::optional<std::int64_t> job_count;  ///< always sent in v1
    std::optional<bool> background;
    std::optional<bool> proxy_key;
};
PandaRequest make_get_jobs(PandaApi api, JobQuery const& query);

/// updateJob. `fields` by their classic names (docs/reference/panda.md §4), values as texts;
/// job_field_names() are all there are. A field that the interface lacks, or whose value does not fit its
/// type, is left out; texts are cut.
struct JobUpdate {
    std::int64_t panda_id = 0;
    std::string state;
    std::map<std::string, std::string> fields;
    bool operator==(JobUpdate const&) const = default;
};
PandaRequest make_update_job(PandaApi api, JobUpdate const& update);
PandaRequest make_update_jobs_bulk(PandaApi api, std::vector<JobUpdate> const& updates,
                                   std::string_view harvester_id);
bool is_job_field(std::string_view name);

struct RangeQuery {
    std::int64_t panda_id = 0;
    std::int64_t jobset_id = 0;
    std::int64_t task_id = 0;
    std::int64_t range_count = 0;
    bool scattered = false;
    std::optional<std::int64_t> segment_id;
};
PandaRequest make_get_ranges(PandaApi api, RangeQuery const& query);
PandaRequest make_count_ranges(PandaApi api, std::int64_t panda_id, std::int64_t jobset_id,
                               std::int64_t task_id);
/// `list` is print_range_updates' text.
PandaRequest make_update_ranges(PandaApi api, int version, std::string_view list);
struct TaskAndJob {
    std::int64_t task_id = 0;
    std::int64_t panda_id = 0;
};
PandaRequest make_range_statuses(PandaApi api, std::vector<TaskAndJob> const& jobs);

PandaRequest make_job_states(PandaApi api, std::vector<std::int64_t> const& panda_ids);
PandaRequest make_alive(PandaApi api);
PandaRequest make_key_pair(PandaApi api, std::string_view public_name, std::string_view private_name);
PandaRequest make_access_token(PandaApi api, std::string_view client_name, std::string_view token_key);

/// A bundle as PanDA hears of it (docs/reference/panda.md §6).
struct ZipFile {
    std::string lfn;
    std::int64_t objstore_id = 0;
    std::optional<std::int64_t> path_convention;
    std::uint64_t bytes = 0;
    std::string adler32;  ///< eight hex digits; empty: not sent
    std::uint64_t event_count = 0;
};
struct RangeUpdate {
    std::string id;
    std::string status;  ///< "finished", "failed", "fatal"
    int error_code = 0;  ///< sent unless 0
    std::string error_diag;
    std::optional<std::int64_t> objstore_id;  ///< a single object of its own
    std::optional<std::int64_t> path_convention;
};
/// Ranges with the bundle they are in, or without one.
struct UpdateChunk {
    std::optional<ZipFile> zip;
    std::vector<RangeUpdate> ranges;
};
/// The JSON list for make_update_ranges. Version 0 takes chunks without zip and makes one flat list of them.
std::string print_range_updates(int version, std::vector<UpdateChunk> const& chunks);

/// At most `limit` characters, no control characters, valid UTF-8, no NUL: what a text column takes.
std::string clean_text(std::string_view text, std::size_t limit);

}  // namespace yoda
