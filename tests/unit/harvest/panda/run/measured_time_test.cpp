// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/measured_time.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

TEST(MeasuredTime, TheNewestRunThatMeasuredOneCounts)
{
    test::ScratchFolder spool;
    EXPECT_FALSE(find_measured_time(spool / "new"));
    auto const now = std::filesystem::file_time_type::clock::now();
    int age_h = 0;
    for (auto const& [name, text] :
         {std::pair{"newest", "{ half"}, std::pair{"unstarted", R"({"version": 1})"},
          std::pair{"odd", R"({"event_time_s": {"mean": "fast"}})"},
          std::pair{"measured", R"({"event_time_s": {"mean": 2.5, "p50": 1}})"},
          std::pair{"older", R"({"event_time_s": {"mean": 9}})"}}) {
        std::filesystem::create_directories(spool / name);
        auto const path = (spool / name) + "/status.json";
        test::write_text(path, text);
        std::filesystem::last_write_time(path, now - std::chrono::hours(age_h++));
    }
    auto const found = find_measured_time((spool / "new") + "/");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->seconds_per_event, 2.5);
    EXPECT_EQ(found->run, spool / "measured");
}

}  // namespace
}  // namespace yoda
