// harvest fetch: jobs and event ranges from PanDA; with --more: for a run that is there.

#include <cstdlib>
#include <iostream>

#include "app/command_line.hpp"
#include "app/harvest_commands.hpp"
#include "app/harvest_tools.hpp"
#include "harvest/new_run_payload.hpp"
#include "harvest/panda/interchange.hpp"

namespace yoda {

namespace po = boost::program_options;

namespace {

int feed(po::variables_map const& values, HarvestTools& tools)
{
    auto const summary = feed_step(values["run"].as<std::string>(), values["ranges"].as<std::int64_t>(),
                                   tools.sources(), tools.step_tools());
    if (!summary) return report_error(summary.error());
    if (values.count("json"))
        std::cout << summary->json();
    else if (summary->range_count + summary->refused_count + summary->lost_count > 0)
        std::cout << summary->text() << "\n";
    return exit_done;
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
        return exit_some_failed;
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
                     "       harvest fetch --more RUN [--ranges N]\n\n"
                     "Asks PanDA for jobs and event ranges and makes a run folder of them. May be killed and "
                     "called again:\nwhat was received is kept in RUN.fetch. Exit code 0: made (or, without "
                     "output, PanDA has no jobs);\n1: PanDA does not answer now, call again; 2: the settings "
                     "are wrong; 4: PanDA refuses us.\n\n"
                  << options;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error({ErrorKind::usage, "harvest fetch needs a run folder", {}, "harvest fetch RUN"});
    auto tools = HarvestTools::make(*values);
    if (!tools) return report_error(tools.error());
    auto const config = load_config((*tools)->sources(), {});
    if (!config) return report_error(config.error());
    if (values->count("access-point")) return exchange(*values, *config, **tools);
    if (values->count("more")) return feed(*values, **tools);
    auto const choice = read_choice(*values);
    if (!choice) return report_error(choice.error());
    auto const summary = fetch_step(*choice, *config, (*tools)->step_tools());
    if (!summary) {
        int const code = report_error(summary.error());
        return summary.error().kind == ErrorKind::unavailable || summary.error().kind == ErrorKind::busy
                   ? exit_some_failed
                   : code;
    }
    if (values->count("json"))
        std::cout << summary->json() << "\n";
    else if (!summary->run.empty() || !summary->fetched.ended.empty() || summary->fetched.lost_job_count > 0)
        std::cout << (summary->run.empty() ? "no run" : summary->run) << ": " << summary->text() << "\n";
    return exit_done;
}

}  // namespace yoda
