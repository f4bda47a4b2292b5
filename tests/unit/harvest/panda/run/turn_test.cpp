// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/turn.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::eventually;

class TurnTest : public ::testing::Test {
  protected:
    Result<Turn> take(LeasePolicy policy = {}) { return Turn::take(folder_.path(), clock_, policy); }
    std::string file() const { return folder_ / "turn"; }

    test::ScratchFolder folder_;
    SystemClock clock_;
};

TEST_F(TurnTest, IsHadByOneAtATimeAndGivenBack)
{
    {
        auto const first = take();
        ASSERT_TRUE(first) << first.error().text();
        auto const second = take();
        ASSERT_FALSE(second);
        EXPECT_EQ(second.error().kind, ErrorKind::busy);
        EXPECT_EQ(second.error().what, "another harvest speaks to PanDA for this run");
        EXPECT_TRUE(first->check());
    }
    EXPECT_FALSE(std::filesystem::exists(file()));
    EXPECT_TRUE(take());
}

TEST_F(TurnTest, ShowsThatItsHolderLivesWhateverTheHolderWaitsFor)
{
    LeasePolicy policy;
    policy.beat_interval = Duration::from_ms(1);
    auto const turn = take(policy);
    ASSERT_TRUE(turn);
    EXPECT_TRUE(eventually([&] {
        auto const record = parse_lease(test::file_text(file()));
        return record && record->beat >= 3;
    }));
}

TEST_F(TurnTest, OfAHolderThatDiedIsHadByExactlyOneOfManyTakers)
{
    pid_t const child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    LeaseRecord dead;
    dead.token = std::string(32, 'a');
    dead.holder = describe_holder("harvest", "", clock_);
    dead.holder.pid = child;
    test::write_text(file(), print_lease(dead));
    std::vector<std::optional<Turn>> turns(8);
    {
        std::vector<std::jthread> takers;
        for (auto& turn : turns) {
            takers.emplace_back([&] {
                auto taken = take();
                if (taken) turn.emplace(*std::move(taken));
            });
        }
    }
    auto const holders =
        std::count_if(turns.begin(), turns.end(), [](auto const& turn) { return turn && turn->check(); });
    EXPECT_EQ(holders, 1);
}

}  // namespace
}  // namespace yoda
