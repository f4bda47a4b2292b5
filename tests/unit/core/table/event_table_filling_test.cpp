// SPDX-License-Identifier: Apache-2.0
// What may become a range, which file it belongs to, and what is a duplicate.
#include <gtest/gtest.h>

#include "core/table/event_table.hpp"
#include "support/builders/table_builder.hpp"

namespace yoda {
namespace {

using test::make_range;

/// The message of the refusal; empty if the range was taken.
std::string refusal(EventRange const& range, std::string const& pfn = "/data/f")
{
    EventTable table;
    auto const added = table.add_range(0, range, pfn);
    EXPECT_EQ(table.size(), added ? 1u : 0u);
    return added ? std::string{} : added.error().text();
}

TEST(EventTableFilling, ARangeComesOutAsItWentIn)
{
    EventTable table;
    auto const range = make_range(0, 0, 17, 5);
    auto const index = table.add_range(0, range, "/data/EVNT");
    ASSERT_TRUE(index);
    EXPECT_EQ(table.event_range(*index), range);
    EXPECT_EQ(table.range_id(*index), range.id);
    auto const& file = table.files().at(0);
    EXPECT_EQ(file.task_id, 100);
    EXPECT_EQ(file.panda_id, 200);
    EXPECT_EQ(file.file_id, 300);
    EXPECT_FALSE(file.text_ids);
    EXPECT_EQ(file.pfn, "/data/EVNT");
    EXPECT_EQ(table.row(*index).attempt, 10u);
}

TEST(EventTableFilling, AnIdThatIsNotFiveIntegersIsKeptAsText)
{
    for (std::string const id : {"range-of-its-own", "1-2-3-4", "1-2-3-4-5-6", "1-2-3-04-5", "1-2-3-4-5x",
                                 "1-2-3-4294967295-5", "1-2-3-4-65536", "99999999999999999999-1-1-1-1"}) {
        EventTable table;
        auto range = make_range(0, 0, 1);
        range.id = id;
        auto const index = table.add_range(0, range, "/data/f");
        ASSERT_TRUE(index);
        EXPECT_TRUE(table.files().at(0).text_ids) << id;
        EXPECT_EQ(table.event_range(*index), range);
    }
}

TEST(EventTableFilling, TheLargestNumbersThatFitAreKeptAsNumbers)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    range.id = "9223372036854775807-9223372036854775807-9223372036854775807-4294967294-65535";
    auto const index = table.add_range(0, range, "/data/f");
    ASSERT_TRUE(index);
    EXPECT_FALSE(table.files().at(0).text_ids);
    EXPECT_EQ(table.range_id(*index), range.id);
}

TEST(EventTableFilling, RangesOfOneFileWithTextAndNumberIdsGetTwoFileEntries)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    ASSERT_TRUE(table.add_range(0, range, "/data/f"));
    range.id = "text";
    ASSERT_TRUE(table.add_range(0, range, "/data/f"));
    ASSERT_EQ(table.files().size(), 2u);
    EXPECT_EQ(table.files()[0].lfn, table.files()[1].lfn);
}

TEST(EventTableFilling, RangesOfOneFileShareItsEntryWhateverTheOrder)
{
    EventTable table;
    for (unsigned n = 1; n <= 4; ++n) {
        for (unsigned file = 0; file < 3; ++file)
            ASSERT_TRUE(table.add_range(0, make_range(0, file, n), "/d"));
    }
    EXPECT_EQ(table.files().size(), 3u);
    EXPECT_EQ(table.file_counts(1)[0], 4u);
}

TEST(EventTableFilling, TheSameFileInTwoJobsHasTwoEntries)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    ASSERT_TRUE(table.add_range(0, range, "/d"));
    range.id = "100-201-300-1-10";
    ASSERT_TRUE(table.add_range(1, range, "/d"));
    EXPECT_EQ(table.files().size(), 2u);
    EXPECT_EQ(table.job(0), 0u);
    EXPECT_EQ(table.job(1), 1u);
}

