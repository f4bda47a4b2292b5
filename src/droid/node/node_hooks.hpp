// SPDX-License-Identifier: Apache-2.0
// A site's own commands before and after a Droid's work (node.setup, node.cleanup), once
// per node: of several Droids on one node the first that comes runs the setup while the
// others wait, and the last that leaves cleans up.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/node_folder.hpp"
#include "sys/process/spawner.hpp"

namespace yoda {

struct NodeHooksSetup {
    std::string setup;    ///< command line, split as a shell would; empty: none
    std::string cleanup;  ///< the same
    std::string folder;   ///< where they run
    std::string log_path;
    std::string shared_folder;  ///< on the node's disk, of this run and life
    bool alone = true;          ///< no other Droid on this node
    Duration limit;             ///< of each command
};

class NodeHooks {
  public:
    NodeHooks(NodeHooksSetup setup, Spawner& spawner, Clock const& clock)
        : setup_(std::move(setup)), spawner_(spawner), clock_(clock)
    {}

    /// Blocks until the node is set up, calling `idle` all along. Errors: the command
    /// failed or took too long.
    Status begin(std::function<void()> const& idle);
    /// Blocks while the last Droid's clean-up runs: also after a setup that failed half way.
    Status end();

  private:
    Status run(std::string const& command, std::string_view what, std::function<void()> const& idle);

    NodeHooksSetup setup_;
    Spawner& spawner_;
    Clock const& clock_;
    std::optional<NodeFolder> shared_;
    bool begun_ = false;
};

}  // namespace yoda
