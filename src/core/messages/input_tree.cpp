// SPDX-License-Identifier: Apache-2.0
#include "core/messages/input_tree.hpp"

namespace yoda {

namespace {

/// A node sends everything to so many others: two keep its link busy at half the depth of a chain.
constexpr std::size_t fan_out = 2;

}  // namespace

void InputTree::add(Rank rank, std::string const& host)
{
    if (position_of_host_.emplace(host, ranks_.size()).second) ranks_.push_back(rank);
}

InputTree::Place InputTree::place(Rank rank, std::string const& host) const
{
    auto const found = position_of_host_.find(host);
    if (found == position_of_host_.end()) return {};
    auto position = found->second;
    if (ranks_[position] != rank) return {true, {ranks_[position]}};
    Place place;
    while (position > 0) {
        position = (position - 1) / fan_out;
        place.ancestors.push_back(ranks_[position]);
    }
    return place;
}

}  // namespace yoda
