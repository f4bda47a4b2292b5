// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/job_store.hpp"

#include "harvest/stores/base/store_url.hpp"
#include "sys/base/files.hpp"

namespace yoda {

StoreChoice choose_store(Job const& job, StoreConfig const& configured)
{
    std::string const text = job.text("prodDBlockTokenForOutput");
    StoreChoice choice{configured, "the configuration (activity es_events): " + configured.url, {}};
    for (std::string_view rest = text; !rest.empty();) {
        auto const end = std::min(rest.find('|'), rest.size());
        auto const one = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        if (!one.starts_with("objectstore^")) continue;
        auto const url = parse_store_url(one);
        if (!url) {
            if (!choice.rejected.empty()) choice.rejected += "; ";
            choice.rejected += url.error().text();
            continue;
        }
        choice.config.url = url->text();
        choice.because = "the job's prodDBlockTokenForOutput";
        return choice;
    }
    return choice;
}

std::map<std::int64_t, StoreConfig> read_job_stores(std::string const& run_folder,
                                                    std::map<std::string, StoreConfig> const& stores,
                                                    Log& log)
{
    std::map<std::int64_t, StoreConfig> chosen;
    std::string const path = run_folder + "/job.json";
    if (!path_exists(path)) return chosen;
    auto const text = read_file(path);
    auto const jobs = text ? parse_jobs(*text) : Result<std::vector<Job>>(text.error());
    if (!jobs) {
        log.warning("jobs_unreadable", jobs.error());
        return chosen;
    }
    auto const configured = stores.find("es_events");
    StoreConfig const base = configured == stores.end() ? StoreConfig{} : configured->second;
    for (auto const& job : *jobs) {
        auto choice = choose_store(job, base);
        if (choice.config.url != base.url) chosen.emplace(job.panda_id(), std::move(choice.config));
    }
    return chosen;
}

}  // namespace yoda
