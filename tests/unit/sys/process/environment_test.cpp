// SPDX-License-Identifier: Apache-2.0
#include "sys/process/environment.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

namespace yoda {
namespace {

TEST(Environment, WhatMakesAProgramAnMpiRankIsTakenOut)
{
    std::vector<std::string> const given = {"PATH=/bin",
                                            "OMPI_COMM_WORLD_RANK=1",
                                            "PMIX_NAMESPACE=x",
                                            "ORTE_x=1",
                                            "PMI_RANK=3",
                                            "PMI_FD=4",
                                            "SLURM_STEP_ID=0",
                                            "SLURM_STEPID=0",
                                            "SLURM_PROCID=1",
                                            "SLURM_LOCALID=0",
                                            "SLURM_GTIDS=1",
                                            "SLURM_SRUN_COMM_HOST=h",
                                            "SLURM_PMIX_MAPPING=",
                                            "SLURM_CPU_BIND=x",
                                            "PALS_RANKID=0",
                                            "HYDRA_X=1",
                                            "SLURM_JOB_ID=77",
                                            "SLURM_JOB_NODELIST=n1",
                                            "PBS_JOBID=8.server",
                                            "MY_OMPI_=1",
                                            "EMPTY=",
                                            "ODD"};
    EXPECT_EQ(clean_environment(given),
              (std::vector<std::string>{"PATH=/bin", "SLURM_JOB_ID=77", "SLURM_JOB_NODELIST=n1",
                                        "PBS_JOBID=8.server", "MY_OMPI_=1", "EMPTY=", "ODD"}));
}

TEST(Environment, SettingReplacesEveryOldValue)
{
    std::vector<std::string> environment = {"A=1", "AB=2", "A=3"};
    set_variable(environment, "A", "x=y");
    EXPECT_EQ(environment, (std::vector<std::string>{"AB=2", "A=x=y"}));
}

TEST(Environment, CurrentIsThatOfThisProcess)
{
    ::setenv("YODA_TEST_VARIABLE", "value", 1);
    auto const all = current_environment();
    EXPECT_EQ(std::count(all.begin(), all.end(), "YODA_TEST_VARIABLE=value"), 1);
    ::unsetenv("YODA_TEST_VARIABLE");
}

}  // namespace
}  // namespace yoda