TEST(EventTableFilling, NamesWithBlanksDoNotMakeTwoFilesOne)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    range.guid = "a b";
    range.lfn = "c";
    ASSERT_TRUE(table.add_range(0, range, "/d"));
    ASSERT_TRUE(table.add_range(0, make_range(0, 1, 1), "/d"));
    range.id = "100-200-300-2-10";
    range.guid = "a";
    range.lfn = "b c";
    auto const second = table.add_range(0, range, "/d");
    ASSERT_TRUE(second);
    EXPECT_EQ(table.event_range(*second), range);
}

TEST(EventTableFilling, AFileThatWasLoadedIsFoundAgain)
{
    EventTable table;
    FileEntry entry;
    entry.task_id = 100;
    entry.panda_id = 200;
    entry.file_id = 301;
    entry.lfn = make_range(0, 1, 1).lfn;
    entry.guid = make_range(0, 1, 1).guid;
    table.add_file({});
    auto const loaded = table.add_file(entry);
    auto const added = table.add_range(0, make_range(0, 1, 1), "/d");
    ASSERT_TRUE(added);
    EXPECT_EQ(table.row(*added).file, loaded);
    EXPECT_EQ(table.files().size(), 2u);
}

TEST(EventTableFilling, RefusesARangeWithoutId)
{
    auto range = make_range(0, 0, 1);
    range.id.clear();
    EXPECT_NE(refusal(range).find("no eventRangeID"), std::string::npos);
}

TEST(EventTableFilling, RefusesEventsOutOfOrder)
{
    auto range = make_range(0, 0, 5, 5);
    range.last_event = range.start_event - 1;
    EXPECT_NE(refusal(range).find("out of order"), std::string::npos);
    range.start_event = -1;
    range.last_event = 3;
    EXPECT_NE(refusal(range).find("out of order"), std::string::npos);
}

TEST(EventTableFilling, RefusesEventsBeyondThirtyTwoBits)
{
    auto range = make_range(0, 0, 1);
    range.start_event = 1;
    range.last_event = 4294967294;
    EXPECT_EQ(refusal(range), "");
    range.last_event = 4294967295;
    EXPECT_NE(refusal(range).find("beyond 32 bits"), std::string::npos);
    range.last_event = INT64_MAX;
    EXPECT_NE(refusal(range).find("beyond 32 bits"), std::string::npos);
}

TEST(EventTableFilling, RefusesNamesTooLongForAMessage)
{
    std::string const longest(255, 'x');
    for (auto const field : {&EventRange::id, &EventRange::lfn, &EventRange::guid, &EventRange::scope}) {
        auto range = make_range(0, 0, 1);
        range.*field = longest;
        EXPECT_EQ(refusal(range), "");
        range.*field += 'x';
        EXPECT_NE(refusal(range).find("255 bytes"), std::string::npos);
    }
    EXPECT_EQ(refusal(make_range(0, 0, 1), std::string(2048, 'p')), "");
    EXPECT_NE(refusal(make_range(0, 0, 1), std::string(2049, 'p')).find("2,048"), std::string::npos);
}

TEST(EventTableFilling, ARefusedRangeLeavesNoFileBehind)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    range.last_event = 0;
    EXPECT_FALSE(table.add_range(0, range, "/d"));
    EXPECT_TRUE(table.files().empty());
    EXPECT_EQ(table.size(), 0u);
}

TEST(EventTableFilling, DistinctRangesAreNoDuplicates)
{
    auto const table = test::make_table({.ranges = 50, .files = 3, .jobs = 2});
    EXPECT_TRUE(table.check_duplicates());
}

TEST(EventTableFilling, TwoAttemptsOfOneRangeAreNoDuplicates)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    ASSERT_TRUE(table.add_range(0, range, "/d"));
    range.id = "100-200-300-1-9";
    ASSERT_TRUE(table.add_range(0, range, "/d"));
    EXPECT_TRUE(table.check_duplicates());
}

std::string duplicate_in(EventTable const& table)
{
    auto const status = table.check_duplicates();
    return status ? std::string{} : status.error().what;
}

TEST(EventTableFilling, NamesTheIdThatIsThereTwice)
{
    auto table = test::make_table({.ranges = 20, .files = 2});
    ASSERT_TRUE(table.add_range(0, make_range(0, 1, 7), "/d"));
    EXPECT_EQ(duplicate_in(table), "event range '100-200-301-7-10' is there twice");
}

