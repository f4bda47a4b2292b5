#include "droid/athenamp/launch.hpp"

#include <fmt/format.h>

#include <optional>
#include <set>

#include "core/job_pars.hpp"
#include "sys/environment.hpp"

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

}  // namespace

Result<Launch> plan_launch(LaunchInput input)
{
    auto const& job = *input.job;
    auto const& payload = *input.payload;
    add_variables(input);
    auto words = read_job_pars(input);
    if (!words) return words.error();
    change_job_pars(*words, wanted_changes(input), input.inputs.empty() ? job.inputs() : input.inputs);
    inject_channel(*words, input.channel);
    // AthenaMT would take it for an order to fork, whoever set it.
    if (is_multithreaded(*words))
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
    std::vector<Placeholder> const values{{"jobPars", job_pars},         {"transformation", transformation},
                                          {"release", release},          {"package", package},
                                          {"cmtConfig", platform},       {"processingType", processing},
                                          {"pandaID", panda_id},         {"taskID", task_id},
                                          {"work", input.folder},        {"channel", input.channel},
                                          {"threads", workers},          {"image", image},
                                          {"inputs", input.stage_folder}};

    Launch launch;
    auto const add = [&](std::string const& text) -> Status {
        if (text == "{jobPars}") {
            launch.arguments.insert(launch.arguments.end(), words->begin(), words->end());
            return {};
        }
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

}  // namespace yoda::athenamp
