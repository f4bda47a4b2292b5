// SPDX-License-Identifier: Apache-2.0
// What the dispatcher asks its caller to do: it sends, journals and logs nothing itself.
#pragma once

#include <cstdint>
#include <string_view>

#include "core/journal/journal_format.hpp"
#include "core/messages/messages.hpp"
#include "core/table/range_run.hpp"

namespace yoda {

/// What the dispatcher wants done, in order. Recording fake: tests/support.
class DispatcherEffects {
  public:
    virtual ~DispatcherEffects() = default;
    virtual void send(Rank to, Message const& message) = 0;
    virtual void send_grant(Rank to, RangeRun const& run, std::string_view text_id) = 0;
    /// Accepted{sequence} to `to`, once all records so far are durable.
    virtual void accept(Rank to, std::uint32_t sequence) = 0;
    virtual void record(journal::Record const& record) = 0;
    /// For the log: constant event name, who, how many, why.
    virtual void note(std::string_view event, Rank droid, std::uint64_t count, std::string_view why) = 0;
};

}  // namespace yoda
