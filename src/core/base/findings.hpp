// SPDX-License-Identifier: Apache-2.0
// What recovery found damaged, missing or contradictory: what it is, where, and what follows from it.
// The number of findings is bounded, however broken a run is.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yoda {

enum class FindingKind : std::uint8_t {
    leftover,  ///< what a crash leaves behind; nothing that was acknowledged is lost
    damage,    ///< something was lost or made by two writers
};

struct Finding {
    FindingKind kind = FindingKind::damage;
    std::string what;
    std::string where;
    std::string consequence;
    bool operator==(Finding const&) const = default;
};

class Findings {
  public:
    void add(FindingKind kind, std::string what, std::string where, std::string consequence);
    void append(Findings const& others);

    std::vector<Finding> const& list() const { return list_; }
    bool any_damage() const { return damage_count_ > 0; }
    std::uint64_t count() const { return count_; }
    /// One line each, "where: what; consequence", then how many are not listed.
    std::string print() const;
    /// {"count": n, "damage": bool, "findings": [{"kind", "what", "where", "consequence"}, ...]}
    std::string print_json() const;

  private:
    static constexpr std::size_t limit = 1000;
    std::vector<Finding> list_;
    std::uint64_t count_ = 0;
    std::uint64_t damage_count_ = 0;
};

}  // namespace yoda
