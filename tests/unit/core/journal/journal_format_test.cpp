// SPDX-License-Identifier: Apache-2.0
#include "core/journal/journal_format.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "all_records.hpp"
#include "core/base/checksum.hpp"

namespace yoda {
namespace {

using journal::Reader;
using test::all_records;
using test::journal_of;
using test::print_record;

struct Reading {
    std::vector<std::string> records;
    std::vector<std::uint64_t> sequences;
    std::size_t bad_count = 0;
    std::size_t good_bytes = 0;  ///< up to the end of the last record, or to a torn tail
    bool torn = false;
};

/// Reads to the end, over whatever is bad.
Reading read(std::string_view bytes)
{
    auto const copy = std::make_unique<std::string>(bytes);  // Of its exact size: a sanitizer sees its end.
    Reading reading;
    Reader reader(*copy);
    while (true) {
        auto const step = reader.next();
        if (step == Reader::Step::record) {
            reading.records.push_back(print_record(reader.record()));
            reading.sequences.push_back(reader.info().sequence);
            continue;
        }
        reading.good_bytes = reader.offset();
        if (step == Reader::Step::end) return reading;
        EXPECT_FALSE(reader.trouble().empty());
        ++reading.bad_count;
        if (!reader.skip_bad()) {
            reading.torn = true;
            return reading;
        }
    }
}

std::vector<std::string> printed(std::vector<journal::Record> const& records)
{
    std::vector<std::string> texts;
    for (auto const& record : records) texts.push_back(print_record(record));
    return texts;
}

/// Where each frame of `records` begins, and where the last one ends.
std::vector<std::size_t> frame_offsets(std::vector<journal::Record> const& records)
{
    std::vector<std::size_t> offsets{0};
    journal::Writer writer(1, 1);
    std::string bytes;
    for (auto const& record : records) {
        writer.append(record, bytes);
        offsets.push_back(bytes.size());
    }
    return offsets;
}

TEST(JournalFormat, EveryRecordComesOutAsItWentIn)
{
    std::set<std::size_t> types;
    for (auto const& record : all_records()) {
        auto const reading = read(journal_of({record}));
        EXPECT_EQ(reading.records, printed({record}));
        EXPECT_EQ(reading.bad_count, 0u);
        types.insert(record.index());
    }
    EXPECT_EQ(types.size(), std::variant_size_v<journal::Record>) << "every type must be among them";
}

TEST(JournalFormat, RecordsFollowEachOtherAndAreNumbered)
{
    auto const bytes = journal_of(all_records(), 1, 100);
    auto const reading = read(bytes);
    EXPECT_EQ(reading.records, printed(all_records()));
    EXPECT_EQ(reading.good_bytes, bytes.size());
    for (std::size_t i = 0; i < reading.sequences.size(); ++i) EXPECT_EQ(reading.sequences[i], 100 + i);
}

TEST(JournalFormat, TheWriterKnowsItsNextNumber)
{
    journal::Writer writer(3, 41);
    std::string bytes;
    EXPECT_EQ(writer.next_sequence(), 41u);
    writer.append(journal::Closed{}, bytes);
    EXPECT_EQ(writer.next_sequence(), 42u);
}

TEST(JournalFormat, EveryFrameNamesItsLife)
{
    auto const bytes = journal_of({journal::Closed{}}, 0xABCD);
    Reader reader(bytes);
    ASSERT_EQ(reader.next(), Reader::Step::record);
    EXPECT_EQ(reader.info().life, 0xABCDu);
}

TEST(JournalFormat, AnEmptySegmentHasNoRecords)
{
    Reader reader("");
    EXPECT_EQ(reader.next(), Reader::Step::end);
}

TEST(JournalFormat, BytesOfAFrameAreAsDocumented)
{
    auto const bytes = journal_of({journal::OutputLost{0x01020304}}, 0x1112, 0x2122232425262728);
    std::string const checked(
        "\x12\x11\x04\x01"                  // life, type, format version
        "\x28\x27\x26\x25\x24\x23\x22\x21"  // sequence
        "\x04\x03\x02\x01",                 // payload
        16);
    std::string expected("YDJL\x04\x00\x00\x00", 8);
    ByteWriter(expected).put(crc32c(checked));
    EXPECT_EQ(bytes, expected + checked);
}

TEST(JournalFormat, ATailTornAtAnyByteCostsOnlyItsFrame)
{
    auto records = all_records();
    for (auto const& last : all_records()) {
        records.push_back(last);
        auto const bytes = journal_of(records);
        auto const begin = frame_offsets(records)[records.size() - 1];
        for (auto length = begin; length < bytes.size(); ++length) {
            auto const reading = read(std::string_view(bytes).substr(0, length));
            ASSERT_EQ(reading.records.size(), records.size() - 1);
            ASSERT_EQ(reading.good_bytes, begin) << "here the tail must be cut";
            ASSERT_EQ(reading.torn, length > begin);
        }
        records.pop_back();
    }
}

TEST(JournalFormat, ATailOfZerosIsTorn)
{
    auto const bytes = journal_of(all_records());
    for (std::size_t const zeros : {1u, 11u, 24u, 4096u}) {
        auto const reading = read(bytes + std::string(zeros, '\0'));
        EXPECT_EQ(reading.records, printed(all_records()));
        EXPECT_TRUE(reading.torn);
        EXPECT_EQ(reading.good_bytes, bytes.size());
    }
}

TEST(JournalFormat, AZeroBlockInTheMiddleCostsOnlyTheFramesThatItTouches)
{
    auto const records = all_records();
    auto const offsets = frame_offsets(records);
    auto const expected = printed(records);
    std::size_t damaged_count = 0;
    for (std::size_t first = 0; first + 1 < records.size(); ++first) {
        for (auto past = first + 1; past < records.size(); ++past) {
            auto bytes = journal_of(records);
            // From the middle of frame `first` to the middle of frame past-1.
            auto const begin = (offsets[first] + offsets[first + 1]) / 2;
            auto const end = (offsets[past - 1] + offsets[past]) / 2;
            bytes.replace(begin, std::max(begin + 1, end) - begin, std::max(begin + 1, end) - begin, '\0');
            auto wanted = expected;
            wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(first),
                         wanted.begin() + static_cast<std::ptrdiff_t>(past));
            auto const reading = read(bytes);
            if (reading.records.size() == expected.size()) continue;  // There were zeros before.
            ++damaged_count;
            ASSERT_EQ(reading.records, wanted) << first << " to " << past;
            ASSERT_EQ(reading.bad_count, 1u);
            ASSERT_FALSE(reading.torn);
        }
    }
    EXPECT_GT(damaged_count, 100u);
}

TEST(JournalFormat, AGapShowsInTheNumbers)
{
    auto const records = all_records();
    auto const offsets = frame_offsets(records);
    auto bytes = journal_of(records);
    bytes.replace(offsets[3], offsets[5] - offsets[3], offsets[5] - offsets[3], '\0');
    auto const reading = read(bytes);
    ASSERT_EQ(reading.sequences.size(), records.size() - 2);
    EXPECT_EQ(reading.sequences[2], 3u);
    EXPECT_EQ(reading.sequences[3], 6u);
}

TEST(JournalFormat, EveryFlippedBitCostsExactlyItsFrame)
{
    auto const records = all_records();
    auto const offsets = frame_offsets(records);
    auto const whole = journal_of(records);
    auto const expected = printed(records);
    std::size_t frame = 0;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        while (offsets[frame + 1] <= at) ++frame;
        auto wanted = expected;
        wanted.erase(wanted.begin() + static_cast<std::ptrdiff_t>(frame));
        for (int bit = 0; bit < 8; ++bit) {
            auto bytes = whole;
            bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
            auto const reading = read(bytes);
            ASSERT_EQ(reading.records, wanted) << "byte " << at << ", bit " << bit;
            ASSERT_EQ(reading.bad_count, 1u);
        }
    }
}

