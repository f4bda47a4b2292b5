// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "core/messages/codec.hpp"
#include "core/messages/codec_layout.hpp"

namespace yoda {

namespace {

using namespace codec;

HandOut get_hand_out(ByteReader& reader)
{
    HandOut what;
    what.range = reader.get<std::uint32_t>();
    what.hand_out = reader.get<std::uint16_t>();
    return what;
}

}  // namespace

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
