// SPDX-License-Identifier: Apache-2.0
#include "core/table/bundle_index.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/base/bytes.hpp"
#include "core/base/checksum.hpp"
#include "core/table/event_range.hpp"

namespace yoda {

namespace {

constexpr std::string_view magic = "YODAINDX";
// Version 2 names the run too; what is of a run without a run id is written as version 1, as before.
constexpr std::uint32_t version = 1;
constexpr std::uint32_t version_with_run = 2;
constexpr int manifest_version = 1;
constexpr int manifest_version_with_run = 2;
constexpr std::uint64_t frame_head_bytes = 8;

/// length u32, CRC-32C of the payload u32, payload.
void append_frame(std::string_view payload, std::string& out)
{
    ByteWriter writer(out);
    writer.put(static_cast<std::uint32_t>(payload.size()));
    writer.put(crc32c(payload));
    out.append(payload);
}

/// The next frame's payload; ok() of the reader turns false if it is torn or does not check.
bool take_frame(ByteReader& reader, std::string_view& payload)
{
    auto const length = reader.get<std::uint32_t>();
    auto const crc = reader.get<std::uint32_t>();
    payload = reader.get_bytes(length);
    return reader.ok() && length > 0 && crc32c(payload) == crc;
}

bool decode_entry(std::string_view payload, BundleEntry& entry)
{
    ByteReader reader(payload);
    entry.range = reader.get<std::uint32_t>();
    entry.epoch = reader.get<std::uint32_t>();
    entry.begin = reader.get<std::uint64_t>();
    entry.end = reader.get<std::uint64_t>();
    entry.cpu_ms = reader.get<std::uint32_t>();
    entry.wall_ms = reader.get<std::uint32_t>();
    entry.range_id = reader.get_text();
    auto const member_count = reader.get<std::uint16_t>();
    for (unsigned i = 0; i < member_count && reader.ok(); ++i) {
        BundleMember member;
        member.name = reader.get_text();
        member.data_offset = reader.get<std::uint64_t>();
        member.bytes = reader.get<std::uint64_t>();
        member.adler32 = reader.get<std::uint32_t>();
        entry.members.push_back(std::move(member));
    }
    return reader.ok() && reader.at_end() && entry.begin <= entry.end;
}

}  // namespace

std::optional<std::uint32_t> parse_run_id(std::string_view text)
{
    std::uint32_t value = 0;
    auto const [end, code] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    bool const whole = code == std::errc{} && end == text.data() + text.size();
    return whole && value != 0 && fmt::format("{:08x}", value) == text ? std::optional(value) : std::nullopt;
}

std::string bundle_name(BundleOrigin const& origin)
{
    auto const run = origin.run == 0 ? std::string() : fmt::format("{:08x}_", origin.run);
    return fmt::format("EventService_premerge_{}_{}{}_{}_{}", origin.panda_id, run, origin.life, origin.rank,
                       origin.sequence);
}

std::string encode_index_header(BundleOrigin const& origin)
{
    std::string payload(magic);
    ByteWriter writer(payload);
    writer.put(origin.run == 0 ? version : version_with_run);
    writer.put(origin.panda_id);
    writer.put(origin.job);
    writer.put(origin.life);
    writer.put(origin.rank);
    writer.put(origin.sequence);
    if (origin.run != 0) writer.put(origin.run);
    std::string out;
    append_frame(payload, out);
    return out;
}

void encode_index_entry(BundleEntry const& entry, std::string& out)
{
    std::string payload;
    ByteWriter writer(payload);
    writer.put(entry.range);
    writer.put(entry.epoch);
    writer.put(entry.begin);
    writer.put(entry.end);
    writer.put(entry.cpu_ms);
    writer.put(entry.wall_ms);
    writer.put_text(entry.range_id);
    writer.put(static_cast<std::uint16_t>(entry.members.size()));
    for (auto const& member : entry.members) {
        writer.put_text(member.name);
        writer.put(member.data_offset);
        writer.put(member.bytes);
        writer.put(member.adler32);
    }
    append_frame(payload, out);
}

Result<BundleIndex> decode_index(std::string_view bytes)
{
    BundleIndex index;
    ByteReader reader(bytes);
    std::string_view payload;
    if (!take_frame(reader, payload) || !payload.starts_with(magic))
        return Error{ErrorKind::bad_input, "not a bundle index", "its header does not check", {}};
    ByteReader header(payload.substr(magic.size()));
    auto const found = header.get<std::uint32_t>();
    if (found != version && found != version_with_run)
        return Error{ErrorKind::bad_input, "bundle index of another version",
                     fmt::format("it has {}, this program reads {} and {}", found, version, version_with_run),
                     "use the yoda that wrote it"};
    index.origin.panda_id = header.get<std::int64_t>();
    index.origin.job = header.get<std::uint32_t>();
    index.origin.life = header.get<std::uint32_t>();
    index.origin.rank = header.get<std::uint32_t>();
    index.origin.sequence = header.get<std::uint32_t>();
    if (found == version_with_run) index.origin.run = header.get<std::uint32_t>();
    if (!header.ok()) return Error{ErrorKind::bad_input, "not a bundle index", "its header is too short", {}};
    index.good_bytes = bytes.size() - reader.left();
    while (!reader.at_end()) {
        BundleEntry entry;
        if (!take_frame(reader, payload) || !decode_entry(payload, entry)) {
            index.torn = true;
            break;
        }
        index.entries.push_back(std::move(entry));
        index.frames.push_back(index.good_bytes);
        index.good_bytes = bytes.size() - reader.left();
    }
    return index;
}

std::optional<BundleEntry> decode_index_entry(std::string_view bytes)
{
    ByteReader reader(bytes);
    std::string_view payload;
    BundleEntry entry;
    if (!take_frame(reader, payload) || !decode_entry(payload, entry)) return std::nullopt;
    return entry;
}

std::uint64_t index_frame_bytes(std::string_view bytes)
{
    ByteReader reader(bytes);
    auto const length = reader.get<std::uint32_t>();
    reader.get<std::uint32_t>();  // Its checksum.
    return reader.ok() ? frame_head_bytes + std::uint64_t{length} : 0;
}

std::string print_manifest(BundleManifest const& manifest)
{
    nlohmann::ordered_json json;
    bool const has_run = manifest.origin.run != 0;
    json["version"] = has_run ? manifest_version_with_run : manifest_version;
    json["bundle"] = manifest.bundle;
    json["PandaID"] = manifest.origin.panda_id;
    if (has_run) json["run_id"] = fmt::format("{:08x}", manifest.origin.run);
    json["taskID"] = manifest.task_id;
    json["jobsetID"] = manifest.jobset_id;
    json["job"] = manifest.origin.job;
    json["life"] = manifest.origin.life;
    json["rank"] = manifest.origin.rank;
    json["sequence"] = manifest.origin.sequence;
    json["bytes"] = manifest.bytes;
    json["adler32"] = print_adler32(manifest.adler32);
    json["entry_count"] = manifest.entry_count;
    json["index_bytes"] = manifest.index_bytes;
    json["sealed_unix_s"] = manifest.sealed_unix_s;
    return json.dump(1) + "\n";
}

namespace {

/// The whole number at `key`; throws as at() and get() do if it is missing, no whole number, or out of range.
template <class T>
T whole_number(nlohmann::json const& json, char const* key)
{
    auto const& value = json.at(key);
    bool const fits =
        value.is_number_unsigned()
            ? value.get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<T>::max())
            : value.is_number_integer() && std::is_signed_v<T>;
    if (!fits)
        throw nlohmann::json::other_error::create(501, fmt::format("{} is no such number", key), &value);
    return value.get<T>();
}

}  // namespace

