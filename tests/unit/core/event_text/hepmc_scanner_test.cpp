// SPDX-License-Identifier: Apache-2.0
#include "core/event_text/hepmc_scanner.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace yoda {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string const head = "HepMC::Version 3.02.06\nHepMC::Asciiv3-START_EVENT_LISTING\nW 0\n";
std::string const tail = "HepMC::Asciiv3-END_EVENT_LISTING\n\n";
std::string const head_2 = "\nHepMC::Version 2.06.09\nHepMC::IO_GenEvent-START_EVENT_LISTING\n";
std::string const tail_2 = "HepMC::IO_GenEvent-END_EVENT_LISTING\n\n";

/// With two particles; its number tells it from others.
std::string event(std::string const& number)
{
    return "E " + number + " 1 2\nU GEV MM\nP 1 0 21 0 0 1 1 0 4\nP 2 1 21 0 0 1 1 0 1\n";
}

/// Version 2, with one vertex of two particles.
std::string event_2(std::string const& names)
{
    return "E 1 -1 -1.0 -1.0 -1.0 0 -1 1 1 2 0 1 1.25\n" + names + "U GEV MM\nV -1 0 0 0 0 0 1 1 0\n" +
           "P 1 21 0 0 1 1 0 4 0 0 -1 0\nP 2 21 0 0 1 1 0 1 0 0 0 0\n";
}

struct Scan {
    HepmcScanner scanner;
    std::vector<std::string> events;
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
    result.scanner.finish(spans);
    for (auto const& span : spans) result.events.push_back(text.substr(span.begin, span.end - span.begin));
    return result;
}

TEST(HepmcScanner, JoinedFilesAreCutAtEachMarkWhereverThePiecesEnd)
{
    auto const text = head + event("1") + event("2") + tail + head + event("3") + tail;
    for (std::size_t piece = 1; piece < 200; ++piece) {
        auto const found = scan(text, piece);
        EXPECT_EQ(found.error(), "") << piece;
        EXPECT_THAT(found.events, ElementsAre(event("1"), event("2"), event("3"))) << piece;
        EXPECT_TRUE(found.scanner.closed());
    }
    auto crlf = text;
    for (auto at = crlf.find('\n'); at != std::string::npos; at = crlf.find('\n', at + 2))
        crlf.insert(at, "\r");
    EXPECT_EQ(scan(crlf).error(), "");
    EXPECT_THAT(scan("\xef\xbb\xbf" + crlf).events, SizeIs(3));
}

TEST(HepmcScanner, TheUnitOfAHeaderHoldsForItsPartOnly)
{
    auto const changes =
        scan(head + "U MEV MM\n" + event("1") + tail + head + event("2") + tail).scanner.unit_changes();
    ASSERT_THAT(changes, SizeIs(2));
    EXPECT_TRUE(changes[0].is_mev);
    EXPECT_EQ(changes[0].offset, head.size());
    EXPECT_FALSE(changes[1].is_mev);
    EXPECT_GT(changes[1].offset, (head + "U MEV MM\n" + event("1")).size());
    EXPECT_THAT(scan(head + event("1") + tail).scanner.unit_changes(), SizeIs(0))
        << "an event's unit is its own";
}

TEST(HepmcScanner, NamesOfVersionTwoMayHoldLineBreaks)
{
    for (std::string const names : {"N 2 \"a_#_B\nE 5\" \"W\"\n", "N 1 \"\nHepMC::Version\nE \n\"\n", "N 0\n",
                                    "N 3 \"a\" b\n", "N 1\n", "N x\n",
                                    "N 1 \""
                                    "a\" \"\n"}) {
        auto const text = head_2 + event_2(names) + event_2(names) + tail_2;
        for (std::size_t const piece : {1u, 3u, 7u, 1000u}) {
            auto const found = scan(text, piece);
            EXPECT_EQ(found.error(), "") << names;
            EXPECT_THAT(found.events, ElementsAre(event_2(names), event_2(names))) << names;
        }
    }
    auto const version_3 = scan(head + "N 1 \"\n" + event("1") + tail);
    EXPECT_THAT(version_3.events, SizeIs(1)) << "version 3 has no such line";
}

TEST(HepmcScanner, TwoFormatsInOneFileAreRefused)
{
    EXPECT_THAT(scan(head + event("1") + tail + head_2 + event_2("") + tail_2).error(CutEvents::leave_out),
                HasSubstr("different HepMC formats"));
}

TEST(HepmcScanner, AnEventThatIsNotWholeIsNeverCounted)
{
    auto const whole = event("1");
    auto const cut = whole.substr(0, whole.rfind("P 2"));
    struct Case {
        std::string text;
        std::string refusal;
        std::size_t whole_count;
        bool in_the_middle;
    };
    for (auto const& [text, refusal, whole_count, in_the_middle] : std::vector<Case>{
             {head + whole + cut,
              "-END_EVENT_LISTING is missing at its end, after 2 events of which the last is not complete", 1,
              false},
             {head + whole + whole.substr(0, whole.size() - 3), "of which the last is not complete", 1,
              false},
             {head + whole + whole, "missing at its end, after 2 events", 2, false},
             {head + whole + head + whole + tail, "missing at the end of a part, after 2 events", 2, false},
             {head + whole + cut + head + whole + tail,
              "event 2 is cut off, and others follow; 2 events are whole", 2, true},
             {head_2 + event_2("") + event_2("").substr(0, 70), "of which the last is not complete", 1,
              false},
             {head_2 + event_2("N 1 \"a\nb\"\n") + "E 1 -1 -1.0 -1.0 -1.0 0 -1 0 1 2 0 1 1.25\nN 2 \"a\n",
              "last is not complete", 1, false},
         }) {
        auto const found = scan(text, 9);
        EXPECT_THAT(found.events, SizeIs(whole_count)) << text;
        EXPECT_EQ(found.scanner.event_count(), whole_count);
        EXPECT_THAT(found.error(), HasSubstr(refusal)) << text;
        EXPECT_EQ(found.error(CutEvents::refuse_in_the_middle).empty(), !in_the_middle) << text;
        EXPECT_EQ(found.error(CutEvents::leave_out), "") << text;
    }
    EXPECT_THAT(scan(head + tail).error(), HasSubstr("holds no events"));
    EXPECT_THAT(scan(head).error(CutEvents::leave_out), HasSubstr("no whole event"));
    auto unbroken = head + whole + tail;
    while (unbroken.back() == '\n') unbroken.pop_back();
    EXPECT_EQ(scan(unbroken).error(), "") << "a mark needs no line break";
}

}  // namespace
}  // namespace yoda
