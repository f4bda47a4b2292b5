// SPDX-License-Identifier: Apache-2.0
#include "core/table/bundle_index.hpp"

#include <gtest/gtest.h>

#include <random>

#include "core/base/bytes.hpp"
#include "core/base/checksum.hpp"

namespace yoda {
namespace {

constexpr BundleOrigin origin{6123456789, 1, 2, 3, 4};

BundleEntry make_entry(std::uint32_t range, unsigned member_count)
{
    BundleEntry entry;
    entry.range = range;
    entry.epoch = 0x00020001;
    entry.begin = range * 10240ull;
    entry.end = entry.begin + 10240;
    entry.cpu_ms = 1500;
    entry.wall_ms = 0xFFFFFFFF;
    entry.range_id = "38542011-6123456789-24567890123-17-10";
    for (unsigned i = 0; i < member_count; ++i)
        entry.members.push_back({"HITS." + std::to_string(i) + "." + entry.range_id,
                                 entry.begin + 512 * (i + 1), 0x123456789Aull + i, 0xDEADBEEF});
    return entry;
}

std::vector<BundleEntry> some_entries()
{
    return {make_entry(0, 1), make_entry(1, 3), make_entry(0xFFFFFFFE, 0)};
}

std::string index_of(std::vector<BundleEntry> const& entries)
{
    auto bytes = encode_index_header(origin);
    for (auto const& entry : entries) encode_index_entry(entry, bytes);
    return bytes;
}

TEST(BundleIndex, EntriesComeOutAsTheyWentIn)
{
    auto const bytes = index_of(some_entries());
    auto const index = decode_index(bytes);
    ASSERT_TRUE(index);
    EXPECT_EQ(index->origin, origin);
    EXPECT_EQ(index->entries, some_entries());
    EXPECT_EQ(index->good_bytes, bytes.size());
    EXPECT_FALSE(index->torn);
}

TEST(BundleIndex, AnOpenedBundleHasNoEntries)
{
    auto const index = decode_index(encode_index_header(origin));
    ASSERT_TRUE(index);
    EXPECT_TRUE(index->entries.empty());
    EXPECT_FALSE(index->torn);
}

TEST(BundleIndex, TornAtAnyByteItHoldsTheWholeEntries)
{
    auto const bytes = index_of(some_entries());
    std::vector<std::size_t> ends{encode_index_header(origin).size()};
    for (std::size_t n = 1; n <= some_entries().size(); ++n) {
        auto const all = some_entries();
        ends.push_back(index_of({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n)}).size());
    }
    for (std::size_t length = 0; length <= bytes.size(); ++length) {
        auto const torn = std::make_unique<std::string>(bytes.substr(0, length));
        auto const index = decode_index(*torn);
        if (length < ends[0]) {
            EXPECT_FALSE(index) << "not even the header is there";
            continue;
        }
        ASSERT_TRUE(index);
        std::size_t whole = 0;
        while (whole + 1 < ends.size() && ends[whole + 1] <= length) ++whole;
        ASSERT_EQ(index->entries.size(), whole) << length;
        ASSERT_EQ(index->good_bytes, ends[whole]);
        ASSERT_EQ(index->torn, length != ends[whole]);
    }
}

TEST(BundleIndex, EveryFlippedBitIsSeen)
{
    auto const whole = index_of(some_entries());
    auto const header_bytes = encode_index_header(origin).size();
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (int bit = 0; bit < 8; ++bit) {
            auto bytes = whole;
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
            auto const index = decode_index(bytes);
            if (at < header_bytes) {
                ASSERT_FALSE(index) << at;
                continue;
            }
            ASSERT_TRUE(index);
            ASSERT_TRUE(index->torn) << at;
            ASSERT_LE(index->good_bytes, at);
        }
    }
}

TEST(BundleIndex, ATailOfZerosIsTorn)
{
    auto const bytes = index_of(some_entries());
    auto const index = decode_index(bytes + std::string(4096, '\0'));
    ASSERT_TRUE(index);
    EXPECT_EQ(index->entries, some_entries());
    EXPECT_EQ(index->good_bytes, bytes.size());
    EXPECT_TRUE(index->torn);
}

TEST(BundleIndex, RandomBytesAreSurvived)
{
    std::mt19937 random(5);
    for (int round = 0; round < 5000; ++round) {
        auto bytes = index_of(some_entries());
        for (auto n = random() % 10; n > 0; --n) bytes[random() % bytes.size()] = static_cast<char>(random());
        bytes.resize(random() % (bytes.size() + 1));
        auto const index = decode_index(bytes);
        EXPECT_TRUE(!index || index->good_bytes <= bytes.size());
    }
}

