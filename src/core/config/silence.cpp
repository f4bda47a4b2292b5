// SPDX-License-Identifier: Apache-2.0
#include "core/config/silence.hpp"

#include <algorithm>

namespace yoda {

namespace {

constexpr Duration production = Duration::from_s(12 * 3600);
constexpr Duration analysis = Duration::from_s(3 * 3600);
constexpr Duration no_limit = Duration::from_s(365 * 86400);

bool is_analysis(Job const& job)
{
    return job.text("prodSourceLabel") == "user" || job.text("transformation").starts_with("http");
}

bool is_checked(Job const& job)
{
    auto const flag = job.text("loopingCheck");
    return flag != "False" && flag != "false";
}

}  // namespace

Duration default_silence(std::vector<Job> const& jobs, Duration walltime)
{
    Duration silence = jobs.empty() ? production : no_limit;
    for (auto const& job : jobs) {
        if (!is_checked(job)) continue;
        silence = std::min(silence, is_analysis(job) ? analysis : production);
        if (auto const limit_s = job.number("maxCpuCount", 0); limit_s > 0)
            silence = std::min(silence, Duration::from_s(static_cast<double>(limit_s)));
    }
    bool const any = silence < no_limit;
    return any && walltime < Duration::max() ? std::min(silence, walltime * 0.25) : silence;
}

}  // namespace yoda
