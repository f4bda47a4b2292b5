// SPDX-License-Identifier: Apache-2.0
// harvest fetch: jobs and event ranges from PanDA; with --more: for a run that is there.

#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/tools.hpp"
#include "harvest/batch/spool_config.hpp"
#include "harvest/new/new_run_payload.hpp"
#include "harvest/panda/access_point/interchange.hpp"
#include "harvest/panda/fetch/fetch_guard.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

/// Why a person is needed; the exit code says so too.
int tell_alarms(std::vector<std::string> const& alarms)
{
    for (auto const& alarm : alarms) std::cerr << "needs a person: " << alarm << "\n";
    return alarms.empty() ? exit_done : exit_person;
}

/// With the configuration that a spool names, if the folder is one.
Result<ConfigSources> sources_in(std::string const& folder, ConfigSources sources)
{
    auto const path = folder + "/spool.cfg";
    if (!path_exists(path)) return sources;
    auto const text = read_file(path);
    if (!text) return text.error();
    auto const spool = parse_spool_config(*text, path);
    if (!spool) return spool.error();
    for (auto const& file : spool->configs)
        sources.files.push_back((std::filesystem::path(folder) / file).string());
    return sources;
}

int release(po::variables_map const& values, HarvestTools& tools)
{
    auto const folder = values["run"].as<std::string>();
    auto const panda_id = values["release-job"].as<std::int64_t>();
    auto const sources = sources_in(folder, tools.sources());
    if (!sources) return report_error(sources.error());
    auto const released = release_step(folder, panda_id, *sources, tools.step_tools(),
                                       [](std::string const& loss) { std::cout << loss << std::endl; });
    if (!released) return report_error(released.error());
    std::cout << "job " << panda_id << " was ended as failed\n";
    return exit_done;
}

int resume(std::string const& folder)
{
    auto guard = FetchGuard::open(FetchGuard::folder_of(folder));
    if (!guard) return report_error(guard.error());
    if (auto const forgotten = guard->forget_ended(); !forgotten) return report_error(forgotten.error());
    return tell_alarms(guard->alarms());
}

int feed(po::variables_map const& values, HarvestTools& tools)
{
    auto const alarms = hold_step(values["run"].as<std::string>(), tools.sources(), tools.step_tools());
    if (!alarms) return report_error(alarms.error());
    auto const summary = feed_step(values["run"].as<std::string>(), values["ranges"].as<std::int64_t>(),
                                   tools.sources(), tools.step_tools());
    if (!summary) return report_error(summary.error());
    if (values.count("json"))
        std::cout << summary->json();
    else if (summary->range_count + summary->refused_count + summary->lost_count > 0)
        std::cout << summary->text() << "\n";
    return tell_alarms(*alarms);
}

/// By Harvester's files instead of PanDA.
int exchange(po::variables_map const& values, HarvestConfig const& config, HarvestTools& tools);

Result<FetchChoice> read_choice(po::variables_map const& values)
{
    FetchChoice choice;
    choice.run = values["run"].as<std::string>();
    if (!values.count("payload"))
        return Error{ErrorKind::usage, "harvest fetch needs --payload", {}, "see harvest fetch --help"};
    char const* const path = std::getenv("PATH");
    auto payload = read_payload(values["payload"].as<std::string>(), program_folder(), path ? path : "");
    if (!payload) return payload.error();
    choice.payload = *std::move(payload);
    if (values.count("task-id")) choice.task_id = values["task-id"].as<std::int64_t>();
    if (!values["ranges"].defaulted()) choice.range_limit = values["ranges"].as<std::int64_t>();
    choice.settle_for_less = values.count("settle") > 0;
    return choice;
}

