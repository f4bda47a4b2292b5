// SPDX-License-Identifier: Apache-2.0
#include "core/event_text/lhe_scanner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace yoda {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string const head = "<LesHouchesEvents version=\"3.0\">\n<init>\n2212 2212\n</init>\n";
std::string const tail = "</LesHouchesEvents>\n";

struct Scan {
    LheScanner scanner;
    std::vector<std::string> events;  ///< their text
    std::string error(CutEvents cut = CutEvents::refuse) const
    {
        auto const status = scanner.check(cut);
        return status ? "" : status.error().text();
    }
};

Scan scan(std::string const& text, std::size_t piece_bytes = std::string::npos)
{
    Scan result;
    std::vector<EventSpan> spans;
    for (std::size_t at = 0; at < text.size(); at += std::min(piece_bytes, text.size() - at))
        result.scanner.feed(std::string_view(text).substr(at, piece_bytes), spans);
    for (auto const& span : spans) result.events.push_back(text.substr(span.begin, span.end - span.begin));
    return result;
}

TEST(LheScanner, TagsStandAnywhereOnALineAndOverSeveral)
{
    std::string const text =
        "<LesHouchesEvents\n version=\"1.0\"><init>1 2</init\n><event>a</event><event\n x=\"1>2\"\r\n "
        "y='\"'>b"
        "</event\t>c <event >\nd\n</event></LesHouchesEvents>";
    for (std::size_t piece = 1; piece <= text.size(); ++piece) {
        auto const found = scan(text, piece);
        EXPECT_EQ(found.error(), "") << piece;
        EXPECT_THAT(found.events, ElementsAre("a", "b", "\nd\n")) << piece;
        EXPECT_EQ(text.substr(found.scanner.init().begin, 3), "1 2");
    }
}

TEST(LheScanner, LongerNamesAreOtherTags)
{
    auto const found =
        scan("<LesHouchesEvents><initrwgt><init>1</init><events><event>a <eventx> </events></event>" + tail);
    EXPECT_THAT(found.events, ElementsAre("a <eventx> </events>"));
}

TEST(LheScanner, CommentsAndCdataHoldNoTags)
{
    std::string const text = "<!-- <LesHouchesEvents> <init>1</init> -->" +
                             ("<LesHouchesEvents><!-- </header> <init> 5 --><init>1<!-- </init> --></init>"
                              "<!-- <event>x</event> --><event>a<!-- </event> "
                              "--></event><![CDATA[<event>]]><!----><event>b<![CDATA[</event>]]></event>" +
                              tail);
    for (std::size_t piece = 1; piece < 60; ++piece) {
        auto const found = scan(text, piece);
        EXPECT_EQ(found.error(), "") << piece;
        EXPECT_THAT(found.events, ElementsAre("a<!-- </event> -->", "b<![CDATA[</event>]]>")) << piece;
    }
}

TEST(LheScanner, AHeaderHoldsAnythingUntilItsEnd)
{
    auto const found = scan(
        "<LesHouchesEvents><header a='b'>\n<event>\n<init>\n1 2</init><eventfiles><EVENT> a < b <event <"
        "<!-- </header> --><![CDATA[</header>]]></LesHouchesEvents><LesHouchesEvents>\n</header>\n"
        "<init>1</init><event>a</event>" +
        tail);
    EXPECT_EQ(found.error(), "");
    EXPECT_THAT(found.events, ElementsAre("a"));
}

TEST(LheScanner, AWordInAngleBracketsIsNotTheInitBlock)
{
    auto const found = scan(
        "<LesHouchesEvents>\n# generate p p <init> in a text, <init\n<init>\n-1 2\n</init><event>a</event>" +
        tail);
    EXPECT_EQ(found.error(), "");
    EXPECT_THAT(found.events, ElementsAre("a"));
}

TEST(LheScanner, TextBehindTheEndIsNotLookedAtButAWholeEventThereIsRefused)
{
    auto const text = head + "<event>a</event>" + tail;
    for (std::string const log :
         {"5 <event> tags <!-- and <init> blocks", "</event>", "<event <header> <event>", "<eventfiles>"})
        EXPECT_EQ(scan(text + log).error(), "") << log;
    EXPECT_THAT(scan(text + "<event>b</event>").error(), HasSubstr("events behind </LesHouchesEvents>"));
}

TEST(LheScanner, TwoFilesInOneAreRefusedByName)
{
    auto const one = head + "<event>a</event>" + tail;
    auto const two_files = HasSubstr("two files in one");
    EXPECT_THAT(scan(one + one).error(), two_files);
    EXPECT_THAT(scan(one + one).error(CutEvents::leave_out), two_files);
    EXPECT_THAT(scan(one + "\n<?xml version=\"1.0\"?>\n<!-- x -->" + one).error(), two_files);
    EXPECT_THAT(scan(head + "<event>a</event>" + one).error(), two_files) << "without the first one's end";
    EXPECT_THAT(scan(head + "<event>a" + one).error(), two_files) << "cut within an event";
    EXPECT_THAT(scan(head + "<event>a</event><init>1</init><event>b</event>" + tail).error(), two_files);
    EXPECT_THAT(scan(one + "<init>1</init>").error(), two_files);
    EXPECT_THAT(scan(head.substr(0, head.find("</init>")) + one).error(), two_files) << "cut within <init>";
}

