// SPDX-License-Identifier: Apache-2.0
#include "core/base/exit_code.hpp"

#include <gtest/gtest.h>

namespace yoda::test {
namespace {

TEST(ExitCode, TheWorstOfSeveralRunsIsTold)
{
    EXPECT_EQ(worse_exit(exit_done, exit_done), exit_done);
    EXPECT_EQ(worse_exit(exit_done, exit_again), exit_again);
    EXPECT_EQ(worse_exit(exit_again, exit_some_failed), exit_some_failed) << "failed for good is worse";
    EXPECT_EQ(worse_exit(exit_some_failed, exit_usage), exit_usage);
    EXPECT_EQ(worse_exit(exit_usage, exit_person), exit_person);
    EXPECT_EQ(worse_exit(exit_person, exit_again), exit_person);
}

TEST(ExitCode, OnlyWhatTheNextCallMayMendIsTriedAgain)
{
    auto const code_of = [](ErrorKind kind) { return exit_code_of({kind, "what", {}, {}}); };
    EXPECT_EQ(code_of(ErrorKind::unavailable), exit_again);
    EXPECT_EQ(code_of(ErrorKind::busy), exit_again);
    EXPECT_EQ(code_of(ErrorKind::usage), exit_usage);
    EXPECT_EQ(code_of(ErrorKind::bad_input), exit_usage);
    EXPECT_EQ(code_of(ErrorKind::io), exit_person);
    EXPECT_EQ(code_of(ErrorKind::no_space), exit_person);
    EXPECT_EQ(code_of(ErrorKind::refused), exit_person);
}

}  // namespace
}  // namespace yoda::test
