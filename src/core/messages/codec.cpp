// SPDX-License-Identifier: Apache-2.0
#include "core/messages/codec.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/messages/codec_layout.hpp"

namespace yoda {

namespace {

using namespace codec;

void put_hand_out(ByteWriter& writer, HandOut const& what)
{
    writer.put(what.range);
    writer.put(what.hand_out);
}

std::string_view cut(std::string_view text)
{
    return text.substr(0, max_text_bytes);
}

}  // namespace

/// Opens a message of exactly `payload_bytes` in the current frame, or in a new one when it does not fit.
ByteWriter FrameWriter::begin(std::uint8_t type, std::size_t payload_bytes)
{
    std::size_t const need = message_head_bytes + payload_bytes;
    YODA_CHECK(header_bytes + need <= max_frame_bytes, "a message must fit into a frame");
    if (!is_open_ || frames_[used_ - 1].size() + need > max_frame_bytes) {
        if (used_ == frames_.size()) {
            frames_.emplace_back();
            frames_.back().reserve(max_frame_bytes);
        }
        std::string& frame = frames_[used_++];
        is_open_ = true;
        frame.clear();
        ByteWriter writer(frame);
        writer.put(magic);
        writer.put(protocol_version);
        writer.put(header_.life);
        writer.put(std::uint16_t{0});
        writer.put(header_.generation);
    }
    ByteWriter writer(frames_[used_ - 1]);
    writer.put(type);
    writer.put(std::uint8_t{0});
    writer.put(static_cast<std::uint16_t>(payload_bytes));
    return writer;
}

void FrameWriter::put_grant(RangeRun const& run, std::string_view text_id)
{
    auto writer = begin(type_of<Grant>(), 36 + 2 + text_id.size());
    writer.put(run.begin);
    writer.put(run.count);
    writer.put(run.file);
    writer.put(run.first);
    writer.put(run.stride);
    writer.put(run.events);
    writer.put(run.process_id);
    writer.put(run.process_stride);
    writer.put(run.attempt);
    writer.put(run.hand_out);
    writer.put_text(text_id);
}

namespace {

/// Splits a list so that each part fits into a frame with `head_bytes` before it.
template <class Entry, class PutPart>
void put_in_parts(std::span<Entry const> entries, std::size_t head_bytes, std::size_t entry_bytes,
                  PutPart put_part)
{
    std::size_t const most = (max_frame_bytes - header_bytes - message_head_bytes - head_bytes) / entry_bytes;
    do {
        auto const part = entries.first(std::min(most, entries.size()));
        put_part(part);
        entries = entries.subspan(part.size());
    } while (!entries.empty());
}

}  // namespace

void FrameWriter::put(Message const& message)
{
    struct Putter {
        FrameWriter& frames;

        void hand_outs(std::uint8_t type, std::span<HandOut const> entries)
        {
            put_in_parts<HandOut>(entries, 0, hand_out_bytes, [&](std::span<HandOut const> part) {
                auto writer = frames.begin(type, part.size() * hand_out_bytes);
                for (auto const& entry : part) put_hand_out(writer, entry);
            });
        }
        void operator()(Hello const& m)
        {
            auto const host = cut(m.host);
            auto writer = frames.begin(type_of<Hello>(), 10 + host.size());
            writer.put(m.pid);
            writer.put(m.worker_count);
            writer.put_text(host);
        }
        void operator()(Request const& m) { frames.begin(type_of<Request>(), 4).put(m.idle_count); }
        void operator()(Finished const& m)
        {
            YODA_CHECK(m.entries.size() <= max_finished_entries, "a Finished message must fit into a frame");
            auto writer = frames.begin(type_of<Finished>(), 12 + m.entries.size() * finished_entry_bytes);
            writer.put(m.sequence);
            writer.put(m.bundle_sequence);
            writer.put(m.job);
            for (auto const& entry : m.entries) {
                writer.put(entry.range);
                writer.put(entry.hand_out);
                writer.put(entry.cpu_ms);
                writer.put(entry.wall_ms);
            }
        }
        void operator()(Failed const& m)
        {
            auto const reason = cut(m.reason);
            auto writer = frames.begin(type_of<Failed>(), hand_out_bytes + 5 + reason.size());
            put_hand_out(writer, m.what);
            writer.put(static_cast<std::uint8_t>(m.kind));
            writer.put(m.error_code);
            writer.put_text(reason);
        }
        void operator()(GivenBack const& m) { hand_outs(type_of<GivenBack>(), m.entries); }
        void operator()(Running const& m)
        {
            put_in_parts<RunningEntry>(
                m.entries, 0, running_entry_bytes, [&](std::span<RunningEntry const> part) {
                    auto writer = frames.begin(type_of<Running>(), part.size() * running_entry_bytes);
                    for (auto const& entry : part) {
                        put_hand_out(writer, entry.what);
                        writer.put(entry.age_ms);
                    }
                });
        }
        void operator()(Heartbeat const& m)
        {
            auto writer = frames.begin(type_of<Heartbeat>(), 44);
            writer.put(m.queued_count);
            writer.put(m.running_count);
            writer.put(m.worker_count);
            writer.put(m.busy_ms);
            writer.put(m.alive_ms);
            writer.put(m.cpu_ms);
            writer.put(m.free_bytes);
        }
        void operator()(Sealed const& m)
        {
            auto writer = frames.begin(type_of<Sealed>(), 20);
            writer.put(m.job);
            writer.put(m.bundle_sequence);
            writer.put(m.bytes);
            writer.put(m.entry_count);
        }
        void operator()(Trouble const& m)
        {
            auto const reason = cut(m.reason);
            auto writer = frames.begin(type_of<Trouble>(), 8 + reason.size());
            writer.put(m.job);
            writer.put(m.error_code);
            writer.put_text(reason);
        }
        void operator()(Goodbye const&) { frames.begin(type_of<Goodbye>(), 0); }
        void operator()(Welcome const& m)
        {
            auto writer = frames.begin(type_of<Welcome>(), 4);
            writer.put(m.node_index);
            writer.put(m.node_count);
        }
        void operator()(Document const& m)
        {
            auto writer = frames.begin(type_of<Document>(), 11 + m.bytes.size());
            writer.put(static_cast<std::uint8_t>(m.kind));
            writer.put(m.total_bytes);
            writer.put(m.offset);
            writer.put_text(m.bytes);
        }
        void operator()(FileInfo const& m)
        {
            auto const lfn = m.lfn.substr(0, 255), guid = m.guid.substr(0, 255),
                       scope = m.scope.substr(0, 255);
            auto const pfn = m.pfn.substr(0, 2048);
            auto writer =
                frames.begin(type_of<FileInfo>(), 40 + lfn.size() + guid.size() + scope.size() + pfn.size());
            writer.put(m.file);
            writer.put(m.job);
            writer.put(m.task_id);
            writer.put(m.panda_id);
            writer.put(m.file_id);
            for (auto const text : {lfn, guid, scope, pfn}) writer.put_text(text);
        }
        void operator()(Grant const& m) { frames.put_grant(m.run, m.text_id); }
        void operator()(Accepted const& m) { frames.begin(type_of<Accepted>(), 4).put(m.sequence); }
        void operator()(Rejected const& m) { hand_outs(type_of<Rejected>(), m.entries); }
        void operator()(Revoke const& m) { hand_outs(type_of<Revoke>(), m.entries); }
        void operator()(Recall const& m) { frames.begin(type_of<Recall>(), 4).put(m.count); }
        void operator()(AskRunning const&) { frames.begin(type_of<AskRunning>(), 0); }
        void operator()(NothingNow const&) { frames.begin(type_of<NothingNow>(), 0); }
        void operator()(NothingEver const&) { frames.begin(type_of<NothingEver>(), 0); }
        void operator()(SealJob const& m) { frames.begin(type_of<SealJob>(), 4).put(m.job); }
        void operator()(Limits const& m)
        {
            auto writer = frames.begin(type_of<Limits>(), 8);
            writer.put(m.time_left_ms);
            writer.put(m.event_time_us);
        }
        void operator()(YodaAlive const&) { frames.begin(type_of<YodaAlive>(), 0); }
        void operator()(Reset const&) { frames.begin(type_of<Reset>(), 0); }
        void operator()(Drain const& m) { frames.begin(type_of<Drain>(), 4).put(m.time_left_ms); }
        void operator()(Stop const& m)
        {
            frames.begin(type_of<Stop>(), 1).put(static_cast<std::uint8_t>(m.everybody_alive));
        }
        void operator()(InputPlace const& m)
        {
            auto const ancestors = m.ancestors.first(std::min(m.ancestors.size(), max_input_ancestors));
            auto writer = frames.begin(type_of<InputPlace>(), 1 + ancestors.size() * sizeof(Rank));
            writer.put(static_cast<std::uint8_t>(m.same_node));
            for (auto const rank : ancestors) writer.put(rank);
        }
        void operator()(InputPull const& m)
        {
            auto writer = frames.begin(type_of<InputPull>(), 21);
            writer.put(m.file);
            writer.put(static_cast<std::uint8_t>(m.anew));
            writer.put(m.from);
            writer.put(m.upto);
        }
        void operator()(InputPart const& m)
        {
            auto const bytes = m.bytes.substr(0, max_input_part_bytes);
            auto writer = frames.begin(type_of<InputPart>(), 14 + bytes.size());
            writer.put(m.file);
            writer.put(m.offset);
            writer.put_text(bytes);
        }
        void operator()(InputEnd const& m)
        {
            auto writer = frames.begin(type_of<InputEnd>(), 17);
            writer.put(m.file);
            writer.put(static_cast<std::uint8_t>(m.word));
            writer.put(m.total_bytes);
            writer.put(m.crc32c);
        }
        void operator()(InputsStaged const& m)
        {
            auto writer = frames.begin(type_of<InputsStaged>(), 24);
            writer.put(m.file_count);
            writer.put(m.failed_count);
            writer.put(m.shared_bytes);
            writer.put(m.passed_bytes);
        }
    };
    std::visit(Putter{*this}, message);
}

}  // namespace yoda
