// SPDX-License-Identifier: Apache-2.0
// A set of file names of which only fingerprints are kept, 16 bytes a name: the names of a million bundles
// must fit into what a login node allows. Two names with equal 128 bits are not to be expected.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yoda {

class NameSet {
  public:
    void insert(std::string_view name)
    {
        prints_.push_back(print_of(name));
        sorted_ = false;
    }
    /// After the last insert(); before the first contains() from several threads.
    void sort()
    {
        std::sort(prints_.begin(), prints_.end());
        prints_.erase(std::unique(prints_.begin(), prints_.end()), prints_.end());
        sorted_ = true;
    }
    bool contains(std::string_view name) const
    {
        auto const print = print_of(name);
        if (!sorted_) return std::find(prints_.begin(), prints_.end(), print) != prints_.end();
        return std::binary_search(prints_.begin(), prints_.end(), print);
    }
    std::size_t size() const { return prints_.size(); }

  private:
    using Print = std::pair<std::uint64_t, std::uint64_t>;
    static Print print_of(std::string_view name)
    {
        std::hash<std::string_view> const hash;
        return {hash(name), hash("and again " + std::string(name))};
    }
    std::vector<Print> prints_;
    bool sorted_ = true;
};

}  // namespace yoda
