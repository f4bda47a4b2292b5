// SPDX-License-Identifier: Apache-2.0
// What the commands of harvest that speak to servers share: where their configuration comes from, their log,
// and how they are asked to stop.
#pragma once

#include <atomic>
#include <boost/program_options.hpp>
#include <string>
#include <vector>

#include "harvest/steps.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"
#include "sys/http/http.hpp"

namespace yoda {

/// --config.
void add_config_option(boost::program_options::options_description& options);
/// The files that --config names, else those at the usual places.
ConfigSources config_files_of(boost::program_options::variables_map const& values);

/// --config, --set, --verbose, --log.
void add_tool_options(boost::program_options::options_description& options);

class HarvestTools {
  public:
    /// Also keeps core dumps and other processes away from our secrets, and takes INT and TERM as the wish to
    /// stop. Errors (usage): a setting that is none, a configuration file that is missing.
    static Result<std::unique_ptr<HarvestTools>> make(boost::program_options::variables_map const& values);

    ConfigSources const& sources() const { return sources_; }
    StepTools step_tools() { return {http_, clock_, log_, &stop_requested()}; }
    Clock const& clock() const { return clock_; }
    Log& log() { return log_; }
    static std::atomic<bool>& stop_requested();

  private:
    explicit HarvestTools(LogLevel level) : http_(clock_), log_(level) {}

    ConfigSources sources_;
    SystemClock clock_;
    HttpClient http_;
    Log log_;
};

}  // namespace yoda