TEST(EventTableFilling, FindsADuplicateAmongUnorderedIds)
{
    for (unsigned const far : {9u, 900'000u}) {
        EventTable table;
        for (unsigned const n : {5u, 2u, far, 3u, 1u})
            ASSERT_TRUE(table.add_range(0, make_range(0, 0, n), "/d"));
        EXPECT_EQ(duplicate_in(table), "");
        auto again = make_range(0, 0, 3);
        again.id = "100-200-300-3-9";
        ASSERT_TRUE(table.add_range(0, again, "/d"));
        EXPECT_EQ(duplicate_in(table), "") << "another try of the same events";
        ASSERT_TRUE(table.add_range(0, make_range(0, 0, 2), "/d"));
        EXPECT_EQ(duplicate_in(table), "event range '100-200-300-2-10' is there twice");
    }
}

TEST(EventTableFilling, FindsADuplicateThatFollowsAtOnce)
{
    auto table = test::make_table({.ranges = 1});
    ASSERT_TRUE(table.add_range(0, make_range(0, 0, 1), "/d"));
    EXPECT_EQ(duplicate_in(table), "event range '100-200-300-1-10' is there twice");
}

TEST(EventTableFilling, FindsDuplicatesAmongTextIds)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    for (std::string const id : {"b", "a", "c", "b"}) {
        range.id = id;
        ASSERT_TRUE(table.add_range(0, range, "/d"));
    }
    EXPECT_EQ(duplicate_in(table), "event range 'b' is there twice");
}

TEST(EventTableFilling, FindsADuplicateUnderAnotherFileName)
{
    auto table = test::make_table({.ranges = 5});
    auto range = make_range(0, 0, 3);
    range.lfn = "another name";
    ASSERT_TRUE(table.add_range(0, range, "/d"));
    EXPECT_EQ(duplicate_in(table), "event range '100-200-300-3-10' is there twice");
}

TEST(EventTableFilling, FindsADuplicateInAnotherJob)
{
    auto table = test::make_table({.ranges = 5});
    ASSERT_TRUE(table.add_range(1, make_range(0, 0, 3), "/d"));
    EXPECT_EQ(duplicate_in(table), "event range '100-200-300-3-10' is there twice");
}

TEST(EventTableFilling, FindsADuplicateTextUnderAnotherFileName)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    range.id = "same";
    ASSERT_TRUE(table.add_range(0, range, "/d"));
    range.lfn = "another name";
    ASSERT_TRUE(table.add_range(0, range, "/d"));
    EXPECT_EQ(duplicate_in(table), "event range 'same' is there twice");
}

TEST(EventTableFilling, KnownRangesAreFoundAmongNewOnes)
{
    auto const table = test::make_table({.ranges = 5});
    auto const known = table.find_known(0, {make_range(0, 0, 6), table.event_range(2), make_range(0, 1, 1)});
    ASSERT_TRUE(known);
    EXPECT_EQ(*known, (std::vector{false, true, false}));
    EXPECT_EQ(table.find_known(0, {}).value(), std::vector<bool>{});
}

TEST(EventTableFilling, AnIdThatNamesAnotherRangeIsRefused)
{
    auto const table = test::make_table({.ranges = 5});
    auto other = table.event_range(1);
    ++other.last_event;
    auto const known = table.find_known(0, {make_range(0, 0, 6), other});
    ASSERT_FALSE(known);
    EXPECT_EQ(known.error().what, "event range '100-200-300-2-10' is there already");
    EXPECT_FALSE(table.find_known(1, {table.event_range(1)}));
}

TEST(EventTableFilling, AKnownTextIdIsFoundAmongNewRanges)
{
    EventTable table;
    auto range = make_range(0, 0, 1);
    range.id = "known";
    ASSERT_TRUE(table.add_range(0, range, "/d"));
    EXPECT_EQ(table.find_known(0, {range}).value(), std::vector{true});
    range.id = "unknown";
    EXPECT_EQ(table.find_known(0, {range}).value(), std::vector{false});
}

}  // namespace
}  // namespace yoda
