#include "core/codec.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

namespace {

constexpr std::uint16_t magic = 0x4459;  // "YD"
constexpr std::size_t header_bytes = 12;
constexpr std::size_t message_head_bytes = 4;  // type u8, spare u8, payload length u16
constexpr std::size_t hand_out_bytes = 6;
constexpr std::size_t finished_entry_bytes = 14;
constexpr std::size_t running_entry_bytes = 10;

/// A message's type on the wire is its position in the variant: new ones go to the end.
template <class T, std::size_t I = 0>
constexpr std::uint8_t type_of()
{
    if constexpr (std::is_same_v<std::variant_alternative_t<I, Message>, T>)
        return static_cast<std::uint8_t>(I);
    else
        return type_of<T, I + 1>();
}

void put_hand_out(ByteWriter& writer, HandOut const& what)
{
    writer.put(what.range);
    writer.put(what.hand_out);
}

HandOut get_hand_out(ByteReader& reader)
{
    HandOut what;
    what.range = reader.get<std::uint32_t>();
    what.hand_out = reader.get<std::uint16_t>();
    return what;
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

Status FrameReader::open(std::string_view frame)
{
    rest_ = ByteReader(frame);
    error_ = {};
    auto const found_magic = rest_.get<std::uint16_t>();
    auto const found_version = rest_.get<std::uint16_t>();
    header_.life = rest_.get<std::uint16_t>();
    rest_.get<std::uint16_t>();
    header_.generation = rest_.get<std::uint32_t>();
    if (!rest_.ok() || found_magic != magic || frame.size() > max_frame_bytes)
        error_ = Error{
            ErrorKind::bad_input, "message is no yoda frame", fmt::format("{} bytes", frame.size()), {}};
    else if (found_version != protocol_version)
        error_ = Error{ErrorKind::bad_input, "message of another yoda version",
                       fmt::format("it has protocol {}, this program {}", found_version, protocol_version),
                       "start all ranks from one installation"};
    return error_;
}

std::optional<Message> FrameReader::next()
{
    if (!error_ || rest_.at_end()) return std::nullopt;
    auto const type = rest_.get<std::uint8_t>();
    rest_.get<std::uint8_t>();
    auto const length = rest_.get<std::uint16_t>();
    auto const payload = rest_.get_bytes(length);
    std::optional<Message> message;
    if (rest_.ok()) message = decode(type, ByteReader(payload));
    if (!message)
        error_ = Error{
            ErrorKind::bad_input, "message is malformed", fmt::format("type {}, {} bytes", type, length), {}};
    return message;
}

std::optional<Message> FrameReader::decode(std::uint8_t type, ByteReader in)
{
    auto const whole = [&](Message const& message) -> std::optional<Message> {
        if (!in.ok() || !in.at_end()) return std::nullopt;
        return message;
    };
    auto const hand_outs = [&] {
        hand_outs_.clear();
        while (in.ok() && !in.at_end()) hand_outs_.push_back(get_hand_out(in));
        return std::span<HandOut const>(hand_outs_);
    };
    auto const u16 = [&] { return in.get<std::uint16_t>(); };
    auto const u32 = [&] { return in.get<std::uint32_t>(); };
    auto const u64 = [&] { return in.get<std::uint64_t>(); };
    auto const i64 = [&] { return in.get<std::int64_t>(); };

    switch (type) {
        case type_of<Finished>(): {
            Finished m;
            m.sequence = u32();
            m.bundle_sequence = u32();
            m.job = u32();
            if (in.left() % finished_entry_bytes != 0) return std::nullopt;
            finished_.resize(in.left() / finished_entry_bytes);
            for (auto& entry : finished_) {
                entry.range = u32();
                entry.hand_out = u16();
                entry.cpu_ms = u32();
                entry.wall_ms = u32();
            }
            m.entries = finished_;
            return whole(m);
        }
        case type_of<Grant>(): {
            Grant m;
            m.run.begin = u32();
            m.run.count = u32();
            m.run.file = u32();
            m.run.first = u32();
            m.run.stride = u32();
            m.run.events = u32();
            m.run.process_id = u32();
            m.run.process_stride = u32();
            m.run.attempt = u16();
            m.run.hand_out = u16();
            m.text_id = in.get_text();
            if (m.run.count == 0 || m.run.count > max_run_count || m.run.events == 0) return std::nullopt;
            return whole(m);
        }
        case type_of<Accepted>():
            return whole(Accepted{u32()});
        case type_of<Hello>(): {
            Hello m;
            m.pid = u32();
            m.worker_count = u32();
            m.host = in.get_text();
            return whole(m);
        }
        case type_of<Request>():
            return whole(Request{u32()});
        case type_of<Failed>(): {
            Failed m;
            m.what = get_hand_out(in);
            auto const kind = in.get<std::uint8_t>();
            if (kind > static_cast<std::uint8_t>(FailKind::given_back)) return std::nullopt;
            m.kind = static_cast<FailKind>(kind);
            m.error_code = u16();
            m.reason = in.get_text();
            return whole(m);
        }
        case type_of<GivenBack>(): {
            auto const entries = hand_outs();
            return whole(GivenBack{entries});
        }
        case type_of<Running>(): {
            running_.clear();
            while (in.ok() && !in.at_end()) {
                auto const what = get_hand_out(in);
                running_.push_back({what, u32()});
            }
            return whole(Running{running_});
        }
        case type_of<Heartbeat>(): {
            Heartbeat m;
            m.queued_count = u32();
            m.running_count = u32();
            m.worker_count = u32();
            m.busy_ms = u64();
            m.alive_ms = u64();
            m.cpu_ms = u64();
            m.free_bytes = u64();
            return whole(m);
        }
        case type_of<Sealed>(): {
            Sealed m;
            m.job = u32();
            m.bundle_sequence = u32();
            m.bytes = u64();
            m.entry_count = u32();
            return whole(m);
        }
        case type_of<Trouble>(): {
            Trouble m;
            m.job = u32();
            m.error_code = u16();
            m.reason = in.get_text();
            return whole(m);
        }
        case type_of<Goodbye>():
            return whole(Goodbye{});
        case type_of<Welcome>(): {
            Welcome m;
            m.node_index = u16();
            m.node_count = u16();
            return whole(m);
        }
        case type_of<Document>(): {
            Document m;
            auto const kind = in.get<std::uint8_t>();
            if (kind > static_cast<std::uint8_t>(DocumentKind::config)) return std::nullopt;
            m.kind = static_cast<DocumentKind>(kind);
            m.total_bytes = u32();
            m.offset = u32();
            m.bytes = in.get_text();
            return whole(m);
        }
        case type_of<FileInfo>(): {
            FileInfo m;
            m.file = u32();
            m.job = u32();
            m.task_id = i64();
            m.panda_id = i64();
            m.file_id = i64();
            m.lfn = in.get_text();
            m.guid = in.get_text();
            m.scope = in.get_text();
            m.pfn = in.get_text();
            return whole(m);
        }
        case type_of<Rejected>(): {
            auto const entries = hand_outs();
            return whole(Rejected{entries});
        }
        case type_of<Revoke>(): {
            auto const entries = hand_outs();
            return whole(Revoke{entries});
        }
        case type_of<Recall>():
            return whole(Recall{u32()});
        case type_of<AskRunning>():
            return whole(AskRunning{});
        case type_of<NothingNow>():
            return whole(NothingNow{});
        case type_of<NothingEver>():
            return whole(NothingEver{});
        case type_of<SealJob>():
            return whole(SealJob{u32()});
        case type_of<Limits>(): {
            Limits m;
            m.time_left_ms = u32();
            m.event_time_us = u32();
            return whole(m);
        }
        case type_of<YodaAlive>():
            return whole(YodaAlive{});
        case type_of<Reset>():
            return whole(Reset{});
        case type_of<Drain>():
            return whole(Drain{u32()});
        case type_of<Stop>():
            return whole(Stop{in.get<std::uint8_t>() != 0});
        case type_of<InputPlace>(): {
            InputPlace m;
            m.same_node = in.get<std::uint8_t>() != 0;
            ranks_.clear();
            while (in.ok() && !in.at_end()) ranks_.push_back(u32());
            m.ancestors = ranks_;
            return whole(m);
        }
        case type_of<InputPull>(): {
            InputPull m;
            m.file = u32();
            m.anew = in.get<std::uint8_t>() != 0;
            m.from = u64();
            m.upto = u64();
            return whole(m);
        }
        case type_of<InputPart>(): {
            InputPart m;
            m.file = u32();
            m.offset = u64();
            m.bytes = in.get_text();
            return whole(m);
        }
        case type_of<InputEnd>(): {
            InputEnd m;
            m.file = u32();
            auto const word = in.get<std::uint8_t>();
            if (word > static_cast<std::uint8_t>(InputWord::bad)) return std::nullopt;
            m.word = static_cast<InputWord>(word);
            m.total_bytes = u64();
            m.crc32c = u32();
            return whole(m);
        }
        case type_of<InputsStaged>(): {
            InputsStaged m;
            m.file_count = u32();
            m.failed_count = u32();
            m.shared_bytes = u64();
            m.passed_bytes = u64();
            return whole(m);
        }
        default:
            return std::nullopt;
    }
}

}  // namespace yoda
