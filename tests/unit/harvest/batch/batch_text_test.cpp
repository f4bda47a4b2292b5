// SPDX-License-Identifier: Apache-2.0
// What batch systems print, in their own words.
#include <gtest/gtest.h>

#include "harvest/batch/pbs/text.hpp"
#include "harvest/batch/slurm/text.hpp"

namespace yoda {
namespace {

TEST(SlurmText, SbatchNamesTheJobBehindGreetingsAndItsCluster)
{
    EXPECT_EQ(*parse_sbatch("77\n"), (SubmittedJob{"77", ""}));
    EXPECT_EQ(*parse_sbatch("Welcome to the machine\n\n77;perlmutter\n"), (SubmittedJob{"77", "perlmutter"}));
    EXPECT_FALSE(parse_sbatch(""));
    EXPECT_FALSE(parse_sbatch("Submitted batch job\n"));
}

TEST(SlurmText, ClustersAreFoundInTheOptionsAsSbatchTakesThem)
{
    EXPECT_EQ(clusters_in_options({"--mem=0"}), "");
    EXPECT_EQ(clusters_in_options({"--clusters=c2"}), "c2");
    EXPECT_EQ(clusters_in_options({"--clusters c1,c2"}), "c1,c2");
    EXPECT_EQ(clusters_in_options({"--cluster='c2'"}), "c2");
    EXPECT_EQ(clusters_in_options({"-M c1", "-Mc2"}), "c2");
    EXPECT_EQ(clusters_in_options({"--cluster-constraint=gpu"}), "");
    EXPECT_EQ(split_clusters(""), std::vector<std::string>{""});
    EXPECT_EQ(split_clusters("c1, c2,"), (std::vector<std::string>{"c1", "c2"}));
}

TEST(SlurmText, JobsOfSqueueAndSacctAreRead)
{
    auto const jobs = parse_slurm_jobs(
        "12|yabc|PENDING|Priority\n13|yabd|RUNNING|None\n14|yabe|CANCELLED by 1000|(null)\n"
        "15|yabf|TIMEOUT|a|b\n\n");
    ASSERT_TRUE(jobs);
    ASSERT_EQ(jobs->size(), 4u);
    EXPECT_EQ((*jobs)[0], (BatchJob{"12", "yabc", BatchState::pending, "PENDING", "Priority"}));
    EXPECT_EQ((*jobs)[1].reason, "");
    EXPECT_EQ((*jobs)[2].state, BatchState::ended);
    EXPECT_EQ((*jobs)[3].reason, "a|b");
}

TEST(SlurmText, AnAnswerThatIsNotUnderstoodIsAnErrorAndNotAnEmptyList)
{
    EXPECT_FALSE(parse_slurm_jobs("slurm_load_jobs error: Unable to contact slurm controller\n"));
    EXPECT_FALSE(parse_slurm_jobs("12|yabc|FROZEN|None\n"));
    EXPECT_FALSE(parse_slurm_jobs("|yabc|RUNNING|None\n"));
    EXPECT_TRUE(parse_slurm_jobs("")->empty());
}

TEST(SlurmText, AJobThatCompletesOrWaitsToBeRequeuedHasNotEnded)
{
    EXPECT_EQ(parse_slurm_state("COMPLETING"), BatchState::running);
    EXPECT_EQ(parse_slurm_state("SUSPENDED"), BatchState::running);
    EXPECT_EQ(parse_slurm_state("REQUEUED"), BatchState::pending);
    EXPECT_EQ(parse_slurm_state("NODE_FAIL"), BatchState::ended);
    EXPECT_EQ(parse_slurm_state("CANCELLED+"), BatchState::ended);
    EXPECT_EQ(parse_slurm_state("running"), std::nullopt);
}

TEST(SlurmText, OnlySlurmsOwnNoMeansThatThereIsNoJob)
{
    EXPECT_FALSE(
        may_have_submitted("sbatch: error: Batch job submission failed: Invalid account or account/partition "
                           "combination specified"));
    EXPECT_FALSE(may_have_submitted("sbatch: error: invalid partition specified: nowhere"));
    EXPECT_FALSE(may_have_submitted("sbatch: error: Invalid --time specification"));
    EXPECT_TRUE(may_have_submitted(
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"));
    EXPECT_TRUE(
        may_have_submitted("sbatch: error: Batch job submission failed: Unable to contact slurm controller "
                           "(connect failure)"));
    EXPECT_TRUE(may_have_submitted(
        "sbatch: error: Batch job submission failed: Zero Bytes were transmitted or received"));
    EXPECT_TRUE(may_have_submitted(""));
}

constexpr auto qstat_text = R"(Job Id: 0.p1
    Job_Name = yabc
    Job_Owner = root@p1
    job_state = R
    Resource_List.walltime = 00:10:00
    Variable_List = PBS_O_HOME=/root,PBS_O_LANG=C.UTF-8,
	PBS_O_PATH=/usr/local/bin:/usr/bin,
	job_state=Q
    comment = Job run at Sun Nov 22 at 05:00 on (p1:ncpus=2)+(p2:ncpu
	s=2)
    etime = Sun Nov 22 05:00:00 2026

Job Id: 1[].p1
    Job_Name = other
    job_state = B
)";

TEST(PbsText, BlocksOfQstatWithFoldedValuesAreRead)
{
    auto const jobs = parse_qstat_text(qstat_text);
    ASSERT_TRUE(jobs);
    ASSERT_EQ(jobs->size(), 2u);
    EXPECT_EQ((*jobs)[0].id, "0.p1");
    EXPECT_EQ((*jobs)[0].state, BatchState::running);
    EXPECT_EQ((*jobs)[0].reason, "Job run at Sun Nov 22 at 05:00 on (p1:ncpus=2)+(p2:ncpus=2)");
    EXPECT_EQ((*jobs)[1].name, "other");
}

TEST(PbsText, TheSlurmWrappersQstatIsRead)
{
    auto const jobs =
        parse_qstat_text("Job Id:\t7\n\tJob_Name = yabc\n\tJob_Owner = root@host\n\tjob_state = C\n");
    ASSERT_TRUE(jobs);
    ASSERT_EQ(jobs->size(), 1u);
    EXPECT_EQ((*jobs)[0].id, "7");
    EXPECT_EQ((*jobs)[0].name, "yabc");
    EXPECT_EQ((*jobs)[0].state, BatchState::ended);
}

TEST(PbsText, QsubNamesTheJobInItsLastLine)
{
    EXPECT_EQ(*parse_qsub("hello user\n12.server\n"), "12.server");
    EXPECT_EQ(*parse_qsub("3[].p1\n"), "3[].p1");
    EXPECT_FALSE(parse_qsub("qsub: waiting for job\n"));
    EXPECT_FALSE(parse_qsub(""));
}

TEST(PbsText, OnlyNodesWithoutAJobAreIdle)
{
    // OpenPBS 23.06: a node is "free" while any of its cores is.
    constexpr auto text = R"(p1
     Mom = p1
     state = free
     jobs = 3.p1/0, 3.p1/1
     resources_available.ncpus = 4

p2
     Mom = p2
     state = free
     resources_available.ncpus = 4

p3
     Mom = p3
     state = job-busy
     jobs = 4.p1/0

p4
     Mom = p4
     state = state-unknown,down
)";
    EXPECT_EQ(count_idle_pbs_nodes(text), 1u);
    EXPECT_EQ(count_idle_pbs_nodes("pbsnodes: cannot connect to server\n"), 0u);
}

TEST(PbsText, TheSlurmWrapperPassesOnWhatSbatchSaid)
{
    EXPECT_FALSE(qsub_may_have_submitted(
        "There was an error running the Slurm sbatch command.\nThe command was:\n'/usr/bin/sbatch -J y1 x.sh "
        "2>&1'\n"
        "and the output was:\n'sbatch: error: invalid partition specified: nowhere\n"
        " sbatch: error: Batch job submission failed: Invalid partition name specified\n'\n"));
    EXPECT_TRUE(
        qsub_may_have_submitted("There was an error running the Slurm sbatch command.\nand the output was:\n"
                                "'sbatch: error: Batch job submission failed: Unable to contact slurm "
                                "controller (connect failure)\n'\n"));
}

TEST(PbsText, AnUnknownJobIsToldFromASilentServer)
{
    EXPECT_TRUE(is_unknown_pbs_job("qstat: Unknown Job Id 7.p1"));
    constexpr auto finished =
        "qstat: 7.p1 Job has finished, use -x or -H to obtain historical job information";
    EXPECT_TRUE(is_finished_pbs_job(finished));
    EXPECT_FALSE(is_unknown_pbs_job(finished));
    EXPECT_FALSE(is_unknown_pbs_job("qstat: PBS is not configured to maintain job history"));
    EXPECT_FALSE(is_unknown_pbs_job("Connection refused\nqstat: cannot connect to server p1 (errno=15010)"));
    EXPECT_TRUE(qsub_may_have_submitted("qsub: cannot connect to server p1 (errno=15010)"));
    EXPECT_FALSE(qsub_may_have_submitted("qsub: Unknown queue"));
}

}  // namespace
}  // namespace yoda
