#include "sys/launcher.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "support/variables.hpp"

namespace yoda {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;
using Words = std::map<std::string, std::string>;

/// Just these of the words of launchers.
test::Variables set(Words const& words)
{
    return test::Variables(
        {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "PMI_SIZE", "PALS_RANKID",
         "SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"},
        words);
}

std::optional<std::string> lost(Words const& words)
{
    auto const here = set(words);
    return find_lost_ranks();
}

TEST(Launcher, AProcessThatIsOneOfSeveralToItsLauncherIsLostWhenItIsAloneToMpi)
{
    EXPECT_THAT(lost({{"OMPI_COMM_WORLD_SIZE", "3"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"PMIX_RANK", "0"}}),
                Optional(std::string("OMPI_COMM_WORLD_SIZE is 3")));
    EXPECT_THAT(lost({{"PMI_SIZE", "2"}, {"PMI_RANK", "0"}}), Optional(std::string("PMI_SIZE is 2")));
    EXPECT_THAT(lost({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "5"}}),
                Optional(std::string("SLURM_STEP_NUM_TASKS is 5 in step 0")));
    EXPECT_THAT(lost({{"PMIX_RANK", "1"}}), Optional(std::string("PMIX_RANK is 1")));
    EXPECT_THAT(lost({{"PALS_RANKID", "0"}}), Optional(HasSubstr("PALS_RANKID is set, and no variable")));
    EXPECT_THAT(lost({{"PALS_RANKID", "0"}, {"PMI_SIZE", "4"}}), Optional(std::string("PMI_SIZE is 4")));
}

TEST(Launcher, AProcessThatIsAloneToItsLauncherTooIsNotLost)
{
    EXPECT_EQ(lost({}), std::nullopt);
    EXPECT_EQ(lost({{"OMPI_COMM_WORLD_SIZE", "1"}, {"OMPI_COMM_WORLD_RANK", "0"}, {"PMIX_RANK", "0"}}),
              std::nullopt);
    EXPECT_EQ(lost({{"PMI_SIZE", "1"}, {"PMI_RANK", "0"}, {"PALS_RANKID", "0"}}), std::nullopt);
    EXPECT_EQ(lost({{"PMIX_RANK", "0"}}), std::nullopt);
    EXPECT_EQ(lost({{"SLURM_STEP_ID", "3"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"PALS_RANKID", "0"}}),
              std::nullopt);
    EXPECT_EQ(lost({{"SLURM_STEP_ID", "batch"}, {"SLURM_STEP_NUM_TASKS", "4"}}), std::nullopt);
    EXPECT_EQ(lost({{"SLURM_STEP_NUM_TASKS", "4"}}), std::nullopt);
    EXPECT_EQ(lost({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"OMPI_COMM_WORLD_SIZE", "1"}}),
              std::nullopt)
        << "the step is mpirun's daemons'";
}

TEST(Launcher, CrayAloneIsALauncherToo)
{
    auto const here = set({{"PALS_RANKID", "2"}});
    EXPECT_TRUE(launched_by_mpi());
    EXPECT_FALSE(is_first_rank());
}

TEST(Launcher, SlurmsStepIsNoMpi)
{
    auto const here = set({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "2"}, {"SLURM_PROCID", "1"}});
    EXPECT_FALSE(launched_by_mpi());
    EXPECT_FALSE(is_first_rank());
}

TEST(Launcher, WhoeverNobodyLaunchedIsTheFirst)
{
    auto const here = set({});
    EXPECT_FALSE(launched_by_mpi());
    EXPECT_TRUE(is_first_rank());
}

}  // namespace
}  // namespace yoda
