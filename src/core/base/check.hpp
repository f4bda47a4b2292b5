// SPDX-License-Identifier: Apache-2.0
// Assertions that stay on in production: a broken invariant ends the process with a message.
// Never for input from outside: that is an Error (core/base/result.hpp).
#pragma once

#include <string_view>

namespace yoda {

/// Prints "file:line: check failed: condition: why" to stderr and aborts.
[[noreturn]] void fail_check(char const* file, int line, char const* condition, std::string_view why);

}  // namespace yoda

#define YODA_CHECK(condition, why)                                                   \
    do {                                                                             \
        if (!(condition)) ::yoda::fail_check(__FILE__, __LINE__, #condition, (why)); \
    } while (false)
