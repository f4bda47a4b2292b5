// SPDX-License-Identifier: Apache-2.0
#include "core/base/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace yoda {

void fail_check(char const* file, int line, char const* condition, std::string_view why)
{
    std::fprintf(stderr, "%s:%d: check failed: %s: %.*s\n", file, line, condition,
                 static_cast<int>(why.size()), why.data());
    std::abort();
}

}  // namespace yoda
