// SPDX-License-Identifier: Apache-2.0
#include "yoda/held_words.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace yoda {

void HeldWords::accept(Rank to, std::uint32_t sequence)
{
    // One word for all that the same records make durable.
    auto const same = std::find_if(unplaced_.rbegin(), unplaced_.rend(),
                                   [to](Acceptance const& word) { return word.to == to; });
    if (same != unplaced_.rend())
        same->sequence = sequence;
    else
        unplaced_.push_back({to, sequence});
}

void HeldWords::answer(std::string note)
{
    unplaced_answers_.push_back(std::move(note));
}

void HeldWords::place(std::uint64_t appended)
{
    YODA_CHECK(acceptances_.empty() || acceptances_.back().position <= appended,
               "a journal's positions never go back");
    for (auto const& word : unplaced_) acceptances_.push_back({appended, word});
    for (auto& note : unplaced_answers_) answers_.emplace_back(appended, std::move(note));
    unplaced_.clear();
    unplaced_answers_.clear();
}

HeldWords::Released const& HeldWords::release(std::uint64_t durable)
{
    released_.acceptances.clear();
    released_.answers.clear();
    for (; !acceptances_.empty() && acceptances_.front().position <= durable; acceptances_.pop_front()) {
        auto const& word = acceptances_.front().word;
        if (!released_.acceptances.empty() && released_.acceptances.back().to == word.to)
            released_.acceptances.back() = word;
        else
            released_.acceptances.push_back(word);
    }
    for (; !answers_.empty() && answers_.front().first <= durable; answers_.pop_front())
        released_.answers.push_back(std::move(answers_.front().second));
    return released_;
}

}  // namespace yoda
