// SPDX-License-Identifier: Apache-2.0
// A frame that was damaged on its way gives an error or other valid messages, never undefined behaviour: run
// these under the sanitizers too. Seeds are fixed.
#include <gtest/gtest.h>

#include <random>

#include "all_messages.hpp"
#include "core/messages/codec.hpp"

namespace yoda {
namespace {

/// Reads all there is, touching every byte of every message; returns how many messages there were.
std::size_t read_all(std::string const& frame)
{
    // The copy has its exact size, so that a sanitizer sees its end.
    auto const copy = std::make_unique<std::string>(frame);
    FrameReader reader;
    if (!reader.open(*copy)) return 0;
    std::size_t count = 0;
    while (auto const message = reader.next()) {
        EXPECT_FALSE(test::print_message(*message).empty());
        ++count;
    }
    EXPECT_LE(count, frame.size() / 4);
    return count;
}

std::string frame_of(std::vector<Message> const& messages)
{
    FrameWriter writer;
    for (auto const& message : messages) writer.put(message);
    EXPECT_EQ(writer.count(), 1u);
    return writer.frame(0);
}

TEST(CodecDamage, EveryTruncationIsSeen)
{
    auto const whole = frame_of(test::all_messages());
    auto const count = read_all(whole);
    EXPECT_EQ(count, test::all_messages().size());
    for (std::size_t length = 0; length < whole.size(); ++length)
        EXPECT_LT(read_all(whole.substr(0, length)), count) << length;
}

TEST(CodecDamage, EveryTruncationOfASingleMessageIsAnErrorOrNothing)
{
    for (auto const& message : test::all_messages()) {
        auto const whole = frame_of({message});
        for (std::size_t length = 0; length < whole.size(); ++length)
            EXPECT_EQ(read_all(whole.substr(0, length)), 0u);
    }
}

TEST(CodecDamage, EveryChangedByteIsSurvived)
{
    for (auto const& message : test::all_messages()) {
        auto const whole = frame_of({message, Request{7}});
        for (std::size_t at = 0; at < whole.size(); ++at) {
            for (unsigned value = 0; value < 256; ++value) {
                auto damaged = whole;
                damaged[at] = static_cast<char>(value);
                read_all(damaged);
            }
        }
    }
}

TEST(CodecDamage, RandomBytesAreSurvived)
{
    std::mt19937 random(1);
    for (int round = 0; round < 20000; ++round) {
        auto frame = frame_of({Goodbye{}}).substr(0, 12);
        auto const length = random() % 200;
        for (unsigned i = 0; i < length; ++i) frame += static_cast<char>(random());
        if (length > 4) {  // A plausible head, so that payloads are looked at.
            frame[12] = static_cast<char>(random() % (std::variant_size_v<Message> + 1));
            frame[14] = static_cast<char>(random() % length);
            frame[15] = 0;
        }
        read_all(frame);
    }
}

TEST(CodecDamage, WhatIsWrittenAlwaysFitsAndIsRead)
{
    std::mt19937 random(2);
    auto const text = [&](std::size_t most) {
        std::string bytes(random() % (most + 1), 'x');
        for (auto& byte : bytes) byte = static_cast<char>(random());
        return bytes;
    };
    for (int round = 0; round < 300; ++round) {
        FrameWriter writer;
        std::size_t put_count = 0;
        for (int i = 0; i < 30; ++i) {
            auto const long_text = text(6000);
            auto const number = static_cast<std::uint32_t>(random());
            std::vector<HandOut> const hand_outs(random() % 2000, {number, 7});
            std::vector<FinishedEntry> const entries(random() % (max_finished_entries + 1),
                                                     {number, 1, 2, 3});
            switch (random() % 6) {
                case 0:
                    writer.put(Failed{{number, 1}, FailKind::failed, 1, long_text});
                    break;
                case 1:
                    writer.put(FileInfo{number, 1, 2, 3, 4, long_text, long_text, long_text, long_text});
                    break;
                case 2:
                    writer.put(Revoke{hand_outs});
                    break;
                case 3:
                    writer.put(Finished{number, 1, 2, entries});
                    break;
                case 4:
                    writer.put(Hello{long_text, number, number});
                    break;
                default: {
                    auto const part = long_text.substr(0, max_document_part_bytes);
                    writer.put(Document{DocumentKind::jobs, number, number, part});
                }
            }
            ++put_count;
        }
        std::size_t read_count = 0;
        for (std::size_t i = 0; i < writer.count(); ++i) {
            ASSERT_LE(writer.frame(i).size(), max_frame_bytes);
            read_count += read_all(writer.frame(i));
        }
        ASSERT_GE(read_count, put_count);
    }
}

}  // namespace
}  // namespace yoda
