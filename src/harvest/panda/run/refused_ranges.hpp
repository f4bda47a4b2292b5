// SPDX-License-Identifier: Apache-2.0
// Ranges that never go to a payload, in RUN/panda/refused-<PandaID>.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

/// A range that never goes to a payload; it is reported in this state.
struct RefusedRange {
    std::string id;
    bool fatal = false;  ///< can never work anywhere; else another job may take it
    int code = 0;
    std::string why;
    bool report = true;  ///< false: another job's; a word of ours would count against that one
    bool operator==(RefusedRange const&) const = default;
};

/// RUN/panda/refused-<PandaID>.json
std::string print_refused(std::vector<RefusedRange> const& ranges);
Result<std::vector<RefusedRange>> parse_refused(std::string_view text);
/// The ranges in that file; an absent file has none.
Result<std::vector<RefusedRange>> read_refused(std::string const& path);
/// Adds to that file those that it does not have yet. Their places in it never change.
Status add_refused(std::string const& path, std::vector<RefusedRange> const& ranges);

}  // namespace yoda
