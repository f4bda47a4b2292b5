// SPDX-License-Identifier: Apache-2.0
#include "core/job/job_pars.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/job/text_pieces.hpp"

namespace yoda {

namespace {

constexpr std::string_view variable_name = "PILOT_EVENTRANGECHANNEL";
constexpr std::string_view placeholder = "PILOT_EVENTRANGECHANNEL_CHANGE_ME";
constexpr std::string_view jps_import = "from AthenaMP.AthenaMPFlags import jobproperties as jps";
constexpr std::string_view channel_flag = "EventRangeChannel";
constexpr std::string_view jps_group = "AthenaMPFlags";  ///< of the flags that hold it
constexpr std::string_view ca_group = "MP";

/// One occurrence of an option: `--name=value`, or `--name` and the words up to the next option.
struct Option {
    std::size_t index = 0;  ///< of the word with the name
    bool joined = false;
    std::size_t value_count = 0;
};

bool is_option(std::string_view word)
{
    return word.starts_with("-") && word.size() > 1 && word.find(' ') == std::string_view::npos;
}

template <class IsName>
std::vector<Option> find_options_if(Words const& words, IsName is_name)
{
    std::vector<Option> found;
    for (std::size_t i = 0; i < words.size(); ++i) {
        std::string_view const word = words[i];
        auto const equals = word.find('=');
        if (!word.starts_with("--") || !is_name(word.substr(2, equals == word.npos ? equals : equals - 2)))
            continue;
        Option option{i, equals != word.npos, 1};
        if (!option.joined) {
            option.value_count = 0;
            while (i + 1 + option.value_count < words.size() && !is_option(words[i + 1 + option.value_count]))
                ++option.value_count;
        }
        found.push_back(option);
    }
    return found;
}

std::vector<Option> find_options(Words const& words, std::string_view name)
{
    return find_options_if(words, [&](std::string_view its) { return its == name; });
}

std::string get_value(Words const& words, Option const& option, std::size_t number)
{
    auto const& word = words[option.index + (option.joined ? 0 : 1 + number)];
    return option.joined ? word.substr(word.find('=') + 1) : word;
}

void set_value(Words& words, Option const& option, std::size_t number, std::string const& value)
{
    auto& word = words[option.index + (option.joined ? 0 : 1 + number)];
    word = option.joined ? word.substr(0, word.find('=') + 1) + value : value;
}

/// "EVNTtoHITS:" of "EVNTtoHITS:code", "A,B:" of "A,B:code"; empty without a scope.
std::string_view scope_of(std::string_view value)
{
    auto const end =
        std::find_if_not(value.begin(), value.end(), [](char c) { return is_name_character(c) || c == ','; });
    auto const length = static_cast<std::size_t>(end - value.begin());
    bool const is_scope = length > 0 && end != value.end() && *end == ':';
    return is_scope ? value.substr(0, length + 1) : std::string_view{};
}

bool is_for_all(std::string_view scope)
{
    return scope.empty() || scope == "all:";
}

/// Whether a step of one scope is among those of the other.
bool share_step(std::string_view scope, std::string_view other)
{
    auto const list = "," + std::string(other.substr(0, other.find(':'))) + ",";
    for (scope = scope.substr(0, scope.find(':')); !scope.empty();) {
        auto const length = std::min(scope.find(','), scope.size());
        auto const name = fmt::format(",{},", scope.substr(0, length));
        if (list.find(name) != std::string::npos) return true;
        scope.remove_prefix(std::min(length + 1, scope.size()));
    }
    return false;
}

/// The step that runs the Event Service: where its include is scoped.
std::string event_service_scope(Words const& words)
{
    for (auto const& option : find_options(words, "preInclude")) {
        for (std::size_t i = 0; i < option.value_count; ++i) {
            auto const value = get_value(words, option, i);
            if (value.find("AthenaMP_EventService") != std::string::npos) return std::string(scope_of(value));
        }
    }
    return {};
}

/// Which values of an option reach the step of the Event Service.
struct Targets {
    std::vector<std::size_t> values;
    std::string missing;  ///< the scope of a further value that it needs
};

/// A transform gives a step what is for all and then its own; without its own that of `first` (the first
/// step) or `default`.
Targets find_targets(Words const& words, Option const& option)
{
    auto const step = event_service_scope(words);
    std::optional<std::size_t> own, first, fallback;
    Targets every;
    every.missing = "all:";
    for (std::size_t i = 0; i < option.value_count; ++i) {
        auto const value = get_value(words, option, i);
        auto const scope = scope_of(value);
        if (is_for_all(scope)) return {{i}, {}};
        if (share_step(scope, step)) own = i;
        if (scope == "default:") fallback = i;
        if (scope == "first:") first = i;
        every.values.push_back(i);
    }
    if (own) return {{*own}, {}};
    if (is_for_all(step)) return every;
    // Whether the step is the first is not known, and a value of its own would hide what `first` says.
    if (first) return {{*first}, "all:"};
    return fallback ? Targets{{*fallback}, {}} : Targets{{}, step};
}

/// Where the value that is given to the channel's flag stands, whose name ends at `at`: ` = "x"`, ` = name`,
/// `.set_Value("x")`. Empty: nothing is given to it.
std::string_view find_given(std::string_view text, std::size_t at)
{
    auto const skip_blanks = [&] { at = std::min(text.find_first_not_of(' ', at), text.size()); };
    bool const is_call = text.substr(at).starts_with(".set_Value");
    if (is_call) at = std::min(text.find('(', at), text.size());
    skip_blanks();
    auto const rest = text.substr(at);
    if (!rest.starts_with(is_call ? "(" : "=") || rest.starts_with("==")) return {};
    ++at;
    skip_blanks();
    bool const quoted = at < text.size() && (text[at] == '"' || text[at] == '\'');
    auto const end = quoted ? text.find(text[at], at + 1) : text.find_first_of(is_call ? ");\n" : ";\n", at);
    if (end == std::string_view::npos) return quoted ? std::string_view{} : text.substr(at);
    return text.substr(at, end - at + (quoted ? 1 : 0));
}

/// Sets the channel to `channel` wherever `text` sets it, by whatever name it calls the flags; whether it
/// does so in `group`.
bool set_again(std::string& text, std::string_view group, std::string_view channel)
{
    bool found = false;
    for (std::size_t at = 0; (at = text.find(channel_flag, at)) != std::string::npos;) {
        auto const before = std::string_view(text).substr(0, at);
        at += channel_flag.size();
        auto const is_in = [&](std::string_view name) {
            auto const ending = std::string(name) + ".";
            if (!before.ends_with(ending)) return false;
            return before.size() == ending.size() ||
                   !is_name_character(before[before.size() - ending.size() - 1]);
        };
        if (!is_in(jps_group) && !is_in(ca_group)) continue;
        auto const given = find_given(text, at);
        if (given.empty()) continue;
        found |= is_in(group);
        char const quote = given.front() == '\'' ? '\'' : '"';
        at = static_cast<std::size_t>(given.data() - text.data());
        text.replace(at, given.size(), fmt::format("{0}{1}{0}", quote, channel));
    }
    return found;
}

/// A value that names another channel may come after ours: a step's own follows what is for all.
void set_everywhere(Words& words, std::string_view group, std::string_view channel)
{
    for (auto const& option : find_options(words, "preExec")) {
        for (std::size_t i = 0; i < option.value_count; ++i) {
            auto value = get_value(words, option, i);
            set_again(value, group, channel);
            set_value(words, option, i, value);
        }
    }
}

/// Puts a further value behind those of the option. `--name=value` takes but one: it becomes two words.
void add_value(Words& words, Option const& option, std::string const& value)
{
    auto const place = words.begin() + static_cast<std::ptrdiff_t>(option.index) + 1;
    if (!option.joined) {
        words.insert(place + static_cast<std::ptrdiff_t>(option.value_count), value);
        return;
    }
    auto const first = get_value(words, option, 0);
    words.insert(place, {first, value});
    auto& name = words[option.index];
    name.erase(name.find('='));
}

/// Whether a value may be added for all steps, where the Event Service's is not known.
enum class Unknown { all_steps, no_step };

/// Changes what the Event Service's step gets by this option, behind its scope; what does not reach it gets a
/// further value `alone`, and so does a line without the option.
template <class Edit>
void edit_option(Words& words, std::string_view name, std::string const& alone, Unknown unknown, Edit edit)
{
    auto const options = find_options(words, name);
    bool edited = false;
    // From the back: a further value moves the words behind it.
    for (auto option = options.rbegin(); option != options.rend(); ++option) {
        if (option->value_count == 0) continue;
        auto const [targets, missing] = find_targets(words, *option);
        for (auto const target : targets) {
            auto const value = get_value(words, *option, target);
            std::string const scope(scope_of(value));
            set_value(words, *option, target, scope + edit(value.substr(scope.size())));
        }
        bool const add = !missing.empty() && (missing != "all:" || unknown == Unknown::all_steps);
        if (add) add_value(words, *option, missing + alone);
        edited |= add || !targets.empty();
    }
    if (edited) return;
    if (!options.empty()) {  // `--preExec` without a value.
        words.insert(words.begin() + static_cast<std::ptrdiff_t>(options.front().index) + 1, alone);
        return;
    }
    words.push_back(fmt::format("--{}", name));
    words.push_back(alone);
}

void inject_athenaopts(Words& words, std::string_view channel)
{
    auto const ours = fmt::format("--mtes --mtes-channel=\"{}\"", channel);
    auto const edit = [&](std::string value) {
        constexpr std::string_view name = "--mtes-channel";
        bool const has_mtes = (" " + value + " ").find(" --mtes ") != std::string::npos;
        for (auto at = value.find(name); at != std::string::npos; at = value.find(name)) {
            auto end = value.find_first_of(" =", at);
            if (end != std::string::npos) end = value.find(' ', value.find_first_not_of(" =", end));
            value.erase(at, end == std::string::npos ? end : end + 1 - at);
        }
        auto const add = has_mtes ? ours.substr(ours.find(' ') + 1) : ours;
        while (value.ends_with(' ')) value.pop_back();
        return value.empty() ? add : add + " " + value;
    };
    auto const before = words.size();
    edit_option(words, "athenaopts", ours, Unknown::no_step, edit);
    // A separate value that starts with dashes would be taken for an option.
    if (words.size() == before + 2 && words[before] == "--athenaopts") {
        words[before] = "--athenaopts=" + words[before + 1];
        words.pop_back();
    }
}

bool is_true(std::string value)
{
    std::transform(value.begin(), value.end(), value.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return value == "true";
}

/// What the values of a switch say for the Event Service's step: its own, else that for steps without their
/// own; while the step is not known, whether it is on for any.
bool is_on(Words const& words, Option const& option)
{
    auto const step = event_service_scope(words);
    std::optional<bool> own, wide;
    bool any = false;
    for (std::size_t i = 0; i < option.value_count; ++i) {
        auto const value = get_value(words, option, i);
        auto const scope = scope_of(value);
        bool const on = is_true(value.substr(scope.size()));
        any |= on;
        if (share_step(scope, step)) own = on;
        if (is_for_all(scope) || scope == "default:" || scope == "first:") wide = on;
    }
    if (option.value_count == 0) return true;
    return is_for_all(step) ? any : own.value_or(wide.value_or(false));
}

/// The last word about it counts.
bool is_on(Words const& words, std::string_view name)
{
    auto const options = find_options(words, name);
    return !options.empty() && is_on(words, options.back());
}

bool is_event_input(std::string_view name)
{
    constexpr std::array kinds{"EVNT", "EVNT_TR", "HITS", "RDO", "ESD", "AOD", "BS", "RAW"};
    if (!name.starts_with("input") || !name.ends_with("File")) return false;
    name.remove_prefix(5);
    name.remove_suffix(4);
    return std::find(kinds.begin(), kinds.end(), name) != kinds.end();
}

void remove_option(Words& words, std::string_view name)
{
    for (auto options = find_options(words, name); !options.empty(); options = find_options(words, name)) {
        auto const& option = options.back();
        auto const first = words.begin() + static_cast<std::ptrdiff_t>(option.index);
        auto const count = 1 + (option.joined ? 0 : option.value_count);
        words.erase(first, first + static_cast<std::ptrdiff_t>(count));
    }
}

/// The first that has a place, of a list in one value or in several; else the first.
std::string first_with_place(Words const& words, Option const& option, std::vector<InputFile> const& inputs)
{
    std::string first;
    for (std::size_t i = 0; i < option.value_count; ++i) {
        auto const value = get_value(words, option, i);
        for (std::size_t begin = 0; begin <= value.size();) {
            auto const end = std::min(value.find(',', begin), value.size());
            auto const name = value.substr(begin, end - begin);
            if (first.empty()) first = name;
            bool const has_place = std::any_of(inputs.begin(), inputs.end(), [&](InputFile const& input) {
                return input.lfn == name && !input.pfn.empty();
            });
            if (has_place) return name;
            begin = end + 1;
        }
    }
    return first;
}

void keep_first_file(Words& words, std::vector<InputFile> const& inputs)
{
    for (auto const& option : find_options_if(words, is_event_input)) {
        if (option.value_count == 0) continue;
        set_value(words, option, 0, first_with_place(words, option, inputs));
        auto const rest = words.begin() + static_cast<std::ptrdiff_t>(option.index) + 2;
        if (!option.joined) words.erase(rest, rest + static_cast<std::ptrdiff_t>(option.value_count) - 1);
        if (!option.joined && option.value_count > 1)
            return keep_first_file(words, inputs);  // Positions have moved.
    }
}

void make_inputs_absolute(Words& words, std::vector<InputFile> const& inputs)
{
    auto const is_input = [](std::string_view name) { return name.starts_with("input"); };
    for (auto const& option : find_options_if(words, is_input)) {
        for (std::size_t i = 0; i < option.value_count; ++i) {
            auto const value = get_value(words, option, i);
            std::string list;
            for (std::size_t begin = 0; begin <= value.size();) {
                auto const end = std::min(value.find(',', begin), value.size());
                list += (begin > 0 ? "," : "") + place_of(inputs, value.substr(begin, end - begin));
                begin = end + 1;
            }
            set_value(words, option, i, list);
        }
    }
}

/// `a.py,UseFrontier.py,b.py` -> `a.py,b.py`, behind a scope too; an option left empty goes.
void remove_frontier(Words& words)
{
    auto const options = find_options(words, "postInclude");
    for (auto option = options.rbegin(); option != options.rend(); ++option) {
        std::size_t left = option->value_count;
        for (std::size_t i = option->value_count; i-- > 0;) {
            auto const value = get_value(words, *option, i);
            std::string const scope(scope_of(value));
            std::string list;
            for (std::size_t begin = scope.size(); begin <= value.size();) {
                auto const end = std::min(value.find(',', begin), value.size());
                auto const name = value.substr(begin, end - begin);
                if (!name.empty() && name.find("UseFrontier.py") == std::string::npos)
                    list += (list.empty() ? "" : ",") + name;
                begin = end + 1;
            }
            set_value(words, *option, i, scope + list);
            if (!list.empty()) continue;
            --left;
            if (!option->joined)
                words.erase(words.begin() + static_cast<std::ptrdiff_t>(option->index + 1 + i));
        }
        if (left == 0) words.erase(words.begin() + static_cast<std::ptrdiff_t>(option->index));
    }
}

}  // namespace

bool is_multithreaded(Words const& words)
{
    return is_on(words, "CA") && is_on(words, "multithreaded");
}

void inject_channel(Words& words, std::string_view channel)
{
    bool told = false;
    for (auto& word : words) {
        told |= word.find(variable_name) != std::string::npos || word.find(channel) != std::string::npos;
        replace_all(word, placeholder, channel);
    }
    if (told) return;
    if (is_multithreaded(words)) return inject_athenaopts(words, channel);
    bool const ca = is_on(words, "CA");
    auto const group = ca ? ca_group : jps_group;
    auto const assignment =
        fmt::format("{}.{}.{}=\"{}\"", ca ? "ConfigFlags" : "jps", group, channel_flag, channel);
    auto const alone = ca ? assignment : fmt::format("{};{}", jps_import, assignment);
    set_everywhere(words, group, channel);
    edit_option(words, "preExec", alone, Unknown::all_steps, [&](std::string value) {
        if (set_again(value, group, channel)) return value;
        auto const import = ca ? std::string::npos : value.find(jps_import);
        if (import != std::string::npos) return value.insert(import + jps_import.size(), ";" + assignment);
        return value.empty() ? alone : alone + ";" + value;
    });
}

std::string place_of(std::vector<InputFile> const& inputs, std::string const& lfn)
{
    auto const found =
        std::find_if(inputs.begin(), inputs.end(), [&](InputFile const& input) { return input.lfn == lfn; });
    return found == inputs.end() || found->pfn.empty() ? lfn : found->pfn;
}

void change_job_pars(Words& words, JobParsChanges const& changes, std::vector<InputFile> const& inputs)
{
    if (changes.no_db_release) remove_option(words, "DBRelease");
    if (changes.no_frontier) remove_frontier(words);
    if (changes.first_file_only) keep_first_file(words, inputs);
    make_inputs_absolute(words, inputs);
    if (changes.no_file_validation && find_options(words, "fileValidation").empty())
        words.push_back("--fileValidation=FALSE");
}

}  // namespace yoda
