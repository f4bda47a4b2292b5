// SPDX-License-Identifier: Apache-2.0
#include "core/config/payload_config.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/config/key_values.hpp"
#include "core/config/units.hpp"
#include "core/job/text_pieces.hpp"

namespace yoda {

namespace {

struct ChannelName {
    std::string_view name;
    ChannelKind kind;
};
constexpr ChannelName channel_names[] = {{"worker", ChannelKind::worker},
                                         {"command", ChannelKind::command},
                                         {"athenamp", ChannelKind::athenamp},
                                         {"null", ChannelKind::null}};
struct OutputName {
    std::string_view name;
    OutputKind kind;
};
constexpr OutputName output_names[] = {
    {"hdf5", OutputKind::hdf5}, {"opaque", OutputKind::opaque}, {"none", OutputKind::nothing}};

template <class Names, class Kind>
bool find_kind(Names const& names, std::string_view value, Kind& kind)
{
    for (auto const& entry : names) {
        if (entry.name == value) {
            kind = entry.kind;
            return true;
        }
    }
    return false;
}

constexpr std::string_view output_prefix = "output.";

/// Empty when the rule can be taken.
std::string_view find_fault(OutputRule const& rule, std::vector<OutputRule> const& known)
{
    if (rule.name.empty() || !std::all_of(rule.name.begin(), rule.name.end(), is_name_character))
        return "the name of an output has letters, digits and underscores";
    if (rule.pattern.empty()) return "an output needs the pattern of its LFN";
    bool const is_known = std::any_of(known.begin(), known.end(),
                                      [&](OutputRule const& other) { return other.name == rule.name; });
    return is_known ? "the output is there twice" : "";
}

bool* find_flag(PayloadConfig& config, std::string_view key)
{
    if (key == "deterministic") return &config.deterministic;
    if (key == "in_container") return &config.in_container;
    if (key == "stage_in") return &config.stage_in;
    if (key == "no_file_validation") return &config.job_pars.no_file_validation;
    if (key == "first_file_only") return &config.job_pars.first_file_only;
    if (key == "no_db_release") return &config.job_pars.no_db_release;
    if (key == "no_frontier") return &config.job_pars.no_frontier;
    return nullptr;
}

}  // namespace

Result<PayloadConfig> parse_payload_config(std::string_view text, std::string_view source)
{
    auto const values = parse_key_values(text, source);
    if (!values) return values.error();
    PayloadConfig config;
    for (auto const& entry : *values) {
        auto const& key = entry.key;
        auto const& value = entry.value;
        auto const refuse = [&](std::string why, std::string fix = {}) {
            return Error{ErrorKind::usage, fmt::format("{}:{}: {} = {}", source, entry.line, key, value),
                         std::move(why), std::move(fix)};
        };
        if (key == "name") {
            config.name = value;
        } else if (key == "executable") {
            config.executable = value;
        } else if (key == "argument") {
            config.arguments.push_back(value);
        } else if (key == "environment") {
            if (value.find('=') == std::string::npos || value.starts_with('='))
                return refuse("an environment variable is NAME=value");
            config.environment.push_back(value);
        } else if (key == "channel") {
            if (!find_kind(channel_names, value, config.channel))
                return refuse("no such channel", "one of worker, command, athenamp, null");
        } else if (key == "output") {
            if (!find_kind(output_names, value, config.output))
                return refuse("no such output", "one of hdf5, opaque, none");
        } else if (key.starts_with(output_prefix)) {
            OutputRule rule{key.substr(output_prefix.size()), value};
            if (auto const fault = find_fault(rule, config.outputs); !fault.empty())
                return refuse(std::string(fault), "write output.NAME = LFN pattern");
            config.outputs.push_back(std::move(rule));
        } else if (key == "prefix") {
            config.prefix.push_back(value);
        } else if (key == "token_extractor") {
            config.token_extractor.push_back(value);
        } else if (key == "prefetcher") {
            config.prefetcher.push_back(value);
        } else if (key == "finalisation") {
            auto const seconds = parse_seconds(value);
            if (!seconds) return refuse(seconds.error().text());
            config.finalisation_s = *seconds;
        } else if (bool* const flag = find_flag(config, key)) {
            auto const yes = parse_yes_no(value);
            if (!yes) return refuse(yes.error().text());
            *flag = *yes;
        } else {
            auto const near =
                nearest_name(key, {"name", "executable", "argument", "environment", "channel", "output",
                                   "deterministic", "prefix", "token_extractor", "prefetcher", "finalisation",
                                   "stage_in", "no_file_validation", "first_file_only", "no_db_release",
                                   "no_frontier", "in_container"});
            return refuse("no such setting of a payload",
                          near.empty() ? "" : fmt::format("did you mean '{}'?", near));
        }
    }
    if (config.channel == ChannelKind::null) {
        config.output = OutputKind::nothing;
    } else if (config.executable.empty() && config.channel != ChannelKind::athenamp) {
        return Error{ErrorKind::usage,
                     fmt::format("{} names no executable", source),
                     {},
                     "add `executable = PROGRAM`"};
    }
    bool const says_output =
        std::any_of(config.arguments.begin(), config.arguments.end(),
                    [](auto const& argument) { return argument.find("{output}") != std::string::npos; });
    if (config.channel == ChannelKind::command && config.outputs.size() > 1 && says_output)
        return Error{ErrorKind::usage,
                     fmt::format("{}: {{output}} can be any of {} files", source, config.outputs.size()),
                     "there are several output.NAME", "write {output.NAME} for each of them"};
    if (config.name.empty())
        config.name = !config.executable.empty()                ? config.executable
                      : config.channel == ChannelKind::athenamp ? "athenamp"
                                                                : "null";
    return config;
}

std::string print_payload_config(PayloadConfig const& config)
{
    auto const channel = std::find_if(std::begin(channel_names), std::end(channel_names),
                                      [&](ChannelName const& entry) { return entry.kind == config.channel; });
    auto const output = std::find_if(std::begin(output_names), std::end(output_names),
                                     [&](OutputName const& entry) { return entry.kind == config.output; });
    std::string text = fmt::format("name = {}\nchannel = {}\n", config.name, channel->name);
    if (!config.executable.empty()) text += fmt::format("executable = {}\n", config.executable);
    for (auto const& argument : config.arguments) text += fmt::format("argument = {}\n", argument);
    for (auto const& variable : config.environment) text += fmt::format("environment = {}\n", variable);
    text +=
        fmt::format("output = {}\ndeterministic = {}\n", output->name, config.deterministic ? "yes" : "no");
    for (auto const& rule : config.outputs)
        text += fmt::format("{}{} = {}\n", output_prefix, rule.name, rule.pattern);
    if (config.in_container) text += "in_container = yes\n";
    if (config.channel != ChannelKind::athenamp) return text;
    for (auto const& word : config.prefix) text += fmt::format("prefix = {}\n", word);
    for (auto const& word : config.token_extractor) text += fmt::format("token_extractor = {}\n", word);
    for (auto const& word : config.prefetcher) text += fmt::format("prefetcher = {}\n", word);
    text += fmt::format("finalisation = {} s\n", config.finalisation_s);
    PayloadConfig flags = config;
    for (auto const* key :
         {"stage_in", "no_file_validation", "first_file_only", "no_db_release", "no_frontier"})
        text += fmt::format("{} = {}\n", key, *find_flag(flags, key) ? "yes" : "no");
    return text;
}

Result<std::string> fill_placeholders(std::string_view text, std::vector<Placeholder> const& values)
{
    std::string filled;
    while (!text.empty()) {
        auto const open = text.find('{');
        filled += text.substr(0, open);
        if (open == std::string_view::npos) break;
        text.remove_prefix(open);
        if (text.starts_with("{{")) {
            filled += '{';
            text.remove_prefix(2);
            continue;
        }
        auto const close = text.find('}');
        auto const name = close == std::string_view::npos ? text : text.substr(1, close - 1);
        auto const found = std::find_if(values.begin(), values.end(),
                                        [&](Placeholder const& value) { return value.name == name; });
        if (close == std::string_view::npos || found == values.end())
            return Error{ErrorKind::usage,
                         fmt::format("'{}' is no placeholder",
                                     close == std::string_view::npos ? text : text.substr(0, close + 1)),
                         {},
                         "write {{ for a plain {"};
        filled += found->value;
        text.remove_prefix(close + 1);
    }
    return filled;
}

}  // namespace yoda
