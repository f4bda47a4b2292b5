// SPDX-License-Identifier: Apache-2.0
// A DispatcherEffects that keeps what it was told, for tests to look at. Messages and records go through the
// real codecs, so that what is kept is what a Droid or a later life would read.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/journal/journal_format.hpp"
#include "core/messages/codec.hpp"
#include "yoda/dispatcher.hpp"

namespace yoda::test {

/// A message that owns its texts and lists.
class KeptMessage {
  public:
    explicit KeptMessage(Message const& message);
    Message const& get() const { return message_; }

  private:
    FrameWriter writer_;
    FrameReader reader_;
    Message message_;
};

/// A record that owns its texts and lists.
class KeptRecord {
  public:
    explicit KeptRecord(journal::Record const& record);
    journal::Record const& get() const { return reader_->record(); }

  private:
    std::string bytes_;
    std::unique_ptr<journal::Reader> reader_;
};

struct Note {
    std::string event;
    Rank droid;
    std::uint64_t count;
    std::string why;
};

/// What one Droid is told, and when relative to the rest.
struct KeptSend {
    Rank to;
    std::unique_ptr<KeptMessage> message;  ///< null: Accepted, once durable
    std::uint32_t accepted_sequence = 0;
    std::size_t records_before = 0;  ///< how many records were made before it
};

class RecordingEffects final : public DispatcherEffects {
  public:
    void send(Rank to, Message const& message) override;
    void send_grant(Rank to, RangeRun const& run, std::string_view text_id) override;
    void accept(Rank to, std::uint32_t sequence) override;
    void record(journal::Record const& record) override;
    void note(std::string_view event, Rank droid, std::uint64_t count, std::string_view why) override;

    /// All of this type that were sent to `to`, oldest first. Valid until clear().
    template <class T>
    std::vector<T> sent(Rank to) const
    {
        std::vector<T> found;
        for (auto const& each : sends) {
            if (each.to != to || !each.message) continue;
            if (auto const* message = std::get_if<T>(&each.message->get())) found.push_back(*message);
        }
        return found;
    }
    template <class T>
    std::size_t sent_count() const
    {
        std::size_t count = 0;
        for (auto const& each : sends)
            count += each.message && std::holds_alternative<T>(each.message->get()) ? 1u : 0u;
        return count;
    }
    template <class T>
    std::vector<T> recorded() const
    {
        std::vector<T> found;
        for (auto const& each : records) {
            if (auto const* record = std::get_if<T>(&each->get())) found.push_back(*record);
        }
        return found;
    }
    /// Hand-outs granted to `to`, range by range.
    std::vector<HandOut> granted(Rank to) const;
    /// Hand-outs that `to` was told to stop, or that were refused.
    std::vector<HandOut> revoked(Rank to) const;
    std::vector<HandOut> rejected(Rank to) const;
    std::vector<std::uint32_t> accepted(Rank to) const;
    std::vector<Note> noted(std::string_view event) const;
    void clear();

    std::deque<KeptSend> sends;
    std::deque<std::unique_ptr<KeptRecord>> records;
    std::vector<Note> notes;
};

}  // namespace yoda::test
