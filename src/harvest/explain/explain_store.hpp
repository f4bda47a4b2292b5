// SPDX-License-Identifier: Apache-2.0
// For `harvest explain`: where outputs go, and which rule says so.
#pragma once

#include <string>

#include "core/job/job.hpp"
#include "harvest/config/harvest_config.hpp"

namespace yoda {

struct StoreRule {
    std::string url;  ///< empty: nowhere
    std::string because;
    bool operator==(StoreRule const&) const = default;

    /// "file:///x, by ...", "nowhere: ...".
    std::string text() const;
};

/// For the job's event-service outputs: the job's own prodDBlockTokenForOutput goes before the queue's store,
/// that before the configuration's; push.alternative = force before all.
StoreRule explain_job_store(Job const& job, HarvestConfig const& config);

}  // namespace yoda
