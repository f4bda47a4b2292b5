#include "core/bundle_index.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/bytes.hpp"
#include "core/checksum.hpp"

namespace yoda {

namespace {

constexpr std::string_view magic = "YODAINDX";
constexpr std::uint32_t version = 1;
constexpr int manifest_version = 1;
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

std::string bundle_name(BundleOrigin const& origin)
{
    return fmt::format("EventService_premerge_{}_{}_{}_{}", origin.panda_id, origin.life, origin.rank,
                       origin.sequence);
}

std::string encode_index_header(BundleOrigin const& origin)
{
    std::string payload(magic);
    ByteWriter writer(payload);
    writer.put(version);
    writer.put(origin.panda_id);
    writer.put(origin.job);
    writer.put(origin.life);
    writer.put(origin.rank);
    writer.put(origin.sequence);
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
    if (found != version)
        return Error{ErrorKind::bad_input, "bundle index of another version",
                     fmt::format("it has {}, this program reads {}", found, version),
                     "use the yoda that wrote it"};
    index.origin.panda_id = header.get<std::int64_t>();
    index.origin.job = header.get<std::uint32_t>();
    index.origin.life = header.get<std::uint32_t>();
    index.origin.rank = header.get<std::uint32_t>();
    index.origin.sequence = header.get<std::uint32_t>();
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
    json["version"] = manifest_version;
    json["bundle"] = manifest.bundle;
    json["PandaID"] = manifest.origin.panda_id;
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

Result<BundleManifest> parse_manifest(std::string_view text)
{
    auto const broken = [](std::string why) {
        return Error{ErrorKind::bad_input, "bundle manifest cannot be used", std::move(why),
                     "run harvest recover on this run"};
    };
    try {
        auto const json = nlohmann::json::parse(text);
        if (auto const found = json.at("version").get<int>(); found != manifest_version)
            return broken(fmt::format("it has version {}, this program reads {}", found, manifest_version));
        BundleManifest manifest;
        manifest.bundle = json.at("bundle").get<std::string>();
        if (manifest.bundle.empty() || manifest.bundle.find('/') != std::string::npos ||
            manifest.bundle[0] == '.')
            return broken("the bundle's name is no plain file name");
        manifest.origin.panda_id = json.at("PandaID").get<std::int64_t>();
        manifest.task_id = json.at("taskID").get<std::int64_t>();
        manifest.jobset_id = json.at("jobsetID").get<std::int64_t>();
        manifest.origin.job = json.at("job").get<std::uint32_t>();
        manifest.origin.life = json.at("life").get<std::uint32_t>();
        manifest.origin.rank = json.at("rank").get<std::uint32_t>();
        manifest.origin.sequence = json.at("sequence").get<std::uint32_t>();
        manifest.bytes = json.at("bytes").get<std::uint64_t>();
        auto const sum = parse_adler32(json.at("adler32").get<std::string>());
        if (!sum) return broken("its adler32 is no hexadecimal number");
        manifest.adler32 = *sum;
        manifest.entry_count = json.at("entry_count").get<std::uint64_t>();
        manifest.index_bytes = json.at("index_bytes").get<std::uint64_t>();
        manifest.sealed_unix_s = json.at("sealed_unix_s").get<std::int64_t>();
        return manifest;
    } catch (nlohmann::json::exception const& exception) {
        return broken(exception.what());
    }
}

}  // namespace yoda
