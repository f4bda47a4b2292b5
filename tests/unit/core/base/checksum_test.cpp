// SPDX-License-Identifier: Apache-2.0
#include "core/base/checksum.hpp"

#include <gtest/gtest.h>

#include <random>

namespace yoda {
namespace {

TEST(Crc32c, AgreesWithPublishedValues)
{
    // RFC 3720, appendix B.4, and the usual check value.
    std::string ascending;
    for (char c = 0; c < 32; ++c) ascending += c;
    std::string const descending(ascending.rbegin(), ascending.rend());
    for (auto const sum : {+[](std::string_view bytes) { return crc32c(bytes); },
                           +[](std::string_view bytes) { return crc32c_portable(bytes); }}) {
        EXPECT_EQ(sum(""), 0u);
        EXPECT_EQ(sum("123456789"), 0xE3069283u);
        EXPECT_EQ(sum(std::string(32, '\0')), 0x8A9136AAu);
        EXPECT_EQ(sum(std::string(32, '\xff')), 0x62A8AB43u);
        EXPECT_EQ(sum(ascending), 0x46DD794Eu);
        EXPECT_EQ(sum(descending), 0x113FDB5Cu);
    }
}

TEST(Crc32c, WithAndWithoutTheInstructionIsTheSame)
{
    std::mt19937 random(1);
    std::string bytes(300, '\0');
    for (auto& byte : bytes) byte = static_cast<char>(random());
    for (std::size_t begin = 0; begin < 16; ++begin) {
        for (std::size_t length = 0; begin + length <= bytes.size(); ++length) {
            auto const part = std::string_view(bytes).substr(begin, length);
            ASSERT_EQ(crc32c(part), crc32c_portable(part));
        }
    }
}

TEST(Crc32c, CanBeContinued)
{
    std::string const bytes = "a text in two parts of different length";
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
        auto const first = std::string_view(bytes).substr(0, cut);
        auto const rest = std::string_view(bytes).substr(cut);
        EXPECT_EQ(crc32c(rest, crc32c(first)), crc32c(bytes));
        EXPECT_EQ(crc32c_portable(rest, crc32c_portable(first)), crc32c(bytes));
    }
}

TEST(Adler32, AgreesWithKnownValues)
{
    EXPECT_EQ(adler32(""), 1u);
    EXPECT_EQ(adler32("Wikipedia"), 0x11E60398u);
    EXPECT_EQ(adler32("123456789"), 0x091E01DEu);
    EXPECT_EQ(adler32("edia", adler32("Wikip")), 0x11E60398u);
}

TEST(Adler32, IsPrintedWithEightDigits)
{
    EXPECT_EQ(print_adler32(0x0d2a9dc9), "0d2a9dc9");
    EXPECT_EQ(print_adler32(1), "00000001");
    EXPECT_EQ(print_adler32(0xffffffff), "ffffffff");
}

TEST(Adler32, IsParsedInEveryFormThatTheGridWrites)
{
    EXPECT_EQ(parse_adler32("0d2a9dc9"), 0x0d2a9dc9u);
    EXPECT_EQ(parse_adler32("ad:0D2A9DC9"), 0x0d2a9dc9u);
    EXPECT_EQ(parse_adler32("d2a9dc9"), 0x0d2a9dc9u);
    EXPECT_EQ(parse_adler32("1"), 1u);
}

TEST(Adler32, RefusesWhatIsNoSuchNumber)
{
    for (std::string const text : {"", "ad:", "md:0d2a9dc9", "0x12", "12 ", " 12", "-1", "+1", "xyz",
                                   "1ffffffff", "d41d8cd98f00b204e9800998ecf8427e"})
        EXPECT_FALSE(parse_adler32(text)) << text;
}

}  // namespace
}  // namespace yoda
