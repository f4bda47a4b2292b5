// Event data shared between projects, beside the source tree; not part of it. Tests that need a file of it
// skip where it is absent, except in CI.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "source_folder.hpp"

namespace yoda::test {

inline std::string shared_data(std::string const& name)
{
    return std::string(YODA_SOURCE_DIR) + "/../shared/data/" + name;
}

}  // namespace yoda::test

/// Ends the test that names it unless the file is there.
#define YODA_NEED_SHARED_DATA(name)                                                            \
    do {                                                                                       \
        if (!std::filesystem::exists(::yoda::test::shared_data(name))) {                       \
            if (std::getenv("CI")) FAIL() << ::yoda::test::shared_data(name) << " is missing"; \
            GTEST_SKIP() << ::yoda::test::shared_data(name) << " is not here";                 \
        }                                                                                      \
    } while (false)
