#include "app/harvest_commands.hpp"

namespace yoda {

std::vector<HarvestCommand> const& harvest_commands()
{
    static std::vector<HarvestCommand> const commands{
        {"new", "make a run from input files, without PanDA", harvest_new},
        {"status", "where a run stands", harvest_status},
        {"explain", "why a run, a range or a bundle is as it is", harvest_explain},
        {"merge", "all finished outputs in event order, verified, in one file", harvest_merge},
        {"recover", "check and repair a run after a crash", harvest_recover},
        {"config", "every setting with its value and meaning", harvest_config},
    };
    return commands;
}

}  // namespace yoda
