// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/site.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "core/config/key_values.hpp"
#include "core/config/units.hpp"

namespace yoda {

namespace {

struct Key {
    std::string_view name;
    std::string_view meaning;
    std::function<Status(SiteConfig&, std::string_view)> set;
    std::function<std::vector<std::string>(SiteConfig const&)> print;
    std::vector<std::string> SiteConfig::*list = nullptr;  ///< of a key that may repeat
};

template <class Number, class Parsed>
Status assign(Number& to, Result<Parsed> parsed)
{
    if (!parsed) return parsed.error();
    to = static_cast<Number>(*parsed);
    return {};
}

Key text(std::string_view name, std::string SiteConfig::*member, std::string_view meaning)
{
    return {name, meaning,
            [member](SiteConfig& site, std::string_view value) {
                site.*member = std::string(value);
                return Status{};
            },
            [member](SiteConfig const& site) { return std::vector<std::string>{site.*member}; }};
}

Key list(std::string_view name, std::vector<std::string> SiteConfig::*member, std::string_view meaning)
{
    return {name, meaning,
            [member](SiteConfig& site, std::string_view value) {
                auto& values = site.*member;
                if (std::find(values.begin(), values.end(), value) == values.end())
                    values.emplace_back(value);
                return Status{};
            },
            [member](SiteConfig const& site) { return site.*member; }, member};
}

Key time(std::string_view name, double SiteConfig::*member, std::string_view meaning)
{
    return {name, meaning,
            [member](SiteConfig& site, std::string_view value) {
                return assign(site.*member, parse_seconds(value));
            },
            [member](SiteConfig const& site) {
                return std::vector<std::string>{fmt::format("{} s", site.*member)};
            }};
}

Key count(std::string_view name, std::uint64_t SiteConfig::*member, std::string_view meaning)
{
    return {name, meaning,
            [member](SiteConfig& site, std::string_view value) {
                return assign(site.*member, parse_count(value));
            },
            [member](SiteConfig const& site) {
                return std::vector<std::string>{fmt::format("{}", site.*member)};
            }};
}

Key size_count(std::string_view name, std::uint64_t SizingLimits::*member, std::string_view meaning)
{
    return {name, meaning,
            [member](SiteConfig& site, std::string_view value) {
                return assign(site.size.*member, parse_count(value));
            },
            [member](SiteConfig const& site) {
                return std::vector<std::string>{fmt::format("{}", site.size.*member)};
            }};
}

Key size_time(std::string_view name, std::int64_t SizingLimits::*member, std::string_view meaning)
{
    return {name, meaning,
            [member](SiteConfig& site, std::string_view value) {
                return assign(site.size.*member, parse_seconds(value));
            },
            [member](SiteConfig const& site) {
                return std::vector<std::string>{fmt::format("{} s", site.size.*member)};
            }};
}

Key flag(std::string_view name, std::function<bool&(SiteConfig&)> member, std::string_view meaning)
{
    return {name, meaning,
            [member](SiteConfig& site, std::string_view value) {
                return assign(member(site), parse_yes_no(value));
            },
            [member](SiteConfig const& site) {
                SiteConfig copy = site;
                return std::vector<std::string>{member(copy) ? "yes" : "no"};
            }};
}

std::vector<Key> const& keys()
{
    using S = SiteConfig;
    using L = SizingLimits;
    static std::vector<Key> const table{
        text("batch", &S::batch, "batch system: slurm, pbs or local"),
        text("account", &S::account, "project that pays"),
        text("partition", &S::partition, "Slurm partition"),
        text("qos", &S::qos, "Slurm quality of service"),
        text("queue", &S::queue, "PBS queue"),
        text("constraint", &S::constraint, "Slurm: kind of node"),
        text("reservation", &S::reservation, "Slurm reservation"),
        list("option", &S::options, "one more option line for sbatch or qsub; may repeat"),
        flag(
            "exclusive", [](S& s) -> bool& { return s.exclusive; }, "whole nodes"),
        text("pbs.select", &S::pbs_select, "PBS: what one node's chunk asks for, e.g. ncpus=128"),
        time("signal_lead", &S::signal_lead_s, "Slurm: drain so long before the end"),
        time("time_min", &S::time_min_s, "Slurm may shorten the job to this to fit a gap; 0: not"),
        size_count("nodes_min", &L::nodes_min, "never fewer nodes"),
        size_count("nodes_max", &L::nodes_max, "never more nodes"),
        size_time("walltime_min", &L::walltime_min_s, "never a shorter job"),
        size_time("walltime_max", &L::walltime_max_s, "never a longer job"),
        size_count("cores_per_node", &L::cores_per_node, "workers of one Droid"),
        size_time("overhead", &L::overhead_s, "of a job's time: start, drain, sealing"),
        flag(
            "backfill", [](S& s) -> bool& { return s.size.backfill; }, "not more nodes than are idle now"),
        time("seconds_per_range", &S::seconds_per_range_s, "guess, until it has been measured; 0: none"),
        time("margin", &S::margin_s, "yoda is gone so long before the end"),
        text("jobscripts", &S::jobscripts, "folder with run_yoda.sh; empty: looked for beside the program"),
        text("yoda", &S::yoda, "program; empty: the one beside harvest"),
        text("launcher", &S::launcher, "srun or mpirun; empty: the script's choice"),
        text("mpi_type", &S::mpi_type, "srun --mpi=; empty: pmix"),
        text("mpi_arguments", &S::mpi_arguments, "more words for the launcher"),
        text("yoda_arguments", &S::yoda_arguments, "more words for yoda"),
        text("wrap", &S::wrap, "words before yoda, e.g. apptainer exec IMAGE"),
        text("setup", &S::setup, "file that the job sources first"),
        text("scratch", &S::scratch, "node-local folder; empty: $TMPDIR or /tmp"),
        list("export", &S::exports, "NAME=value for the job; may repeat"),
        count("submissions_max", &S::submissions_max, "jobs of one run, then its leftovers are given up"),
        time("age_max", &S::age_max_s, "age of a run's first submission, then likewise; 0: no limit"),
        count("fruitless_max", &S::fruitless_max, "jobs in a row without progress, then likewise"),
        time("retry_after", &S::retry_after_s, "wait so long after a refusal before the next submission"),
        time("settle", &S::settle_s, "an unanswered submission must be unknown for so long before the next"),
        time("lost_after", &S::lost_after_s, "a job unknown for so long has ended"),
        time("command_limit", &S::command_limit_s, "a batch command that takes longer has failed"),
        list("requires", &S::required, "a key that must be given at this site; may repeat"),
    };
    return table;
}

}  // namespace

std::vector<SiteKey> site_keys()
{
    std::vector<SiteKey> names;
    for (auto const& key : keys()) names.push_back({key.name, key.meaning});
    return names;
}

Status set_site(SiteConfig& site, std::string_view name, std::string_view value)
{
    for (auto const& key : keys()) {
        if (key.name != name) continue;
        if (auto set = key.set(site, value); !set) {
            auto error = set.error();
            error.what = fmt::format("{}: {}", name, error.what);
            error.kind = ErrorKind::usage;
            return error;
        }
        bool const known = std::find(site.given.begin(), site.given.end(), name) != site.given.end();
        if (!known) site.given.emplace_back(name);
        return {};
    }
    std::vector<std::string_view> known;
    for (auto const& key : keys()) known.push_back(key.name);
    auto const near = nearest_name(name, known);
    return Error{
        ErrorKind::usage,
        fmt::format("'{}' is no setting of a site", name),
        {},
        near.empty() ? "config/sites/generic.cfg has them all" : fmt::format("did you mean {}?", near)};
}

Status read_site(SiteConfig& site, std::string_view text, std::string_view source)
{
    auto const pairs = parse_key_values(text, source);
    if (!pairs) return pairs.error();
    for (auto const& known : keys()) {
        bool const named = std::any_of(pairs->begin(), pairs->end(),
                                       [&](auto const& pair) { return pair.key == known.name; });
        if (known.list != nullptr && named) (site.*known.list).clear();
    }
    for (auto const& [key, value, line] : *pairs) {
        if (auto set = set_site(site, key, value); !set) {
            auto error = set.error();
            error.what = fmt::format("{}:{}: {}", source, line, error.what);
            return error;
        }
    }
    return {};
}

std::vector<std::string> missing_site_settings(SiteConfig const& site)
{
    std::vector<std::string> missing;
    auto const need = [&](std::string const& key) {
        bool const given = std::find(site.given.begin(), site.given.end(), key) != site.given.end();
        bool const named = std::find(missing.begin(), missing.end(), key) != missing.end();
        if (!given && !named) missing.push_back(key);
    };
    need("batch");
    if (site.batch != "local") {
        for (auto const key : {"nodes_max", "walltime_max", "cores_per_node"}) need(key);
    }
    for (auto const& key : site.required) need(key);
    return missing;
}

Result<BatchKind> check_site(SiteConfig const& site)
{
    if (auto const missing = missing_site_settings(site); !missing.empty())
        return Error{ErrorKind::usage,
                     fmt::format("settings are missing: {}", fmt::join(missing, ", ")),
                     {},
                     "give them in a file (--site FILE, see config/sites) or by --set key=value"};
    auto const kind = parse_batch_kind(site.batch);
    if (!kind) return kind.error();
    for (auto const& entry : site.exports) {
        auto const name = std::string_view(entry).substr(0, entry.find('='));
        bool const good =
            name.size() < entry.size() && !name.empty() && (name[0] < '0' || name[0] > '9') &&
            name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") ==
                std::string_view::npos;
        if (!good) return Error{ErrorKind::usage, fmt::format("export '{}' is no NAME=value", entry), {}, {}};
    }
    return *kind;
}

std::string print_site(SiteConfig const& site)
{
    std::string out;
    for (auto const& key : keys()) {
        if (std::find(site.given.begin(), site.given.end(), key.name) == site.given.end()) continue;
        for (auto const& value : key.print(site)) out += fmt::format("{} = {}\n", key.name, value);
    }
    return out;
}

}  // namespace yoda
