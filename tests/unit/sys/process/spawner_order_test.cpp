// SPDX-License-Identifier: Apache-2.0
// Payloads that are ordered ahead: each is started by the server itself when the one before it is gone.
#include <csignal>

#include "spawner_fixture.hpp"

namespace yoda::test {
namespace {

using SpawnerOrder = SpawnerTest;

/// Runs until the test makes the file "go".
constexpr char const* first_script = "while ! [ -e go ]; do sleep 0.01; done; echo first >> order";

SpawnRequest after(SpawnId before, SpawnRequest request)
{
    request.after = before;
    return request;
}

TEST_F(SpawnerOrder, TheNextStartsWithoutAWordWhenTheFirstIsGone)
{
    SpawnId const first = spawn(shell(first_script));
    SpawnId const second = spawn(after(first, shell("echo second >> order")));
    SpawnId const third = spawn(after(second, shell("echo third >> order")));
    wait_started(first);
    write_text(folder_ / "go", "");
    // Nobody turns the Spawner meanwhile.
    EXPECT_TRUE(eventually([&] { return file_lines(folder_ / "order").size() == 3; }));
    EXPECT_EQ(file_text(folder_ / "order"), "first\nsecond\nthird\n");
    EXPECT_EQ(started_.count(second), 0u);
    EXPECT_EQ(wait_exited(third).exit_code, 0);
    EXPECT_EQ(exited_.at(first).exit_code, 0);
    EXPECT_EQ(exited_.at(second).exit_code, 0);
}

TEST_F(SpawnerOrder, TheNextWaitsForStraysOfTheFirst)
{
    SpawnId const first = spawn(shell("setsid sleep 1000 & echo $! >> pids; exit 0"));
    SpawnId const second = spawn(after(first, shell("kill -0 $(cat pids) && echo alive || echo gone")));
    EXPECT_EQ(wait_exited(second).exit_code, 0);
    EXPECT_EQ(output(), "gone\n");
}

TEST_F(SpawnerOrder, OneThatIsKilledWhileItWaitsIsNeverStarted)
{
    SpawnId const first = spawn(shell(first_script));
    SpawnId const second = spawn(after(first, shell("echo second >> order")));
    SpawnId const third = spawn(after(second, shell("echo third >> order")));
    spawner_->signal(second, SIGTERM);  // There is nothing yet to be signalled.
    spawner_->kill_tree(second);
    EXPECT_EQ(wait_exited(second).signal, SIGKILL);
    EXPECT_EQ(started_.count(second), 0u);
    EXPECT_EQ(wait_exited(third).exit_code, 0) << "what it waited for is gone";
    write_text(folder_ / "go", "");
    EXPECT_EQ(wait_exited(first).exit_code, 0);
    EXPECT_EQ(file_text(folder_ / "order"), "third\nfirst\n");
}

TEST_F(SpawnerOrder, OneThatCannotBeStartedLetsTheNextPass)
{
    SpawnId const first = spawn(shell("exit 3"));
    SpawnId const second = spawn(after(first, program({"/no/such/program"})));
    SpawnId const third = spawn(after(second, shell("echo third")));
    wait_failed(second);
    EXPECT_EQ(wait_exited(third).exit_code, 0);
    EXPECT_EQ(output(), "third\n");
}

TEST_F(SpawnerOrder, AfterOneThatHasEndedItStartsAtOnce)
{
    SpawnId const first = spawn(shell("exit 3"));
    EXPECT_EQ(wait_exited(first).exit_code, 3);
    EXPECT_EQ(run(after(first, shell("exit 4"))).exit_code, 4);
}

}  // namespace
}  // namespace yoda::test
