// SPDX-License-Identifier: Apache-2.0
// Where a job wants its outputs: its own prodDBlockTokenForOutput goes before the queue's and the
// configuration's store.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/job/job.hpp"
#include "harvest/stores/make_store.hpp"
#include "sys/base/log.hpp"

namespace yoda {

struct StoreChoice {
    StoreConfig config;
    std::string because;   ///< for `harvest explain`
    std::string rejected;  ///< why the job's own stores cannot be used; empty: it names none
};

/// The store for a job's event-service outputs. `configured` supplies keys, region and TLS for the job's own
/// URL too. Of several stores in the job's field the first one that this program can use is taken.
StoreChoice choose_store(Job const& job, StoreConfig const& configured);

/// Of the jobs in RUN/job.json that name a store of their own, by PandaID. Without a job.json: none.
std::map<std::int64_t, StoreConfig> read_job_stores(std::string const& run_folder,
                                                    std::map<std::string, StoreConfig> const& stores,
                                                    Log& log);

}  // namespace yoda
