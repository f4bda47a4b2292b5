// SPDX-License-Identifier: Apache-2.0
// Submissions, decisions, sizes, settings and job files: everything about batch systems that needs none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "harvest/batch/batch_plan.hpp"
#include "harvest/batch/job_file.hpp"
#include "harvest/batch/site.hpp"
#include "harvest/batch/sizing.hpp"
#include "harvest/batch/spool_config.hpp"
#include "harvest/batch/submission.hpp"
#include "source_folder.hpp"

namespace yoda {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Submission make_submission(SubmissionState state, unsigned number = 1, std::uint64_t unended = 100)
{
    Submission s;
    s.number = number;
    s.batch = BatchKind::slurm;
    s.name = "yabc" + std::to_string(number);
    s.state = state;
    s.unended_before = unended;
    s.intended_unix_s = 1000;
    if (state != SubmissionState::intended) s.job_id = "7";
    return s;
}

RunFacts facts_of(std::uint64_t unended_count, bool more_may_come = false,
                  std::uint64_t open_bundle_count = 0)
{
    RunFacts facts;
    facts.unended_count = unended_count;
    facts.more_may_come = more_may_come;
    facts.open_bundle_count = open_bundle_count;
    return facts;
}

Sighting listed(BatchState state)
{
    Sighting sighting;
    sighting.answered = true;
    sighting.job = BatchJob{"7", "yabc1", state, "WORD", "reason"};
    return sighting;
}

Sighting unknown()
{
    Sighting sighting;
    sighting.answered = true;
    return sighting;
}

TEST(Submission, SurvivesItsFile)
{
    auto s = make_submission(SubmissionState::running);
    s.exit_code = 3;
    s.reason = "a \"reason\"";
    s.cluster = "c2";
    s.life_before = 3;
    auto const read = parse_submission(print_submission(s).dump());
    ASSERT_TRUE(read);
    EXPECT_EQ(print_submission(*read), print_submission(s));
    EXPECT_FALSE(parse_submission("{"));
    EXPECT_FALSE(parse_submission("{\"version\":2}"));
}

TEST(Submission, WithoutAnAnswerIsFoundByItsName)
{
    auto const s = observe(make_submission(SubmissionState::intended), listed(BatchState::pending), 1001, {});
    EXPECT_EQ(s.state, SubmissionState::submitted);
    EXPECT_EQ(s.job_id, "7");
}

TEST(Submission, IsGivenUpOnlyWhenTheSystemHasTwiceSaidThatItHasNoSuchJob)
{
    SightingPolicy const policy{120, 900};
    auto s = observe(make_submission(SubmissionState::intended), unknown(), 1001, policy);
    EXPECT_EQ(s.state, SubmissionState::intended);
    s = observe(s, unknown(), 1120, policy);
    EXPECT_EQ(s.state, SubmissionState::intended);
    s = observe(s, unknown(), 1121, policy);
    EXPECT_EQ(s.state, SubmissionState::refused);
}

TEST(Submission, HasEndedAsSoonAsTheSystemKnowsNoJobOfItsNumber)
{
    auto sighting = unknown();
    sighting.gone = true;
    EXPECT_EQ(observe(make_submission(SubmissionState::submitted), sighting, 1001, {}).state,
              SubmissionState::ended);
    sighting.yoda_lives = true;
    EXPECT_EQ(observe(make_submission(SubmissionState::submitted), sighting, 1001, {}).state,
              SubmissionState::running);
}

TEST(Submission, WithoutAnAnswerHasRunIfALifeBeganSince)
{
    SightingPolicy const policy{120, 900};
    auto sighting = unknown();
    sighting.life = 3;
    auto s = make_submission(SubmissionState::intended);
    s.life_before = 2;
    s = observe(s, sighting, 1000, policy);
    s = observe(s, sighting, 1120, policy);
    EXPECT_EQ(s.state, SubmissionState::intended);
    s = observe(s, sighting, 1900, policy);
    EXPECT_EQ(s.state, SubmissionState::ended);
}

TEST(Submission, KeepsTheClusterThatItsJobWasFoundOn)
{
    auto s = make_submission(SubmissionState::intended);
    s.cluster = "c1,c2";
    auto sighting = listed(BatchState::running);
    sighting.job->cluster = "c2";
    s = observe(s, sighting, 1001, {});
    EXPECT_EQ(s.cluster, "c2");
    EXPECT_EQ(s.label(), "7 on cluster c2");
}

TEST(Submission, ASilentSystemProvesNothingHoweverLong)
{
    auto s = make_submission(SubmissionState::running);
    for (std::int64_t now = 1000; now < 1'000'000; now += 10'000) s = observe(s, Sighting{}, now, {});
    EXPECT_EQ(s.state, SubmissionState::running);
}

TEST(Submission, AnEmptyAnswerEndsNoJobWhoseYodaLives)
{
    auto sighting = unknown();
    sighting.yoda_lives = true;
    auto s = make_submission(SubmissionState::submitted);
    for (std::int64_t now = 1000; now < 100'000; now += 600) s = observe(s, sighting, now, {});
    EXPECT_EQ(s.state, SubmissionState::running);
    s = observe(s, unknown(), 100'000, {});
    EXPECT_EQ(s.state, SubmissionState::running);
    s = observe(s, unknown(), 100'900, {});
    EXPECT_EQ(s.state, SubmissionState::ended);
}

TEST(Submission, AMissOnceInAWhileIsForgotten)
{
    auto s = make_submission(SubmissionState::running);
    s = observe(s, unknown(), 1000, {});
    s = observe(s, listed(BatchState::running), 1500, {});
    s = observe(s, unknown(), 2000, {});
    EXPECT_EQ(s.state, SubmissionState::running);
}

TEST(Submission, TheScriptsNoteEndsAJobThatTheSystemHasForgottenButNoneThatItHasRequeued)
{
    auto sighting = unknown();
    sighting.end_note = 3;
    auto const ended = observe(make_submission(SubmissionState::running), sighting, 2000, {});
    EXPECT_EQ(ended.state, SubmissionState::ended);
    EXPECT_EQ(ended.exit_code, 3);
    auto requeued = listed(BatchState::pending);
    requeued.end_note = 3;
    EXPECT_EQ(observe(make_submission(SubmissionState::running), requeued, 2000, {}).state,
              SubmissionState::submitted);
    Sighting silent;
    silent.end_note = 3;
    EXPECT_TRUE(observe(make_submission(SubmissionState::running), silent, 2000, {}).active());
}

TEST(BatchPlan, WaitsWhileASubmissionIsUnderWay)
{
    for (auto const state : {SubmissionState::intended, SubmissionState::submitted, SubmissionState::running})
        EXPECT_EQ(decide(facts_of(100), {make_submission(state)}, {}, {}, 2000).step, NextStep::wait);
}

TEST(BatchPlan, SubmitsUntilNothingIsLeft)
{
    auto const ended = make_submission(SubmissionState::ended);
    EXPECT_EQ(decide(facts_of(50), {ended}, {}, {}, 2000).step, NextStep::submit);
    EXPECT_EQ(decide(facts_of(0), {ended}, {}, {}, 2000).step, NextStep::complete);
    EXPECT_EQ(decide(facts_of(0, true), {ended}, {}, {}, 2000).step, NextStep::wait);
    EXPECT_EQ(decide(facts_of(50), {ended}, {true, "", 0}, {}, 2000).step, NextStep::held);
    auto returned = facts_of(0);
    returned.returned_count = 7;
    auto const decision = decide(returned, {ended}, {}, {}, 2000);
    EXPECT_EQ(decision.step, NextStep::complete);
    EXPECT_THAT(decision.why, HasSubstr("7 go back to PanDA"));
    // What a yoda of nobody's submission is about to finish is waited for.
    returned.yoda_lives = true;
    EXPECT_EQ(decide(returned, {ended}, {}, {}, 2000).step, NextStep::wait);
}

TEST(BatchPlan, SealsWhatAKilledJobLeftOpenOnceNoOtherComes)
{
    auto const ended = make_submission(SubmissionState::ended);
    EXPECT_EQ(decide(facts_of(0, false, 2), {ended}, {}, {}, 2000).step, NextStep::seal);
    EXPECT_EQ(decide(facts_of(0, true, 2), {ended}, {}, {}, 2000).step, NextStep::seal);
    EXPECT_EQ(decide(facts_of(9, false, 2), {ended}, {false, "a limit", 0}, {}, 2000).step, NextStep::seal);
    // The next job does it, or the one that is there.
    EXPECT_EQ(decide(facts_of(9, false, 2), {ended}, {}, {}, 2000).step, NextStep::submit);
    auto const running = make_submission(SubmissionState::running);
    EXPECT_EQ(decide(facts_of(0, false, 2), {running}, {}, {}, 2000).step, NextStep::wait);
}

TEST(BatchPlan, GivesUpAfterJobsThatChangeNothingAndNotAfterOneThatDid)
{
    SiteConfig site;
    site.fruitless_max = 2;
    std::vector<Submission> submissions{make_submission(SubmissionState::ended, 1, 100),
                                        make_submission(SubmissionState::ended, 2, 60)};
    EXPECT_EQ(decide(facts_of(60), submissions, {}, site, 2000).step, NextStep::submit);
    submissions.push_back(make_submission(SubmissionState::refused, 3, 60));
    submissions.back().reason = "Invalid account";
    auto const decision = decide(facts_of(60), submissions, {}, site, 2000);
    EXPECT_EQ(decision.step, NextStep::give_up);
    EXPECT_THAT(decision.why, HasSubstr("Invalid account"));
    // A person has submitted since.
    EXPECT_EQ(decide(facts_of(60), submissions, {false, "", 3}, site, 2000).step, NextStep::submit);
}

TEST(BatchPlan, AFullQueueIsNoReasonToGiveUpButToWait)
{
    SiteConfig site;
    site.fruitless_max = 2;
    site.submissions_max = 4;
    site.retry_after_s = 600;
    std::vector<Submission> submissions;
    for (unsigned number = 1; number <= 9; ++number) {
        submissions.push_back(make_submission(SubmissionState::refused, number, 100));
        submissions.back().reason =
            "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)";
        submissions.back().ended_unix_s = 1000 + number;
    }
    auto const soon = decide(facts_of(100), submissions, {}, site, 1500);
    EXPECT_EQ(soon.step, NextStep::wait);
    EXPECT_THAT(soon.why, HasSubstr("submit limit"));
    EXPECT_EQ(decide(facts_of(100), submissions, {}, site, 1700).step, NextStep::submit);
}

TEST(BatchPlan, CountsSubmissionsAndAge)
{
    SiteConfig site;
    site.submissions_max = 2;
    std::vector<Submission> const submissions{make_submission(SubmissionState::ended, 1, 100),
                                              make_submission(SubmissionState::ended, 2, 60)};
    EXPECT_EQ(decide(facts_of(10), submissions, {}, site, 2000).step, NextStep::give_up);
    site.submissions_max = 9;
    site.age_max_s = 500;
    EXPECT_EQ(decide(facts_of(10), submissions, {}, site, 1400).step, NextStep::submit);
    EXPECT_EQ(decide(facts_of(10), submissions, {}, site, 1501).step, NextStep::give_up);
}

SizingLimits limits()
{
    SizingLimits l;
    l.nodes_min = 1;
    l.nodes_max = 100;
    l.walltime_min_s = 600;
    l.walltime_max_s = 7200;
    l.cores_per_node = 10;
    l.overhead_s = 200;
    return l;
}

TEST(Sizing, TakesAsManyNodesAsTheWorkNeedsAndNoMore)
{
    // 7000 s usable, 100 s * 1.3 a range: 53 ranges a core, 530 a node.
    auto const size = size_job({5300, 100, {}, 0}, limits());
    ASSERT_TRUE(size);
    EXPECT_EQ(size->node_count, 10u);
    EXPECT_LE(size->walltime_s, 7200);
    auto const few = size_job({15, 100, {}, 0}, limits());
    EXPECT_EQ(few->node_count, 1u);
    EXPECT_LT(few->walltime_s, 1000) << "a short job waits less";
    EXPECT_EQ(few->walltime_s % 60, 0);
}

TEST(Sizing, KeepsToTheLimits)
{
    auto l = limits();
    EXPECT_EQ(size_job({1'000'000, 100, {}, 0}, l)->node_count, 100u);
    l.nodes_min = 20;
    EXPECT_EQ(size_job({1000, 100, {}, 0}, l)->node_count, 20u);
    EXPECT_EQ(size_job({30, 100, {}, 0}, l)->node_count, 3u) << "no node without a range for each core";
    EXPECT_EQ(size_job({1'000'000, 0, {}, 0}, l)->node_count, 20u) << "unknown times: the least";
    l.backfill = true;
    EXPECT_EQ(size_job({1'000'000, 100, {}, 33}, l)->node_count, 33u);
    EXPECT_EQ(size_job({1'000'000, 100, {}, 5}, l)->node_count, 20u);
}

TEST(Sizing, RefusesWhatCannotBe)
{
    auto l = limits();
    EXPECT_FALSE(size_job({0, 100, {}, 0}, l));
    EXPECT_THAT(size_job({10, 7100, {}, 0}, l).error().what, HasSubstr("too short for one range"));
    l.nodes_wanted = 50;
    EXPECT_THAT(size_job({10, 1, {}, 0}, l).error().what, HasSubstr("more than the 10 ranges"));
    l.nodes_wanted = 101;
    EXPECT_THAT(size_job({1000, 1, {}, 0}, l).error().what, HasSubstr("nodes_max"));
}

TEST(Site, NamesEveryMissingKeyAtOnce)
{
    SiteConfig site;
    ASSERT_TRUE(
        read_site(site, "batch = slurm\nrequires = account\nrequires = qos\nqos = regular\n", "s.cfg"));
    auto const checked = check_site(site);
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().what, HasSubstr("nodes_max, walltime_max, cores_per_node, account"));
    EXPECT_THAT(checked.error().what, Not(HasSubstr("qos")));
}

TEST(Site, KnowsItsKeysAndSaysWhichLineIsWrong)
{
    SiteConfig site;
    auto const wrong = read_site(site, "batch = slurm\n\nwaltime_max = 1 h\n", "s.cfg");
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().text(), HasSubstr("s.cfg:3"));
    EXPECT_THAT(wrong.error().text(), HasSubstr("walltime_max"));
    EXPECT_FALSE(set_site(site, "nodes_max", "many"));
}

TEST(Site, SurvivesItsFile)
{
    SiteConfig site;
    ASSERT_TRUE(
        read_site(site,
                  "batch = pbs\nnodes_max = 7\nwalltime_max = 2 h\ncores_per_node = 128\noption = -l a=b\n"
                  "option = -M x\nexport = A=b c\nexclusive = no\n",
                  "s.cfg"));
    SiteConfig again;
    ASSERT_TRUE(read_site(again, print_site(site), "again"));
    EXPECT_EQ(print_site(again), print_site(site));
    EXPECT_EQ(again.size.walltime_max_s, 7200);
    EXPECT_EQ(again.options.size(), 2u);
    EXPECT_FALSE(again.exclusive);
    EXPECT_TRUE(check_site(again));
    ASSERT_TRUE(set_site(again, "export", "1A=b"));
    EXPECT_FALSE(check_site(again));
}

TEST(Site, AFilesListTakesThePlaceOfAnEarlierFilesAndASettingAddsToItOnce)
{
    SiteConfig site;
    ASSERT_TRUE(read_site(site, "option = -l wrong\noption = -l old\nexport = A=1\n", "run"));
    ASSERT_TRUE(read_site(site, "option = -l right\n", "mended"));
    EXPECT_EQ(site.options, std::vector<std::string>{"-l right"});
    EXPECT_EQ(site.exports, std::vector<std::string>{"A=1"});
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(set_site(site, "export", "B=2"));
    EXPECT_EQ(site.exports, (std::vector<std::string>{"A=1", "B=2"})) << "jobs by the dozen add nothing";
}

TEST(Site, EveryOverlayIsCompleteButForWhatAPersonMustGive)
{
    std::size_t count = 0;
    for (auto const& entry : std::filesystem::directory_iterator(YODA_SOURCE_DIR "/config/sites")) {
        std::ifstream file(entry.path());
        std::string const text{std::istreambuf_iterator<char>(file), {}};
        SiteConfig site;
        auto const read = read_site(site, text, entry.path().string());
        ASSERT_TRUE(read) << read.error().text();
        for (auto const key : {"account", "queue", "scratch"}) ASSERT_TRUE(set_site(site, key, "x"));
        auto const checked = check_site(site);
        EXPECT_TRUE(checked) << entry.path() << ": " << checked.error().text();
        ++count;
    }
    EXPECT_GE(count, 5u);
}

TEST(SpoolConfig, NamesWhatIsMissingAndWhatItDoesNotKnow)
{
    auto const parsed = parse_spool_config("runs_max = 3\n", "spool.cfg");
    ASSERT_TRUE(parsed);
    auto const checked = check_spool_config(*parsed, "spool.cfg");
    ASSERT_FALSE(checked);
    EXPECT_THAT(checked.error().what, HasSubstr("payload"));
    EXPECT_THAT(checked.error().what, HasSubstr("site"));
    auto const elsewhere = check_spool_config(*parsed, "spool.cfg", {"site.account", "panda.url"});
    EXPECT_THAT(elsewhere.error().what, HasSubstr("payload"));
    EXPECT_THAT(elsewhere.error().what, HasSubstr("site.account; panda.url"));
    auto const wrong = parse_spool_config("payload = a\nrun_max = 3\n", "spool.cfg");
    ASSERT_FALSE(wrong);
    EXPECT_THAT(wrong.error().text(), HasSubstr("spool.cfg:2"));
    EXPECT_THAT(wrong.error().text(), HasSubstr("runs_max"));
    auto const whole = parse_spool_config(
        "payload = p\nsite = a.cfg\nsite = b.cfg\nsite.account = m1\ndisk_free = 2 GB\nclean_after = 1 d\n",
        "s");
    ASSERT_TRUE(whole);
    EXPECT_TRUE(check_spool_config(*whole, "s"));
    EXPECT_EQ(whole->sites.size(), 2u);
    EXPECT_EQ(whole->site_settings.front().second, "m1");
    EXPECT_EQ(whole->disk_free_bytes, 2'000'000'000u);
}

TEST(JobFile, HoldsOptionsAndQuotedVariables)
{
    SiteConfig site;
    ASSERT_TRUE(read_site(
        site,
        "batch = slurm\naccount = m1\nconstraint = cpu\nlauncher = mpirun\nwrap = apptainer exec a.sif\n"
        "yoda = /opt/yoda\nexport = NOTE=it's $HOME\ntime_min = 10 min\n",
        "s.cfg"));
    auto const text = print_job_file(BatchKind::slurm, site, {3, 5400, ""},
                                     {"/runs/r1", "yabc", "/opt/jobscripts", "/opt/yoda"});
    for (auto const line :
         {"#SBATCH --nodes=3\n", "#SBATCH --time=1:30:00\n", "#SBATCH --account=m1\n",
          "#SBATCH --constraint=cpu\n", "#SBATCH --exclusive\n", "#SBATCH --time-min=0:10:00\n",
          "export NOTE='it'\\''s $HOME'\n", "export YODA_RUN='/runs/r1'\n", "export YODA='/opt/yoda'\n",
          "export YODA_LAUNCHER='mpirun'\n", "export YODA_WALLTIME_S='5400'\n",
          ". '/opt/jobscripts/slurm/yoda.sh'\n"})
        EXPECT_THAT(text, HasSubstr(line));
    auto const pbs = print_job_file(BatchKind::pbs, site, {3, 5400, ""},
                                    {"/runs/r1", "yabc", "/opt/jobscripts", "/opt/yoda"});
    EXPECT_THAT(pbs, HasSubstr("#PBS -l select=3:ncpus=1:mpiprocs=1\n"));
    EXPECT_THAT(pbs, HasSubstr("#PBS -l walltime=1:30:00\n"));
    EXPECT_THAT(pbs, HasSubstr("export YODA_WALLTIME_S='5400'\n"));
}

}  // namespace
}  // namespace yoda
