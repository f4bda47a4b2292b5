// SPDX-License-Identifier: Apache-2.0
// Answers about event ranges: those handed out, what became of reported
// ones, how many are left, where each stands.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/panda/wire/commands.hpp"
#include "harvest/panda/wire/outcome.hpp"
#include "harvest/panda/wire/range_scanner.hpp"

namespace yoda {

/// Ranges handed out. The body is kept as text and read only by for_each. An empty list, stored, is all that
/// PanDA says for "nothing left", "no such job", "wrong jobset" and "that job may not take any now".
class RangesAnswer {
  public:
    PandaJudgement judgement;

    /// Gives the number of ranges; errors as scan_ranges.
    Result<std::size_t> for_each(std::function<Status(RangeView const&)> const& take) const
    {
        return scan_ranges(list(), take);
    }
    /// The JSON list as text.
    std::string_view list() const { return std::string_view(text_).substr(begin_, bytes_); }
    bool empty_list() const;

  private:
    friend RangesAnswer read_ranges(PandaApi, RawAnswer);
    std::string text_;
    std::size_t begin_ = 0;
    std::size_t bytes_ = 0;
};
RangesAnswer read_ranges(PandaApi api, RawAnswer answer);

/// What PanDA says of one reported range. `accepted` does not prove that the row changed
/// (docs/reference/panda.md §6).
enum class RangeReturn { accepted, refused, later };

/// Stored: `returns` has one element for each range that was sent, in order.
/// Unknown with `length_differs`: PanDA rolled the whole call back, or (an old bug) did it all and stumbled
/// after; ask for the statuses, send what is missing again in smaller pieces.
struct RangeUpdatesAnswer {
    PandaJudgement judgement;
    bool length_differs = false;
    bool names_gone_jobs = true;  ///< false (v1): a refusal may also mean that the job is not there any more
    std::vector<RangeReturn> returns;
    std::map<std::int64_t, PandaCommands> commands;  ///< by PandaID; those without a command are left out
};
RangeUpdatesAnswer read_range_updates(PandaApi api, std::size_t sent_count, RawAnswer const& answer);

/// The answer to the update of a single range (classic interface).
struct RangeUpdateAnswer {
    PandaJudgement judgement;
    PandaCommands commands;
};
RangeUpdateAnswer read_range_update(PandaApi api, RawAnswer const& answer);

struct CountAnswer {
    PandaJudgement judgement;
    std::int64_t count = 0;
};
CountAnswer read_range_count(PandaApi api, RawAnswer const& answer);

/// Where one range stands: "sent", "finished", "failed", "ready", ... (docs/reference/panda.md §7).
using TakeRangeStatus = std::function<void(std::string_view range_id, std::string_view status)>;
/// Streams all ranges of all jobs that were asked for. If the judgement is
/// not stored, what was given counts nothing.
PandaJudgement read_range_statuses(PandaApi api, RawAnswer const& answer, TakeRangeStatus const& take);

/// A key pair lives in memory only; never log or store it.
struct KeyPairAnswer {
    PandaJudgement judgement;
    std::string public_key;
    std::string private_key;
};
KeyPairAnswer read_key_pair(PandaApi api, RawAnswer const& answer);

/// get_access_token: the token is a secret too.
struct TokenAnswer {
    PandaJudgement judgement;
    std::string token;
};
TokenAnswer read_token(PandaApi api, RawAnswer const& answer);

}  // namespace yoda
