// SPDX-License-Identifier: Apache-2.0
// The commands of harvest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace yoda {

struct HarvestCommand {
    std::string_view name;
    std::string_view summary;
    int (*run)(std::vector<std::string> const& words);  ///< words behind the command; returns the exit code
};
std::vector<HarvestCommand> const& harvest_commands();

int harvest_new(std::vector<std::string> const& words);
int harvest_fetch(std::vector<std::string> const& words);
int harvest_push(std::vector<std::string> const& words);
int harvest_report(std::vector<std::string> const& words);
int harvest_submit(std::vector<std::string> const& words);
int harvest_poll(std::vector<std::string> const& words);
int harvest_cancel(std::vector<std::string> const& words);
int harvest_cycle(std::vector<std::string> const& words);
int harvest_status(std::vector<std::string> const& words);
int harvest_logs(std::vector<std::string> const& words);
int harvest_merge(std::vector<std::string> const& words);
int harvest_recover(std::vector<std::string> const& words);
int harvest_config(std::vector<std::string> const& words);
int harvest_explain(std::vector<std::string> const& words);

}  // namespace yoda
