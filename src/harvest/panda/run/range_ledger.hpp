// SPDX-License-Identifier: Apache-2.0
// What of one PanDA job is still to be reported, range by range; pure. Ranges come in groups: a bundle that
// is proven to be in its store, or ranges that failed. Ids are not kept: a group knows only how many ranges
// it has and which are settled.
//
//   open -> settled       PanDA stored the range (true), or refused it (false)
//   open -> unknown       false over v1, where the job may be gone; or the outcome of the call is not known
//   open -> deferred      PanDA says "later" (null): the range is not sent again in this tick
//   open -> open          PanDA refused the call as a whole: the ranges go again, in smaller pieces
//   open -> settled       PanDA refused a range that was sent alone, in its last try
//   unknown -> settled    PanDA's statuses have the range as ended, or do not have it any more
//   unknown -> open       PanDA's statuses have the range as open, and tries are left
//   settled -> open       PanDA does not have the range after all: reopen()
//
// Sending again what PanDA has is harmless, so nothing is kept of what was sent but not answered.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harvest/panda/run/range_map.hpp"
#include "harvest/panda/wire/range_answers.hpp"
#include "harvest/panda/wire/requests.hpp"

namespace yoda {

/// Places of a group's ranges, as few intervals [first, second).
using RangeSpans = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
void add_to_spans(RangeSpans& spans, std::uint32_t index);
std::uint32_t count_of(RangeSpans const& spans);

/// What PanDA has of a range, as far as we care; the values of the map from get_range_statuses.
enum class RangeStanding : std::uint8_t { open, finished, failed, over };
RangeStanding standing_of(std::string_view status_name);

struct LedgerPolicy {
    std::size_t call_limit = 10'000;  ///< ranges in one call
    unsigned tries = 3;               ///< of a range alone that PanDA does not store
};

class RangeLedger {
  public:
    using Group = std::uint32_t;
    explicit RangeLedger(LedgerPolicy policy = {}) : policy_(policy) {}

    Group add_group(std::string name, std::uint32_t range_count, RangeSpans settled = {});

    struct Slot {
        Group group = 0;
        std::uint32_t index = 0;
    };
    struct Call {
        std::vector<Slot> slots;  ///< in the order of the ranges in the request
        std::size_t limit = 0;
        bool full() const { return slots.size() >= limit; }
    };
    Call new_call() const { return {{}, piece_}; }
    /// The next group with open ranges that may be sent in this tick; nullopt: none.
    std::optional<Group> next_open(Group from) const;
    /// Places of the group that the call takes, in order; they are added to it.
    std::vector<std::uint32_t> fill(Call& call, Group group) const;

    /// A range that PanDA will never have from us, for the log and for people.
    struct Refusal {
        Slot slot;
        std::string why;
    };
    struct Effects {
        std::vector<Slot> settled;  ///< accepted and refused ones, to be written down
        std::vector<Refusal> refused;
        bool job_gone = false;    ///< nothing of this job counts any more
        bool not_stored = false;  ///< something that was sent is not there
        bool stop = false;        ///< nothing more in this tick: the server does not answer, or not to us
    };
    Effects on_answer(Call const& call, RangeUpdatesAnswer const& answer, std::int64_t panda_id);

    bool has_unknown() const { return unknown_count_ > 0; }
    std::vector<Group> unknown_groups() const;
    /// Where PanDA has the ranges of an unknown group. `ids` and `finished` (else failed or
    /// fatal) say what we sent.
    Effects on_statuses(Group group, std::vector<std::string_view> const& ids,
                        std::vector<bool> const& finished, RangeMap const& standings);
    /// After all unknown groups were looked up: smaller pieces if something was not stored, else larger ones.
    void end_round(bool not_stored);
    /// PanDA does not have this settled range after all: it goes again.
    void reopen(Slot slot);

    bool all_settled() const { return open_count_ == 0; }
    bool is_settled(Group group) const { return groups_[group].left == 0; }
    std::string const& name(Group group) const { return groups_[group].name; }
    std::uint64_t open_count() const { return open_count_; }
    std::uint64_t accepted_count() const { return accepted_count_; }
    std::uint64_t refused_count() const { return refused_count_; }

  private:
    enum class State : std::uint8_t { open, deferred, unknown, settled };
    struct GroupState {
        std::string name;
        std::vector<State> states;
        std::vector<std::uint8_t> tries;  ///< empty until something failed
        std::uint32_t left = 0;           ///< not settled
        std::uint32_t sendable = 0;       ///< open
        std::uint32_t unknown = 0;
    };
    void set(Slot slot, State state);
    std::uint8_t& tries_of(Slot slot);
    void doubt(Slot slot);
    void settle(Slot slot, bool accepted, std::string why, Effects& effects);
    /// Not stored though sent: once more, or never.
    void retry(Slot slot, std::string const& why, Effects& effects);
    void shrink();
    void grow();

    LedgerPolicy policy_;
    std::size_t piece_ = policy_.call_limit;
    std::vector<GroupState> groups_;
    std::uint64_t open_count_ = 0;
    std::uint64_t unknown_count_ = 0;
    std::uint64_t accepted_count_ = 0;
    std::uint64_t refused_count_ = 0;
};

}  // namespace yoda