/// A frame whose checksum is right, whatever it says.
std::string frame_of(std::string_view payload)
{
    std::string frame;
    ByteWriter out(frame);
    out.put(static_cast<std::uint32_t>(payload.size()));
    out.put(crc32c(payload));
    return frame + std::string(payload);
}

std::string error_of(std::string_view bytes)
{
    auto const index = decode_index(bytes);
    return index ? std::string{} : index.error().text();
}

TEST(BundleIndex, RefusesWhatIsNoIndex)
{
    EXPECT_NE(error_of("").find("not a bundle index"), std::string::npos);
    EXPECT_NE(error_of(std::string(512, 't')), "");
    EXPECT_NE(error_of(frame_of("YODAINDY\x01")), "");
}

TEST(BundleIndex, RefusesAHeaderThatIsTooShort)
{
    EXPECT_NE(error_of(frame_of(std::string("YODAINDX\x01\0\0\0", 12) + "abc")), "");
}

TEST(BundleIndex, RefusesAnotherVersionAndSaysWhichOne)
{
    auto bytes = encode_index_header(origin).substr(8);
    bytes[8] = 9;
    EXPECT_NE(error_of(frame_of(bytes)).find("it has 9, this program reads 1"), std::string::npos);
}

TEST(BundleIndex, AnEntryThatSaysMoreThanItHoldsIsTorn)
{
    std::string one;
    encode_index_entry(make_entry(1, 1), one);
    auto payload = one.substr(8);
    for (auto const& bad : {payload + "x", payload.substr(0, payload.size() - 1)}) {
        auto const index = decode_index(encode_index_header(origin) + frame_of(bad));
        ASSERT_TRUE(index);
        EXPECT_TRUE(index->torn);
        EXPECT_TRUE(index->entries.empty());
    }
}

TEST(BundleIndex, AnEntryThatEndsBeforeItBeginsIsTorn)
{
    auto entry = make_entry(1, 1);
    std::swap(entry.begin, entry.end);
    auto const index = decode_index(index_of({entry}));
    ASSERT_TRUE(index);
    EXPECT_TRUE(index->torn);
}

TEST(BundleIndex, BytesAreAsDocumented)
{
    BundleEntry entry;
    entry.range = 0x01020304;
    entry.epoch = 0x11121314;
    entry.begin = 0x2122232425262728;
    entry.end = 0x3132333435363738;
    entry.cpu_ms = 0x41424344;
    entry.wall_ms = 0x51525354;
    entry.range_id = "ID";
    entry.members.push_back({"name", 0x6162636465666768, 0x7172737475767778, 0x01020304});
    std::string const payload(
        "\x04\x03\x02\x01\x14\x13\x12\x11"
        "\x28\x27\x26\x25\x24\x23\x22\x21\x38\x37\x36\x35\x34\x33\x32\x31"
        "\x44\x43\x42\x41\x54\x53\x52\x51"
        "\x02\x00ID\x01\x00"
        "\x04\x00name\x68\x67\x66\x65\x64\x63\x62\x61\x78\x77\x76\x75\x74\x73\x72\x71\x04\x03\x02\x01",
        64);
    std::string bytes;
    encode_index_entry(entry, bytes);
    EXPECT_EQ(bytes, frame_of(payload));

    std::string header("YODAINDX\x01\0\0\0", 12);
    ByteWriter out(header);
    out.put(std::int64_t{6123456789});
    for (std::uint32_t const number : {1u, 2u, 3u, 4u}) out.put(number);
    EXPECT_EQ(encode_index_header(origin), frame_of(header));
}

TEST(BundleName, NamesPandaIdLifeRankAndSequence)
{
    EXPECT_EQ(bundle_name(origin), "EventService_premerge_6123456789_2_3_4");
}

constexpr BundleOrigin origin_in_run{6123456789, 1, 2, 3, 4, 0x0a2b3c4d};

TEST(BundleName, KeepsTwoRunsOfOnePandaIdApart)
{
    EXPECT_EQ(bundle_name(origin_in_run), "EventService_premerge_6123456789_0a2b3c4d_2_3_4");
}

TEST(BundleIndex, KeepsTheRunInItsHeader)
{
    auto const index = decode_index(encode_index_header(origin_in_run));
    ASSERT_TRUE(index) << index.error().text();
    EXPECT_EQ(index->origin, origin_in_run);
    EXPECT_FALSE(index->torn);
}

