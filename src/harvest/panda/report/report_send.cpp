// SPDX-License-Identifier: Apache-2.0
// What JobReporter sends: ranges call by call, until all is settled, PanDA does not
// answer, or it is time to stop.
#include <fmt/format.h>

#include <algorithm>

#include "harvest/panda/report/report_job.hpp"

namespace yoda {

namespace {

constexpr unsigned look_up_tries = 3;          ///< in a row that settle nothing
constexpr unsigned calls_before_look_up = 10;  ///< of an interface that never says what it did

}  // namespace

bool JobReporter::in_store(Source::Kind kind)
{
    return kind == Source::Kind::bundle || kind == Source::Kind::objects;
}

Status JobReporter::report_ranges()
{
    if (record_.gone || record_.ended) return {};
    add_ended_rows();
    add_listed();
    if (sources_.empty()) return {};
    // The form must be known for good before PanDA hears of the first range.
    if (auto const status = save(); !status) return status;
    RangeLedger ledger(LedgerPolicy{shared_.options.panda.report_chunk, 3});
    for (auto& source : sources_) {
        bool const is_known = in_store(source.kind) && log_.has_bundle(source.name);
        auto const count = static_cast<std::uint32_t>(size_of(source));
        RangeSpans settled;
        if (is_known) settled = {{0, count}};
        if (source.kind == Source::Kind::listed) settled = log_.listed();
        ledger.add_group(source.name, count, settled);
        if (!is_known && count > 0) continue;
        // PanDA has it all and we were killed before we noted that, or nothing of it counts.
        if (auto const status = finish(source); !status) return status;
    }
    auto status = send(ledger);
    for (RangeLedger::Group group = 0; group < sources_.size(); ++group)
        if (!ledger.is_settled(group) && in_store(sources_[group].kind)) ++shared_.summary.waiting_count;
    sources_.clear();
    offered_rows_ = 0;
    if (auto const saved = save(); !saved && status) status = saved;
    return status;
}

Status JobReporter::send(RangeLedger& ledger)
{
    int const version = record_.single ? 0 : 1;
    unsigned look_ups = 0;
    unsigned calls = 0;
    while (!shared_.stopping() && !record_.gone) {
        if (auto const status = shared_.turn.check(); !status) return status;
        if (auto const status = ask_for_commands(); !status) return status;
        if (record_.gone) return {};
        // v1 answers every report by HTTP 500: asking after each would list the whole job each time.
        bool const asks_now =
            shared_.client.api() != PandaApi::v1 || calls >= calls_before_look_up || !ledger.next_open(0);
        if (ledger.has_unknown() && asks_now) {
            calls = 0;
            auto const open = ledger.open_count();
            if (look_ups++ >= look_up_tries) return {};
            if (auto const status = ask_what_became(ledger); !status) return status;
            if (ledger.open_count() < open) look_ups = 0;
            continue;
        }
        ++calls;
        auto call = ledger.new_call();
        std::vector<UpdateChunk> chunks;
        for (auto group = ledger.next_open(0); group && !call.full(); group = ledger.next_open(*group + 1)) {
            auto const& source = sources_[*group];
            UpdateChunk chunk;
            chunk.zip = source.zip;
            for (auto const index : ledger.fill(call, *group))
                chunk.ranges.push_back(update_of(source, index));
            if (!chunk.ranges.empty()) chunks.push_back(std::move(chunk));
        }
        if (call.slots.empty()) return {};
        auto const answer =
            shared_.client.update_ranges(version, call.slots.size(), print_range_updates(version, chunks));
        shared_.log.info("ranges_sent", {{"PandaID", record_.panda_id},
                                         {"range_count", call.slots.size()},
                                         {"outcome", print_outcome(answer.judgement.outcome)}});
        if (!answer.judgement.stored() && answer.judgement.outcome != PandaOutcome::unknown)
            shared_.note_problem(fmt::format("PanDA did not take {} ranges of job {}: {}", call.slots.size(),
                                             record_.panda_id, answer.judgement.why));
        auto const effects = ledger.on_answer(call, answer, record_.panda_id);
        if (auto const status = take(ledger, effects); !status) return status;
        if (auto const found = answer.commands.find(record_.panda_id); found != answer.commands.end()) {
            on_commands(record_, found->second);
            if (auto const status = save(); !status) return status;
        }
        if (effects.job_gone) return give_up_gone_job();
    }
    return {};
}

/// Nothing of the job counts any more: told once, not range by range.
Status JobReporter::give_up_gone_job()
{
    on_job_gone(record_);
    shared_.log.warning("job_gone", {{"PandaID", record_.panda_id}});
    return save();
}

/// Answers to range updates carry commands over the classic interface only;
/// over v1 they come with the job's own updates.
Status JobReporter::ask_for_commands()
{
    auto const now_s = shared_.unix_s();
    bool const just_asked = now_s - asked_for_commands_unix_s_ < command_pause_s;
    if (shared_.client.api() != PandaApi::v1 || just_asked || !commands_are_due(record_, now_s)) return {};
    asked_for_commands_unix_s_ = now_s;
    auto policy = make_report_policy(shared_.options.panda);
    policy.heartbeat_s = std::min(policy.heartbeat_s, command_pause_s);
    auto const update = make_update(policy);
    // A final state is for later: ranges are still on their way.
    if (!update || is_final_state(update->state)) return {};
    return take_update_answer(*update, shared_.client.update_job(*update));
}

/// PanDA may or may not have stored what was sent: its table says.
Status JobReporter::ask_what_became(RangeLedger& ledger)
{
    RangeMap standings;
    auto const task_id = shared_.opened.jobs[job_].task_id();
    auto const judgement = shared_.client.get_range_statuses(
        {{task_id, record_.panda_id}}, [&standings](std::string_view id, std::string_view status) {
            standings.insert(id, static_cast<std::uint8_t>(standing_of(status)));
        });
    if (!judgement.stored()) {
        shared_.note_problem(fmt::format("PanDA does not say where the ranges of job {} stand: {}",
                                         record_.panda_id, judgement.why));
        shared_.stop = true;
        return {};
    }
    // Of a job that is there all ranges that it was given are listed.
    if (standings.size() == 0) return give_up_gone_job();
    bool not_stored = false;
    for (auto const group : ledger.unknown_groups()) {
        auto const& source = sources_[group];
        std::vector<std::string> texts;
        std::vector<bool> finished;
        for (std::uint32_t i = 0; i < size_of(source); ++i) {
            texts.push_back(id_of(source, i));
            finished.push_back(source.kind != Source::Kind::listed &&
                               table().state(source.rows[i]) == RangeState::finished);
        }
        std::vector<std::string_view> const ids(texts.begin(), texts.end());
        auto const effects = ledger.on_statuses(group, ids, finished, standings);
        not_stored |= effects.not_stored;
        if (auto const status = take(ledger, effects); !status) return status;
    }
    ledger.end_round(not_stored);
    return {};
}

/// Writes down what is settled; a source that is done leaves the stage.
Status JobReporter::take(RangeLedger& ledger, RangeLedger::Effects const& effects)
{
    if (effects.stop) shared_.stop = true;
    for (auto const& refusal : effects.refused) {
        auto& source = sources_[refusal.slot.group];
        ++source.counts.refused;
        ++shared_.summary.refused_count;
        shared_.log.warning("range_refused",
                            {{"eventRangeID", id_of(source, refusal.slot.index)}, {"why", refusal.why}});
    }
    std::vector<std::size_t> fresh(sources_.size(), 0);
    for (auto const slot : effects.settled) {
        add_to_spans(sources_[slot.group].settled, slot.index);
        ++fresh[slot.group];
    }
    std::vector<std::size_t> refused(sources_.size(), 0);
    for (auto const& refusal : effects.refused) ++refused[refusal.slot.group];
    for (RangeLedger::Group group = 0; group < sources_.size(); ++group) {
        if (fresh[group] == 0) continue;
        auto& source = sources_[group];
        auto const accepted = fresh[group] - refused[group];
        bool const keeps_its_rows = in_store(source.kind);
        shared_.summary.accepted_count += accepted;
        if (keeps_its_rows) source.counts.accepted += accepted;
        if (keeps_its_rows && !ledger.is_settled(group)) continue;  // Sent again as a whole if we are killed.
        if (auto const status = finish(source); !status) return status;
    }
    return {};
}

Status JobReporter::finish(Source& source)
{
    if (!in_store(source.kind)) {
        // Row by row: what PanDA has is never sent again.
        RangeSpans places;
        ReportedLog::Counts counts;
        counts.refused = source.counts.refused;
        std::uint64_t settled = 0;
        for (auto const& [first, second] : source.settled)
            for (auto i = first; i < second; ++i) {
                auto const place = source.kind == Source::Kind::listed ? i : source.rows[i];
                add_to_spans(places, place);
                ++settled;
                bool const done = source.kind != Source::Kind::listed &&
                                  table().state(source.rows[i]) == RangeState::finished;
                ++(done ? counts.accepted : counts.failed);
            }
        // Which of them were refused does not matter any more; there are few.
        auto const from_failed = std::min(counts.failed, counts.refused);
        counts.failed -= from_failed;
        counts.accepted -= std::min(counts.accepted, counts.refused - from_failed);
        source.settled.clear();
        source.counts = {};
        return source.kind == Source::Kind::listed ? log_.add_listed(places, counts)
                                                   : log_.add_rows(places, counts);
    }
    if (!log_.has_bundle(source.name)) {
        if (auto const status = log_.add_bundle(source.name, source.counts); !status) return status;
        ++shared_.summary.bundle_count;
    }
    for (auto const& name : source.stage_names)
        if (auto const status = mark_reported(name); !status) return status;
    return {};
}

/// A record that somebody else holds, or moved on, stays: the log says that it is
/// reported, a later tick marks it.
Status JobReporter::mark_reported(std::string const& name)
{
    auto claim = shared_.stage.claim(name);
    if (!claim) return claim.error();
    if (!*claim) return {};
    if ((*claim)->record.stage == Stage::verified) on_reported((*claim)->record, shared_.unix_s());
    return (*claim)->release(StagePolicy{});
}

Status JobReporter::let_go(StageRecord const& record)
{
    auto const& stores = shared_.options.remove_from;
    auto const config = stores.find(record.target);
    if (record_.gone && config != stores.end() && !log_.has_bundle(record.name)) {
        Breakers breakers;
        StoreContext context;
        context.clock = &shared_.clock;
        context.log = &shared_.log;
        context.breakers = &breakers;
        context.stop = shared_.options.stop;
        auto const store =
            make_store(config->second, ObjectOwner{record.panda_id, record.task_id, record.scope}, context);
        auto const removed = store ? (*store)->remove(record.key) : Status(store.error());
        if (!removed) {
            shared_.note_problem(removed.error().text());
            return {};
        }
    }
    shared_.log.warning("not_reported", {{"PandaID", record_.panda_id}, {"file", record.name}});
    return mark_reported(record.name);
}

}  // namespace yoda
