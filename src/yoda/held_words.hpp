// SPDX-License-Identifier: Apache-2.0
// Words that rank 0 may not say yet: each rests on journal records, and leaves only when these records
// survive a crash. Pure: the caller tells how far its journal has come.
//
//     words.accept(rank, sequence);                  // the records were made, perhaps not appended yet
//     words.place(appended);                         // all records so far end at or before this position
//     auto const& may_say = words.release(durable);  // what may be said now
//
// The order of acceptances is kept. Cost: O(1) a word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "core/base/types.hpp"

namespace yoda {

class HeldWords {
  public:
    /// "All up to `sequence` is accepted", for Droid `to`.
    struct Acceptance {
        Rank to = 0;
        std::uint32_t sequence = 0;
        bool operator==(Acceptance const&) const = default;
    };
    struct Released {
        std::vector<Acceptance> acceptances;
        std::vector<std::string> answers;  ///< names of inbox notes
    };

    /// Rests on all records made so far.
    void accept(Rank to, std::uint32_t sequence);
    /// The answer to an inbox note. The same rule.
    void answer(std::string note);
    /// The records made so far end at or before `appended` (bytes since the journal was opened).
    void place(std::uint64_t appended);
    /// Takes out the words whose records end at or before `durable`. Words without a position stay. Several
    /// acceptances in a row for one rank become the last one, which says the same and more. The result holds
    /// until the next call.
    Released const& release(std::uint64_t durable);

    std::size_t acceptance_count() const { return unplaced_.size() + acceptances_.size(); }

  private:
    struct Placed {
        std::uint64_t position;
        Acceptance word;
    };
    std::vector<Acceptance> unplaced_;
    std::vector<std::string> unplaced_answers_;
    std::deque<Placed> acceptances_;
    std::deque<std::pair<std::uint64_t, std::string>> answers_;
    Released released_;
};

}  // namespace yoda
