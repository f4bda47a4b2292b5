// SPDX-License-Identifier: Apache-2.0
#include "harvest/config/harvest_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <set>

#include "core/config/config.hpp"
#include "core/config/key_values.hpp"
#include "core/config/units.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

using Key = HarvestConfig::Key;
constexpr std::uint64_t config_limit_bytes = 1 << 20;
constexpr std::string_view store_prefix = "store.";

std::set<std::string_view> choices_of(std::string_view key)
{
    if (key == "panda.api") return {"auto", "classic", "v1"};
    if (key == "push.alternative") return {"off", "on", "force"};
    return {"md5", "sha256"};
}

/// "store.es_events.url" -> "url"; empty if it is not a store's key.
std::string_view store_field(std::string_view key)
{
    if (!key.starts_with(store_prefix)) return {};
    auto const rest = key.substr(store_prefix.size());
    auto const dot = rest.find('.');
    return dot == std::string_view::npos || dot == 0 ? std::string_view{} : rest.substr(dot + 1);
}

Key const* find_key(std::string_view name)
{
    auto const field = store_field(name);
    for (auto const& key : field.empty() ? HarvestConfig::keys() : HarvestConfig::store_keys())
        if (key.name == (field.empty() ? name : field)) return &key;
    return nullptr;
}

bool is_passed_on(std::string_view key)
{
    return key.starts_with("batch.");
}

Status check_value(Key const& key, std::string_view name, std::string_view value)
{
    Error problem;
    switch (key.kind) {
        case Key::Kind::text:
        case Key::Kind::list:
            return {};
        case Key::Kind::count:
            if (auto const number = parse_count(value); number)
                return {};
            else
                problem = number.error();
            break;
        case Key::Kind::seconds:
            if (auto const number = parse_seconds(value); number)
                return {};
            else
                problem = number.error();
            break;
        case Key::Kind::bytes:
            if (auto const number = parse_bytes(value); number)
                return {};
            else
                problem = number.error();
            break;
        case Key::Kind::yes_no:
            if (auto const answer = parse_yes_no(value); answer)
                return {};
            else
                problem = answer.error();
            break;
        case Key::Kind::choice:
            if (choices_of(name).contains(value)) return {};
            problem = {ErrorKind::usage, fmt::format("'{}' is none of its words", value), {}, {}};
            break;
    }
    problem.kind = ErrorKind::usage;
    problem.what = fmt::format("{}: {}", name, problem.what);
    return problem;
}

/// print_for_run() says above each line where it came from: by the number of that line.
std::map<unsigned, std::string> told_origins(std::string_view text)
{
    constexpr std::string_view mark = "# from ";
    std::map<unsigned, std::string> origins;
    for (unsigned line = 1; !text.empty(); ++line) {
        auto const end = std::min(text.find('\n'), text.size());
        if (auto const one = text.substr(0, end); one.starts_with(mark))
            origins[line + 1] = one.substr(mark.size());
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return origins;
}

Error unknown_key(std::string_view name)
{
    std::vector<std::string_view> names;
    auto const field = store_field(name);
    for (auto const& key : field.empty() ? HarvestConfig::keys() : HarvestConfig::store_keys())
        names.push_back(key.name);
    auto const near = nearest_name(field.empty() ? name : field, names);
    return {ErrorKind::usage,
            fmt::format("'{}' is no setting of harvest", name),
            {},
            near.empty() ? "see harvest config show" : fmt::format("did you mean '{}'?", near)};
}

}  // namespace

HarvestConfig::HarvestConfig()
{
    for (auto const& key : keys())
        values_[std::string(key.name)] = {std::string(key.standard), "built in", ConfigLayer::builtin};
}

Status HarvestConfig::set(ConfigLayer layer, std::string_view name, std::string_view value,
                          std::string_view origin)
{
    value = trim(value);
    if (name.starts_with("yoda.")) {
        Config scratch;
        if (auto const status = set_config(scratch, name.substr(5), value); !status) return status;
    } else if (!is_passed_on(name)) {
        auto const* const key = find_key(name);
        if (!key) return unknown_key(name);
        if (auto const status = check_value(*key, name, value); !status) return status;
    }
    auto& slot = values_[std::string(name)];
    if (slot.layer > layer) return {};
    slot = {std::string(value), std::string(origin), layer};
    return {};
}

Status HarvestConfig::read(std::string_view text, std::string_view source, ConfigLayer layer)
{
    auto const pairs = parse_key_values(text, source);
    if (!pairs) return pairs.error();
    auto const told = told_origins(text);
    for (auto const& pair : *pairs) {
        auto const place = fmt::format("{}:{}", source, pair.line);
        auto const found = told.find(pair.line);
        auto const origin = found == told.end() ? place : fmt::format("{}, was {}", place, found->second);
        if (auto const status = set(layer, pair.key, pair.value, origin); !status) {
            auto error = status.error();
            error.what = fmt::format("{}: {}", place, error.what);
            return error;
        }
    }
    return {};
}