TEST(JournalFormat, RandomDamageIsSurvived)
{
    std::mt19937 random(3);
    auto const whole = journal_of(all_records());
    for (int round = 0; round < 5000; ++round) {
        auto bytes = whole;
        for (auto n = random() % 20; n > 0; --n) bytes[random() % bytes.size()] = static_cast<char>(random());
        if (random() % 3 == 0) bytes.resize(random() % bytes.size());
        if (random() % 3 == 0) bytes.insert(random() % (bytes.size() + 1), "YDJL");
        auto const reading = read(bytes);
        EXPECT_LE(reading.records.size(), all_records().size());
    }
}

/// A frame whose checksum is right, whatever else.
std::string frame_of(std::uint8_t type, std::uint8_t version, std::string_view payload)
{
    std::string checked;
    ByteWriter out(checked);
    out.put(std::uint16_t{1});
    out.put(type);
    out.put(version);
    out.put(std::uint64_t{1});
    checked += payload;
    std::string frame("YDJL");
    ByteWriter head(frame);
    head.put(static_cast<std::uint32_t>(payload.size()));
    head.put(crc32c(checked));
    return frame + checked;
}

TEST(JournalFormat, ARecordOfAnUnknownTypeIsBadAndCanBeSkipped)
{
    auto const bytes =
        frame_of(std::variant_size_v<journal::Record>, 1, "future") + journal_of({journal::Closed{}});
    Reader reader(bytes);
    ASSERT_EQ(reader.next(), Reader::Step::bad);
    EXPECT_NE(reader.trouble().find("type 11"), std::string::npos);
    EXPECT_FALSE(reader.is_other_version());
    ASSERT_TRUE(reader.skip_bad());
    ASSERT_EQ(reader.next(), Reader::Step::record);
    EXPECT_EQ(print_record(reader.record()), print_record(journal::Closed{}));
}

