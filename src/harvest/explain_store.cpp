#include "harvest/explain_store.hpp"

#include <fmt/format.h>

#include "harvest/job_store.hpp"

namespace yoda {

namespace {

std::string of_config(HarvestConfig const& config, std::string_view store)
{
    auto const key = fmt::format("store.{}.url", store);
    return fmt::format("{}, by {} from {}", config.text(key), key, config.origin(key));
}

}  // namespace

std::string explain_job_store(Job const& job, HarvestConfig const& config)
{
    auto const mode = config.text("push.alternative");
    if (mode == "force")
        for (auto const* const store : {"pw", "es_failover"})
            if (!config.text(fmt::format("store.{}.url", store)).empty())
                return fmt::format("{} (push.alternative = force from {})", of_config(config, store),
                                   config.origin("push.alternative"));
    StoreConfig configured;
    configured.url = config.text("store.es_events.url");
    auto const choice = choose_store(job, configured);
    bool const own = choice.config.url != configured.url;
    if (own && config.yes("push.job_stores")) return choice.config.url + ", by " + choice.because;
    if (configured.url.empty()) return "nowhere: store.es_events.url is not set";
    auto text = of_config(config, "es_events");
    if (own)
        text += "; the job's own is not used (push.job_stores = no)";
    else if (!choice.rejected.empty())
        text += "; the job's own cannot be used: " + choice.rejected;
    return text;
}

}  // namespace yoda
