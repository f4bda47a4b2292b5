// SPDX-License-Identifier: Apache-2.0
#include "support/recording_effects.hpp"

namespace yoda::test {

KeptMessage::KeptMessage(Message const& message)
{
    writer_.put(message);
    YODA_CHECK(writer_.count() == 1, "what the dispatcher sends at once fits into a frame");
    YODA_CHECK(reader_.open(writer_.frame(0)), "our own frame can be opened");
    auto const read = reader_.next();
    YODA_CHECK(read.has_value(), "our own message can be read");
    message_ = *read;
}

KeptRecord::KeptRecord(journal::Record const& record)
{
    journal::Writer(1, 1).append(record, bytes_);
    reader_ = std::make_unique<journal::Reader>(bytes_);
    YODA_CHECK(reader_->next() == journal::Reader::Step::record, "our own record can be read");
}

void RecordingEffects::send(Rank to, Message const& message)
{
    sends.push_back({to, std::make_unique<KeptMessage>(message), 0, records.size()});
}

void RecordingEffects::send_grant(Rank to, RangeRun const& run, std::string_view text_id)
{
    send(to, Grant{run, text_id});
}

void RecordingEffects::accept(Rank to, std::uint32_t sequence)
{
    sends.push_back({to, nullptr, sequence, records.size()});
}

void RecordingEffects::record(journal::Record const& record)
{
    records.push_back(std::make_unique<KeptRecord>(record));
}

void RecordingEffects::note(std::string_view event, Rank droid, std::uint64_t count, std::string_view why)
{
    notes.push_back({std::string(event), droid, count, std::string(why)});
}

std::vector<HandOut> RecordingEffects::granted(Rank to) const
{
    std::vector<HandOut> all;
    for (auto const& grant : sent<Grant>(to)) {
        for (std::uint32_t i = 0; i < grant.run.count; ++i)
            all.push_back({grant.run.begin + i, grant.run.hand_out});
    }
    return all;
}

namespace {

template <class T>
std::vector<HandOut> entries_of(std::vector<T> const& messages)
{
    std::vector<HandOut> all;
    for (auto const& message : messages)
        all.insert(all.end(), message.entries.begin(), message.entries.end());
    return all;
}

}  // namespace

std::vector<HandOut> RecordingEffects::revoked(Rank to) const
{
    return entries_of(sent<Revoke>(to));
}

std::vector<HandOut> RecordingEffects::rejected(Rank to) const
{
    return entries_of(sent<Rejected>(to));
}

std::vector<std::uint32_t> RecordingEffects::accepted(Rank to) const
{
    std::vector<std::uint32_t> sequences;
    for (auto const& each : sends) {
        if (each.to == to && !each.message) sequences.push_back(each.accepted_sequence);
    }
    return sequences;
}

std::vector<Note> RecordingEffects::noted(std::string_view event) const
{
    std::vector<Note> found;
    for (auto const& note : notes) {
        if (note.event == event) found.push_back(note);
    }
    return found;
}

void RecordingEffects::clear()
{
    sends.clear();
    records.clear();
    notes.clear();
}

}  // namespace yoda::test
