// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/report/report_job.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/config/output_names.hpp"
#include "core/journal/recovery.hpp"
#include "harvest/panda/run/inbox.hpp"
#include "harvest/panda/wire/error_codes.hpp"
#include "harvest/stage_out/push_bundle.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t rows_in_one_go = 200'000;  ///< what a tick holds in hand at once
constexpr std::uint64_t record_limit_bytes = 1 << 20;

bool is_bundle_record(StageRecord const& record)
{
    return record.offset == 0 && record.path == "bundles/" + record.name && record.name.ends_with(".tar");
}

}  // namespace

void ReportShared::note_problem(std::string text)
{
    if (summary.problems.size() < 20) summary.problems.push_back(std::move(text));
}

Result<std::unique_ptr<JobReporter>> JobReporter::load(ReportShared& shared, JobIndex job)
{
    PandaFolder const folder(shared.options.run);
    auto const& panda_job = shared.opened.jobs[job];
    auto log = ReportedLog::open(folder.reported(panda_job.panda_id()));
    if (!log) return log.error();
    std::unique_ptr<JobReporter> reporter(new JobReporter(shared, job, *std::move(log)));
    auto& record = reporter->record_;
    record.panda_id = panda_job.panda_id();
    record.attempt = panda_job.attempt();
    if (auto const path = folder.job(record.panda_id); path_exists(path)) {
        auto const text = read_file(path, record_limit_bytes);
        if (!text) return text.error();
        auto known = parse_job_record(*text);
        if (!known) return known.error();
        record = *std::move(known);
    }
    auto refused = read_refused(folder.refused(record.panda_id));
    if (!refused) return refused.error();
    reporter->refused_ = *std::move(refused);
    std::erase_if(reporter->refused_, [](RefusedRange const& range) { return !range.report; });
    return reporter;
}

Status JobReporter::save()
{
    auto const totals = log_.totals();
    record_.accepted_ranges = totals.accepted;
    record_.failed_ranges = totals.failed;
    record_.refused_ranges = totals.refused;
    return replace_file(PandaFolder(shared_.options.run).job(record_.panda_id), print_job_record(record_));
}

// ---- what there is to report

/// PanDA's merge job would see only the bundles of a job that has both.
bool JobReporter::takes_form(bool single)
{
    if (!record_.form_known) {
        record_.form_known = true;
        record_.single = single;
    }
    if (record_.single == single) return true;
    shared_.note_problem(fmt::format("job {} is reported by {}, so its {} wait", record_.panda_id,
                                     record_.single ? "single objects" : "bundles",
                                     single ? "single objects" : "bundles"));
    return false;
}

bool JobReporter::find_storage(StageRecord const& record, std::optional<std::int64_t>& id,
                               std::optional<std::int64_t>& convention)
{
    auto const& panda = shared_.options.panda;
    auto const found = panda.objstore_ids.find(record.target);
    if (found == panda.objstore_ids.end()) {
        shared_.note_problem(fmt::format(
            "store.{}.objstore_id is not set: PanDA could not find what lies there", record.target));
        return false;
    }
    id = found->second;
    if (auto const known = panda.path_conventions.find(record.target); known != panda.path_conventions.end())
        convention = known->second;
    return true;
}

/// Rows whose output the table says is in this bundle; nullopt: the table does not know all of it yet.
std::optional<std::vector<RangeIndex>> JobReporter::rows_of(StageRecord const& record) const
{
    auto const stem = record.name.substr(0, record.name.size() - 4);
    auto const bytes = read_file(RunFolder(shared_.options.run).bundles() + "/" + stem + ".index");
    auto const index = bytes ? decode_index(*bytes) : Result<BundleIndex>(bytes.error());
    if (!index) {
        shared_.note_problem(index.error().text());
        return std::nullopt;
    }
    bool const final_word = shared_.facts.phase == JobPhase::uploading;
    std::vector<RangeIndex> rows;
    for (auto const& entry : index->entries) {
        if (entry.range >= table().size() || table().range_id(entry.range) != entry.range_id) continue;
        auto const state = table().state(entry.range);
        if (!is_ended(state) && !final_word) return std::nullopt;
        if (state != RangeState::finished) continue;
        auto const holder = table().progress(entry.range).holder;
        if (holder != none && table().bundles()[holder].origin == index->origin) rows.push_back(entry.range);
    }
    return rows;
}