BundleManifest some_manifest()
{
    BundleManifest manifest;
    manifest.origin = origin;
    manifest.task_id = 38542011;
    manifest.jobset_id = 77;
    manifest.bundle = bundle_name(origin) + ".tar";
    manifest.bytes = 5000000000;
    manifest.adler32 = 0x0d2a9dc9;
    manifest.entry_count = 64;
    manifest.index_bytes = 4096;
    manifest.sealed_unix_s = 1770000000;
    return manifest;
}

TEST(BundleManifest, ComesOutAsItWentIn)
{
    auto const parsed = parse_manifest(print_manifest(some_manifest()));
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, some_manifest());
}

TEST(BundleManifest, KeepsTheRunAndIsOfAVersionThatOlderProgramsLeaveAlone)
{
    auto manifest = some_manifest();
    manifest.origin = origin_in_run;
    manifest.bundle = bundle_name(origin_in_run) + ".tar";
    auto text = print_manifest(manifest);
    EXPECT_NE(text.find("\"version\": 2"), std::string::npos);
    EXPECT_EQ(print_manifest(some_manifest()).find("run_id"), std::string::npos);
    auto const parsed = parse_manifest(text);
    ASSERT_TRUE(parsed) << parsed.error().text();
    EXPECT_EQ(*parsed, manifest);
    text.replace(text.find("\"0a2b3c4d\""), 10, "\"0a2b3c4\"");
    EXPECT_FALSE(parse_manifest(text));
}

TEST(BundleManifest, ChecksumHasEightDigits)
{
    EXPECT_NE(print_manifest(some_manifest()).find("\"adler32\": \"0d2a9dc9\""), std::string::npos);
}

/// The manifest with `from` replaced by `to`; the error's text, or empty.
std::string changed(std::string const& from, std::string const& to)
{
    auto text = print_manifest(some_manifest());
    auto const at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    auto const parsed = parse_manifest(text);
    return parsed ? std::string{} : parsed.error().text();
}

TEST(BundleManifest, TornAtAnyByteItIsRefused)
{
    auto const text = print_manifest(some_manifest());
    for (std::size_t length = 0; length + 2 < text.size(); ++length)
        EXPECT_FALSE(parse_manifest(text.substr(0, length))) << length;
}

TEST(BundleManifest, RefusesWhatIsNoManifest)
{
    for (std::string const text : {"", "{}", "[]", "null", "7", "no json", "\xff\xfe", "{\"version\": 1}"})
        EXPECT_FALSE(parse_manifest(text)) << text;
}

TEST(BundleManifest, RefusesAnotherVersionAndSaysWhichOne)
{
    EXPECT_NE(
        changed("\"version\": 1", "\"version\": 3").find("it has version 3, this program reads 1 and 2"),
        std::string::npos);
}

TEST(BundleManifest, RefusesMissingKeysAndWrongTypes)
{
    for (std::string const key :
         {"version", "bundle", "PandaID", "taskID", "jobsetID", "job", "life", "rank", "sequence", "bytes",
          "adler32", "entry_count", "index_bytes", "sealed_unix_s"})
        EXPECT_NE(changed("\"" + key + "\":", "\"no_" + key + "\":"), "") << key;
    EXPECT_NE(changed("\"bytes\": 5000000000", "\"bytes\": \"5000000000\""), "");
    EXPECT_NE(changed("\"adler32\": \"0d2a9dc9\"", "\"adler32\": 7"), "");
    EXPECT_NE(changed("\"0d2a9dc9\"", "\"hex\""), "");
}

TEST(BundleManifest, RefusesNumbersOutOfRange)
{
    EXPECT_NE(changed("\"bytes\": 5000000000", "\"bytes\": -1"), "");
    EXPECT_NE(changed("\"bytes\": 5000000000", "\"bytes\": 1.5"), "");
    EXPECT_NE(changed("\"life\": 2", "\"life\": 4294967296"), "");
    EXPECT_NE(changed("\"rank\": 3", "\"rank\": -3"), "");
    EXPECT_EQ(changed("\"jobsetID\": 77", "\"jobsetID\": -77"), "");
}

TEST(BundleManifest, RefusesANameThatLeadsOutOfTheFolder)
{
    for (std::string const name : {"", "../x.tar", "/x.tar", "a/b.tar", ".hidden", "..", "a\\nb"})
        EXPECT_NE(changed(some_manifest().bundle, name), "") << name;
}

}  // namespace
}  // namespace yoda
