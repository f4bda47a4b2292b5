// SPDX-License-Identifier: Apache-2.0
#include "core/messages/input_tree.hpp"

#include <gtest/gtest.h>

#include <set>

namespace yoda {
namespace {

using Ranks = std::vector<Rank>;

TEST(InputTree, TheFirstDroidReadsByItself)
{
    InputTree tree;
    tree.add(4, "a");
    EXPECT_EQ(tree.place(4, "a").ancestors, Ranks{});
}

TEST(InputTree, AnotherDroidOfTheNodeAsksTheOneThatStandsForIt)
{
    InputTree tree;
    tree.add(1, "a");
    tree.add(2, "b");
    tree.add(3, "b");
    auto const place = tree.place(3, "b");
    EXPECT_TRUE(place.same_node);
    EXPECT_EQ(place.ancestors, Ranks{2});
    EXPECT_FALSE(tree.place(2, "b").same_node);
}

TEST(InputTree, ADroidOfAnUnknownNodeReadsByItself)
{
    EXPECT_EQ(InputTree{}.place(7, "a").ancestors, Ranks{});
}

TEST(InputTree, TenThousandNodesAreFewStepsFromTheRootAndNobodyServesMoreThanTwo)
{
    InputTree tree;
    auto const host = [](Rank rank) { return "n" + std::to_string(rank); };
    for (Rank rank = 1; rank <= 10'000; ++rank) tree.add(rank, host(rank));
    std::map<Rank, unsigned> served;
    for (Rank rank = 2; rank <= 10'000; ++rank) {
        auto const ancestors = tree.place(rank, host(rank)).ancestors;
        ASSERT_FALSE(ancestors.empty());
        EXPECT_LE(ancestors.size(), 13u);
        EXPECT_EQ(ancestors.back(), 1u);
        EXPECT_LE(++served[ancestors.front()], 2u);
        EXPECT_EQ(std::set<Rank>(ancestors.begin(), ancestors.end()).size(), ancestors.size());
        EXPECT_FALSE(std::count(ancestors.begin(), ancestors.end(), rank));
    }
}

TEST(InputTree, APlaceDoesNotChangeWhenNodesComeLater)
{
    InputTree tree;
    for (Rank rank = 1; rank <= 5; ++rank) tree.add(rank, std::to_string(rank));
    auto const before = tree.place(5, "5").ancestors;
    for (Rank rank = 6; rank <= 50; ++rank) tree.add(rank, std::to_string(rank));
    EXPECT_EQ(tree.place(5, "5").ancestors, before);
}

}  // namespace
}  // namespace yoda
