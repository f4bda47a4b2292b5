// SPDX-License-Identifier: Apache-2.0
// `harvest fetch --more RUN`: ranges go from PanDA's answer into a note for yoda, each exactly once: the
// note's name is written down before the request leaves, the answer before the note, and a note that was read
// is never read again.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "harvest/panda/fetch/feed_room.hpp"
#include "harvest/panda/fetch/fetch_command.hpp"
#include "harvest/panda/run/inbox.hpp"
#include "harvest/panda/run/turn.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t job_file_limit_bytes = 1ull << 30;

void append_text(std::string_view text, std::string& out)
{
    out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void append_range(RangeView const& range, std::string& out)
{
    out += R"({"eventRangeID":)";
    append_text(range.id, out);
    fmt::format_to(std::back_inserter(out), R"(,"startEvent":{},"lastEvent":{},"LFN":)", range.start_event,
                   range.last_event);
    append_text(range.lfn, out);
    out += R"(,"GUID":)";
    append_text(range.guid, out);
    out += R"(,"scope":)";
    append_text(range.scope, out);
    out += '}';
}

class Feeder {
  public:
    Feeder(FeedOptions const& options, PandaClient& client, FetchJournal& journal,
           std::vector<Job> const& jobs, Clock const& clock, Log& log)
        : options_(options),
          folder_(options.run),
          client_(client),
          journal_(journal),
          jobs_(jobs),
          clock_(clock),
          log_(log)
    {
        for (auto const& job : jobs_) checkers_.emplace_back(job);
    }

    Status pass_on_earlier_answers();
    Status ask(Turn& turn);
    Status close_when_empty();
    FeedSummary summary;

  private:
    Status pass_on(Ask const& ask);
    bool is_over(std::size_t job) const;
    std::size_t position(std::int64_t panda_id) const
    {
        return static_cast<std::size_t>(
            std::find_if(jobs_.begin(), jobs_.end(),
                         [&](Job const& job) { return job.panda_id() == panda_id; }) -
            jobs_.begin());
    }
    std::int64_t now_s() const { return clock_.unix_ns() / 1'000'000'000; }

    FeedOptions const& options_;
    PandaFolder folder_;
    PandaClient& client_;
    FetchJournal& journal_;
    std::vector<Job> const& jobs_;
    Clock const& clock_;
    Log& log_;
    std::vector<RangeChecker> checkers_;
    std::vector<bool> empty_ = std::vector<bool>(jobs_.size(), false);
};

/// A job that PanDA took away, or that has been told to end, gets no more ranges.
bool Feeder::is_over(std::size_t job) const
{
    auto const text = read_file(folder_.job(jobs_[job].panda_id()), 1 << 20);
    auto const json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    if (!json.is_object()) return false;
    return json.value("gone", false) || json.value("drain", false) || json.value("killed", false) ||
           json.value("ended", false);
}

Status Feeder::pass_on(Ask const& ask)
{
    auto const job = position(ask.panda_id);
    if (job == jobs_.size()) return journal_.keep_used(ask);
    auto const text = journal_.read_answer(ask);
    if (!text) return text.error();
    std::string note = fmt::format(R"({{"version":1,"type":"more_ranges","job":{},"PandaID":{},"ranges":[)",
                                   job, ask.panda_id);
    std::vector<RefusedRange> refused;
    RefusedRange problem;
    std::int64_t count = 0;
    auto const scanned = scan_ranges(*text, [&](RangeView const& range) -> Status {
        switch (checkers_[job].check(range, problem)) {
            case RangeChecker::Verdict::repeated:
                return {};
            case RangeChecker::Verdict::refused:
                refused.push_back(problem);
                return {};
            case RangeChecker::Verdict::good:
                break;
        }
        if (count > 0) note += ',';
        append_range(range, note);
        ++count;
        return {};
    });
    if (!scanned) return scanned.error();
    note += "]}\n";
    if (auto const status = add_refused(folder_.refused(ask.panda_id), refused); !status) return status;
    if (count > 0)
        if (auto const status = write_note(options_.run, ask.note, note); !status) return status;
    summary.range_count += count;
    summary.refused_count += static_cast<std::int64_t>(refused.size());
    return journal_.keep_used(ask);
}

Status Feeder::pass_on_earlier_answers()
{
    auto const asks = journal_.asks();
    for (auto const& ask : asks)
        if (ask.kind == AskKind::ranges && ask.state == Ask::State::answered)
            if (auto const status = pass_on(ask); !status) return status;
    return {};
}

Status Feeder::ask(Turn& turn)
{
    FetchLimits limits;
    limits.range_count = options_.range_count;
    limits.chunk = options_.chunk;
    auto const room = find_feed_room(options_.run, options_.capacity, now_s());
    if (!room) return room.error();
    if (*room) {
        limits.event_count = summary.room_event_count = (*room)->event_count;
        limits.events_per_range = (*room)->events_per_range;
        log_.info("feed_room", {{"event_count", (*room)->event_count}});
    }
    FetchPlan plan(limits, jobs_.size());
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
        if (!is_over(i)) continue;
        plan.on_stop(i);
        empty_[i] = true;
    }
    Status first_problem;
    while (auto const next = plan.next()) {
        if (auto const status = turn.check(); !status) return status;
        auto const& job = jobs_[next->job];
        auto const ask = journal_.begin(AskKind::ranges, job.panda_id(), next->range_count, now_s(),
                                        make_note_name(clock_, "more_ranges"));
        if (!ask) return ask.error();
        auto const answer = client_.get_ranges(
            {job.panda_id(), job.jobset_id(), job.task_id(), next->range_count, false, {}});
        std::int64_t events = 0;
        auto const counted = answer.judgement.stored()
                                 ? answer.for_each([&events](RangeView const& range) -> Status {
                                       events += range.last_event - range.start_event + 1;
                                       return {};
                                   })
                                 : Result<std::size_t>(Error{});
        if (!answer.judgement.stored() || !counted) {
            auto judgement = answer.judgement;
            if (judgement.stored()) judgement = {PandaOutcome::unknown, counted.error().text()};
            log_.warning("ranges_not_fetched", {{"PandaID", job.panda_id()},
                                                {"asked", next->range_count},
                                                {"outcome", print_outcome(judgement.outcome)},
                                                {"why", judgement.why}});
            if (auto const status = journal_.keep_end(*ask, judgement); !status) return status;
            if (judgement.outcome == PandaOutcome::unknown) summary.lost_count += next->range_count;
            plan.on_stop(next->job);
            if (first_problem)  // None yet.
                first_problem = Error{ErrorKind::unavailable, "PanDA gave no more ranges", judgement.why,
                                      "call again later"};
            continue;
        }
        if (auto const status = journal_.keep_answer(*ask, answer.list()); !status) return status;
        if (auto const status = pass_on(*ask); !status) return status;
        plan.on_ranges(next->job, static_cast<std::int64_t>(*counted), events);
        if (*counted > 0) continue;
        // Empty may also mean that the job may take none now.
        auto const left = client_.count_ranges(job.panda_id(), job.jobset_id(), job.task_id());
        empty_[next->job] = left.judgement.stored() && left.count == 0;
    }
    return first_problem;
}

Status Feeder::close_when_empty()
{
    if (std::find(empty_.begin(), empty_.end(), false) != empty_.end()) return {};
    auto const marker = journal_.folder() + "/closed.json";
    summary.closed = true;
    auto text = read_file(marker, 1 << 16);
    auto json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    if (!json.is_object()) {
        json = {{"version", 1}, {"note", make_note_name(clock_, "closed")}, {"written", false}};
        if (auto const status = replace_file(marker, json.dump() + "\n"); !status) return status;
    }
    if (json.value("written", false)) return {};
    if (auto const status = write_note(options_.run, json.value("note", ""), print_closed_note()); !status)
        return status;
    json["written"] = true;
    log_.info("run_closed", {{"run", options_.run}});
    return replace_file(marker, json.dump() + "\n");
}

}  // namespace

