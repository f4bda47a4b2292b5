// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/submission.hpp"

#include <array>

namespace yoda {

namespace {

constexpr int record_version = 1;
constexpr std::array state_names = {std::string_view("intended"), std::string_view("submitted"),
                                    std::string_view("running"), std::string_view("ended"),
                                    std::string_view("refused")};

void end(Submission& submission, std::int64_t now_unix_s)
{
    submission.state = SubmissionState::ended;
    submission.ended_unix_s = now_unix_s;
}

}  // namespace

std::string Submission::label() const
{
    if (job_id.empty()) return name;
    return cluster.empty() ? job_id : job_id + " on cluster " + cluster;
}

std::string_view print_submission_state(SubmissionState state)
{
    return state_names[static_cast<std::size_t>(state)];
}

nlohmann::ordered_json print_submission(Submission const& s)
{
    nlohmann::ordered_json json;
    json["version"] = record_version;
    json["number"] = s.number;
    json["batch"] = print_batch_kind(s.batch);
    json["name"] = s.name;
    json["state"] = print_submission_state(s.state);
    json["job_id"] = s.job_id;
    if (!s.cluster.empty()) json["cluster"] = s.cluster;
    json["host"] = s.host;
    json["nodes"] = s.node_count;
    json["walltime_s"] = s.walltime_s;
    json["unended_before"] = s.unended_before;
    if (s.life_before) json["life_before"] = *s.life_before;
    json["intended_unix_s"] = s.intended_unix_s;
    json["ended_unix_s"] = s.ended_unix_s;
    json["missed_since_unix_s"] = s.missed_since_unix_s;
    json["word"] = s.word;
    json["reason"] = s.reason;
    if (s.exit_code) json["exit_code"] = *s.exit_code;
    return json;
}

Result<Submission> parse_submission(std::string_view text)
{
    auto const bad = [](std::string why) {
        return Error{ErrorKind::bad_input, "a record of a submission cannot be read", std::move(why), {}};
    };
    auto const json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) return bad("it is no JSON object");
    Submission s;
    try {
        if (json.at("version").get<int>() != record_version) return bad("another version");
        s.number = json.at("number").get<unsigned>();
        auto const batch = parse_batch_kind(json.at("batch").get<std::string>());
        if (!batch) return batch.error();
        s.batch = *batch;
        s.name = json.at("name").get<std::string>();
        auto const state = json.at("state").get<std::string>();
        std::size_t index = 0;
        while (index < state_names.size() && state_names[index] != state) ++index;
        if (index == state_names.size()) return bad("unknown state " + state);
        s.state = static_cast<SubmissionState>(index);
        s.job_id = json.at("job_id").get<std::string>();
        s.cluster = json.value("cluster", std::string());
        s.host = json.at("host").get<std::string>();
        s.node_count = json.at("nodes").get<std::uint64_t>();
        s.walltime_s = json.at("walltime_s").get<std::int64_t>();
        s.unended_before = json.at("unended_before").get<std::uint64_t>();
        if (json.contains("life_before")) s.life_before = json.at("life_before").get<std::uint32_t>();
        s.intended_unix_s = json.at("intended_unix_s").get<std::int64_t>();
        s.ended_unix_s = json.at("ended_unix_s").get<std::int64_t>();
        s.missed_since_unix_s = json.at("missed_since_unix_s").get<std::int64_t>();
        s.word = json.at("word").get<std::string>();
        s.reason = json.at("reason").get<std::string>();
        if (json.contains("exit_code")) s.exit_code = json.at("exit_code").get<int>();
    } catch (nlohmann::json::exception const& exception) {
        return bad(exception.what());
    }
    return s;
}

Submission observe(Submission s, Sighting const& sighting, std::int64_t now_unix_s,
                   SightingPolicy const& policy)
{
    if (!s.active()) return s;
    if (sighting.job) {
        auto const& job = *sighting.job;
        s.job_id = job.id;
        if (!job.cluster.empty()) s.cluster = job.cluster;
        s.word = job.word;
        s.reason = job.reason;
        s.missed_since_unix_s = 0;
        if (job.state == BatchState::pending) s.state = SubmissionState::submitted;
        if (job.state == BatchState::running) s.state = SubmissionState::running;
        if (job.state == BatchState::ended) {
            s.exit_code = sighting.end_note;
            end(s, now_unix_s);
        }
        return s;
    }
    // A note of its end counts only where the system does not tell of a job that was put back into the queue.
    if (sighting.end_note && (sighting.answered || s.batch == BatchKind::local)) {
        s.exit_code = sighting.end_note;
        end(s, now_unix_s);
        return s;
    }
    if (sighting.yoda_lives) {
        s.missed_since_unix_s = 0;
        if (s.state != SubmissionState::intended) s.state = SubmissionState::running;
        return s;
    }
    if (!sighting.answered) return s;
    if (sighting.gone) {
        end(s, now_unix_s);
        s.reason = "the batch system says that there is no such job any more";
        return s;
    }
    if (s.missed_since_unix_s == 0) {
        s.missed_since_unix_s = now_unix_s;
        return s;
    }
    // A life that began since is most likely that of this job: then the system did get it.
    bool const new_life = s.life_before && sighting.life > *s.life_before;
    bool const intended = s.state == SubmissionState::intended && !new_life;
    auto const limit_s = intended ? policy.settle_s : policy.lost_after_s;
    if (now_unix_s - s.missed_since_unix_s < limit_s) return s;
    end(s, now_unix_s);
    if (intended) {
        s.state = SubmissionState::refused;
        s.reason = "the batch system never got it";
    } else {
        s.reason = "the batch system does not know it any more";
    }
    return s;
}

}  // namespace yoda
