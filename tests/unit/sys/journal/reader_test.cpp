// SPDX-License-Identifier: Apache-2.0
#include "sys/journal/reader.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::file_text;
using test::ScratchFolder;
using test::write_text;
using ::testing::ElementsAre;
using Step = SegmentReader::Step;

struct SegmentReaderTest : ::testing::Test {
    /// A segment much larger than any window: `count` records of some 60 kB, numbered from 1.
    std::string make_segment(unsigned count)
    {
        journal::Writer writer(1, 1);
        std::string bytes;
        std::vector<FinishedEntry> entries(4000);
        for (unsigned i = 0; i < count; ++i) {
            for (auto& entry : entries) entry = {i, static_cast<std::uint16_t>(i), 1, 2};
            begins.push_back(bytes.size());
            writer.append(journal::RangesFinished{0, 1, entries}, bytes);
        }
        begins.push_back(bytes.size());
        return bytes;
    }
    /// The sequences read, and what else there was, as text.
    std::string read_all(std::string const& bytes)
    {
        write_text(path, bytes);
        auto reader = SegmentReader::open(path, 0);
        EXPECT_TRUE(reader);
        std::string text;
        std::uint64_t from = 0, to = 0;
        auto const flush = [&] {
            if (from) text += std::to_string(from) + "-" + std::to_string(to) + " ";
            from = 0;
        };
        for (;;) {
            auto const step = reader->next();
            if (step == Step::record) {
                auto const sequence = reader->info().sequence;
                auto const& record = std::get<journal::RangesFinished>(reader->record());
                EXPECT_EQ(record.entries.size(), 4000u);
                EXPECT_EQ(record.entries[3999].range, sequence - 1);
                EXPECT_EQ(reader->offset(), begins[sequence - 1]);
                if (from == 0) from = sequence;
                to = sequence;
                continue;
            }
            flush();
            if (step == Step::end) return text + "end";
            text += step == Step::damage ? "damage " : step == Step::torn ? "torn " : "other ";
            text += std::to_string(reader->offset()) + "-" + std::to_string(reader->damage_end()) + " ";
            if (step != Step::damage) return text;
        }
    }
    ScratchFolder folder;
    std::string path = folder / "segment";
    std::vector<std::size_t> begins;
};

TEST_F(SegmentReaderTest, ReadsAcrossWindows)
{
    EXPECT_EQ(read_all(make_segment(200)), "1-200 end");
    EXPECT_GT(begins.back(), 10'000'000u);
    EXPECT_EQ(read_all(""), "end");
}

TEST_F(SegmentReaderTest, FindsTheNextFrameBehindDamageOfAnyLength)
{
    auto const bytes = make_segment(200);
    for (unsigned const last : {51u, 52u, 90u, 199u}) {  // The longest one is many windows long.
        auto spoilt = bytes;
        std::fill(spoilt.begin() + static_cast<long>(begins[50]),
                  spoilt.begin() + static_cast<long>(begins[last]), '\0');
        EXPECT_EQ(read_all(spoilt), "1-50 damage " + std::to_string(begins[50]) + "-" +
                                        std::to_string(begins[last]) + " " + std::to_string(last + 1) +
                                        "-200 end");
    }
    auto flipped = bytes;
    flipped[begins[99] + 1000] ^= 4;
    EXPECT_EQ(read_all(flipped), "1-99 damage " + std::to_string(begins[99]) + "-" +
                                     std::to_string(begins[100]) + " 101-200 end");
}

TEST_F(SegmentReaderTest, ATornEndIsWhatHasNoFrameBehindIt)
{
    auto const bytes = make_segment(200);
    auto const cut = begins[199] + 17;
    EXPECT_EQ(read_all(bytes.substr(0, cut)),
              "1-199 torn " + std::to_string(begins[199]) + "-" + std::to_string(cut) + " ");
    EXPECT_EQ(
        read_all(bytes + std::string(5'000'000, '\0')),
        "1-200 torn " + std::to_string(bytes.size()) + "-" + std::to_string(bytes.size() + 5'000'000) + " ");
}

TEST_F(SegmentReaderTest, BytesAreCopiedOnce)
{
    write_text(path, "0123456789");
    EXPECT_TRUE(copy_bytes(path, 2, 5, folder / "kept"));
    EXPECT_EQ(file_text(folder / "kept"), "234");
    EXPECT_TRUE(copy_bytes(path, 0, 9, folder / "kept"));
    EXPECT_EQ(file_text(folder / "kept"), "234") << "it is there already";
    EXPECT_FALSE(copy_bytes(folder / "nothing", 0, 1, folder / "other"));
}

TEST_F(SegmentReaderTest, AFileThatIsNotThereIsAnError)
{
    EXPECT_FALSE(SegmentReader::open(folder / "nothing"));
}

}  // namespace
}  // namespace yoda