int exchange(po::variables_map const& values, HarvestConfig const& config, HarvestTools& tools)
{
    InterchangeOptions options;
    options.run = values["run"].as<std::string>();
    options.access_point = values["access-point"].as<std::string>();
    options.range_count = values["ranges"].as<std::int64_t>();
    Result<InterchangeSummary> summary = InterchangeSummary{};
    if (values.count("more")) {
        summary = feed_from_access_point(options, tools.log());
    } else {
        auto const choice = read_choice(values);
        if (!choice) return report_error(choice.error());
        auto const wish = make_fetch_options(config, options.run, tools.clock(), tools.log());
        if (!wish) return report_error(wish.error());
        auto const text = wish->config + (wish->leave_open ? "run.open = yes\n" : "");
        summary = fetch_from_access_point(options, {wish->inputs, choice->payload, text}, tools.log());
    }
    if (!summary) return report_error(summary.error());
    if (summary->waiting) {
        std::cout << "nothing whole yet in " << options.access_point
                  << (summary->asked ? "; asked for it\n" : "; it has been asked for, call again\n");
        return exit_again;
    }
    std::cout << summary->range_count << " ranges" << (summary->closed ? ", no more will come" : "") << "\n";
    return exit_done;
}

}  // namespace

int harvest_fetch(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::string>(), "run folder to make; with --more: that is there")
        ("payload,p", po::value<std::string>(), "configuration of the payload, e.g. config/payloads/shower.cfg")
        ("more", "more ranges for a run that yoda works on (run.open = yes), through RUN/inbox")
        ("ranges,n", po::value<std::int64_t>()->default_value(10000), "ranges at most; without it a new run takes what its allocation can do")
        ("task-id", po::value<std::int64_t>(), "only jobs of this task")
        ("release-job", po::value<std::int64_t>(), "end this held merge job as failed, after saying what PanDA will discard; RUN may be the spool")
        ("resume", "ask for jobs again after three in a row could not run here; RUN may be the spool")
        ("settle", "make the run of what is in hand although PanDA does not answer any more")
        ("access-point", po::value<std::string>(), "talk by the files of a Harvester in this folder, not to PanDA")
        ("json", "the summary as JSON");
    // clang-format on
    add_tool_options(options);
    po::positional_options_description positions;
    positions.add("run", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest fetch RUN --payload FILE [--config FILE] [--set panda.site=QUEUE ...]\n"
                     "       harvest fetch --more RUN [--ranges N]\n"
                     "       harvest fetch --release-job ID SPOOL|RUN\n"
                     "       harvest fetch --resume SPOOL|RUN\n\n"
                     "Asks PanDA for jobs and event ranges and makes a run folder of them. May be killed and "
                     "called again:\nwhat was received is kept in RUN.fetch. Exit code 0: made (or, without "
                     "output, PanDA has no jobs);\n3: PanDA does not answer now, call again; 2: the settings "
                     "are wrong; 4: PanDA refuses us, or a person is needed: a merge job is held, or three "
                     "jobs in a "
                     "row could\nnot run here.\n\n"
                  << options;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error({ErrorKind::usage, "harvest fetch needs a run folder", {}, "harvest fetch RUN"});
    auto tools = HarvestTools::make(*values);
    if (!tools) return report_error(tools.error());
    if (values->count("release-job")) return release(*values, **tools);
    if (values->count("resume")) return resume((*values)["run"].as<std::string>());
    auto const config = load_config((*tools)->sources(), {});
    if (!config) return report_error(config.error());
    if (values->count("access-point")) return exchange(*values, *config, **tools);
    if (values->count("more")) return feed(*values, **tools);
    auto const choice = read_choice(*values);
    if (!choice) return report_error(choice.error());
    auto const summary = fetch_step(*choice, *config, (*tools)->step_tools());
    if (!summary) return report_error(summary.error());
    if (values->count("json"))
        std::cout << summary->json() << "\n";
    else if (!summary->run.empty() || !summary->fetched.ended.empty() || summary->fetched.lost_job_count > 0)
        std::cout << (summary->run.empty() ? "no run" : summary->run) << ": " << summary->text() << "\n";
    return tell_alarms(summary->alarms);
}

}  // namespace yoda