Status HarvestConfig::read_from(std::string const& path, ConfigLayer layer)
{
    auto const content = read_file(path, config_limit_bytes);
    if (!content) {
        auto error = content.error();
        error.kind = ErrorKind::usage;
        return error;
    }
    return read(*content, path, layer);
}

std::string HarvestConfig::text(std::string_view name) const
{
    if (auto const found = values_.find(name); found != values_.end()) return found->second.text;
    auto const* const key = find_key(name);
    return key ? std::string(key->standard) : std::string{};
}

bool HarvestConfig::yes(std::string_view key) const
{
    auto const value = parse_yes_no(text(key));
    return value && *value;
}
std::uint64_t HarvestConfig::count(std::string_view key) const
{
    auto const value = parse_count(text(key));
    return value ? *value : 0;
}
double HarvestConfig::seconds(std::string_view key) const
{
    auto const value = parse_seconds(text(key));
    return value ? *value : 0;
}
std::uint64_t HarvestConfig::bytes(std::string_view key) const
{
    auto const value = parse_bytes(text(key));
    return value ? *value : 0;
}

std::vector<std::string> HarvestConfig::list(std::string_view key) const
{
    std::vector<std::string> items;
    auto const all = text(key);
    std::string_view rest = all;
    while (!rest.empty()) {
        auto const comma = rest.find(',');
        if (auto const item = trim(rest.substr(0, comma)); !item.empty()) items.emplace_back(item);
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    return items;
}

bool HarvestConfig::is_set(std::string_view key) const
{
    auto const found = values_.find(key);
    return found != values_.end() && found->second.layer != ConfigLayer::builtin;
}

std::string HarvestConfig::origin(std::string_view name) const
{
    auto const found = values_.find(name);
    return found == values_.end() ? "built in" : found->second.origin;
}

std::vector<std::string> HarvestConfig::store_names() const
{
    std::vector<std::string> names;
    for (auto const& [key, value] : values_)
        if (store_field(key) == "url" && !value.text.empty())
            names.push_back(key.substr(store_prefix.size(), key.size() - store_prefix.size() - 4));
    return names;
}

std::vector<std::pair<std::string, std::string>> HarvestConfig::below(std::string_view prefix) const
{
    std::vector<std::pair<std::string, std::string>> found;
    for (auto const& [key, value] : values_)
        if (key.starts_with(prefix)) found.emplace_back(key.substr(prefix.size()), value.text);
    return found;
}

std::string HarvestConfig::print() const
{
    std::string text;
    auto const put = [&](std::string_view key, Value const& value, std::string_view meaning) {
        if (!meaning.empty()) text += fmt::format("# {}\n", meaning);
        text += fmt::format("{} = {}  # from {}\n", key, value.text, value.origin);
    };
    for (auto const& key : keys()) put(key.name, values_.at(std::string(key.name)), key.meaning);
    for (auto const& [key, value] : values_) {
        auto const* const known = find_key(key);
        if (!known || !store_field(key).empty()) put(key, value, known ? known->meaning : "");
    }
    return text;
}

std::string HarvestConfig::print_for_run() const
{
    std::string text = "# What this run was fetched with; later commands on it read it first.\n";
    for (auto const& [key, value] : values_)
        if (value.layer != ConfigLayer::builtin && !key.starts_with("yoda."))
            text += fmt::format("# from {}\n{} = {}\n", value.origin, key, value.text);
    return text;
}

std::string HarvestConfig::print_json() const
{
    auto out = nlohmann::ordered_json::object();
    for (auto const& [key, value] : values_) {
        out[key] = {{"value", value.text}, {"from", value.origin}};
        if (auto const* const known = find_key(key)) out[key]["meaning"] = known->meaning;
    }
    return out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::vector<std::string> find_config_files(std::vector<std::string> const& named)
{
    if (!named.empty()) return named;
    if (char const* const set = std::getenv("YODA_HARVEST_CONFIG"); set && *set) return {set};
    std::vector<std::string> found;
    if (path_exists("/etc/yoda/harvest.cfg")) found.emplace_back("/etc/yoda/harvest.cfg");
    if (char const* const home = std::getenv("HOME"); home && *home) {
        auto path = std::string(home) + "/.config/yoda/harvest.cfg";
        if (path_exists(path)) found.push_back(std::move(path));
    }
    return found;
}

}  // namespace yoda
