// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/held_job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/table/event_range.hpp"
#include "harvest/panda/fetch/job_filter.hpp"

namespace yoda {

namespace {

constexpr std::array<std::string_view, 3> state_words{"held", "released", "gone"};

/// "inputFor_OUT:OUT.<eventRangeID>,...^inputFor_OUT2:...": each list names the same ranges.
void read_merge_inputs(std::string_view text, HeldJob& job)
{
    constexpr std::string_view prefix = "inputFor_";
    if (!text.starts_with(prefix)) return;
    text = text.substr(prefix.size(), text.find('^') - prefix.size());
    auto const colon = text.find(':');
    job.out_lfn = text.substr(0, colon);
    text.remove_prefix(std::min(text.size(), colon + 1));
    while (!text.empty()) {
        auto const name = text.substr(0, text.find(','));
        text.remove_prefix(std::min(text.size(), name.size() + 1));
        auto const id = name.substr(name.rfind('.') + 1);
        if (RangeId::parse(id)) job.range_ids.emplace_back(id);
    }
}

}  // namespace

HeldJob make_held_job(nlohmann::json const& fields, std::int64_t now_unix_s)
{
    HeldJob job;
    job.panda_id = number_in(fields, "PandaID");
    job.attempt = number_in(fields, "attemptNr");
    job.task_id = number_in(fields, "taskID");
    job.jobset_id = number_in(fields, "jobsetID");
    job.since_unix_s = now_unix_s;
    if (auto const found = fields.find("writeToFile"); found != fields.end() && found->is_string())
        read_merge_inputs(found->get_ref<std::string const&>(), job);
    return job;
}

std::string HeldJob::text() const
{
    auto line = fmt::format("PanDA job {} (task {}) is a merge job", panda_id, task_id);
    if (!range_ids.empty()) line += fmt::format(" of {} finished ranges", range_ids.size());
    line += ", and it is held";
    if (!problem.empty()) line += "; PanDA did not take its last heartbeat: " + problem;
    return line;
}

std::string HeldJob::loss() const
{
    auto const what = range_ids.empty() ? std::string("all finished ranges of its file")
                                        : fmt::format("{} finished ranges ({} to {})", range_ids.size(),
                                                      range_ids.front(), range_ids.back());
    return fmt::format("PanDA discards {} of task {}, jobset {}{}: they have to be simulated again", what,
                       task_id, jobset_id, out_lfn.empty() ? "" : ", which were to become " + out_lfn);
}

std::string print_held_job(HeldJob const& job)
{
    nlohmann::ordered_json json;
    json["version"] = 1;
    json["PandaID"] = job.panda_id;
    json["attempt"] = job.attempt;
    json["taskID"] = job.task_id;
    json["jobsetID"] = job.jobset_id;
    json["out_lfn"] = job.out_lfn;
    json["state"] = state_words[static_cast<std::size_t>(job.state)];
    json["since_unix_s"] = job.since_unix_s;
    json["last_sent_unix_s"] = job.last_sent_unix_s;
    json["problem"] = job.problem;
    json["ranges"] = job.range_ids;
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<HeldJob> parse_held_job(std::string_view text)
{
    auto const refuse = [](std::string why) {
        return Error{ErrorKind::bad_input, "the record of a held job cannot be read", std::move(why), {}};
    };
    try {
        auto const json = nlohmann::json::parse(text);
        if (json.at("version") != 1) return refuse("it is of another version");
        HeldJob job;
        json.at("PandaID").get_to(job.panda_id);
        json.at("attempt").get_to(job.attempt);
        json.at("taskID").get_to(job.task_id);
        json.at("jobsetID").get_to(job.jobset_id);
        json.at("out_lfn").get_to(job.out_lfn);
        auto const word = json.at("state").get<std::string>();
        auto const known = std::find(state_words.begin(), state_words.end(), word);
        if (known == state_words.end()) return refuse(fmt::format("'{}' is not a state", word));
        job.state = static_cast<HeldState>(known - state_words.begin());
        json.at("since_unix_s").get_to(job.since_unix_s);
        json.at("last_sent_unix_s").get_to(job.last_sent_unix_s);
        json.at("problem").get_to(job.problem);
        json.at("ranges").get_to(job.range_ids);
        return job;
    } catch (nlohmann::json::exception const& exception) {
        return refuse(exception.what());
    }
}

}  // namespace yoda
