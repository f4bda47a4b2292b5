// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/batch_facts.hpp"

#include <nlohmann/json.hpp>

#include "core/config/config.hpp"
#include "sys/base/files.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/lease/lease.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t status_limit_bytes = 64ull << 20;
constexpr std::int64_t stale_after_s = 120;
constexpr Life life_limit = 65'535;

nlohmann::json read_object(std::string const& path)
{
    auto const text = read_file(path, status_limit_bytes);
    auto json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    return json.is_object() ? json : nlohmann::json::object();
}

/// A number of any kind; 0 if it is none.
double number(nlohmann::json const& json, char const* key)
{
    auto const found = json.find(key);
    return found != json.end() && found->is_number() ? found->get<double>() : 0;
}

std::string text_of(nlohmann::json const& json, char const* key)
{
    auto const found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

bool somebody_works(RunFolder const& folder, nlohmann::json const& status, std::int64_t now_unix_s)
{
    auto const lease = read_lease(folder.lock());
    if (!lease || !lease->has_value() || (*lease)->is_released) return false;
    auto const sight = look_for_holder((*lease)->holder);
    if (sight != HolderSight::elsewhere) return sight == HolderSight::present;
    auto const updated = static_cast<std::int64_t>(number(status, "updated_unix_s"));
    return text_of(status, "state") != "ended" && now_unix_s - updated < stale_after_s;
}

/// One life's part: when it began and ended, what it had.
void add_life(nlohmann::json const& life, BatchFacts& facts)
{
    if (facts.batch_id.empty()) facts.batch_id = text_of(life, "batch_job");
    auto const begin = static_cast<std::int64_t>(number(life, "begun_unix_s"));
    auto const end = static_cast<std::int64_t>(number(life, "updated_unix_s"));
    if (facts.start_unix_s == 0) facts.start_unix_s = begin;
    if (facts.first_range_unix_s == 0)
        facts.first_range_unix_s = static_cast<std::int64_t>(number(life, "first_range_unix_s"));
    if (end > facts.end_unix_s) facts.end_unix_s = end;
    auto const droids = life.find("droids");
    if (droids == life.end() || !droids->is_array()) return;
    std::int64_t nodes = 0;
    std::int64_t cores = 0;
    for (auto const& droid : *droids) {
        ++nodes;
        cores += static_cast<std::int64_t>(number(droid, "workers"));
    }
    facts.node_count = std::max(facts.node_count, nodes);
    facts.core_count = std::max(facts.core_count, cores);
}

}  // namespace

BatchFacts find_batch_facts(std::string const& run, bool all_ended, std::int64_t now_unix_s)
{
    RunFolder const folder(run);
    BatchFacts facts;
    auto const status = read_object(folder.status());
    auto const last_life = static_cast<Life>(std::min<double>(number(status, "life"), life_limit));
    for (Life life = 1; life <= last_life; ++life)
        if (auto const result = read_object(folder.result(life)); !result.empty()) add_life(result, facts);
    if (somebody_works(folder, status, now_unix_s)) {
        add_life(status, facts);
        facts.phase = JobPhase::running;
        facts.end_unix_s = 0;
    } else {
        if (facts.start_unix_s == 0) add_life(status, facts);  // A life that died without its last word.
        facts.phase = all_ended ? JobPhase::uploading : JobPhase::waiting;
    }
    return facts;
}

Result<bool> is_run_closed(RunFolder const& folder, OpenedRun const& opened)
{
    if (opened.closed) return true;
    Config config;
    auto const text = read_file(folder.config());
    if (!text) return text.error();
    if (auto const status = read_config(config, *text, folder.config()); !status) return status.error();
    if (!config.run_open) return true;
    auto const names = list_folder(folder.inbox());
    if (!names) return names.error();
    for (auto const& name : *names) {
        if (name.ends_with("-closed.json") && path_exists(folder.outbox() + "/" + name)) return true;
    }
    return false;
}

}  // namespace yoda
