// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/launch.hpp"

#include <fmt/format.h>

#include <optional>
#include <set>

#include "core/config/output_names.hpp"
#include "core/job/job_pars.hpp"
#include "core/table/event_range.hpp"
#include "droid/athenamp/companions.hpp"
#include "sys/base/files.hpp"
#include "sys/process/environment.hpp"

namespace yoda::athenamp {

namespace {

std::optional<std::string> find_variable(std::vector<std::string> const& environment, std::string_view name)
{
    for (auto const& entry : environment) {
        if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name))
            return entry.substr(name.size() + 1);
    }
    return std::nullopt;
}

void add_variables(LaunchInput& input)
{
    auto& environment = input.environment;
    auto const& job = *input.job;
    auto const set = [&](std::string_view name, std::string const& value) {
        set_variable(environment, name, value);
    };
    auto const suggest = [&](std::string_view name, std::string const& value) {
        if (!value.empty() && !find_variable(environment, name)) set_variable(environment, name, value);
    };
    auto const frontier = fmt::format("[{}_{}]", job.task_id(), job.panda_id());
    set("PILOT_EVENTRANGECHANNEL", input.channel);
    set("FRONTIER_ID", frontier);
    set("CMSSW_VERSION", frontier);
    set("PandaID", std::to_string(job.panda_id()));
    set("PanDA_TaskID", std::to_string(job.task_id()));
    set("TRF_ECHO", "1");
    set("USING_COMPACT", "1");
    auto const workers = std::to_string(input.worker_count);
    set("ATHENA_CORE_NUMBER", workers);
    set("ATHENA_PROC_NUMBER", workers);
    suggest("RUCIO_APPID", job.text("processingType"));
    suggest("RUCIO_ACCOUNT", "pilot");
    suggest("PANDA_RESOURCE", job.text("computingSite"));  // The queue, kept by `harvest fetch`.
    suggest("PANDA_RESOURCE", job.text("sourceSite"));
}

JobParsChanges wanted_changes(LaunchInput const& input)
{
    JobParsChanges changes = input.payload->job_pars;
    // Numbers that run over all files count from the first of them: the payload needs the whole list.
    if (!input.job->positions_in_file()) changes.first_file_only = false;
    return changes;
}

/// jobPars as words. A variable that is set nowhere would be an empty word here, while the originals' run
/// scripts expand the line after the release's set-up, which may set it: nobody could tell what is missing.
Result<Words> read_job_pars(LaunchInput const& input)
{
    std::set<std::string> unset;
    auto words = split_words(input.job->text("jobPars"), [&](std::string_view name) {
        auto value = find_variable(input.environment, name);
        if (!value) unset.emplace(name);
        return value;
    });
    if (!words || unset.empty()) return words;
    return Error{ErrorKind::bad_input, "the job's command line (jobPars) cannot be read",
                 fmt::format("it uses ${}, which is not set", fmt::join(unset, ", $")),
                 "set it by `environment` in payload.cfg or where yoda starts; a run script's own variables "
                 "come too late"};
}

/// The files that writeToFile asks for. What it names lies elsewhere, so a
/// list holds places as the command line does.
Result<std::vector<ListFile>> lists_to_write(Job const& job, std::vector<InputFile> const& inputs)
{
    auto const refuse = [](std::string why) {
        return Error{ErrorKind::bad_input, "the job's writeToFile cannot be done", std::move(why), {}};
    };
    std::vector<ListFile> lists;
    auto const text = job.text("writeToFile");
    for (std::size_t begin = 0; begin < text.size();) {
        auto const end = std::min(text.find('^', begin), text.size());
        auto const entry = text.substr(begin, end - begin);
        begin = end + 1;
        auto const colon = entry.find(':');
        if (colon == std::string::npos) return refuse(fmt::format("'{}' has no colon", entry));
        ListFile list{entry.substr(0, colon), {}};
        if (!is_plain_file_name(list.name))
            return refuse(fmt::format("'{}' is no plain file name", list.name));
        for (std::size_t at = colon + 1; at <= entry.size();) {
            auto const stop = std::min(entry.find(',', at), entry.size());
            list.text += place_of(inputs, entry.substr(at, stop - at)) + "\n";
            at = stop + 1;
        }
        lists.push_back(std::move(list));
    }
    return lists;
}

