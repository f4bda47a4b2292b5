// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/run_facts.hpp"

#include <algorithm>
#include <filesystem>

#include "core/config/config.hpp"
#include "core/config/units.hpp"
#include "core/journal/recovery.hpp"
#include "harvest/explain/run_view.hpp"
#include "harvest/panda/report/job_report.hpp"
#include "harvest/panda/wire/settings.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace fs = std::filesystem;

namespace {

/// Of a run that takes ranges while it runs: whether more may come, and whether some wait in its inbox.
Status add_inbox(RunView const& view, RunFacts& facts)
{
    Config config;
    if (path_exists(view.folder.config())) {
        auto const text = read_file(view.folder.config());
        if (!text) return text.error();
        if (auto read = read_config(config, *text, view.folder.config()); !read) return read.error();
    }
    bool closed = !config.run_open || view.opened.closed;
    std::error_code code;
    for (fs::directory_iterator it(view.folder.inbox(), code), end; !code && it != end; it.increment(code)) {
        auto const& entry = *it;
        auto const name = entry.path().filename().string();
        if (name.starts_with('.')) continue;
        if (name.ends_with("-closed.json")) closed = true;
        bool const applied =
            view.opened.applied_notes.contains(name) || path_exists(view.folder.outbox() + "/" + name);
        // How many ranges it holds does not matter: a yoda has to come and take them.
        if (!applied && (name.ends_with("-more_ranges.json") || name.ends_with("-bundle_lost.json")))
            ++facts.unended_count;
    }
    facts.more_may_come = !closed;
    return {};
}

/// Ranges of jobs that PanDA wants no more of (softkill, kill, final state) go back to it. Error: the record
/// of a job that cannot be read.
Status leave_out_returned(std::string const& run, OpenedRun const& opened, RunFacts& facts)
{
    PandaFolder const panda(run);
    bool any_goes_on = opened.jobs.empty();
    for (JobIndex job = 0; job < opened.jobs.size(); ++job) {
        auto const path = panda.job(opened.jobs[job].panda_id());
        JobRecord record;
        if (path_exists(path)) {
            auto const text = read_file(path, 1 << 20);
            if (!text) return text.error();
            auto const known = parse_job_record(*text);
            if (!known) return known.error();
            record = *known;
        }
        if (takes_no_more(record))
            facts.returned_count += opened.table.unended_in_job(job);
        else
            any_goes_on = true;
    }
    facts.unended_count -= facts.returned_count;
    // Nor do notes with more of their ranges matter then.
    if (!any_goes_on) {
        facts.unended_count = 0;
        facts.more_may_come = false;
    }
    return {};
}

/// The highest life that has left its result; 0: none has.
std::uint32_t newest_result(std::string const& run)
{
    std::uint32_t newest = 0;
    std::error_code code;
    for (fs::directory_iterator it(run, code), end; !code && it != end; it.increment(code)) {
        auto const name = it->path().filename().string();
        if (!name.starts_with("result.") || !name.ends_with(".json")) continue;
        auto const digits =
            std::string_view(name).substr(7, name.size() - std::min<std::size_t>(name.size(), 12));
        if (auto const life = parse_count(digits))
            newest = std::max(newest, static_cast<std::uint32_t>(std::min<std::uint64_t>(*life, UINT32_MAX)));
    }
    return newest;
}

}  // namespace

Result<RunFacts> read_facts(std::string const& run, std::int64_t unix_s)
{
    auto const view = read_run(run);
    if (!view) return view.error();
    auto const& table = view->opened.table;
    RunFacts facts;
    facts.unended_count = table.unended_count();
    facts.range_count = table.size();
    facts.failed_count = table.counts()[3] + table.counts()[4];
    std::uint64_t finished_count = 0, wall_ms = 0;
    for (RangeIndex range = 0; range < table.size(); ++range) {
        if (table.state(range) != RangeState::finished) continue;
        ++finished_count;
        wall_ms += table.progress(range).wall_ms;
    }
    if (finished_count > 0)
        facts.range_s = static_cast<double>(wall_ms) * 1e-3 / static_cast<double>(finished_count);
    facts.open_bundle_count = count_open_bundles(table);
    auto const status = make_run_status(*view, unix_s);
    facts.yoda_lives = status.value("live", false);
    facts.life = std::max(status.value("life", std::uint32_t{0}), newest_result(run));
    if (auto added = add_inbox(*view, facts); !added) return added.error();
    if (auto done = leave_out_returned(run, view->opened, facts); !done) return done.error();
    return facts;
}

}  // namespace yoda