bool JobReporter::offer(StageRecord const& record)
{
    if (record_.gone || record_.ended) return true;
    if (offered_rows_ >= rows_in_one_go) return false;
    if (!is_bundle_record(record)) return true;  // An output of a split bundle: comes with the bundle.
    bool const made = record.split ? make_objects_source(record) : make_bundle_source(record);
    if (!made) ++shared_.summary.waiting_count;
    if (made) offered_rows_ += sources_.back().rows.size();
    return true;
}

bool JobReporter::make_bundle_source(StageRecord const& record)
{
    if (!takes_form(false)) return false;
    auto rows = rows_of(record);
    if (!rows) return false;
    Source source;
    source.kind = Source::Kind::bundle;
    source.name = record.name;
    source.rows = *std::move(rows);
    source.stage_names = {record.name};
    std::optional<std::int64_t> id;
    ZipFile zip;
    if (!find_storage(record, id, zip.path_convention)) return false;
    zip.lfn = record.key.substr(record.key.rfind('/') + 1);
    zip.objstore_id = *id;
    zip.bytes = record.bytes;
    zip.adler32 = fmt::format("{:08x}", record.adler32);
    for (auto const row : source.rows) zip.event_count += table().row(row).last - table().row(row).first + 1;
    source.zip = std::move(zip);
    record_.last_verified_unix_s = std::max(record_.last_verified_unix_s, record.verified_unix_s);
    sources_.push_back(std::move(source));
    return true;
}

/// A bundle whose outputs lie in the store one by one: reported when all of them do.
bool JobReporter::make_objects_source(StageRecord const& record)
{
    if (record.stage != Stage::sealed || !takes_form(true)) return false;
    auto rows = rows_of(record);
    if (!rows) return false;
    auto const stem = record.name.substr(0, record.name.size() - 4);
    auto const bytes = read_file(RunFolder(shared_.options.run).bundles() + "/" + stem + ".index");
    auto const index = bytes ? decode_index(*bytes) : Result<BundleIndex>(bytes.error());
    if (!index) return false;
    Source source;
    source.kind = Source::Kind::objects;
    source.name = record.name;
    source.rows = *std::move(rows);
    for (auto const& entry : index->entries)
        for (auto const& member : entry.members) {
            auto const output = shared_.stage.read(record_name(member.name));
            if (!output || output->stage == Stage::sealed || output->stage == Stage::uploading ||
                output->stage == Stage::uploaded)
                return false;
            if (!source.objstore_id && !find_storage(*output, source.objstore_id, source.path_convention))
                return false;
            record_.last_verified_unix_s = std::max(record_.last_verified_unix_s, output->verified_unix_s);
            if (output->stage == Stage::verified) source.stage_names.push_back(output->name);
        }
    sources_.push_back(std::move(source));
    return true;
}

/// Rows that ended without an output: failed and fatal ones, and those of payloads that make none.
void JobReporter::add_ended_rows()
{
    std::vector<RangeIndex> rows;
    auto known = log_.rows().begin();
    for (RangeIndex row = 0; row < table().size(); ++row) {
        while (known != log_.rows().end() && known->second <= row) ++known;
        if (known != log_.rows().end() && known->first <= row) continue;
        auto const state = table().state(row);
        bool const no_output = state == RangeState::finished && table().progress(row).holder == none;
        if (state != RangeState::failed && state != RangeState::fatal && !no_output) continue;
        if (table().job(row) == job_) rows.push_back(row);
    }
    if (rows.empty()) return;
    Source source;
    source.name = "ranges without output";
    source.rows = std::move(rows);
    sources_.push_back(std::move(source));
}

void JobReporter::add_listed()
{
    if (count_of(log_.listed()) >= refused_.size()) return;
    Source source;
    source.kind = Source::Kind::listed;
    source.name = "ranges refused when they came";
    sources_.push_back(std::move(source));
}

std::size_t JobReporter::size_of(Source const& source) const
{
    return source.kind == Source::Kind::listed ? refused_.size() : source.rows.size();
}

std::string JobReporter::id_of(Source const& source, std::uint32_t index) const
{
    return source.kind == Source::Kind::listed ? refused_[index].id : table().range_id(source.rows[index]);
}

