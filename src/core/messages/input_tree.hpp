// SPDX-License-Identifier: Apache-2.0
// Who gets input files from whom, while they are staged: a binary tree of the nodes' first Droids, in the
// order in which they came. Pure. Nodes are only added, so a place never changes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/base/types.hpp"

namespace yoda {

class InputTree {
  public:
    /// A Droid on `host`. The first one of a host stands for it in the tree.
    void add(Rank rank, std::string const& host);

    struct Place {
        bool same_node = false;       ///< another Droid stands for this node: the only ancestor
        std::vector<Rank> ancestors;  ///< nearest first; empty for the root
    };
    Place place(Rank rank, std::string const& host) const;

  private:
    std::map<std::string, std::size_t> position_of_host_;
    std::vector<Rank> ranks_;  ///< by position
};

}  // namespace yoda