TEST(JournalFormat, AnotherFormatVersionIsToldFromDamage)
{
    auto const bytes = frame_of(10, 2, "");
    Reader reader(bytes);
    ASSERT_EQ(reader.next(), Reader::Step::bad);
    EXPECT_TRUE(reader.is_other_version());
    EXPECT_NE(reader.trouble().find("format 2"), std::string::npos);

    Reader damaged("this is no journal at all, though it is long enough for one");
    ASSERT_EQ(damaged.next(), Reader::Step::bad);
    EXPECT_FALSE(damaged.is_other_version());
}

TEST(JournalFormat, APayloadOfTheWrongLengthIsBad)
{
    for (std::uint8_t type = 0; type < std::variant_size_v<journal::Record>; ++type) {
        std::string const odd(type == 2 ? 7 : 1, '\x01');
        auto const bytes = frame_of(type, 1, odd);
        Reader reader(bytes);
        EXPECT_EQ(reader.next(), Reader::Step::bad) << "type " << int{type};
    }
}

TEST(JournalFormat, AStateThatDoesNotExistIsBad)
{
    std::string payload(10, '\0');
    payload[4] = static_cast<char>(range_state_count);
    auto const bytes = frame_of(3, 1, payload);
    Reader reader(bytes);
    EXPECT_EQ(reader.next(), Reader::Step::bad);
}

TEST(JournalFormat, TextsTooLongForTheirLengthFieldAreCut)
{
    std::string const text(100000, 'x');
    auto const bytes = journal_of({journal::LifeEnded{1, text}, journal::Closed{}});
    auto const reading = read(bytes);
    ASSERT_EQ(reading.records.size(), 2u);
    EXPECT_EQ(reading.records[0], print_record(journal::LifeEnded{1, text.substr(0, 65535)}));
}

TEST(JournalFormat, ManyFinishedRangesBecomeSeveralFrames)
{
    std::vector<FinishedEntry> entries(200000);
    for (std::uint32_t i = 0; i < entries.size(); ++i) entries[i] = {i, 1, i, i};
    auto const bytes = journal_of({journal::RangesFinished{4, 2, entries}, journal::Closed{}});
    Reader reader(bytes);
    std::vector<FinishedEntry> seen;
    std::uint64_t frame_count = 0;
    while (reader.next() == Reader::Step::record) {
        EXPECT_EQ(reader.info().sequence, ++frame_count);
        if (auto const* finished = std::get_if<journal::RangesFinished>(&reader.record())) {
            EXPECT_EQ(finished->bundle, 4u);
            EXPECT_EQ(finished->epoch_life, 2u);
            seen.insert(seen.end(), finished->entries.begin(), finished->entries.end());
        }
    }
    EXPECT_EQ(reader.offset(), bytes.size());
    EXPECT_EQ(seen, entries);
    EXPECT_EQ(frame_count, 5u);
}

TEST(JournalFormat, TypesOnDiskNeverChange)
{
    // docs/journal.md lists these numbers.
    EXPECT_EQ(journal::Record(journal::LifeStarted{}).index(), 0u);
    EXPECT_EQ(journal::Record(journal::LifeEnded{}).index(), 1u);
    EXPECT_EQ(journal::Record(journal::RangesFinished{}).index(), 2u);
    EXPECT_EQ(journal::Record(journal::RangeFailed{}).index(), 3u);
    EXPECT_EQ(journal::Record(journal::OutputLost{}).index(), 4u);
    EXPECT_EQ(journal::Record(journal::BundleChanged{}).index(), 5u);
    EXPECT_EQ(journal::Record(journal::JobDropped{}).index(), 6u);
    EXPECT_EQ(journal::Record(journal::FileAdded{}).index(), 7u);
    EXPECT_EQ(journal::Record(journal::RangeAdded{}).index(), 8u);
    EXPECT_EQ(journal::Record(journal::InboxApplied{}).index(), 9u);
    EXPECT_EQ(journal::Record(journal::Closed{}).index(), 10u);
    EXPECT_EQ(std::variant_size_v<journal::Record>, 11u);
}

}  // namespace
}  // namespace yoda