RangeUpdate JobReporter::update_of(Source const& source, std::uint32_t index) const
{
    auto const word_for = [&](bool fatal) {
        return fatal && shared_.options.panda.report_fatal ? "fatal" : "failed";
    };
    RangeUpdate update;
    update.id = id_of(source, index);
    if (source.kind == Source::Kind::listed) {
        auto const& range = refused_[index];
        update.status = word_for(range.fatal);
        update.error_code = range.code;
        update.error_diag = range.why;
        return update;
    }
    auto const row = source.rows[index];
    auto const state = table().state(row);
    if (state == RangeState::finished) {
        update.status = "finished";
        update.objstore_id = source.objstore_id;
        update.path_convention = source.path_convention;
        return update;
    }
    bool const fatal = state == RangeState::fatal;
    update.status = word_for(fatal);
    auto const code = table().progress(row).holder;
    bool const has_code = code != none && code > 0 && code <= 99'999;
    update.error_code = has_code ? static_cast<int>(code)
                        : fatal  ? pilot_error::es_fatal
                                 : pilot_error::unknown_payload_failure;
    if (auto const why = shared_.opened.failure_reasons.find(row);
        why != shared_.opened.failure_reasons.end())
        update.error_diag = why->second;
    return update;
}

// ---- how the job stands

bool JobReporter::all_settled() const
{
    auto const claims = count_claims(table());
    for (BundleNumber number = 0; number < table().bundles().size(); ++number) {
        auto const& bundle = table().bundles()[number];
        if (claims[number] == 0 || bundle.origin.job != job_) continue;
        auto const name = bundle_name(bundle.origin) + ".tar";
        if (log_.has_bundle(name)) continue;
        // What is lost when no yoda will make it again counts as not done.
        auto const staged = shared_.stage.read(name);
        bool const lost = bundle.lost || (staged && staged->stage == Stage::lost);
        if (!lost || shared_.facts.phase != JobPhase::uploading) return false;
    }
    if (count_of(log_.listed()) < refused_.size()) return false;
    std::uint64_t ended = 0;
    for (RangeIndex row = 0; row < table().size(); ++row) {
        auto const state = table().state(row);
        bool const no_output = state == RangeState::finished && table().progress(row).holder == none;
        if ((state == RangeState::failed || state == RangeState::fatal || no_output) &&
            table().job(row) == job_)
            ++ended;
    }
    return count_of(log_.rows()) >= ended;
}

bool JobReporter::is_over() const
{
    if (shared_.facts.phase == JobPhase::uploading) return true;
    // After a softkill no batch job begins for it: what has not ended goes back to
    // PanDA with its final state.
    if (record_.drain && shared_.facts.phase == JobPhase::waiting) return true;
    bool const no_more = shared_.closed || record_.killed || record_.drain || record_.gone;
    return no_more && table().unended_in_job(job_) == 0;
}

Status JobReporter::take_update_answer(JobUpdate const& update, JobUpdateAnswer const& answer)
{
    on_update_answer(record_, update, answer, make_report_policy(shared_.options.panda), shared_.unix_s());
    if (answer.judgement.stored()) {
        ++shared_.summary.update_count;
        shared_.log.info("job_updated", {{"PandaID", update.panda_id}, {"state", update.state}});
    } else {
        shared_.note_problem(fmt::format("job {} is not {} for PanDA: {}", update.panda_id, update.state,
                                         answer.judgement.why));
        shared_.log.warning("job_not_updated", {{"PandaID", update.panda_id},
                                                {"state", update.state},
                                                {"outcome", print_outcome(answer.judgement.outcome)},
                                                {"why", answer.judgement.why}});
    }
    for (auto const& other : answer.commands.others)
        shared_.log.warning("unknown_command", {{"PandaID", update.panda_id}, {"command", other}});
    return save();
}

Status JobReporter::obey(bool whole_run_drains)
{
    auto const& run = shared_.options.run;
    auto const write = [&](std::string& name, bool& written, std::string_view type,
                           std::string const& text) -> Status {
        if (written) return {};
        // The name first: a kill in between must not make a second note.
        if (name.empty()) {
            name = make_note_name(shared_.clock, type);
            if (auto const status = save(); !status) return status;
        }
        if (auto const status = write_note(run, name, text); !status) return status;
        written = true;
        shared_.log.warning("told_yoda", {{"PandaID", record_.panda_id}, {"note", name}});
        return save();
    };
    // Nobody is there any more to take a note, or there is nothing left to drop.
    if (shared_.facts.phase == JobPhase::uploading || table().unended_in_job(job_) == 0) return {};
    // Other jobs of the run go on: yoda drops this one's ranges (ADR 0016).
    if (record_.killed || (record_.drain && !whole_run_drains))
        return write(record_.kill_note, record_.kill_note_written, "job_killed",
                     print_job_killed_note(record_.panda_id));
    if (record_.drain && !record_.ended)
        return write(record_.drain_note, record_.drain_note_written, "drain", print_drain_note());
    return {};
}

}  // namespace yoda
