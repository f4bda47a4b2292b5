// SPDX-License-Identifier: Apache-2.0
#include "core/messages/codec.hpp"

#include <gtest/gtest.h>

#include <set>

#include "all_messages.hpp"

namespace yoda {
namespace {

using test::all_messages;
using test::print_message;

struct Frames {
    FrameHeader header;
    std::vector<std::string> messages;
    std::string error;
};

/// Everything that the writer's frames say.
Frames read(FrameWriter const& writer)
{
    Frames frames;
    for (std::size_t i = 0; i < writer.count(); ++i) {
        EXPECT_LE(writer.frame(i).size(), max_frame_bytes);
        FrameReader reader;
        if (auto const status = reader.open(writer.frame(i)); !status) {
            frames.error += status.error().text();
            continue;
        }
        frames.header = reader.header();
        while (auto const message = reader.next()) frames.messages.push_back(print_message(*message));
        if (!reader.error()) frames.error += reader.error().error().text();
    }
    return frames;
}

TEST(Codec, EveryMessageComesOutAsItWentIn)
{
    std::set<std::size_t> types;
    for (auto const& message : all_messages()) {
        FrameWriter writer;
        writer.put(message);
        auto const frames = read(writer);
        EXPECT_EQ(frames.error, "");
        EXPECT_EQ(frames.messages, std::vector<std::string>{print_message(message)});
        types.insert(message.index());
    }
    EXPECT_EQ(types.size(), std::variant_size_v<Message>) << "every type must be among them";
}

TEST(Codec, ManyMessagesShareAFrame)
{
    FrameWriter writer;
    std::vector<std::string> expected;
    for (auto const& message : all_messages()) {
        writer.put(message);
        expected.push_back(print_message(message));
    }
    EXPECT_EQ(writer.count(), 1u);
    EXPECT_EQ(read(writer).messages, expected);
}

TEST(Codec, AFrameCarriesTheSendersLifeAndGeneration)
{
    FrameWriter writer;
    writer.set_header({7, 0xFFFFFFFF});
    writer.put(Goodbye{});
    auto const frames = read(writer);
    EXPECT_EQ(frames.header.life, 7u);
    EXPECT_EQ(frames.header.generation, 0xFFFFFFFFu);
}

/// A Droid's Hello after a Reset would be taken for one of the generation before, and it would be waited for
/// until the end of time.
TEST(Codec, AMessageAfterANewHeaderIsNotPutIntoAFrameOfTheOldOne)
{
    FrameWriter writer;
    writer.set_header({3, 7});
    writer.put(YodaAlive{});
    writer.set_header({3, 7});
    writer.put(YodaAlive{});
    writer.set_header({3, 8});
    writer.put(AskRunning{});
    ASSERT_EQ(writer.count(), 2u);
    FrameReader reader;
    ASSERT_TRUE(reader.open(writer.frame(0)));
    EXPECT_EQ(reader.header(), (FrameHeader{3, 7}));
    ASSERT_TRUE(reader.open(writer.frame(1)));
    EXPECT_EQ(reader.header(), (FrameHeader{3, 8}));
    EXPECT_TRUE(std::holds_alternative<AskRunning>(*reader.next()));
}

TEST(Codec, AWriterBeginsAnewWhenCleared)
{
    FrameWriter writer;
    EXPECT_TRUE(writer.empty());
    writer.put(Request{1});
    EXPECT_FALSE(writer.empty());
    writer.clear();
    EXPECT_TRUE(writer.empty());
    writer.put(Request{2});
    EXPECT_EQ(read(writer).messages, std::vector<std::string>{print_message(Request{2})});
}

TEST(Codec, WhatDoesNotFitGoesIntoTheNextFrame)
{
    FrameWriter writer;
    for (std::uint32_t i = 0; i < 2000; ++i) writer.put(Accepted{i});
    EXPECT_GT(writer.count(), 1u);
    auto const frames = read(writer);
    ASSERT_EQ(frames.messages.size(), 2000u);
    for (std::uint32_t i = 0; i < 2000; ++i) EXPECT_EQ(frames.messages[i], print_message(Accepted{i}));
}

TEST(Codec, TheFullestFinishedMessageFillsAFrame)
{
    std::vector<FinishedEntry> const entries(max_finished_entries, {1, 2, 3, 4});
    FrameWriter writer;
    writer.put(Finished{1, 2, 3, entries});
    ASSERT_EQ(writer.count(), 1u);
    EXPECT_GT(writer.frame(0).size() + 14, max_frame_bytes) << "one more would not fit";
    EXPECT_EQ(read(writer).messages, std::vector<std::string>{print_message(Finished{1, 2, 3, entries})});
}

TEST(CodecDeathTest, AFinishedMessageIsNeverCut)
{
    std::vector<FinishedEntry> const entries(max_finished_entries + 1);
    FrameWriter writer;
    EXPECT_DEATH(writer.put(Finished{1, 2, 3, entries}), "must fit into a frame");
}

TEST(Codec, LongListsAreCutIntoSeveralMessages)
{
    std::vector<HandOut> hand_outs;
    std::vector<RunningEntry> running;
    for (std::uint32_t i = 0; i < 3000; ++i) {
        hand_outs.push_back({i, static_cast<std::uint16_t>(i)});
        running.push_back({{i, 1}, i});
    }
    FrameWriter writer;
    writer.put(GivenBack{hand_outs});
    writer.put(Rejected{hand_outs});
    writer.put(Revoke{hand_outs});
    writer.put(Running{running});

    std::vector<HandOut> seen[3];
    std::vector<RunningEntry> seen_running;
    for (std::size_t i = 0; i < writer.count(); ++i) {
        EXPECT_LE(writer.frame(i).size(), max_frame_bytes);
        FrameReader reader;
        ASSERT_TRUE(reader.open(writer.frame(i)));
        while (auto const message = reader.next()) {
            if (auto const* given_back = std::get_if<GivenBack>(&*message))
                seen[0].insert(seen[0].end(), given_back->entries.begin(), given_back->entries.end());
            else if (auto const* rejected = std::get_if<Rejected>(&*message))
                seen[1].insert(seen[1].end(), rejected->entries.begin(), rejected->entries.end());
            else if (auto const* revoke = std::get_if<Revoke>(&*message))
                seen[2].insert(seen[2].end(), revoke->entries.begin(), revoke->entries.end());
            else if (auto const* entries = std::get_if<Running>(&*message))
                seen_running.insert(seen_running.end(), entries->entries.begin(), entries->entries.end());
            else
                ADD_FAILURE() << "unexpected message";
        }
        EXPECT_TRUE(reader.error());
    }
    for (auto const& list : seen) EXPECT_EQ(list, hand_outs);
    EXPECT_EQ(seen_running, running);
}

TEST(Codec, NamesAndReasonsAreCutToTheirBound)
{
    std::string const text(5000, 'x');
    std::string const bound(max_text_bytes, 'x');
    std::string const name(255, 'x');
    std::string const path(2048, 'x');
    FrameWriter writer;
    writer.put(Hello{text, 1, 2});
    writer.put(Failed{{1, 2}, FailKind::failed, 3, text});
    writer.put(Trouble{1, 2, text});
    writer.put(FileInfo{1, 2, 3, 4, 5, text, text, text, text});
    auto const frames = read(writer);
    EXPECT_EQ(frames.error, "");
    EXPECT_EQ(frames.messages,
              (std::vector<std::string>{print_message(Hello{bound, 1, 2}),
                                        print_message(Failed{{1, 2}, FailKind::failed, 3, bound}),
                                        print_message(Trouble{1, 2, bound}),
                                        print_message(FileInfo{1, 2, 3, 4, 5, name, name, name, path})}));
}

TEST(Codec, TheLongestDocumentPartFits)
{
    std::string const part(max_document_part_bytes, 'x');
    FrameWriter writer;
    writer.put(Document{DocumentKind::config, 100000, 5, part});
    EXPECT_EQ(read(writer).messages.at(0), print_message(Document{DocumentKind::config, 100000, 5, part}));
}

TEST(Codec, TheLongestGrantFits)
{
    std::string const id(255, 'x');
    RangeRun run;
    run.count = 1;
    run.events = 1;
    FrameWriter writer;
    writer.put_grant(run, id);
    EXPECT_EQ(read(writer).messages.at(0), print_message(Grant{run, id}));
}

std::string open_error(std::string_view frame)
{
    FrameReader reader;
    auto const status = reader.open(frame);
    return status ? std::string{} : status.error().text();
}

TEST(Codec, RefusesWhatIsNoFrame)
{
    EXPECT_NE(open_error(""), "");
    EXPECT_NE(open_error("hello world, this is text"), "");
    FrameWriter writer;
    writer.put(Request{1});
    EXPECT_NE(open_error(writer.frame(0).substr(0, 11)), "");
    EXPECT_NE(open_error(writer.frame(0) + std::string(max_frame_bytes, '\0')), "") << "too long";
}

TEST(Codec, RefusesAnotherVersionAndSaysWhichOne)
{
    FrameWriter writer;
    writer.put(Request{1});
    auto frame = writer.frame(0);
    frame[2] = 9;
    EXPECT_NE(open_error(frame).find("it has protocol 9, this program 1"), std::string::npos);
}

TEST(Codec, AReaderThatHasFailedGivesNothing)
{
    FrameReader reader;
    FrameWriter writer;
    writer.put(Request{1});
    EXPECT_FALSE(reader.open("no frame at all"));
    EXPECT_FALSE(reader.next());
    EXPECT_TRUE(reader.open(writer.frame(0)));
    EXPECT_TRUE(reader.next()) << "and can be used again";
}

/// The message of `type` with this payload, or the error.
std::string decode(std::uint8_t type, std::string_view payload)
{
    FrameWriter writer;
    writer.put(Goodbye{});
    std::string frame = writer.frame(0).substr(0, 12);
    ByteWriter out(frame);
    out.put(type);
    out.put(std::uint8_t{0});
    out.put(static_cast<std::uint16_t>(payload.size()));
    frame += payload;
    FrameReader reader;
    EXPECT_TRUE(reader.open(frame));
    auto const message = reader.next();
    return message ? print_message(*message) : reader.error().error().what;
}

TEST(Codec, RefusesUnknownTypes)
{
    for (unsigned type = std::variant_size_v<Message>; type < 256; ++type)
        EXPECT_EQ(decode(static_cast<std::uint8_t>(type), ""), "message is malformed") << type;
}

TEST(Codec, RefusesPayloadsOfTheWrongLength)
{
    for (unsigned type = 0; type < std::variant_size_v<Message>; ++type) {
        auto const is_list = type == Message(GivenBack{}).index() || type == Message(Running{}).index() ||
                             type == Message(Rejected{}).index() || type == Message(Revoke{}).index();
        auto const is_empty = decode(static_cast<std::uint8_t>(type), "") != "message is malformed";
        std::string const odd(is_list ? 7 : is_empty ? 1 : 3, '\0');
        EXPECT_EQ(decode(static_cast<std::uint8_t>(type), odd), "message is malformed") << type;
    }
}

TEST(Codec, RefusesValuesOutsideAnEnum)
{
    std::string failed(11, '\0');
    failed[6] = 4;
    EXPECT_EQ(decode(static_cast<std::uint8_t>(Message(Failed{}).index()), failed), "message is malformed");
    std::string document(11, '\0');
    document[0] = 3;
    EXPECT_EQ(decode(static_cast<std::uint8_t>(Message(Document{}).index()), document),
              "message is malformed");
}

TEST(Codec, RefusesGrantsThatMakeNoSense)
{
    auto const malformed = [](RangeRun const& run) {
        FrameWriter writer;
        writer.put_grant(run);
        return !read(writer).error.empty();
    };
    RangeRun run;
    run.count = max_run_count;
    run.events = 1;
    EXPECT_FALSE(malformed(run));
    run.count = 0;
    EXPECT_TRUE(malformed(run));
    run.count = max_run_count + 1;
    EXPECT_TRUE(malformed(run));
    run.count = 1;
    run.events = 0;
    EXPECT_TRUE(malformed(run));
}

TEST(Codec, TypesOnTheWireNeverChange)
{
    // docs/protocol.md lists these numbers.
    EXPECT_EQ(Message(Hello{}).index(), 0u);
    EXPECT_EQ(Message(Finished{}).index(), 2u);
    EXPECT_EQ(Message(Goodbye{}).index(), 9u);
    EXPECT_EQ(Message(Welcome{}).index(), 10u);
    EXPECT_EQ(Message(Grant{}).index(), 13u);
    EXPECT_EQ(Message(Stop{}).index(), 26u);
    EXPECT_EQ(Message(InputPlace{}).index(), 27u);
    EXPECT_EQ(Message(InputsStaged{}).index(), 31u);
    EXPECT_EQ(std::variant_size_v<Message>, 32u);
}

TEST(Codec, BytesOfAFrameAreAsDocumented)
{
    std::vector<FinishedEntry> const entries{{0x01020304, 0x0506, 0x0708090A, 0x0B0C0D0E}};
    FrameWriter writer;
    writer.set_header({0x1112, 0x21222324});
    writer.put(Finished{0x31323334, 0x41424344, 0x51525354, entries});
    std::string const expected(
        "YD\x01\x00\x12\x11\x00\x00\x24\x23\x22\x21"  // magic, version, life, spare, generation
        "\x02\x00\x1A\x00"                            // type, spare, payload length
        "\x34\x33\x32\x31\x44\x43\x42\x41\x54\x53\x52\x51"
        "\x04\x03\x02\x01\x06\x05\x0A\x09\x08\x07\x0E\x0D\x0C\x0B",
        42);
    EXPECT_EQ(writer.frame(0), expected);
}

}  // namespace
}  // namespace yoda
