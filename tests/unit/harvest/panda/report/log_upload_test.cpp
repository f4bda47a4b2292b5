// SPDX-License-Identifier: Apache-2.0
// Logs of jobs that are over go to both log activities by the stager's way, into folders as stores.
#include "harvest/panda/report/log_upload.hpp"

#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/checksum.hpp"
#include "harvest/panda/report/job_report.hpp"
#include "harvest/stage_out/push_command.hpp"
#include "harvest/stage_out/stage_folder.hpp"
#include "support/builders/run_builder.hpp"
#include "support/servers/server_process.hpp"
#include "support/shifted_clock.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

class Logs : public ::testing::Test {
  protected:
    void SetUp() override
    {
        run_ = folder_ / "run";
        for (std::string const name : {"logs/payload_1_0.start_1", "bundles"})
            fs::create_directories(run_ + "/" + name);
        nlohmann::json const jobs{
            {"version", 1},
            {"jobs",
             {{{"PandaID", 4000000001},
               {"taskID", 18},
               {"logFile", "log.18._1.job.log.tgz"},
               {"scopeLog", "mc23"}},
              {{"PandaID", 4000000002}, {"taskID", 18}, {"logFile", "../../etc/passwd"}}}}};
        write_text(run_ + "/job.json", jobs.dump());
        write_text(run_ + "/logs/yoda.log", "rank 0\n");
        write_text(run_ + "/logs/payload_1_0.start_1/log.txt", "first job\n");
        write_text(run_ + "/logs/payload_1_1.out", "second job\n");
        end_run(0);
        for (std::string const store : {"pl", "logs"}) {
            fs::create_directories(folder_ / store);
            options_.stores[store].url = "file://" + (folder_ / store);
        }
        options_.folders = {run_};
        options_.stage.report = false;
        options_.find_logs = [this](std::string const& run) {
            return find_wanted_logs(run, {"pl", "logs"}, clock_.unix_ns() / 1'000'000'000);
        };
    }

    void end_run(int ready)
    {
        write_text(run_ + "/status.json",
                   nlohmann::json{{"state", "ended"}, {"ranges", {{"ready", ready}, {"sent", 0}}}}.dump());
    }
    PushSummary push_now() { return push(options_, log_, clock_).value(); }
    StageRecord record_of(std::string const& name) { return StageFolder(run_, clock_).read(name).value(); }
    std::string members_of(std::string const& tarball)
    {
        std::string list;
        EXPECT_EQ(run_program({"tar", "-tzf", tarball}, &list), 0);
        return list;
    }

    ShiftedClock clock_;
    Log log_{LogLevel::error};
    ScratchFolder folder_;
    std::string run_;
    PushOptions options_;
};

TEST_F(Logs, OfEachJobArriveAtBothActivitiesAndTheirLocalCopyGoes)
{
    auto const summary = push_now();
    EXPECT_EQ(summary.verified_count, 4u) << summary.json();
    for (std::string const store : {"pl", "logs"}) {
        auto const first = members_of(folder_ / store + "/log.18._1.job.log.tgz");
        EXPECT_NE(first.find("tarball_PandaJob_4000000001/payload_1_0.start_1/log.txt"), std::string::npos);
        EXPECT_NE(first.find("/yoda.log"), std::string::npos);
        EXPECT_EQ(first.find("payload_1_1"), std::string::npos) << "the other job's";
        EXPECT_NE(members_of(folder_ / store + "/log.4000000002.tgz").find("payload_1_1.out"),
                  std::string::npos)
            << "a logFile that leaves its folder is not used";
        EXPECT_TRUE(fs::is_empty(run_ + "/upload/" + store));
    }
    auto const record = record_of("log.18._1.job.log.tgz");
    EXPECT_EQ(record.stage, Stage::cleaned);
    EXPECT_EQ(record.adler32, adler32(file_text(folder_ / "pl/log.18._1.job.log.tgz")));
    EXPECT_EQ(record_of("special.log.18._1.job.log.tgz").adler32, record.adler32) << "one tarball for both";
    EXPECT_EQ(push_now().found_count, 0u) << "once";
}

TEST_F(Logs, WaitForTheLastRange)
{
    end_run(1);
    EXPECT_EQ(push_now().found_count, 0u);
    EXPECT_FALSE(fs::exists(run_ + "/stage"));
    end_run(0);
    EXPECT_EQ(push_now().verified_count, 4u);
}

TEST_F(Logs, WithPandaEachJobsLogIsSentWhenThatJobIsOverAndStaysUntilReported)
{
    fs::create_directories(run_ + "/panda");
    write_text(run_ + "/panda/harvest.cfg", "");
    JobRecord job;
    job.panda_id = 4000000001;
    job.last_state = "running";
    write_text(run_ + "/panda/job-4000000001.json", print_job_record(job));
    options_.stage.report = true;
    EXPECT_EQ(push_now().found_count, 0u);
    job.last_state = "holding";
    write_text(run_ + "/panda/job-4000000001.json", print_job_record(job));
    EXPECT_EQ(push_now().verified_count, 2u);
    EXPECT_TRUE(fs::exists(run_ + "/upload/pl/log.18._1.job.log.tgz"));
    EXPECT_EQ(record_of("log.18._1.job.log.tgz").stage, Stage::verified);
    EXPECT_EQ(record_of("special.log.18._1.job.log.tgz").panda_id, 4000000001);
}

TEST_F(Logs, ThatCouldNotBeMadeInTimeAreGivenUpWithAReason)
{
    options_.stores.erase("logs");
    options_.find_logs = [this](std::string const& run) {
        return find_wanted_logs(run, {"pl"}, clock_.unix_ns() / 1'000'000'000);
    };
    write_text(run_ + "/upload", "in the way of the folder");
    auto summary = push_now();
    EXPECT_EQ(summary.failed_count, 2u);
    EXPECT_EQ(record_of("log.4000000002.tgz").stage, Stage::sealed) << "tried again";
    clock_.shift_s = log_limit_s + 60;
    summary = push_now();
    auto const record = record_of("log.4000000002.tgz");
    EXPECT_EQ(record.stage, Stage::lost);
    EXPECT_NE(record.reason.find("within 55 min"), std::string::npos) << record.reason;
    EXPECT_NE(record.reason.find("upload"), std::string::npos)
        << "says what the last try met: " << record.reason;
    clock_.shift_s = 0;
    EXPECT_EQ(push_now().found_count, 0u);
}

TEST_F(Logs, ATarballThatIsGivenUpLeavesNothing)
{
    int blocks = 0;
    auto const made = write_job_log(run_, 0, 4000000001, folder_ / "out.tgz", [&] { return ++blocks > 1; });
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().kind, ErrorKind::unavailable);
    for (auto const& entry : fs::directory_iterator(folder_.path()))
        EXPECT_FALSE(entry.path().filename().string().starts_with("out.tgz")) << entry.path();
}

TEST_F(Logs, DamagedBeforeTheUploadIsPackedAnew)
{
    fs::create_directories(folder_ / "later");
    options_.stores["pl"].url = "file://" + (folder_ / "not-mounted");
    EXPECT_EQ(push_now().failed_count, 2u);
    auto const tarball = run_ + "/upload/pl/log.4000000002.tgz";
    write_text(tarball, "something else");
    fs::create_directories(folder_ / "not-mounted");
    options_.stage.first_wait_s = options_.stage.longest_wait_s = 0;
    clock_.shift_s = 3000;
    for (int tick = 0; tick < 3; ++tick) (void)push_now();
    EXPECT_NE(members_of(folder_ / "not-mounted/log.4000000002.tgz").find("payload_1_1.out"),
              std::string::npos);
}

}  // namespace
}  // namespace yoda::test
