// SPDX-License-Identifier: Apache-2.0
#include "app/commands/commands.hpp"

namespace yoda {

std::vector<HarvestCommand> const& harvest_commands()
{
    static std::vector<HarvestCommand> const commands{
        {"new", "make a run from input files, without PanDA", harvest_new},
        {"fetch", "make a run of PanDA's jobs and event ranges; --more: feed one", harvest_fetch},
        {"push", "bring sealed bundles to their stores", harvest_push},
        {"report", "tell PanDA what is done, and do what it says", harvest_report},
        {"submit", "give a run to Slurm, PBS or this machine", harvest_submit},
        {"poll", "how a run's job stands; submits again while ranges are left", harvest_poll},
        {"cancel", "end a run's job", harvest_cancel},
        {"cycle", "all of that for every run of a spool, one bounded turn", harvest_cycle},
        {"status", "where a run stands", harvest_status},
        {"explain", "why a run, a range or a bundle is as it is", harvest_explain},
        {"merge", "all finished outputs in event order, verified, in one file", harvest_merge},
        {"logs", "each job's log tarball, named as PanDA wants it", harvest_logs},
        {"recover", "check and repair a run after a crash", harvest_recover},
        {"config", "every setting with its value and meaning", harvest_config},
    };
    return commands;
}

}  // namespace yoda
