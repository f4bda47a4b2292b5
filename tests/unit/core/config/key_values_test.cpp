// SPDX-License-Identifier: Apache-2.0
#include "core/config/key_values.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

std::string print(std::string_view text)
{
    auto const values = parse_key_values(text, "some.cfg");
    if (!values) return values.error().text();
    std::string printed;
    for (auto const& [key, value, line] : *values)
        printed += std::to_string(line) + ":" + key + "=" + value + ";";
    return printed;
}

TEST(KeyValues, LinesAreKeysAndValues)
{
    EXPECT_EQ(print("a = 1\n b=two words \nc =\n"), "1:a=1;2:b=two words;3:c=;");
    EXPECT_EQ(print("last = line without end"), "1:last=line without end;");
    EXPECT_EQ(print("dos = line\r\n"), "1:dos=line;");
    EXPECT_EQ(print(""), "");
}

TEST(KeyValues, CommentsAndBlankLinesAreLeftOut)
{
    EXPECT_EQ(print("# all\n\n  # indented\na = 1 # behind\nb = x#y\n"), "4:a=1;5:b=x#y;");
}

TEST(KeyValues, AValueMayHaveEqualsSignsAndAKeyMayRepeat)
{
    EXPECT_EQ(print("e = A=1\ne = B=2\n"), "1:e=A=1;2:e=B=2;");
}

TEST(KeyValues, AnythingElseIsRefusedWithItsLine)
{
    EXPECT_NE(print("a = 1\nnonsense\n").find("some.cfg:2: 'nonsense' is no setting"), std::string::npos);
    EXPECT_NE(print("= 1\n").find("some.cfg:1"), std::string::npos);
}

TEST(NearestName, IsTheOneWithTheFewestChanges)
{
    std::vector<std::string_view> const known{"bundle.size", "bundle.time_gap", "droid.silence"};
    EXPECT_EQ(nearest_name("bundle.siz", known), "bundle.size");
    EXPECT_EQ(nearest_name("droid.silense", known), "droid.silence");
    EXPECT_EQ(nearest_name("Bundle.size", known), "bundle.size");
    EXPECT_EQ(nearest_name("something else", known), "");
    EXPECT_EQ(nearest_name("x", {}), "");
}

}  // namespace
}  // namespace yoda
