// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harvest/stage_out/push_command.hpp"

namespace yoda {

void PushSummary::add(PushSummary const& other)
{
    run_count += other.run_count;
    found_count += other.found_count;
    verified_count += other.verified_count;
    cleaned_count += other.cleaned_count;
    failed_count += other.failed_count;
    lost_count += other.lost_count;
    waiting_count += other.waiting_count;
    busy_count += other.busy_count;
    sent_bytes += other.sent_bytes;
    took = took + other.took;
    for (auto const& failure : other.failures)
        if (failures.size() < 20) failures.push_back(failure);
    plan.insert(plan.end(), other.plan.begin(), other.plan.end());
}

std::string PushSummary::text() const
{
    std::string line = fmt::format("push: {} of {} files verified ({:.1f} MB in {:.1f} s)", verified_count,
                                   found_count, static_cast<double>(sent_bytes) / 1e6, took.s());
    auto const add = [&](std::uint64_t count, std::string_view what) {
        if (count > 0) line += fmt::format(", {} {}", count, what);
    };
    add(cleaned_count, "cleaned");
    add(waiting_count, "waiting");
    add(busy_count, "with another harvest");
    add(failed_count, "failed");
    add(lost_count, "lost");
    if (!failures.empty())
        line += fmt::format("; first: {}: {}", failures.front().name, failures.front().reason);
    return line;
}

std::string PushSummary::json() const
{
    nlohmann::ordered_json out;
    out["run_count"] = run_count;
    out["found_count"] = found_count;
    out["verified_count"] = verified_count;
    out["cleaned_count"] = cleaned_count;
    out["waiting_count"] = waiting_count;
    out["busy_count"] = busy_count;
    out["failed_count"] = failed_count;
    out["lost_count"] = lost_count;
    out["sent_bytes"] = sent_bytes;
    out["took_s"] = took.s();
    out["exit_code"] = int{exit_code()};
    out["failures"] = nlohmann::ordered_json::array();
    for (auto const& failure : failures)
        out["failures"].push_back({{"name", failure.name}, {"reason", failure.reason}});
    if (!plan.empty()) out["plan"] = plan;
    return out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

ExitCode PushSummary::exit_code() const
{
    if (lost_count > 0) return exit_person;
    return failed_count > 0 ? exit_again : exit_done;
}

}  // namespace yoda
