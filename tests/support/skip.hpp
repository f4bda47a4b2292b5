// SPDX-License-Identifier: Apache-2.0
// How tests in C++ are skipped: a test that needs what this machine lacks ends with its reason. With CI=true,
// which promises that nothing is missing, such a test fails. ctest lists all skips at its end.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

namespace yoda::test {

inline bool skipping_is_failing()
{
    char const* const ci = std::getenv("CI");
    return ci && std::string_view(ci) == "true";
}

}  // namespace yoda::test

/// Ends the calling function, which returns nothing; a streamed `reason` says what is missing.
#define YODA_SKIP(reason)                                                \
    do {                                                                 \
        if (::yoda::test::skipping_is_failing())                         \
            FAIL() << "with CI=true nothing may be missing: " << reason; \
        GTEST_SKIP() << reason;                                          \
    } while (false)
