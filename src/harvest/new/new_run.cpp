// SPDX-License-Identifier: Apache-2.0
#include "harvest/new/new_run.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "core/base/checksum.hpp"
#include "core/config/config.hpp"
#include "core/config/output_names.hpp"
#include "core/job/text_pieces.hpp"
#include "harvest/new/new_run_inputs.hpp"
#include "harvest/new/new_run_payload.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t max_config_bytes = 1u << 20;
constexpr int first_attempt = 10;  // As PanDA starts: attemptNr of a range counts down.

/// No other run of this user has it: milliseconds since 1970, then digits of the process.
std::int64_t make_panda_id(std::int64_t now_unix_ns)
{
    return now_unix_ns / 1'000'000 * 1000 + ::getpid() % 1000;
}

/// RUN/yoda.cfg: the file as it is, and then the settings of the command line, which win.
Result<std::string> make_options(NewRunOptions const& options)
{
    Config config;
    std::string text;
    if (!options.config.empty()) {
        auto file = read_file(options.config, max_config_bytes);
        if (!file) return file.error();
        if (auto const status = read_config(config, *file, options.config); !status) return status.error();
        text = std::move(*file);
        if (!text.ends_with('\n')) text += '\n';
    }
    for (auto const& [key, value] : options.settings) {
        std::string const line = fmt::format("{} = {}\n", key, value);
        if (auto const status = set_config(config, key, value); !status) return status.error();
        if (auto const status = read_config(config, "", "--set " + key); !status) return status.error();
        text += line;
    }
    return text;
}

template <class Print>
std::string join(std::vector<NewRunInput> const& inputs, Print print)
{
    std::string list;
    for (auto const& input : inputs) list += (list.empty() ? "" : ",") + print(input);
    return list;
}

/// A part of an LFN: a payload without a name is called as its program, with folders.
std::string lfn_part(std::string_view name)
{
    std::string part(name.substr(name.rfind('/') + 1));
    std::replace_if(
        part.begin(), part.end(), [](char c) { return !is_name_character(c) && c != '.' && c != '-'; }, '_');
    return part;
}

/// One LFN for each output.NAME of the payload, which its pattern matches;
/// without any the one that is called `whole`.
std::vector<std::string> make_lfns(std::vector<OutputRule> const& outputs, std::string const& whole)
{
    if (outputs.empty()) return {whole};
    std::vector<std::string> lfns;
    for (auto const& output : outputs) {
        auto lfn = output.pattern;
        replace_all(lfn, "*", whole);
        replace_all(lfn, "?", "_");
        lfns.push_back(std::move(lfn));
    }
    return lfns;
}

/// The fields that a PanDA job of this kind would have (docs/reference/panda.md §3).
nlohmann::json make_job(NewRunOptions const& options, std::vector<NewRunInput> const& inputs,
                        PayloadConfig const& payload, std::int64_t panda_id, std::int64_t task_id)
{
    std::string const output = fmt::format("{}.{}", lfn_part(payload.name), panda_id);
    std::string const log = fmt::format("log.{}.tgz", output);
    auto const lfns = make_lfns(payload.outputs, output);
    nlohmann::json job;
    job["PandaID"] = panda_id;
    job["taskID"] = task_id;
    job["jobsetID"] = panda_id;
    job["attemptNr"] = 1;
    job["jobName"] = output;
    job["prodSourceLabel"] = "user";
    job["transformation"] = payload.name;
    job["jobPars"] = "";
    job["inFiles"] = join(inputs, [](NewRunInput const& input) { return input.lfn; });
    job["GUID"] = join(inputs, [](NewRunInput const& input) { return input.guid; });
    job["fsize"] = join(inputs, [](NewRunInput const& input) { return std::to_string(input.bytes); });
    job["checksum"] =
        join(inputs, [](NewRunInput const& input) { return "ad:" + print_adler32(input.adler32); });
    job["scopeIn"] = join(inputs, [&](NewRunInput const&) { return options.scope; });
    job["inFilePaths"] = join(inputs, [](NewRunInput const& input) { return input.pfn; });
    job["nEventsPerInputFile"] =
        join(inputs, [](NewRunInput const& input) { return std::to_string(input.event_count); });
    job["outFiles"] = fmt::format("{},{}", fmt::join(lfns, ","), log);
    job["scopeOut"] = fmt::format("{}", fmt::join(std::vector(lfns.size(), options.scope), ","));
    job["logFile"] = log;
    job["scopeLog"] = options.scope;
    job["inFilePosEvtNum"] = "True";
    job["eventService"] = "True";
    return job;
}

