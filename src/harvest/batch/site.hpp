// SPDX-License-Identifier: Apache-2.0
// How a site wants its jobs: `key = value` files (config/sites/), later ones and --set on
// top of earlier ones. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/batch/base/batch_job.hpp"
#include "harvest/batch/sizing.hpp"

namespace yoda {

struct SiteConfig {
    // what batch system, and what it wants to hear
    std::string batch;  ///< slurm, pbs, local
    std::string account;
    std::string partition;
    std::string qos;
    std::string queue;
    std::string constraint;
    std::string reservation;
    std::vector<std::string> options;  ///< more options for sbatch or qsub, each one word or "--key value"
    bool exclusive = true;
    std::string pbs_select;  ///< words of one chunk, e.g. "ncpus=128:mem=200gb"
    double signal_lead_s = 120;
    double time_min_s = 0;  ///< Slurm's --time-min: may be shortened to this to fit a gap; 0: not used
    // size
    SizingLimits size;
    double seconds_per_range_s = 0;  ///< while nothing has been measured
    double margin_s = 30;
    // the job
    std::string jobscripts;  ///< folder with run_yoda.sh; empty: beside the program
    std::string yoda;        ///< program; empty: beside harvest
    std::string launcher;    ///< srun, mpirun; empty: the script's own choice
    std::string mpi_type;
    std::string mpi_arguments;
    std::string yoda_arguments;
    std::string wrap;
    std::string setup;
    std::string scratch;
    std::vector<std::string> exports;  ///< NAME=value in the job
    // limits of a run
    std::uint64_t submissions_max = 50;
    double age_max_s = 0;  ///< 0: none
    std::uint64_t fruitless_max = 3;
    double retry_after_s = 600;
    // patience with the batch system
    double settle_s = 120;
    double lost_after_s = 900;
    double command_limit_s = 60;

    std::vector<std::string> required;  ///< keys that the site's file says must be given
    std::vector<std::string> given;     ///< keys that were
};

struct SiteKey {
    std::string_view name;
    std::string_view meaning;
};
std::vector<SiteKey> site_keys();

/// A key that may repeat gets one value more, once. Errors: unknown key (with
/// the nearest one), a value that does not fit.
Status set_site(SiteConfig& site, std::string_view key, std::string_view value);
/// A whole file: of a key that may repeat its values take the place of those of files before it.
Status read_site(SiteConfig& site, std::string_view text, std::string_view source);
/// Keys that must be given at this site, and are not.
std::vector<std::string> missing_site_settings(SiteConfig const& site);
/// Error: keys missing (all of them named), or a batch system that does not exist.
Result<BatchKind> check_site(SiteConfig const& site);
/// As read_site takes it; what was not given is left out.
std::string print_site(SiteConfig const& site);

}  // namespace yoda
