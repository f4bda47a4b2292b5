// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/spool_config.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/config/key_values.hpp"
#include "core/config/units.hpp"

namespace yoda {

namespace {

template <class To, class Parsed>
Status assign(To& to, Result<Parsed> parsed)
{
    if (!parsed) return parsed.error();
    to = *parsed;
    return {};
}

Status set(SpoolConfig& config, std::string_view key, std::string_view value)
{
    if (key.starts_with("site.")) {
        config.site_settings.emplace_back(key.substr(5), value);
        return {};
    }
    if (key == "payload") {
        config.payload = value;
        return {};
    }
    if (key == "site") {
        config.sites.emplace_back(value);
        return {};
    }
    if (key == "config") {
        config.configs.emplace_back(value);
        return {};
    }
    if (key == "fetch") return assign(config.fetch, parse_yes_no(value));
    if (key == "push") return assign(config.push, parse_yes_no(value));
    if (key == "runs_max") return assign(config.runs_max, parse_count(value));
    if (key == "nodes_max") return assign(config.nodes_max, parse_count(value));
    if (key == "disk_free") return assign(config.disk_free_bytes, parse_bytes(value));
    if (key == "feed_ranges") return assign(config.feed_ranges, parse_count(value));
    if (key == "clean_after") return assign(config.clean_after_s, parse_seconds(value));
    if (key == "time_limit") return assign(config.time_limit_s, parse_seconds(value));
    auto const near =
        nearest_name(key, {"payload", "site", "config", "fetch", "push", "runs_max", "nodes_max", "disk_free",
                           "feed_ranges", "clean_after", "time_limit"});
    return Error{ErrorKind::usage,
                 fmt::format("'{}' is no setting of a spool", key),
                 {},
                 near.empty() ? "docs/operations.md has them all" : fmt::format("did you mean {}?", near)};
}

}  // namespace

Result<SpoolConfig> parse_spool_config(std::string_view text, std::string_view source)
{
    auto const pairs = parse_key_values(text, source);
    if (!pairs) return pairs.error();
    SpoolConfig config;
    for (auto const& [key, value, line] : *pairs) {
        if (auto done = set(config, key, value); !done) {
            auto error = done.error();
            error.kind = ErrorKind::usage;
            error.what = fmt::format("{}:{}: {}: {}", source, line, key, error.what);
            return error;
        }
        config.given.push_back(key);
    }
    return config;
}

Status check_spool_config(SpoolConfig const& config, std::string_view source,
                          std::vector<std::string> const& missing_elsewhere)
{
    auto const given = [&](std::string_view key) {
        return std::find(config.given.begin(), config.given.end(), key) != config.given.end();
    };
    std::vector<std::string> missing;
    if (config.fetch && !given("payload")) missing.emplace_back("payload (or fetch = no)");
    if (!given("site") && !given("site.batch"))
        missing.emplace_back("site (a file of config/sites, or site.batch)");
    missing.insert(missing.end(), missing_elsewhere.begin(), missing_elsewhere.end());
    if (missing.empty()) return {};
    return Error{ErrorKind::usage,
                 fmt::format("{}: settings are missing: {}", source, fmt::join(missing, "; ")),
                 {},
                 "docs/operations.md shows a complete file"};
}

}  // namespace yoda