Result<BundleManifest> parse_manifest(std::string_view text)
{
    auto const broken = [](std::string why) {
        return Error{ErrorKind::bad_input, "bundle manifest cannot be used", std::move(why),
                     "run harvest recover --data on this run"};
    };
    try {
        auto const json = nlohmann::json::parse(text);
        auto const found = whole_number<int>(json, "version");
        if (found != manifest_version && found != manifest_version_with_run)
            return broken(fmt::format("it has version {}, this program reads {} and {}", found,
                                      manifest_version, manifest_version_with_run));
        BundleManifest manifest;
        manifest.bundle = json.at("bundle").get<std::string>();
        if (!is_plain_file_name(manifest.bundle) || manifest.bundle[0] == '.')
            return broken("the bundle's name is no plain file name");
        manifest.origin.panda_id = whole_number<std::int64_t>(json, "PandaID");
        if (found == manifest_version_with_run) {
            auto const run = parse_run_id(json.at("run_id").get<std::string>());
            if (!run) return broken("its run_id is not eight hexadecimal digits");
            manifest.origin.run = *run;
        }
        manifest.task_id = whole_number<std::int64_t>(json, "taskID");
        manifest.jobset_id = whole_number<std::int64_t>(json, "jobsetID");
        manifest.origin.job = whole_number<std::uint32_t>(json, "job");
        manifest.origin.life = whole_number<std::uint32_t>(json, "life");
        manifest.origin.rank = whole_number<std::uint32_t>(json, "rank");
        manifest.origin.sequence = whole_number<std::uint32_t>(json, "sequence");
        manifest.bytes = whole_number<std::uint64_t>(json, "bytes");
        auto const sum = parse_adler32(json.at("adler32").get<std::string>());
        if (!sum) return broken("its adler32 is no hexadecimal number");
        manifest.adler32 = *sum;
        manifest.entry_count = whole_number<std::uint64_t>(json, "entry_count");
        manifest.index_bytes = whole_number<std::uint64_t>(json, "index_bytes");
        manifest.sealed_unix_s = whole_number<std::int64_t>(json, "sealed_unix_s");
        return manifest;
    } catch (nlohmann::json::exception const& exception) {
        return broken(exception.what());
    }
}

}  // namespace yoda
