// SPDX-License-Identifier: Apache-2.0
#include "harvest/explain/explain_store.hpp"

#include <fmt/format.h>

#include "harvest/stage_out/job_store.hpp"

namespace yoda {

namespace {

StoreRule of_config(HarvestConfig const& config, std::string_view store)
{
    auto const key = fmt::format("store.{}.url", store);
    return {config.text(key), fmt::format("by {} from {}", key, config.origin(key))};
}

}  // namespace

std::string StoreRule::text() const
{
    return url.empty() ? "nowhere: " + because : url + ", " + because;
}

StoreRule explain_job_store(Job const& job, HarvestConfig const& config)
{
    auto const mode = config.text("push.alternative");
    if (mode == "force")
        for (auto const* const store : {"pw", "es_failover"})
            if (!config.text(fmt::format("store.{}.url", store)).empty()) {
                auto rule = of_config(config, store);
                rule.because +=
                    fmt::format(" (push.alternative = force from {})", config.origin("push.alternative"));
                return rule;
            }
    StoreConfig configured;
    configured.url = config.text("store.es_events.url");
    auto const choice = choose_store(job, configured);
    bool const own = choice.config.url != configured.url;
    if (own && config.yes("push.job_stores")) return {choice.config.url, "by " + choice.because};
    if (configured.url.empty()) return {"", "store.es_events.url is not set"};
    auto rule = of_config(config, "es_events");
    if (own)
        rule.because += "; the job's own is not used (push.job_stores = no)";
    else if (!choice.rejected.empty())
        rule.because += "; the job's own cannot be used: " + choice.rejected;
    return rule;
}

}  // namespace yoda
