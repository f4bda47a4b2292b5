// SPDX-License-Identifier: Apache-2.0
#include "core/config/silence.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

Job job(nlohmann::json more)
{
    nlohmann::json fields{{"PandaID", 1}};
    fields.update(more);
    return *Job::from_json(fields);
}

double hours(std::vector<Job> const& jobs, Duration walltime = Duration::max())
{
    return default_silence(jobs, walltime).s() / 3600;
}

TEST(Silence, IsThePilotsByKindOfJob)
{
    EXPECT_EQ(hours({}), 12);
    EXPECT_EQ(hours({job({{"prodSourceLabel", "managed"}})}), 12);
    EXPECT_EQ(hours({job({{"prodSourceLabel", "user"}})}), 3);
    EXPECT_EQ(hours({job({{"transformation", "http://pandaserver/trf/runGen"}})}), 3);
    EXPECT_EQ(hours({job({{"prodSourceLabel", "managed"}}), job({{"prodSourceLabel", "user"}})}), 3);
}

TEST(Silence, IsBoundedByTheJobsLimitAndTheWalltime)
{
    EXPECT_EQ(hours({job({{"maxCpuCount", 7200}})}), 2);
    EXPECT_EQ(hours({job({{"maxCpuCount", "NULL"}})}, Duration::from_s(4 * 3600)), 1);
}

TEST(Silence, JobsWithoutLoopingCheckSetNoLimit)
{
    EXPECT_GT(hours({job({{"loopingCheck", "False"}, {"maxCpuCount", 60}})}), 1000);
    EXPECT_GT(hours({job({{"loopingCheck", false}})}, Duration::from_s(3600)), 1000);
    EXPECT_EQ(hours({job({{"loopingCheck", "False"}}), job({{"prodSourceLabel", "user"}})}), 3);
}

}  // namespace
}  // namespace yoda
