// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/job_record.hpp"

#include <nlohmann/json.hpp>

namespace yoda {

std::string print_job_record(JobRecord const& record)
{
    nlohmann::ordered_json json;
    json["version"] = 1;
    json["PandaID"] = record.panda_id;
    json["attempt"] = record.attempt;
    json["last_state"] = record.last_state;
    json["last_sent_unix_s"] = record.last_sent_unix_s;
    json["batch_id"] = record.batch_id;
    json["single"] = record.single;
    json["form_known"] = record.form_known;
    json["debug"] = record.debug;
    json["drain"] = record.drain;
    json["killed"] = record.killed;
    json["gone"] = record.gone;
    json["ended"] = record.ended;
    json["essentials_only"] = record.essentials_only;
    json["final_since_unix_s"] = record.final_since_unix_s;
    json["holding_since_unix_s"] = record.holding_since_unix_s;
    json["last_verified_unix_s"] = record.last_verified_unix_s;
    json["accepted_ranges"] = record.accepted_ranges;
    json["refused_ranges"] = record.refused_ranges;
    json["failed_ranges"] = record.failed_ranges;
    json["kill_note"] = record.kill_note;
    json["kill_note_written"] = record.kill_note_written;
    json["drain_note"] = record.drain_note;
    json["drain_note_written"] = record.drain_note_written;
    json["problem"] = record.problem;
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<JobRecord> parse_job_record(std::string_view text)
{
    try {
        auto const json = nlohmann::json::parse(text);
        if (json.at("version") != 1)
            return Error{
                ErrorKind::bad_input, "report state of another version", {}, "use the harvest that wrote it"};
        JobRecord record;
        json.at("PandaID").get_to(record.panda_id);
        json.at("attempt").get_to(record.attempt);
        json.at("last_state").get_to(record.last_state);
        json.at("last_sent_unix_s").get_to(record.last_sent_unix_s);
        json.at("batch_id").get_to(record.batch_id);
        json.at("single").get_to(record.single);
        json.at("form_known").get_to(record.form_known);
        json.at("debug").get_to(record.debug);
        json.at("drain").get_to(record.drain);
        json.at("killed").get_to(record.killed);
        json.at("gone").get_to(record.gone);
        json.at("ended").get_to(record.ended);
        json.at("essentials_only").get_to(record.essentials_only);
        json.at("final_since_unix_s").get_to(record.final_since_unix_s);
        record.holding_since_unix_s = json.value("holding_since_unix_s", std::int64_t{0});
        record.last_verified_unix_s = json.value("last_verified_unix_s", std::int64_t{0});
        json.at("accepted_ranges").get_to(record.accepted_ranges);
        json.at("refused_ranges").get_to(record.refused_ranges);
        json.at("failed_ranges").get_to(record.failed_ranges);
        json.at("kill_note").get_to(record.kill_note);
        json.at("kill_note_written").get_to(record.kill_note_written);
        json.at("drain_note").get_to(record.drain_note);
        json.at("drain_note_written").get_to(record.drain_note_written);
        json.at("problem").get_to(record.problem);
        return record;
    } catch (nlohmann::json::exception const& exception) {
        return Error{ErrorKind::bad_input, "report state cannot be read", exception.what(), {}};
    }
}

}  // namespace yoda