/// The originals' word for asetup: only release 19 needs it.
std::string gcc_location(std::string const& package, std::string const& platform,
                         std::vector<std::string> const& environment)
{
    auto const release = package.substr(std::min(package.find('/'), package.size()));
    if (!release.starts_with("/19.")) return {};
    return fmt::format("--gcclocation={}/software/{}{}/gcc-alt-472/{}",
                       find_variable(environment, "VO_ATLAS_SW_DIR").value_or("$VO_ATLAS_SW_DIR"), platform,
                       release.substr(0, release.rfind('.')), platform);
}

/// AthenaMT opens the file that a range names; where numbers run over all files a range cannot name its own.
Status check_threads(Job const& job)
{
    if (job.positions_in_file() || job.inputs().size() <= 1 || wants_prefetcher(job)) return {};
    return Error{ErrorKind::bad_input, "AthenaMT cannot do this job",
                 fmt::format("it needs a file in each range, and numbers that run over {} files have none "
                             "(the job has no inFilePosEvtNum)",
                             job.inputs().size()),
                 "run it with AthenaMP, or as a task with positions in files"};
}

}  // namespace

Result<Launch> plan_launch(LaunchInput input)
{
    auto const& job = *input.job;
    auto const& payload = *input.payload;
    add_variables(input);
    auto words = read_job_pars(input);
    if (!words) return words.error();
    auto const& inputs = input.inputs.empty() ? job.inputs() : input.inputs;
    auto lists = lists_to_write(job, inputs);
    if (!lists) return lists.error();
    Launch launch;
    launch.lists = *std::move(lists);
    launch.multithreaded = is_multithreaded(*words);
    if (launch.multithreaded) {
        if (auto can = check_threads(job); !can) return can.error();
    }
    change_job_pars(*words, wanted_changes(input), inputs);
    inject_channel(*words, input.channel);
    // AthenaMT would take it for an order to fork, whoever set it.
    if (launch.multithreaded)
        std::erase_if(input.environment,
                      [](std::string const& entry) { return entry.starts_with("ATHENA_PROC_NUMBER="); });

    auto const workers = std::to_string(input.worker_count);
    auto const job_pars = print_words(*words);
    auto const transformation = job.text("transformation");
    auto release = job.text("swRelease");
    if (auto const dash = release.find('-'); dash != std::string::npos) release.erase(0, dash + 1);
    auto const package = job.text("homepackage");
    auto const platform = job.text("cmtConfig");
    auto const processing = job.text("processingType");
    auto const panda_id = std::to_string(job.panda_id());
    auto const task_id = std::to_string(job.task_id());
    auto const image = job.text("container_name");
    auto const gcc = gcc_location(package, platform, input.environment);
    auto const lfns = out_lfns(job);
    std::vector<Placeholder> const values{{"jobPars", job_pars},
                                          {"transformation", transformation},
                                          {"release", release},
                                          {"package", package},
                                          {"cmtConfig", platform},
                                          {"processingType", processing},
                                          {"pandaID", panda_id},
                                          {"taskID", task_id},
                                          {"work", input.folder},
                                          {"channel", input.channel},
                                          {"threads", workers},
                                          {"image", image},
                                          {"inputs", input.stage_folder},
                                          {"gcclocation", gcc},
                                          {"out_lfn", lfns.size() == 1 ? lfns[0] : std::string_view()}};

    auto const add = [&](std::string const& text) -> Status {
        if (text == "{jobPars}") {
            launch.arguments.insert(launch.arguments.end(), words->begin(), words->end());
            return {};
        }
        if (text == "{gcclocation}" && gcc.empty()) return {};
        auto filled = fill_placeholders(text, values);
        if (!filled) return filled.error();
        launch.arguments.push_back(*std::move(filled));
        return {};
    };
    auto templates = payload.prefix;
    if (!payload.executable.empty()) templates.push_back(payload.executable);
    if (payload.arguments.empty()) {
        if (transformation.empty() && payload.executable.empty())
            return Error{ErrorKind::bad_input,
                         "there is nothing to start",
                         "the job names no transformation and the payload no executable",
                         {}};
        if (!transformation.empty()) templates.push_back("{transformation}");
        templates.push_back("{jobPars}");
    }
    templates.insert(templates.end(), payload.arguments.begin(), payload.arguments.end());
    for (auto const& text : templates) {
        if (auto added = add(text); !added) return added.error();
    }
    launch.environment = std::move(input.environment);
    return launch;
}

Status write_lists(Launch const& launch, std::string const& folder)
{
    for (auto const& list : launch.lists) {
        if (auto written = replace_file(folder + "/" + list.name, list.text); !written) return written;
    }
    return {};
}

}  // namespace yoda::athenamp