TEST(LheScanner, EventsInOtherFilesAreRefused)
{
    EXPECT_THAT(scan(head + "<eventfiles>\n<eventfile name=\"a\"/></eventfiles>" + tail).error(),
                HasSubstr("<eventfiles>"));
    EXPECT_THAT(scan(head + "<event>a</event><eventfiles>" + tail).error(CutEvents::leave_out),
                HasSubstr("<eventfiles>"));
}

TEST(LheScanner, TagsInAnotherCaseAreRefusedAndANameSpaceIsRead)
{
    EXPECT_THAT(scan(head + "<event>a</event><EVENT>b</EVENT>" + tail).error(), HasSubstr("<EVENT>"));
    EXPECT_THAT(scan("<leshouchesevents><init>1</init>").error(), HasSubstr("<leshouchesevents>"));
    auto const found =
        scan("<l:LesHouchesEvents xmlns:l=\"x\"><l:init>1</l:init><l:event>a</l:event></l:LesHouchesEvents>");
    EXPECT_EQ(found.error(), "");
    EXPECT_THAT(found.events, ElementsAre("a"));
}

TEST(LheScanner, EventsOfAGroupAreJoined)
{
    auto const groups =
        scan(head +
             "<event>a</event><eventgroup n=\"3\"><event>b</event><event>c</event>\n<event>d</event>"
             "</eventgroup><eventgroup><event>e</event></eventgroup><event>f</event><eventgroup/>" +
             tail);
    EXPECT_EQ(groups.error(), "");
    EXPECT_EQ(groups.scanner.joined(), (std::vector<bool>{false, false, true, true, false, false}));
    EXPECT_THAT(scan(head + "<event>a</event><event>b</event>" + tail).scanner.joined(), IsEmpty());
}

TEST(LheScanner, AnEventThatIsNotWholeIsNeverCounted)
{
    struct Case {
        std::string text;
        std::string refusal;
        bool in_the_middle;
    };
    for (auto const& [text, refusal, in_the_middle] : std::vector<Case>{
             {"<event>a</event><event>b<event>c</event>" + tail,
              "event 2 has no </event>; 2 events are whole", true},
             {"<event>a</event>b</event><event>c</event>" + tail,
              "event 2 has no <event>; 2 events are whole", true},
             {"<eventgroup><event>a</event><event>b</eventgroup><event>c</event>" + tail,
              "event 2 has no </event>", true},
             {"<event>a</event><event>c</event><event>b" + tail, "event 3 has no </event>", false},
             {"<event>a</event><event>c</event><event>b",
              "cut off: </LesHouchesEvents> is missing at its end, after 3 events of which the last is not",
              false},
             {"<event>a</event><event>c</event><event>b<!-- ",
              "after 3 events of which the last is not complete", false},
             {"<event>a</event><event>c</event>",
              "cut off: </LesHouchesEvents> is missing at its end, after 2 events", false},
             {"<event>a</event><event>c</event><event x=\"",
              "</LesHouchesEvents> is missing at its end, after 2 events", false},
         }) {
        auto const found = scan(head + text, 5);
        EXPECT_THAT(found.events, ElementsAre("a", "c")) << text;
        EXPECT_EQ(found.scanner.event_count(), 2u) << text;
        EXPECT_THAT(found.error(), HasSubstr(refusal)) << text;
        EXPECT_THAT(found.error(), HasSubstr("--accept-cut takes its 2 whole events only"));
        EXPECT_EQ(found.error(CutEvents::refuse_in_the_middle).empty(), !in_the_middle) << text;
        EXPECT_EQ(found.error(CutEvents::leave_out), "") << text;
    }
}

TEST(LheScanner, WithoutInitOrEventsThereIsNothingToAccept)
{
    EXPECT_THAT(scan("<LesHouchesEvents><event>a</event>" + tail).error(CutEvents::leave_out),
                HasSubstr("no complete <init>"));
    EXPECT_THAT(scan(head + tail).error(CutEvents::leave_out), HasSubstr("holds no events"));
    EXPECT_THAT(scan(head + "<event>a").error(CutEvents::leave_out), HasSubstr("no whole event"));
    EXPECT_THAT(scan(head + "<event <event>a</event>" + tail).error(),
                HasSubstr("<event at byte 58 has no end"));
}

TEST(LheScanner, MemoryIsBoundedWhateverStandsInTheText)
{
    std::string const long_name = "<" + std::string(1 << 20, 'e');
    std::string const quote = "<event x=\"" + std::string(1 << 20, ' ');
    EXPECT_EQ(scan("<LesHouchesEvents>" + long_name + "<init>1</init><event>a</event>" + tail, 1000).error(),
              "");
    EXPECT_THAT(scan(head + quote + "<event>a</event>" + tail, 1000).error(), HasSubstr("has no end"));
}

TEST(LheScanner, KnowsItsFilesByTheirHead)
{
    EXPECT_TRUE(is_les_houches("<LesHouchesEvents>"));
    EXPECT_TRUE(is_les_houches("\xef\xbb\xbf<?xml?>\n<x:LesHouchesEvents>"));
    EXPECT_TRUE(is_les_houches("\n<!--" + std::string(100'000, 'x') + "--><LesHouchesEvents>"));
    EXPECT_FALSE(is_les_houches(std::string(100'000, 'x') + "<LesHouchesEvents>"));
    EXPECT_FALSE(is_les_houches("HepMC::Version LesHouchesEvents"));
}

}  // namespace
}  // namespace yoda
