#include "harvest/panda/turn.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::eventually;

class TurnTest : public ::testing::Test {
  protected:
    Result<Turn> take(Duration beat = Duration::from_s(10))
    {
        return Turn::take(folder_.path(), clock_, beat);
    }
    std::string file() const { return folder_ / "turn.json"; }

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
        EXPECT_TRUE(first->check());
    }
    EXPECT_FALSE(std::filesystem::exists(file()));
    EXPECT_TRUE(take());
}

TEST_F(TurnTest, ShowsThatItsHolderLivesWhateverHeWaitsFor)
{
    auto const turn = take(Duration::from_ms(1));
    ASSERT_TRUE(turn);
    auto const beat = [this] {
        auto const holder = parse_holder(test::file_text(file()));
        return holder ? holder->beat : 0;
    };
    EXPECT_TRUE(eventually([&] { return beat() >= 3; }));
}

TEST_F(TurnTest, WhoLostItHearsOfItAndLeavesTheOthersFileAlone)
{
    {
        auto const turn = take(Duration::from_ms(1));
        ASSERT_TRUE(turn);
        auto other = own_identity(0);
        other.host = "elsewhere";
        // As a taker does: the file is another one at once. A beat just under way may still put it back.
        ASSERT_TRUE(eventually([&] {
            test::write_text(folder_ / "other", print_holder(other));
            std::filesystem::rename(folder_ / "other", file());
            return !turn->check();
        }));
        EXPECT_EQ(turn->check().error().kind, ErrorKind::busy);
    }
    EXPECT_EQ(parse_holder(test::file_text(file()))->host, "elsewhere");
}

TEST_F(TurnTest, OfAHolderThatDiedIsTakenAtOnce)
{
    pid_t const child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) ::_exit(0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    auto dead = own_identity(0);
    dead.pid = child;
    test::write_text(file(), print_holder(dead));
    EXPECT_TRUE(take());
}

}  // namespace
}  // namespace yoda
