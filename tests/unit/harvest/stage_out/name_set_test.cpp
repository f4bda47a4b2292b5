// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/name_set.hpp"

#include <gtest/gtest.h>

namespace yoda::test {
namespace {

TEST(NameSet, KnowsEachNameItWasGivenAndNoOther)
{
    NameSet names;
    EXPECT_FALSE(names.contains("a"));
    for (int i = 0; i < 20'000; ++i)
        names.insert("EventService_premerge_4000000001_1_1_" + std::to_string(i));
    names.insert("EventService_premerge_4000000001_1_1_7");
    EXPECT_TRUE(names.contains("EventService_premerge_4000000001_1_1_7")) << "also before they are sorted";
    names.sort();
    EXPECT_EQ(names.size(), 20'000u) << "once each";
    for (int i = 0; i < 40'000; ++i)
        ASSERT_EQ(names.contains("EventService_premerge_4000000001_1_1_" + std::to_string(i)), i < 20'000);
    EXPECT_FALSE(names.contains(""));
}

}  // namespace
}  // namespace yoda::test
