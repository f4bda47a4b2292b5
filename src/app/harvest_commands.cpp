#include "app/harvest_commands.hpp"

namespace yoda {

std::vector<HarvestCommand> const& harvest_commands()
{
    static std::vector<HarvestCommand> const commands{
        {"new", "make a run from input files, without PanDA", harvest_new},
    };
    return commands;
}

}  // namespace yoda
