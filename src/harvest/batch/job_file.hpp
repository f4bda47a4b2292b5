// SPDX-License-Identifier: Apache-2.0
// The file that goes to sbatch or qsub: options, variables, then our script. Pure. It stays in RUN/batch, can
// be read, and can be submitted again by hand.
#pragma once

#include <string>
#include <string_view>

#include "harvest/batch/site.hpp"
#include "harvest/batch/sizing.hpp"

namespace yoda {

struct JobFileFacts {
    std::string run;         ///< absolute
    std::string name;        ///< of the submission
    std::string jobscripts;  ///< absolute
    std::string yoda;        ///< absolute
};

std::string print_job_file(BatchKind kind, SiteConfig const& site, JobSize const& size,
                           JobFileFacts const& facts);

/// A word that a shell takes as it is.
std::string quote_for_shell(std::string_view text);

}  // namespace yoda
