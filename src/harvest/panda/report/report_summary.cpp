// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "harvest/panda/report/report.hpp"

namespace yoda {

void ReportSummary::add(ReportSummary const& other)
{
    job_count += other.job_count;
    bundle_count += other.bundle_count;
    accepted_count += other.accepted_count;
    refused_count += other.refused_count;
    waiting_count += other.waiting_count;
    update_count += other.update_count;
    for (auto const& problem : other.problems)
        if (problems.size() < 20) problems.push_back(problem);
    busy = busy || other.busy;
    cancel_batch = cancel_batch || other.cancel_batch;
    submit_no_more = submit_no_more || other.submit_no_more;
    all_ended = all_ended && other.all_ended;
    traffic.request_count += other.traffic.request_count;
    traffic.sent_bytes += other.traffic.sent_bytes;
    traffic.received_bytes += other.traffic.received_bytes;
}

std::string ReportSummary::text() const
{
    std::string line = fmt::format("report: {} ranges in {} bundles, {} job updates", accepted_count,
                                   bundle_count, update_count);
    auto const add = [&](std::uint64_t count, std::string_view what) {
        if (count > 0) line += fmt::format(", {} {}", count, what);
    };
    add(refused_count, "ranges refused");
    add(waiting_count, "bundles waiting");
    if (all_ended && job_count > 0) line += ", all jobs have ended";
    if (cancel_batch)
        line += ", PanDA took the jobs back";
    else if (submit_no_more && !all_ended)
        line += ", PanDA wants the jobs to end";
    if (!problems.empty()) line += "; first problem: " + problems.front();
    return line;
}

std::string ReportSummary::json() const
{
    nlohmann::ordered_json out;
    out["jobs"] = job_count;
    out["bundles"] = bundle_count;
    out["accepted_ranges"] = accepted_count;
    out["refused_ranges"] = refused_count;
    out["waiting_bundles"] = waiting_count;
    out["job_updates"] = update_count;
    out["busy"] = busy;
    out["cancel_batch"] = cancel_batch;
    out["submit_no_more"] = submit_no_more;
    out["all_ended"] = all_ended;
    out["requests"] = traffic.request_count;
    out["sent_bytes"] = traffic.sent_bytes;
    out["received_bytes"] = traffic.received_bytes;
    out["problems"] = problems;
    out["exit_code"] = int{exit_code()};
    return out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

ExitCode ReportSummary::exit_code() const
{
    if (refused_count > 0) return exit_person;
    return problems.empty() ? exit_done : exit_again;
}

}  // namespace yoda
