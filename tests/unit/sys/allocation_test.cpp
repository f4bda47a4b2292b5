#include "sys/allocation.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "support/scratch_folder.hpp"
#include "support/variables.hpp"

namespace yoda {
namespace {

/// Just these variables of all that read_allocation looks at.
struct JobEnvironment : test::Variables {
    explicit JobEnvironment(std::map<std::string, std::string> const& variables)
        : Variables({"SLURM_JOB_ID", "SLURM_JOB_END_TIME", "SLURM_JOB_NUM_NODES", "PBS_JOBID", "PBS_NODEFILE",
                     "PBS_NUM_NODES", "PBS_WALLTIME", "YODA_END_TIME", "SLURM_TMPDIR", "BB_JOB_LOCAL",
                     "DW_JOB_PRIVATE", "TMPDIR"},
                    variables)
    {}
};

TEST(Allocation, OutsideOfABatchJobNothingIsKnown)
{
    JobEnvironment const none({});
    auto const allocation = read_allocation();
    EXPECT_EQ(allocation.batch_job, "");
    EXPECT_EQ(allocation.end_unix_s, 0);
    EXPECT_EQ(allocation.node_count, 0u);
    EXPECT_EQ(allocation.scratch, "");
}

TEST(Allocation, SlurmTellsEndNodesAndScratch)
{
    JobEnvironment const job({{"SLURM_JOB_ID", "12"},
                              {"SLURM_JOB_END_TIME", "1700000600"},
                              {"SLURM_JOB_NUM_NODES", "3"},
                              {"TMPDIR", "/tmp"},
                              {"BB_JOB_LOCAL", "/bb/12"}});
    auto const allocation = read_allocation();
    EXPECT_EQ(allocation.batch_job, "slurm 12");
    EXPECT_EQ(allocation.end_unix_s, 1700000600);
    EXPECT_EQ(allocation.node_count, 3u);
    EXPECT_EQ(allocation.scratch, "/bb/12");
}

TEST(Allocation, PbsTellsNodesByItsFileAndScratchByTmpdir)
{
    test::ScratchFolder const folder;
    test::write_text(folder.path() + "/nodes", "p1\np1\np2\n");
    JobEnvironment const job({{"PBS_JOBID", "4.server"},
                              {"PBS_NODEFILE", folder.path() + "/nodes"},
                              {"TMPDIR", "/var/tmp/pbs.4.server"}});
    auto const allocation = read_allocation();
    EXPECT_EQ(allocation.batch_job, "pbs 4.server");
    EXPECT_EQ(allocation.end_unix_s, 0) << "OpenPBS tells none";
    EXPECT_EQ(allocation.node_count, 2u);
    EXPECT_EQ(allocation.scratch, "/var/tmp/pbs.4.server");
}

TEST(Allocation, TorqueTellsAWalltimeAndTheScriptsEndGoesBeforeIt)
{
    std::map<std::string, std::string> const torque{
        {"PBS_JOBID", "7.t"}, {"PBS_NUM_NODES", "5"}, {"PBS_WALLTIME", "3600"}};
    {
        JobEnvironment const job(torque);
        EXPECT_EQ(read_allocation().walltime_s, 3600);
        EXPECT_EQ(read_allocation().node_count, 5u);
    }
    auto told = torque;
    told["YODA_END_TIME"] = "1700000000";
    JobEnvironment const job(told);
    EXPECT_EQ(read_allocation().end_unix_s, 1700000000);
}

}  // namespace
}  // namespace yoda
