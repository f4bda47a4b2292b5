// SPDX-License-Identifier: Apache-2.0
// harvest explain: why a run, a range or a bundle is as it is, with the history.

#include <fmt/format.h>

#include <iostream>

#include "app/commands/command_line.hpp"
#include "app/commands/commands.hpp"
#include "app/commands/tools.hpp"
#include "harvest/batch/batch_run.hpp"
#include "harvest/explain/explain.hpp"
#include "harvest/explain/explain_store.hpp"
#include "harvest/explain/history.hpp"
#include "harvest/explain/run_view.hpp"
#include "harvest/harvest_options.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

namespace po = boost::program_options;
using nlohmann::ordered_json;

namespace {

/// The batch jobs of a run, oldest first, and what comes next. An empty object if none was submitted.
ordered_json list_jobs(std::string const& run, Clock const& clock)
{
    auto const standing = view_batch_run(run, clock);
    if (!standing || standing->submissions.empty()) return ordered_json::object();
    return standing->json();
}

std::string print_jobs(ordered_json const& batch)
{
    if (batch.empty()) return {};
    std::string text;
    for (auto const& json : batch["submissions"]) {
        auto const job = parse_submission(json.dump());
        if (!job) continue;  // It was printed by the same program.
        text +=
            fmt::format("job {}: {} ({}), {} nodes, {}", job->number, job->label(),
                        print_batch_kind(job->batch), job->node_count, print_submission_state(job->state));
        if (!job->word.empty()) text += " " + job->word;
        if (job->exit_code) text += fmt::format(", yoda's exit code {}", *job->exit_code);
        if (!job->reason.empty()) text += ": " + job->reason;
        text += fmt::format("; {} ranges were to do\n", job->unended_before);
    }
    return text + fmt::format("batch: {}, {}\n", batch.value("step", ""), batch.value("why", ""));
}

/// Where outputs go and by which rule; jobs of the same rule together.
ordered_json list_stores(RunView const& view, HarvestConfig const& config)
{
    auto list = ordered_json::array();
    if (config.store_names().empty()) return list;
    std::vector<std::pair<StoreRule, std::vector<std::int64_t>>> rules;
    for (auto const& job : view.opened.jobs) {
        auto const rule = explain_job_store(job, config);
        auto known = rules.begin();
        while (known != rules.end() && !(known->first == rule)) ++known;
        if (known == rules.end()) known = rules.insert(known, {rule, {}});
        known->second.push_back(job.panda_id());
    }
    for (auto const& [rule, jobs] : rules)
        list.push_back({{"jobs", jobs}, {"url", rule.url}, {"because", rule.because}});
    return list;
}

std::string print_stores(ordered_json const& stores)
{
    std::string text;
    for (auto const& entry : stores) {
        auto const jobs = entry["jobs"].get<std::vector<std::int64_t>>();
        text +=
            fmt::format("outputs of job{} {} go to {}\n", jobs.size() > 1 ? "s" : "", fmt::join(jobs, ", "),
                        StoreRule{entry.value("url", ""), entry.value("because", "")}.text());
    }
    return text;
}

int show(bool as_json, ordered_json const& json, std::string const& text)
{
    if (as_json)
        std::cout << json.dump(1, ' ', false, ordered_json::error_handler_t::replace) << "\n";
    else
        std::cout << text;
    return exit_done;
}

}  // namespace

int harvest_explain(std::vector<std::string> const& words)
{
    po::options_description options("Options");
    // clang-format off
    options.add_options()
        ("help,h", "this text")
        ("run", po::value<std::string>(), "run folder")
        ("what", po::value<std::string>(), "an eventRangeID or a bundle's name; else the run itself")
        ("json", "as JSON");
    // clang-format on
    add_config_option(options);
    po::positional_options_description positions;
    positions.add("run", 1).add("what", 1);
    auto const values = parse_command_line(words, options, positions);
    if (!values) return report_error(values.error());
    if (values->count("help")) {
        std::cout << "usage: harvest explain RUN [RANGE|BUNDLE] [--json]\n\n" << options;
        return exit_done;
    }
    if (!values->count("run"))
        return report_error({ErrorKind::usage,
                             "harvest explain needs a run folder",
                             {},
                             "harvest explain RUN [RANGE|BUNDLE]"});
    bool const as_json = values->count("json") > 0;
    SystemClock const clock;
    auto const view = read_run((*values)["run"].as<std::string>());
    if (!view) return report_error(view.error());
    auto const config = load_config(config_files_of(*values), view->folder.path());
    if (!config) return report_error(config.error());

    if (!values->count("what")) {
        auto const unix_s = clock.unix_ns() / 1'000'000'000;
        auto json = make_run_status(*view, unix_s);
        json["lives"] = list_lives(*view);
        json["batch"] = list_jobs(view->folder.path(), clock);
        json["stores"] = list_stores(*view, *config);
        return show(as_json, json,
                    explain_run(*view, unix_s) + print_lives(json["lives"]) + print_jobs(json["batch"]) +
                        print_stores(json["stores"]));
    }
    auto const what = (*values)["what"].as<std::string>();
    bool const is_bundle = what.starts_with("EventService_premerge");
    auto const json =
        is_bundle ? explain_bundle(*view, what, *config, clock) : explain_range(*view, what, *config, clock);
    if (!json) return report_error(json.error());
    return show(as_json, *json, is_bundle ? print_bundle(*json) : print_range(*json));
}

}  // namespace yoda
