// SPDX-License-Identifier: Apache-2.0
#include "sys/lease/sighting.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

TEST(HolderSighting, SilenceIsMeasuredOnOneBootOnly)
{
    std::optional<HolderSighting> sighting = HolderSighting{3, 0, "boot-a"};
    EXPECT_FALSE(is_silent(sighting, 3, "boot-b", TimePoint{Duration::from_s(100).ns}));
    EXPECT_EQ(sighting->boot_id, "boot-b");
    EXPECT_TRUE(is_silent(sighting, 3, "boot-b", TimePoint{Duration::from_s(160).ns}));
    EXPECT_FALSE(is_silent(sighting, 4, "boot-b", TimePoint{Duration::from_s(200).ns}));
}

}  // namespace
}  // namespace yoda
