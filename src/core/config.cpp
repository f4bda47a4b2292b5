#include "core/config.hpp"

#include <fmt/format.h>

#include <variant>

#include "core/key_values.hpp"
#include "core/units.hpp"

namespace yoda {

namespace {

using Count = std::uint64_t Config::*;
struct Size {
    std::uint64_t Config::*member;
};
using Seconds = double Config::*;
using YesNo = bool Config::*;
using Text = std::string Config::*;

struct Key {
    std::string_view name;
    std::variant<Count, Size, Seconds, YesNo, Text> member;
    std::string_view meaning;
};

using C = Config;
Key const keys[] = {
    {"dispatch.batch", &C::dispatch_batch, "ranges a grant; 0: sized from measured range times"},
    {"dispatch.window", &C::dispatch_window, "grants of a fixed batch in flight per Droid"},
    {"dispatch.ask_interval", &C::dispatch_ask_interval_s,
     "how much work a Droid holds: what it does in this time"},
    {"dispatch.second_copies", &C::dispatch_second_copies,
     "near the end idle workers get a second copy of the oldest running ranges; off for payloads whose "
     "output differs from run to run"},
    {"range.tries", &C::range_tries, "payload failures until a range is given up, at most 15"},
    {"range.payload_deaths", &C::range_payload_deaths,
     "deaths of the whole payload with the range in flight that count as one failure, at most 15"},
    {"range.time_limit", &C::range_time_limit_s, "a range that runs longer is killed and has failed"},
    {"range.silence", &C::range_silence_s,
     "a range whose worker neither speaks nor writes for so long is killed; 0: the least of 12 h (analysis: "
     "3 h), "
     "the job's maxCpuCount, a quarter of the walltime"},
    {"payload.workers", &C::payload_workers, "workers per Droid; 0: one per core that it may use"},
    {"payload.starts", &C::payload_starts,
     "starts of a payload in a row without a finished range, then the Droid gives it up"},
    {"payload.memory", Size{&C::payload_memory_bytes},
     "resident memory of a worker with its children; 0: no limit"},
    {"payload.stdout", Size{&C::payload_stdout_bytes}, "size of a payload's log files, each"},
    {"payload.bind", &C::payload_bind, "bind each worker to a core of its own"},
    {"payload.stop_grace", &C::payload_stop_grace_s, "time to end after the end word, then it is killed"},
    {"disk.free_at_start", Size{&C::disk_free_at_start_bytes},
     "a Droid with less free work space does not start"},
    {"disk.free_running", Size{&C::disk_free_running_bytes}, "with less free work space no range is started"},
    {"disk.work_folder", Size{&C::disk_work_folder_bytes}, "size of a Droid's work folder"},
    {"disk.check_interval", &C::disk_check_interval_s, "how often these are looked at; at most 10 min"},
    {"bundle.size", Size{&C::bundle_size_bytes}, "a bundle larger than this is sealed"},
    {"bundle.time_gap", &C::bundle_time_gap_s, "a bundle older than this is sealed (zip_time_gap)"},
    {"journal.commit_interval", &C::journal_commit_interval_s,
     "records wait so long for others to be synced with"},
    {"journal.queue", Size{&C::journal_queue_bytes},
     "records waiting for a slow disk; then rank 0 stops handing out"},
    {"journal.checkpoint_interval", &C::journal_checkpoint_interval_s, "time between checkpoints"},
    {"journal.checkpoint_bytes", Size{&C::journal_checkpoint_bytes},
     "journal written since the last checkpoint that asks for one"},
    {"droid.heartbeat", &C::droid_heartbeat_s, "how often a Droid says that it lives"},
    {"droid.silence", &C::droid_silence_s,
     "a Droid silent for so long is given up, its ranges are handed out again"},
    {"yoda.silence", &C::yoda_silence_s, "a Droid that hears nothing from rank 0 for so long ends"},
    {"walltime", &C::walltime_s, "of this job; 0: asked of the batch system, else unlimited"},
    {"walltime.drain", &C::walltime_drain_s,
     "while range times are unknown nothing is started in the last so-much (at most 10 % of the walltime)"},
    {"walltime.seal", &C::walltime_seal_s,
     "kept free at the end for sealing bundles (at most 2 % of the walltime)"},
    {"walltime.notice", &C::walltime_notice_s,
     "what is left after a signal to drain, if the end is not known"},
    {"work.folder", &C::work_folder,
     "node-local scratch; empty: what the batch system gives the job, $TMPDIR or /tmp"},
    {"work.stage_inputs", &C::work_stage_inputs,
     "copy input files to each node's work folder: one node reads the shared filesystem, the others get "
     "them from node to node"},
    {"node.setup", &C::setup_command, "program with arguments run once per node before the first payload"},
    {"node.cleanup", &C::cleanup_command, "program with arguments run once per node, by its last Droid"},
    {"node.time_limit", &C::node_time_limit_s,
     "of each of these two, and of what a Droid tidies before it starts"},
    {"run.open", &C::run_open, "more ranges may come through RUN/inbox until it says closed"},
    {"status.interval", &C::status_interval_s, "how often status.json is written"},
};

Key const* find_key(std::string_view name)
{
    for (auto const& key : keys) {
        if (key.name == name) return &key;
    }
    return nullptr;
}

template <class... F>
struct Overload : F... {
    using F::operator()...;
};

template <class T, class U>
Status assign(Result<T> value, U& target)
{
    if (!value) return value.error();
    target = *std::move(value);
    return {};
}

Status check_limits(std::string_view name, Config const& config)
{
    auto const refuse = [&](std::string_view why) {
        return Error{ErrorKind::usage, fmt::format("{} cannot be so", name), std::string(why), {}};
    };
    if (config.range_tries < 1 || config.range_tries > 15) return refuse("tries are 1 to 15");
    if (config.range_payload_deaths < 1 || config.range_payload_deaths > 15)
        return refuse("deaths are 1 to 15");
    if (config.disk_check_interval_s > 600 || config.disk_check_interval_s < 0.05)
        return refuse("it is 0.05 s to 10 min");
    if (config.droid_heartbeat_s < 0.05 || config.droid_heartbeat_s * 2 > config.droid_silence_s)
        return refuse("droid.heartbeat is at least 50 ms and at most half of droid.silence");
    if (config.yoda_silence_s < 2 * config.droid_heartbeat_s)
        return refuse("yoda.silence is at least two droid.heartbeat");
    if (config.dispatch_window < 1 || config.dispatch_window > 1000)
        return refuse("the window is 1 to 1,000");
    if (config.dispatch_batch > 1'000'000) return refuse("the batch is at most 1,000,000");
    if (config.payload_workers > 65'536) return refuse("workers are at most 65,536");
    return {};
}

}  // namespace

std::vector<ConfigKey> config_keys()
{
    std::vector<ConfigKey> list;
    for (auto const& key : keys) {
        static constexpr std::string_view kinds[] = {"count", "size", "time", "yes/no", "text"};
        list.push_back({key.name, kinds[key.member.index()], key.meaning});
    }
    return list;
}

Status set_config(Config& config, std::string_view name, std::string_view value)
{
    auto const* key = find_key(name);
    if (!key) {
        std::vector<std::string_view> names;
        for (auto const& known : keys) names.push_back(known.name);
        auto const near = nearest_name(name, names);
        return Error{
            ErrorKind::usage,
            fmt::format("'{}' is no setting of yoda", name),
            {},
            near.empty() ? "see config/yoda.cfg for all of them" : fmt::format("did you mean '{}'?", near)};
    }
    auto const status =
        std::visit(Overload{
                       [&](Count member) { return assign(parse_count(value), config.*member); },
                       [&](Size size) { return assign(parse_bytes(value), config.*size.member); },
                       [&](Seconds member) { return assign(parse_seconds(value), config.*member); },
                       [&](YesNo member) { return assign(parse_yes_no(value), config.*member); },
                       [&](Text member) {
                           config.*member = trim(value);
                           return Status{};
                       },
                   },
                   key->member);
    if (!status) {
        auto error = status.error();
        error.what = fmt::format("{}: {}", name, error.what);
        return error;
    }
    return {};
}

Status read_config(Config& config, std::string_view text, std::string_view source)
{
    auto const values = parse_key_values(text, source);
    if (!values) return values.error();
    for (auto const& [key, value, line] : *values) {
        if (auto status = set_config(config, key, value); !status) {
            auto error = status.error();
            error.what = fmt::format("{}:{}: {}", source, line, error.what);
            return error;
        }
    }
    return check_limits(source, config);
}

std::string print_config_value(Config const& config, std::string_view name)
{
    auto const* key = find_key(name);
    YODA_CHECK(key, "only known keys are printed");
    return std::visit(Overload{
                          [&](Count member) { return fmt::format("{}", config.*member); },
                          [&](Size size) { return fmt::format("{} B", config.*size.member); },
                          [&](Seconds member) { return fmt::format("{} s", config.*member); },
                          [&](YesNo member) { return std::string(config.*member ? "yes" : "no"); },
                          [&](Text member) { return config.*member; },
                      },
                      key->member);
}

std::string print_config(Config const& config)
{
    std::string text;
    for (auto const& key : keys)
        text += fmt::format("# {}\n{} = {}\n", key.meaning, key.name, print_config_value(config, key.name));
    return text;
}

}  // namespace yoda