/// How many events from `first` on (from 1) a range takes: as asked, but no part of a group. Several groups
/// fit into a range or one makes it longer.
std::uint64_t range_size(NewRunInput const& input, std::uint64_t first, std::uint64_t asked)
{
    std::uint64_t const left = input.event_count - first + 1;
    auto const parts_group = [&](std::uint64_t count) {
        auto const next = first - 1 + count;
        return count < left && next < input.joined.size() && input.joined[next];
    };
    auto count = std::min(asked, left);
    while (count > 0 && parts_group(count)) --count;
    if (count > 0) return count;
    for (count = std::min(asked, left); parts_group(count);) ++count;
    return count;
}

Status add_ranges(RunBuilder& builder, JobIndex job, NewRunInput const& input, RangeId id,
                  NewRunOptions const& options)
{
    EventRange range;
    range.lfn = input.lfn;
    range.guid = input.guid;
    range.scope = options.scope;
    for (std::uint64_t first = 1; first <= input.event_count;) {
        auto const count = range_size(input, first, options.events_per_range);
        range.start_event = static_cast<std::int64_t>(first);
        range.last_event = static_cast<std::int64_t>(first + count - 1);
        id.process_id = range.start_event;
        range.id = id.text();
        if (auto status = builder.add_range(job, range, input.pfn); !status) return status;
        first += count;
    }
    return {};
}

}  // namespace

Result<NewRunSummary> create_run(NewRunOptions const& options)
{
    if (options.events_per_range == 0)
        return Error{ErrorKind::usage, "a range needs at least one event", "--events-per-range is 0",
                     "give 1 or more"};
    if (options.payload.empty())
        return Error{ErrorKind::usage, "a run needs a payload", {}, "add --payload config/payloads/NAME.cfg"};
    if (!fits_range_text(options.scope))
        return Error{ErrorKind::usage, fmt::format("scope '{}' cannot be used", options.scope),
                     "it has a comma, quote, backslash, control or non-ASCII character", "choose another"};
    // The cheap things first, so that a typing error shows before large inputs are read.
    auto builder = RunBuilder::create(options.run);
    if (!builder) return builder.error();
    auto payload = read_payload(options.payload, options.program_folder, options.search_path);
    if (!payload) return payload.error();
    auto settings = make_options(options);
    if (!settings) return settings.error();
    auto const inputs = survey_inputs(options.inputs, options.event_counts,
                                      options.accept_cut ? CutEvents::leave_out : CutEvents::refuse);
    if (!inputs) return inputs.error();

    std::int64_t const panda_id = options.panda_id ? options.panda_id : make_panda_id(options.now_unix_ns);
    std::int64_t const task_id = options.task_id ? options.task_id : panda_id;
    auto job = Job::from_json(make_job(options, *inputs, *payload, panda_id, task_id));
    if (!job) return job.error();
    if (auto const names = OutputNames::make(*job, *payload); !names) return names.error();
    JobIndex const index = builder->add_job(std::move(*job));
    // The payload has to leave out the same events.
    if (options.accept_cut) payload->environment.push_back("YODA_ACCEPT_CUT=1");
    builder->set_payload(std::move(*payload));
    builder->set_options(std::move(*settings));
    RangeId id{task_id, panda_id, 0, 0, first_attempt};
    for (auto const& input : *inputs) {
        ++id.file_id;
        if (auto const status = add_ranges(*builder, index, input, id, options); !status)
            return status.error();
    }
    return builder->commit();
}

}  // namespace yoda
