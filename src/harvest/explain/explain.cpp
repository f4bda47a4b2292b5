// SPDX-License-Identifier: Apache-2.0
#include "harvest/explain/explain.hpp"

#include <fmt/format.h>

#include "harvest/explain/explain_store.hpp"
#include "harvest/explain/history.hpp"
#include "sys/base/files.hpp"

namespace yoda {

using nlohmann::ordered_json;

namespace {

/// The store's rule, and the way so far if it has begun.
void add_delivery(RunView const& view, BundleState const& bundle, HarvestConfig const& config,
                  Clock const& clock, ordered_json& out)
{
    if (bundle.origin.job < view.opened.jobs.size() && !config.store_names().empty()) {
        auto const rule = explain_job_store(view.opened.jobs[bundle.origin.job], config);
        out["store"] = {{"url", rule.url}, {"because", rule.because}};
    }
    auto delivery = find_delivery(view, bundle_name(bundle.origin), clock);
    if (!delivery.empty()) out["delivery"] = std::move(delivery);
}

/// Where it goes or went is told once: by the delivery if there is one, with the rule behind it.
std::string print_way(ordered_json const& json)
{
    auto const store = json.value("store", ordered_json::object());
    auto const because = store.value("because", "");
    if (json.contains("delivery")) return print_delivery(json["delivery"], because);
    if (store.empty()) return {};
    return fmt::format("  store: {}\n", StoreRule{store.value("url", ""), because}.text());
}

std::string text_of(nlohmann::json const& json, char const* key)
{
    auto const found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

ordered_json list_failures(RunView const& view, std::string_view range_id)
{
    auto list = ordered_json::array();
    for (Life life = 1; life <= view.opened.life; ++life) {
        auto const result = read_result(view, life);
        if (!result.contains("failures") || !result["failures"].is_array()) continue;
        for (auto const& failure : result["failures"]) {
            if (!failure.is_object() || text_of(failure, "eventRangeID") != range_id) continue;
            list.push_back(
                {{"life", life}, {"state", text_of(failure, "state")}, {"why", text_of(failure, "why")}});
        }
    }
    return list;
}

}  // namespace

Result<ordered_json> explain_range(RunView const& view, std::string_view range_id,
                                   HarvestConfig const& config, Clock const& clock)
{
    auto const& table = view.opened.table;
    for (RangeIndex range = 0; range < table.size(); ++range) {
        if (table.range_id(range) != range_id) continue;
        auto const& row = table.row(range);
        auto const& progress = table.progress(range);
        ordered_json json{{"eventRangeID", range_id},
                          {"state", print_state(progress.state)},
                          {"first", row.first},
                          {"last", row.last},
                          {"lfn", table.files()[row.file].lfn},
                          {"tries_burnt", table.tries_burnt(range)},
                          {"tries", table.policy().tries}};
        bool const stored = progress.state == RangeState::finished && progress.holder != none;
        if (stored) {
            json["bundle"] = bundle_name(table.bundles()[progress.holder].origin) + ".tar";
            json["hand_out"] = table.winning_epoch(range).hand_out();
            json["life"] = table.winning_epoch(range).life();
            json["cpu_s"] = progress.cpu_ms * 1e-3;
            json["wall_s"] = progress.wall_ms * 1e-3;
        } else if (progress.holder != none) {
            json["error_code"] = progress.holder;
        }
        if (auto const why = view.opened.failure_reasons.find(range);
            why != view.opened.failure_reasons.end())
            json["last_failure"] = why->second;
        if (auto failures = list_failures(view, range_id); !failures.empty())
            json["failures"] = std::move(failures);
        if (stored) add_delivery(view, table.bundles()[progress.holder], config, clock, json);
        return json;
    }
    return Error{ErrorKind::usage,
                 fmt::format("{} is no event range of this run", range_id),
                 {},
                 "see harvest status"};
}

std::string print_range(ordered_json const& range)
{
    auto text = fmt::format("{}: {}\n  events {} to {} of {}\n  tries burnt by the payload: {} of {}\n",
                            range.value("eventRangeID", ""), range.value("state", ""),
                            range.value("first", 0), range.value("last", 0), range.value("lfn", ""),
                            range.value("tries_burnt", 0), range.value("tries", 0));
    if (range.contains("bundle"))
        text += fmt::format("  output in {} (hand-out {} of life {}), CPU {:.3f} s, wall {:.3f} s\n",
                            range.value("bundle", ""), range.value("hand_out", 0), range.value("life", 0),
                            range.value("cpu_s", 0.0), range.value("wall_s", 0.0));
    if (range.contains("error_code"))
        text += fmt::format("  last error code: {}\n", range.value("error_code", 0));
    if (range.contains("last_failure"))
        text += fmt::format("  last failure: {}\n", range.value("last_failure", ""));
    for (auto const& failure : range.value("failures", ordered_json::array()))
        text += fmt::format("  life {}: {}: {}\n", failure.value("life", 0), failure.value("state", ""),
                            failure.value("why", ""));
    return text + print_way(range);
}

Result<ordered_json> explain_bundle(RunView const& view, std::string_view name, HarvestConfig const& config,
                                    Clock const& clock)
{
    auto const stem = name.substr(0, name.find('.'));
    auto const& table = view.opened.table;
    for (BundleNumber number = 0; number < table.bundles().size(); ++number) {
        auto const& bundle = table.bundles()[number];
        if (bundle_name(bundle.origin) != stem) continue;
        std::uint64_t held = 0;
        for (RangeIndex range = 0; range < table.size(); ++range)
            held += table.state(range) == RangeState::finished && table.progress(range).holder == number;
        auto const paths = bundle_paths(view.folder.bundles(), bundle.origin);
        ordered_json json{{"bundle", bundle_name(bundle.origin)},
                          {"state", bundle.lost     ? "lost"
                                    : bundle.sealed ? "sealed"
                                                    : "open"},
                          {"rank", bundle.origin.rank},
                          {"life", bundle.origin.life},
                          {"range_count", held},
                          {"is_here", path_exists(paths.tar) || path_exists(paths.open_tar)}};
        if (bundle.origin.job < view.opened.jobs.size())
            json["PandaID"] = view.opened.jobs[bundle.origin.job].panda_id();
        add_delivery(view, bundle, config, clock, json);
        return json;
    }
    return Error{ErrorKind::usage, fmt::format("{} is no bundle of this run", stem), {}, "see RUN/bundles"};
}

std::string print_bundle(ordered_json const& bundle)
{
    auto const state = bundle.value("state", "");
    bool const delivered = bundle.contains("delivery") && bundle["delivery"].value("stage", "") == "cleaned";
    return fmt::format("{}: {}\n  written by rank {} in life {}, holds the output of {} ranges\n  data: {}\n",
                       bundle.value("bundle", ""),
                       state == "lost" ? "lost, its ranges are handed out again" : state,
                       bundle.value("rank", 0), bundle.value("life", 0),
                       bundle.value("range_count", std::uint64_t{0}),
                       bundle.value("is_here", false) ? "in RUN/bundles"
                       : delivered                    ? "not in the run folder: delivered and cleaned up"
                                                      : "not in the run folder") +
           print_way(bundle);
}

}  // namespace yoda