std::string FeedSummary::text() const
{
    std::string line = fmt::format("{} more ranges", range_count);
    if (refused_count > 0) line += fmt::format("; {} refused", refused_count);
    if (lost_count > 0) line += fmt::format("; answers with up to {} were lost", lost_count);
    if (room_event_count) line += fmt::format("; the allocation had room for {} events", *room_event_count);
    if (closed) line += "; PanDA has no more, the run is closed";
    return line;
}

std::string FeedSummary::json() const
{
    nlohmann::ordered_json out;
    out["ranges"] = range_count;
    out["refused_ranges"] = refused_count;
    out["lost_ranges"] = lost_count;
    if (room_event_count) out["room_events"] = *room_event_count;
    out["closed"] = closed;
    out["requests"] = traffic.request_count;
    out["sent_bytes"] = traffic.sent_bytes;
    out["received_bytes"] = traffic.received_bytes;
    return out.dump() + "\n";
}

Result<FeedSummary> feed_run(FeedOptions const& options, HttpClient& http, Clock const& clock, Log& log)
{
    PandaFolder const folder(options.run);
    if (auto const status = folder.adopt_workplace(); !status) return status.error();
    auto const text = read_file(options.run + "/job.json", job_file_limit_bytes);
    if (!text) return text.error();
    auto const jobs = parse_jobs(*text);
    if (!jobs) return jobs.error();
    PandaClient client(http, clock, log, options.panda.server, options.panda.credentials);
    if (auto const status = client.check(); !status) return status.error();
    auto turn = Turn::take(folder.path(), clock);
    if (!turn) return turn.error();
    auto journal = FetchJournal::open(folder.feed());
    if (!journal) return journal.error();
    Feeder feeder(options, client, *journal, *jobs, clock, log);
    auto status = feeder.pass_on_earlier_answers();
    if (status) status = feeder.ask(*turn);
    if (status) status = feeder.close_when_empty();
    feeder.summary.traffic = client.traffic();
    if (!status && feeder.summary.range_count == 0) return status.error();
    return feeder.summary;
}

}  // namespace yoda
