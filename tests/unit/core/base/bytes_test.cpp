// SPDX-License-Identifier: Apache-2.0
#include "core/base/bytes.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

TEST(Bytes, ValuesComeOutAsTheyWentIn)
{
    std::string bytes;
    ByteWriter out(bytes);
    out.put(std::uint8_t{1});
    out.put(std::uint16_t{0x0203});
    out.put(std::int64_t{-5});
    out.put_text("text");
    out.put_text("");
    EXPECT_EQ(bytes.size(), 1u + 2 + 8 + 6 + 2);
    ByteReader in(bytes);
    EXPECT_EQ(in.get<std::uint8_t>(), 1u);
    EXPECT_EQ(in.get<std::uint16_t>(), 0x0203u);
    EXPECT_EQ(in.get<std::int64_t>(), -5);
    EXPECT_EQ(in.get_text(), "text");
    EXPECT_FALSE(in.at_end());
    EXPECT_EQ(in.left(), 2u);
    EXPECT_EQ(in.get_text(), "");
    EXPECT_TRUE(in.at_end());
    EXPECT_TRUE(in.ok());
}

TEST(Bytes, NumbersAreLittleEndian)
{
    std::string bytes;
    ByteWriter(bytes).put(std::uint32_t{0x01020304});
    EXPECT_EQ(bytes, std::string("\x04\x03\x02\x01", 4));
}

TEST(Bytes, AReaderThatRunsOutTurnsBadAndStaysBad)
{
    ByteReader in("abc");
    EXPECT_EQ(in.get<std::uint32_t>(), 0u);
    EXPECT_FALSE(in.ok());
    EXPECT_EQ(in.get<std::uint8_t>(), 0u) << "what was left is gone";
    EXPECT_TRUE(in.at_end());
}

TEST(Bytes, ATextLongerThanTheBytesIsBad)
{
    ByteReader in(std::string_view("\x05\x00text", 6));
    EXPECT_EQ(in.get_text(), "");
    EXPECT_FALSE(in.ok());
}

TEST(Bytes, ATextTooLongForItsLengthIsCut)
{
    std::string bytes;
    ByteWriter(bytes).put_text(std::string(70000, 'x'));
    EXPECT_EQ(bytes.size(), 2u + 65535);
}

}  // namespace
}  // namespace yoda
