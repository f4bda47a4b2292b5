// SPDX-License-Identifier: Apache-2.0
#include "core/journal/journal_format.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/checksum.hpp"

namespace yoda::journal {

namespace {

// magic u32, payload length u32, CRC-32C u32 (of all that follows it), life
// u16, type u8, format version u8, sequence u64
constexpr std::uint32_t magic = 0x4C4A4459;  // "YDJL"
constexpr std::size_t head_bytes = 24;
constexpr std::size_t unchecked_bytes = 12;
constexpr std::uint8_t format_version = 1;
constexpr std::uint32_t max_payload_bytes = 1u << 20;
constexpr std::size_t finished_entry_bytes = 14;
constexpr std::size_t max_finished_in_frame = 1u << 16;
static_assert(6 + max_finished_in_frame * finished_entry_bytes <= max_payload_bytes);

void put_origin(ByteWriter& writer, BundleState const& state)
{
    writer.put(state.origin.panda_id);
    writer.put(state.origin.job);
    writer.put(state.origin.life);
    writer.put(state.origin.rank);
    writer.put(state.origin.sequence);
    writer.put(state.epoch_life);
    writer.put(static_cast<std::uint8_t>((state.sealed ? 1 : 0) | (state.lost ? 2 : 0)));
}

BundleState get_origin(ByteReader& reader)
{
    BundleState state;
    state.origin.panda_id = reader.get<std::int64_t>();
    state.origin.job = reader.get<std::uint32_t>();
    state.origin.life = reader.get<std::uint32_t>();
    state.origin.rank = reader.get<std::uint32_t>();
    state.origin.sequence = reader.get<std::uint32_t>();
    state.epoch_life = reader.get<std::uint16_t>();
    auto const flags = reader.get<std::uint8_t>();
    state.sealed = (flags & 1) != 0;
    state.lost = (flags & 2) != 0;
    return state;
}

struct Putter {
    ByteWriter out;

