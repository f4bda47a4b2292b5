// SPDX-License-Identifier: Apache-2.0
#include "sys/base/node_folder.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::ScratchFolder;

TEST(NodeFolder, IsMadeByTheFirstAndRemovedByTheLast)
{
    ScratchFolder const scratch;
    auto const path = scratch / "shared";
    auto first = NodeFolder::open(path);
    auto second = NodeFolder::open(path);
    ASSERT_TRUE(first && second);
    test::write_text(path + "/file", "x");
    EXPECT_FALSE(first->begin_leaving());
    EXPECT_TRUE(path_exists(path + "/file"));
    EXPECT_TRUE(second->begin_leaving());
    EXPECT_TRUE(second->begin_leaving()) << "it stays the last one";
    {
        auto const gone = *std::move(second);
    }
    EXPECT_FALSE(path_exists(path));
}

TEST(NodeFolder, LinkOrFileInItsPlaceIsRefused)
{
    ScratchFolder const scratch;
    ASSERT_EQ(::symlink("/", (scratch / "link").c_str()), 0);
    EXPECT_FALSE(NodeFolder::open(scratch / "link"));
    test::write_text(scratch / "file", "x");
    EXPECT_FALSE(NodeFolder::open(scratch / "file"));
}

}  // namespace
}  // namespace yoda
