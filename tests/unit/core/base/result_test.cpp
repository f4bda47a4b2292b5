// SPDX-License-Identifier: Apache-2.0
#include "core/base/result.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace yoda {
namespace {

Error const some_error{ErrorKind::io, "cannot open x", "no such file", "make it"};

TEST(Result, HoldsAValueOrAnError)
{
    Result<int> const value = 7;
    ASSERT_TRUE(value);
    EXPECT_EQ(*value, 7);
    Result<int> const error = some_error;
    ASSERT_FALSE(error);
    EXPECT_EQ(error.error().what, "cannot open x");
}

TEST(Result, GivesAwayWhatCannotBeCopied)
{
    Result<std::unique_ptr<int>> result = std::make_unique<int>(3);
    auto const taken = *std::move(result);
    EXPECT_EQ(*taken, 3);
}

TEST(Result, AnErrorIsOneLine)
{
    EXPECT_EQ(some_error.text(), "cannot open x: no such file (make it)");
    EXPECT_EQ((Error{ErrorKind::io, "what", "", ""}.text()), "what");
    EXPECT_EQ((Error{ErrorKind::io, "what", "", "fix"}.text()), "what (fix)");
}

TEST(Status, IsGoodUnlessItHasAnError)
{
    EXPECT_TRUE(Status{});
    Status const bad = some_error;
    ASSERT_FALSE(bad);
    EXPECT_EQ(bad.error().kind, ErrorKind::io);
}

TEST(ResultDeathTest, TakingTheValueOfAnErrorEndsTheProcessWithIt)
{
    Result<int> const error = some_error;
    EXPECT_DEATH(static_cast<void>(*error), "check failed.*cannot open x: no such file");
    Result<int> const value = 7;
    EXPECT_DEATH(static_cast<void>(value.error()), "no error in this result");
}

}  // namespace
}  // namespace yoda