    void operator()(LifeStarted const& r)
    {
        out.put(r.unix_s);
        out.put_text(r.host);
        out.put_text(r.batch_job);
    }
    void operator()(LifeEnded const& r)
    {
        out.put(r.exit_code);
        out.put_text(r.reason);
    }
    void operator()(RangesFinished const& r)
    {
        out.put(r.bundle);
        out.put(r.epoch_life);
        for (auto const& entry : r.entries) {
            out.put(entry.range);
            out.put(entry.hand_out);
            out.put(entry.cpu_ms);
            out.put(entry.wall_ms);
        }
    }
    void operator()(RangeFailed const& r)
    {
        out.put(r.range);
        out.put(static_cast<std::uint8_t>(r.state));
        out.put(r.burnt);
        out.put(r.error_code);
        out.put_text(r.reason);
    }
    void operator()(OutputLost const& r) { out.put(r.range); }
    void operator()(BundleChanged const& r)
    {
        out.put(r.number);
        put_origin(out, r.state);
    }
    void operator()(JobDropped const& r) { out.put(r.job); }
    void operator()(FileAdded const& r)
    {
        out.put(r.file);
        out.put(r.entry.job);
        out.put(r.entry.task_id);
        out.put(r.entry.panda_id);
        out.put(r.entry.file_id);
        out.put(static_cast<std::uint8_t>(r.entry.text_ids));
        for (auto const& text : {r.entry.lfn, r.entry.guid, r.entry.scope, r.entry.pfn}) out.put_text(text);
    }
    void operator()(RangeAdded const& r)
    {
        out.put(r.range);
        out.put(r.row.first);
        out.put(r.row.last);
        out.put(r.row.process_id);
        out.put(r.row.file);
        out.put(r.row.attempt);
        out.put_text(r.text_id);
    }
    void operator()(InboxApplied const& r) { out.put_text(r.name); }
    void operator()(Closed const&) {}
};

}  // namespace

void Writer::append(Record const& record, std::string& out)
{
    auto const* finished = std::get_if<RangesFinished>(&record);
    if (!finished || finished->entries.size() <= max_finished_in_frame) return append_frame(record, out);
    RangesFinished part = *finished;
    for (auto rest = finished->entries; !rest.empty(); rest = rest.subspan(part.entries.size())) {
        part.entries = rest.first(std::min(rest.size(), max_finished_in_frame));
        append_frame(part, out);
    }
}

void Writer::append_frame(Record const& record, std::string& out)
{
    std::size_t const begin = out.size();
    ByteWriter head(out);
    head.put(magic);
    head.put(std::uint32_t{0});
    head.put(std::uint32_t{0});
    head.put(life_);
    head.put(static_cast<std::uint8_t>(record.index()));
    head.put(format_version);
    head.put(next_sequence_++);
    std::visit(Putter{ByteWriter(out)}, record);
    auto const payload_bytes = static_cast<std::uint32_t>(out.size() - begin - head_bytes);
    std::uint32_t const crc = crc32c(std::string_view(out).substr(begin + unchecked_bytes));
    std::memcpy(out.data() + begin + 4, &payload_bytes, 4);
    std::memcpy(out.data() + begin + 8, &crc, 4);
}

bool Reader::frame_at(std::size_t offset, FrameInfo& info, std::uint8_t& type,
                      std::string_view& payload) const
{
    ByteReader head(bytes_.substr(offset, head_bytes));
    auto const found_magic = head.get<std::uint32_t>();
    auto const payload_bytes = head.get<std::uint32_t>();
    auto const crc = head.get<std::uint32_t>();
    info.life = head.get<std::uint16_t>();
    type = head.get<std::uint8_t>();
    head.get<std::uint8_t>();
    info.sequence = head.get<std::uint64_t>();
    if (!head.ok() || found_magic != magic || payload_bytes > max_payload_bytes) return false;
    if (bytes_.size() - offset < head_bytes + payload_bytes) return false;
    payload = bytes_.substr(offset + head_bytes, payload_bytes);
    return crc32c(bytes_.substr(offset + unchecked_bytes, head_bytes - unchecked_bytes + payload_bytes)) ==
           crc;
}

Reader::Step Reader::next()
{
    is_other_version_ = false;
    if (offset_ == bytes_.size()) return Step::end;
    std::uint8_t type = 0;
    std::string_view payload;
    if (!frame_at(offset_, info_, type, payload)) {
        trouble_ = fmt::format("bytes at offset {} are no whole frame", offset_);
        return Step::bad;
    }
    if (auto const version = static_cast<unsigned char>(bytes_[offset_ + 15]); version != format_version) {
        is_other_version_ = true;
        trouble_ = fmt::format("frame at offset {} has format {}, this program reads {}", offset_, version,
                               format_version);
        return Step::bad;
    }
    if (!decode(type, payload)) {
        trouble_ =
            fmt::format("frame at offset {} has an unknown or malformed record of type {}", offset_, type);
        return Step::bad;
    }
    offset_ += head_bytes + payload.size();
    return Step::record;
}

bool Reader::skip_bad()
{
    FrameInfo info;
    std::uint8_t type = 0;
    std::string_view payload;
    for (std::size_t at = offset_ + 1; at + head_bytes <= bytes_.size(); ++at) {
        at = bytes_.find("YDJL", at);
        if (at == std::string_view::npos) return false;
        if (frame_at(at, info, type, payload)) {
            offset_ = at;
            return true;
        }
    }
    return false;
}

bool Reader::decode(std::uint8_t type, std::string_view payload)
{
    ByteReader in(payload);
    switch (type) {
        case 0: {
            LifeStarted r;
            r.unix_s = in.get<std::int64_t>();
            r.host = in.get_text();
            r.batch_job = in.get_text();
            record_ = r;
            break;
        }
        case 1: {
            LifeEnded r;
            r.exit_code = in.get<std::uint8_t>();
            r.reason = in.get_text();
            record_ = r;
            break;
        }
        case 2: {
            RangesFinished r;
            r.bundle = in.get<std::uint32_t>();
            r.epoch_life = in.get<std::uint16_t>();
            if (in.left() % finished_entry_bytes != 0) return false;
            finished_.resize(in.left() / finished_entry_bytes);
            for (auto& entry : finished_) {
                entry.range = in.get<std::uint32_t>();
                entry.hand_out = in.get<std::uint16_t>();
                entry.cpu_ms = in.get<std::uint32_t>();
                entry.wall_ms = in.get<std::uint32_t>();
            }
            r.entries = finished_;
            record_ = r;
            break;
        }
        case 3: {
            RangeFailed r;
            r.range = in.get<std::uint32_t>();
            auto const state = in.get<std::uint8_t>();
            if (state >= range_state_count) return false;
            r.state = static_cast<RangeState>(state);
            r.burnt = in.get<std::uint8_t>();
            r.error_code = in.get<std::uint16_t>();
            r.reason = in.get_text();
            record_ = r;
            break;
        }
        case 4:
            record_ = OutputLost{in.get<std::uint32_t>()};
            break;
        case 5: {
            BundleChanged r;
            r.number = in.get<std::uint32_t>();
            r.state = get_origin(in);
            record_ = r;
            break;
        }
        case 6:
            record_ = JobDropped{in.get<std::uint32_t>()};
            break;
        case 7: {
            FileAdded r;
            r.file = in.get<std::uint32_t>();
            r.entry.job = in.get<std::uint32_t>();
            r.entry.task_id = in.get<std::int64_t>();
            r.entry.panda_id = in.get<std::int64_t>();
            r.entry.file_id = in.get<std::int64_t>();
            r.entry.text_ids = in.get<std::uint8_t>() != 0;
            for (auto* text : {&r.entry.lfn, &r.entry.guid, &r.entry.scope, &r.entry.pfn})
                *text = in.get_text();
            record_ = std::move(r);
            break;
        }
        case 8: {
            RangeAdded r;
            r.range = in.get<std::uint32_t>();
            r.row.first = in.get<std::uint32_t>();
            r.row.last = in.get<std::uint32_t>();
            r.row.process_id = in.get<std::uint32_t>();
            r.row.file = in.get<std::uint32_t>();
            r.row.attempt = in.get<std::uint16_t>();
            r.text_id = in.get_text();
            record_ = r;
            break;
        }
        case 9:
            record_ = InboxApplied{in.get_text()};
            break;
        case 10:
            record_ = Closed{};
            break;
        default:
            return false;
    }
    return in.ok() && in.at_end();
}

}  // namespace yoda::journal
