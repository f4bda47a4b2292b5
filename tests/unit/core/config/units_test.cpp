// SPDX-License-Identifier: Apache-2.0
#include "core/config/units.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

TEST(Units, TimesAreWrittenAsPeopleDo)
{
    EXPECT_DOUBLE_EQ(*parse_seconds("90"), 90);
    EXPECT_DOUBLE_EQ(*parse_seconds(" 90 s "), 90);
    EXPECT_DOUBLE_EQ(*parse_seconds("1.5min"), 90);
    EXPECT_DOUBLE_EQ(*parse_seconds("2 h"), 7200);
    EXPECT_DOUBLE_EQ(*parse_seconds("1 d"), 86400);
    EXPECT_DOUBLE_EQ(*parse_seconds("250 ms"), 0.25);
    EXPECT_DOUBLE_EQ(*parse_seconds("0"), 0);
}

TEST(Units, SizesAreWrittenAsPeopleDo)
{
    EXPECT_EQ(*parse_bytes("1048576"), 1048576u);
    EXPECT_EQ(*parse_bytes("2 GB"), 2000000000u);
    EXPECT_EQ(*parse_bytes("64KiB"), 65536u);
    EXPECT_EQ(*parse_bytes("1.5 KB"), 1500u);
    EXPECT_EQ(*parse_bytes("1 TiB"), 1099511627776u);
}

TEST(Units, RefusesWhatIsNoQuantity)
{
    for (std::string const text : {"", " ", "s", "ten s", "-1 s", "1 parsec", "1 S", "nan", "inf", "-inf",
                                   "1e999", "1e300 d", "0x10q", "1 s s", "1,5 s"})
        EXPECT_FALSE(parse_seconds(text)) << text;
    for (std::string const text : {"", "GB", "-1", "1 gb", "1 bit", "inf", "nan", "1e30", "9999999999 TB"})
        EXPECT_FALSE(parse_bytes(text)) << text;
}

TEST(Units, ARefusalSaysWhatIsWrongAndWhatToWrite)
{
    auto const error = parse_seconds("5 parsec").error().text();
    EXPECT_NE(error.find("'5 parsec' is no time"), std::string::npos);
    EXPECT_NE(error.find("'parsec' is no unit"), std::string::npos);
    EXPECT_NE(error.find("ms, s, min, h, d"), std::string::npos);
    EXPECT_NE(parse_seconds("-3").error().text().find("negative"), std::string::npos);
}

TEST(Units, CountsAreWholeNumbers)
{
    EXPECT_EQ(*parse_count(" 18446744073709551615 "), UINT64_MAX);
    for (std::string const text : {"", "-1", "+1", "1.5", "1e3", "18446744073709551616", "1 x"})
        EXPECT_FALSE(parse_count(text)) << text;
}

TEST(Units, YesAndNoHaveFourNamesEach)
{
    for (std::string const text : {"yes", "true", "on", "1", " yes "})
        EXPECT_TRUE(*parse_yes_no(text)) << text;
    for (std::string const text : {"no", "false", "off", "0"}) EXPECT_FALSE(*parse_yes_no(text)) << text;
    for (std::string const text : {"", "maybe", "Yes", "2"}) EXPECT_FALSE(parse_yes_no(text)) << text;
}

TEST(Units, TrimTakesBlanksOffBothEnds)
{
    EXPECT_EQ(trim(" \t a b \r\n"), "a b");
    EXPECT_EQ(trim(" \t"), "");
    EXPECT_EQ(trim(""), "");
}

}  // namespace
}  // namespace yoda
