// SPDX-License-Identifier: Apache-2.0
#include "harvest/new/new_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "core/config/payload_config.hpp"
#include "core/job/job.hpp"
#include "support/builders/event_files.hpp"
#include "support/builders/event_texts.hpp"
#include "support/python.hpp"
#include "support/scratch_folder.hpp"
#include "sys/run/event_file.hpp"
#include "sys/run/run_opening.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using test::file_text;
using test::ScratchFolder;
using test::write_text;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct NewRun : ::testing::Test {
    ScratchFolder folder;
    NewRunOptions options;

    NewRun()
    {
        write_text(folder / "A.lhe", test::make_les_houches(12));
        write_text(folder / "B.lhe", test::make_les_houches(5));
        write_text(
            folder / "jets.cfg",
            "name = jets\nexecutable = bin/jets   # beside this file\nargument = --radius\nargument = 0.4\n"
            "environment = OMP_NUM_THREADS=1\noutput = hdf5\n");
        fs::create_directory(folder / "bin");
        write_text(folder / "bin/jets", "#!/bin/sh\n");
        fs::permissions(folder / "bin/jets", fs::perms::owner_all);
        options.run = folder / "run";
        options.inputs = {folder / "A.lhe", folder / "B.lhe"};
        options.events_per_range = 5;
        options.payload = folder / "jets.cfg";
        options.now_unix_ns = 1'700'000'000'123'456'789;
    }
    LoadedTable load()
    {
        auto loaded = load_event_file(options.run);
        EXPECT_TRUE(loaded) << loaded.error().text();
        return loaded ? std::move(*loaded) : LoadedTable{EventTable(), {}, {}};
    }
    /// The error, after checking that nothing was left behind.
    std::string error()
    {
        auto const made = create_run(options);
        if (made) return "it was made";
        EXPECT_FALSE(fs::exists(options.run));
        EXPECT_THAT(find_leftovers(options.run), ElementsAre());
        return made.error().text();
    }
};

TEST_F(NewRun, NoRangePartsAnEventGroup)
{
    auto const ranges_of = [&](std::uint64_t events_per_range) {
        std::vector<std::pair<std::int64_t, std::int64_t>> found;
        fs::remove_all(options.run);
        options.events_per_range = events_per_range;
        auto const made = create_run(options);
        if (!made) ADD_FAILURE() << made.error().text();
        auto const loaded = load();
        for (std::uint32_t i = 0; i < loaded.table.size(); ++i) {
            auto const range = loaded.table.event_range(RangeIndex{i});
            found.emplace_back(range.start_event, range.last_event);
        }
        return found;
    };
    using Ranges = std::vector<std::pair<std::int64_t, std::int64_t>>;
    options.inputs = {test::event_file("groups.lhe")};  // Six groups of two.
    EXPECT_EQ(ranges_of(5), (Ranges{{1, 4}, {5, 8}, {9, 12}}));
    EXPECT_EQ(ranges_of(1), (Ranges{{1, 2}, {3, 4}, {5, 6}, {7, 8}, {9, 10}, {11, 12}}));
    EXPECT_EQ(ranges_of(100), (Ranges{{1, 12}}));
    options.event_counts = {6};
    EXPECT_EQ(ranges_of(4), (Ranges{{1, 4}, {5, 6}}));
    fs::remove_all(options.run);
    options.event_counts = {7};
    EXPECT_THAT(error(), HasSubstr("its event 7 is within an <eventgroup>"));
}

TEST_F(NewRun, InputsWithCutEventsAreTakenOnlyWhenThatIsAccepted)
{
    options.inputs = {test::event_file("cut_in_the_middle.lhe")};
    EXPECT_THAT(error(), HasSubstr("event 6 has no </event>"));
    options.accept_cut = true;
    auto const made = create_run(options);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_EQ(made->event_count, 11u);
    EXPECT_THAT(file_text(options.run + "/payload.cfg"), HasSubstr("environment = YODA_ACCEPT_CUT=1"))
        << "the payload leaves out the same events";
}

TEST_F(NewRun, MakesAFolderThatIsComplete)
{
    auto const made = create_run(options);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_EQ(made->run, options.run);
    EXPECT_EQ(made->job_count, 1u);
    EXPECT_EQ(made->file_count, 2u);
    EXPECT_EQ(made->range_count, 4u);
    EXPECT_EQ(made->event_count, 17u);
    EXPECT_THAT(made->leftovers, ElementsAre());
    std::vector<std::string> names;
    for (auto const& entry : fs::directory_iterator(options.run)) names.push_back(entry.path().filename());
    EXPECT_THAT(names, ::testing::UnorderedElementsAre("job.json", "payload.cfg", "yoda.cfg", "events.h5",
                                                       "state.h5", "journal", "bundles", "logs", "inbox",
                                                       "outbox", "quarantine"));
}

TEST_F(NewRun, CutsFilesIntoRanges)
{
    options.panda_id = 77;
    options.task_id = 5;
    ASSERT_TRUE(create_run(options));
    auto const loaded = load();
    ASSERT_EQ(loaded.table.size(), 4u);
    auto const a = loaded.table.files()[0];
    EXPECT_EQ(loaded.table.event_range(0), (EventRange{"5-77-1-1-10", 1, 5, "A.lhe", a.guid, "local"}));
    EXPECT_EQ(loaded.table.event_range(1), (EventRange{"5-77-1-6-10", 6, 10, "A.lhe", a.guid, "local"}));
    EXPECT_EQ(loaded.table.event_range(2), (EventRange{"5-77-1-11-10", 11, 12, "A.lhe", a.guid, "local"}));
    EXPECT_EQ(loaded.table.range_id(3), "5-77-2-1-10");
    EXPECT_EQ(loaded.table.files()[1].pfn, folder / "B.lhe");
    EXPECT_EQ(loaded.table.ready_count(), 4u);
    EXPECT_EQ(loaded.info.run_id.size(), 32u);
    EXPECT_EQ(loaded.checkpoint, (CheckpointInfo{0, 0}));
}

TEST_F(NewRun, WritesAJobAsPandaWould)
{
    options.panda_id = 77;
    ASSERT_TRUE(create_run(options));
    auto const jobs = parse_jobs(file_text(options.run + "/job.json"));
    ASSERT_TRUE(jobs) << jobs.error().text();
    ASSERT_EQ(jobs->size(), 1u);
    auto const& job = (*jobs)[0];
    EXPECT_EQ(job.panda_id(), 77);
    EXPECT_EQ(job.task_id(), 77);
    EXPECT_EQ(job.text("transformation"), "jets");
    EXPECT_EQ(job.text("eventService"), "True");
    EXPECT_TRUE(job.positions_in_file());
    EXPECT_THAT(job.list("nEventsPerInputFile"), ElementsAre("12", "5"));
    EXPECT_THAT(job.list("outFiles"), ElementsAre("jets.77", "log.jets.77.tgz"));
    ASSERT_EQ(job.inputs().size(), 2u);
    auto const sums = test::run_python(
        "import sys, zlib\nprint(f'ad:{zlib.adler32(open(sys.argv[1], \"rb\").read()):08x}', end='')\n",
        {folder / "A.lhe"});
    EXPECT_EQ(job.inputs()[0].checksum, sums.output);
    EXPECT_EQ(job.inputs()[0].bytes, fs::file_size(folder / "A.lhe"));
    EXPECT_EQ(job.inputs()[0].pfn, folder / "A.lhe");
    EXPECT_EQ(job.inputs()[0].guid.size(), 36u);
    EXPECT_NE(job.inputs()[0].guid, job.inputs()[1].guid);
}

TEST_F(NewRun, GivesEachRunAnIdOfItsOwn)
{
    options.panda_id = 77;
    std::vector<std::string> names;
    for (auto const* const run : {"run", "run_2"}) {
        options.run = folder / run;
        ASSERT_TRUE(create_run(options));
        auto opened = open_run(RunFolder(options.run), {});
        ASSERT_TRUE(opened) << opened.error().text();
        auto& table = opened->table;
        EXPECT_NE(table.run_id(), 0u);
        auto const number = table.bundle({77, 0, 1, 1, 0, table.run_id()});
        names.push_back(bundle_name(table.bundles()[number].origin));
        EXPECT_EQ(load().info.run_id.substr(0, 8), names.back().substr(names.back().find("_77_") + 4, 8));
    }
    EXPECT_NE(names[0], names[1]) << "two workers of one PandaID (Harvester's OneToMany)";
}

TEST_F(NewRun, HasAnLfnForEachOutputOfThePayload)
{
    options.panda_id = 77;
    auto const text = file_text(options.payload);
    write_text(options.payload, text + "output.hits = HITS.*.root\noutput.hist = HIST.?\n");
    ASSERT_TRUE(create_run(options));
    auto const jobs = parse_jobs(file_text(options.run + "/job.json"));
    ASSERT_TRUE(jobs) << jobs.error().text();
    EXPECT_THAT(jobs->at(0).list("outFiles"), ElementsAre("HITS.jets.77.root", "HIST._", "log.jets.77.tgz"));
    options.run = folder / "again";
    write_text(options.payload, text + "output.hits = H*\noutput.hist = *\n");
    EXPECT_THAT(error(), HasSubstr("output.hits and output.hist match"));
}

TEST_F(NewRun, CallsTheOutputAsAFileCanBeCalled)
{
    options.panda_id = 77;
    write_text(options.payload, "executable = bin/jets\n");
    ASSERT_TRUE(create_run(options));
    EXPECT_THAT(parse_jobs(file_text(options.run + "/job.json"))->at(0).list("outFiles"),
                ElementsAre("jets.77", "log.jets.77.tgz"));
}

TEST_F(NewRun, MakesPandaIdsFromTheTime)
{
    ASSERT_TRUE(create_run(options));
    EXPECT_EQ(load().table.files()[0].panda_id / 1000, 1'700'000'000'123);
}

TEST_F(NewRun, KeepsThePayloadWithAnAbsoluteProgram)
{
    fs::current_path(folder.path());
    options.payload = "jets.cfg";
    options.inputs = {"A.lhe"};
    options.run = "run";
    ASSERT_TRUE(create_run(options));
    auto const payload = parse_payload_config(file_text("run/payload.cfg"), "payload.cfg");
    ASSERT_TRUE(payload) << payload.error().text();
    EXPECT_EQ(payload->executable, folder / "bin/jets");
    EXPECT_THAT(payload->arguments, ElementsAre("--radius", "0.4"));
    EXPECT_THAT(payload->environment, ElementsAre("OMP_NUM_THREADS=1"));
    EXPECT_EQ(payload->output, OutputKind::hdf5);
    EXPECT_EQ(load().table.files()[0].pfn, folder / "A.lhe");
    fs::current_path("/");
}

TEST_F(NewRun, LooksForABareProgramBesideHarvestThenInThePath)
{
    write_text(folder / "jets.cfg", "executable = jets\n");
    EXPECT_THAT(error(), HasSubstr("executable = jets"));
    options.search_path = "/nowhere:" + folder / "bin";
    ASSERT_TRUE(create_run(options));
    EXPECT_THAT(file_text(options.run + "/payload.cfg"), HasSubstr("executable = " + folder / "bin/jets\n"));

    fs::create_directory(folder / "here");
    fs::copy(folder / "bin/jets", folder / "here/jets");
    options.run = folder / "run2";
    options.program_folder = folder / "here";
    ASSERT_TRUE(create_run(options));
    EXPECT_THAT(file_text(options.run + "/payload.cfg"), HasSubstr("executable = " + folder / "here/jets\n"));
}

TEST_F(NewRun, RefusesAPayloadThatCannotRun)
{
    fs::permissions(folder / "bin/jets", fs::perms::owner_read);
    EXPECT_THAT(error(), HasSubstr("bin/jets may not be executed"));
    fs::remove(folder / "bin/jets");
    EXPECT_THAT(error(), HasSubstr("there is no " + folder / "bin/jets"));
    fs::create_directory(folder / "bin/jets");
    EXPECT_THAT(error(), HasSubstr("is no regular file"));
    options.payload = folder / "missing.cfg";
    EXPECT_THAT(error(), HasSubstr("missing.cfg: No such file"));
    options.payload = "";
    EXPECT_THAT(error(), HasSubstr("a run needs a payload"));
    write_text(folder / "odd.cfg", "executable = jets\nargumnet = x\n");
    options.payload = folder / "odd.cfg";
    EXPECT_THAT(error(), HasSubstr("odd.cfg:2: argumnet = x"));
}

TEST_F(NewRun, TakesOnlyTheEventsAskedFor)
{
    options.event_counts = {4};
    ASSERT_TRUE(create_run(options));
    EXPECT_EQ(load().table.size(), 2u);
    options.run = folder / "run2";
    options.event_counts = {11, 3};
    auto const made = create_run(options);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_EQ(made->event_count, 14u);
    options.run = folder / "run3";
    options.event_counts = {13, 3};
    EXPECT_THAT(error(), HasSubstr("A.lhe cannot be used: 13 events are asked for, it holds 12"));
    options.event_counts = {0};
    EXPECT_THAT(error(), HasSubstr("none of its events are asked for"));
    options.event_counts = {1, 2, 3};
    EXPECT_THAT(error(), HasSubstr("3 numbers of events for 2 inputs"));
}

TEST_F(NewRun, NeedsANumberOfEventsForUnknownFormats)
{
    write_text(folder / "EVNT.pool.root", "root...");
    options.inputs = {folder / "EVNT.pool.root"};
    EXPECT_THAT(error(), HasSubstr("its events cannot be counted (unknown format)"));
    options.event_counts = {1'000};
    ASSERT_TRUE(create_run(options));
    EXPECT_EQ(load().table.size(), 200u);
}

TEST_F(NewRun, RefusesInputsThatPayloadsWouldMisread)
{
    for (std::string const name :
         {"a,b.lhe", "it's.lhe", "a\"b.lhe", "back\\slash.lhe", "gr\xc3\xbc\xc3\x9f.lhe"}) {
        write_text(folder / name, test::make_les_houches(1));
        options.inputs = {folder / name};
        EXPECT_THAT(error(), HasSubstr("which payloads misread")) << name;
    }
    fs::create_directory(folder / "x,y");
    write_text(folder / "x,y/A.lhe", test::make_les_houches(1));
    options.inputs = {folder / "x,y/A.lhe"};
    EXPECT_THAT(error(), HasSubstr("which payloads misread"));
}

TEST_F(NewRun, RefusesAnInputTwice)
{
    options.inputs = {folder / "A.lhe", folder / "bin/../A.lhe"};
    EXPECT_THAT(error(), HasSubstr("A.lhe cannot be used: it is there twice"));
    write_text(folder / "bin/A.lhe", test::make_les_houches(1));
    options.inputs = {folder / "A.lhe", folder / "bin/A.lhe"};
    EXPECT_THAT(error(), HasSubstr("has the same logical file name"));
}

TEST_F(NewRun, RefusesBadInputsAndNumbers)
{
    options.inputs = {};
    EXPECT_THAT(error(), HasSubstr("a run needs at least one input file"));
    options.inputs = {folder / "none.lhe"};
    EXPECT_THAT(error(), HasSubstr("none.lhe: No such file"));
    options.inputs = {folder.path()};
    EXPECT_THAT(error(), HasSubstr("it is a folder"));
    write_text(folder / "cut.lhe", test::make_les_houches(3).substr(0, 500));
    options.inputs = {folder / "A.lhe", folder / "cut.lhe"};
    EXPECT_THAT(error(), HasSubstr("cut.lhe cannot be used: it is cut off"));
    options.inputs = {folder / "A.lhe"};
    options.events_per_range = 0;
    EXPECT_THAT(error(), HasSubstr("--events-per-range is 0"));
    options.events_per_range = 1;
    options.scope = "a,b";
    EXPECT_THAT(error(), HasSubstr("scope 'a,b' cannot be used"));
}

TEST_F(NewRun, KeepsConfigurationAndLetsSettingsWin)
{
    write_text(folder / "site.cfg", "range.tries = 5   # more patience\nbundle.size = 1 GB");
    options.config = folder / "site.cfg";
    options.settings = {{"range.tries", "2"}};
    auto const made = create_run(options);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_EQ(file_text(options.run + "/yoda.cfg"),
              "range.tries = 5   # more patience\nbundle.size = 1 GB\nrange.tries = 2\n");
    options.run = folder / "run2";
    options.settings = {{"range.trise", "2"}};
    EXPECT_THAT(error(), HasSubstr("range.trise"));
    options.settings = {};
    write_text(folder / "site.cfg", "bundle.size = 3 parsecs\n");
    EXPECT_THAT(error(), HasSubstr("site.cfg:1"));
    options.config = folder / "nowhere.cfg";
    EXPECT_THAT(error(), HasSubstr("nowhere.cfg: No such file"));
}

TEST_F(NewRun, NeverTouchesWhatIsThere)
{
    for (std::string const name : {"run", "run/"}) {
        options.run = folder / name;
        write_text(folder / "run", "mine");
        auto const made = create_run(options);
        ASSERT_FALSE(made);
        EXPECT_THAT(made.error().text(), HasSubstr("something of that name is there"));
        EXPECT_EQ(file_text(folder / "run"), "mine");
    }
    fs::remove(folder / "run");
    fs::create_directory(folder / "run");
    EXPECT_FALSE(create_run(options));
    EXPECT_TRUE(fs::is_empty(folder / "run"));
}

TEST_F(NewRun, NeverReplacesAFolderThatAppearsMeanwhile)
{
    auto builder = RunBuilder::create(options.run);
    ASSERT_TRUE(builder);
    auto job = Job::from_json({{"PandaID", 1}});
    auto const index = builder->add_job(std::move(*job));
    ASSERT_TRUE(builder->add_range(index, {"1-1-1-1-10", 1, 5, "A.lhe", "", ""}, "/data/A.lhe"));
    PayloadConfig payload;
    payload.executable = "/bin/true";
    builder->set_payload(payload);
    fs::create_directory(options.run);
    auto const made = builder->commit();
    ASSERT_FALSE(made);
    EXPECT_THAT(made.error().text(), HasSubstr("something of that name is there"));
    EXPECT_TRUE(fs::is_empty(options.run));
}

TEST_F(NewRun, NamesHalfMadeFolders)
{
    fs::create_directory(folder / "run.part-99999999");
    auto const made = create_run(options);
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_THAT(made->leftovers, ElementsAre(folder / "run.part-99999999"));
}

TEST_F(NewRun, NeedsTheParentFolder)
{
    options.run = folder / "no/such/run";
    EXPECT_THAT(error(), HasSubstr("make its parent folder first"));
    options.run = "";
    EXPECT_THAT(create_run(options).error().text(), HasSubstr("the run folder has no name"));
}

TEST_F(NewRun, LeavesNothingOnAFullDisk)
{
    rlimit old{};
    ::getrlimit(RLIMIT_FSIZE, &old);
    auto const handler = std::signal(SIGXFSZ, SIG_IGN);
    for (rlim_t const limit : {10u, 1000u, 4000u, 9000u}) {
        rlimit const tight{limit, old.rlim_max};
        ::setrlimit(RLIMIT_FSIZE, &tight);
        auto const made = create_run(options);
        ::setrlimit(RLIMIT_FSIZE, &old);
        ASSERT_FALSE(made) << limit;
        EXPECT_THAT(made.error().text(), HasSubstr("File too large"));
        EXPECT_FALSE(fs::exists(options.run));
        EXPECT_THAT(find_leftovers(options.run), ElementsAre());
    }
    std::signal(SIGXFSZ, handler);
}

TEST_F(NewRun, SameInputsGiveTheSameGuids)
{
    ASSERT_TRUE(create_run(options));
    auto const first = load().table.files()[0].guid;
    options.run = folder / "run2";
    ASSERT_TRUE(create_run(options));
    EXPECT_EQ(load().table.files()[0].guid, first);
}

TEST(RunBuilder, TakesJobsAndRangesOfPanda)
{
    ScratchFolder const folder;
    auto builder = RunBuilder::create(folder / "run");
    ASSERT_TRUE(builder) << builder.error().text();
    auto const one = builder->add_job(*Job::from_json({{"PandaID", 10}, {"inFiles", "A"}}));
    auto const two = builder->add_job(*Job::from_json({{"PandaID", 11}, {"inFiles", "A"}}));
    for (int i = 1; i <= 1000; ++i) {
        auto const id = std::to_string(i) + "-10";
        ASSERT_TRUE(builder->add_range(one, {"5-10-7-" + id, i, i, "A", "G", "s"}, "/data/A"));
        ASSERT_TRUE(builder->add_range(two, {"5-11-8-" + id, i, i, "A", "G", "s"}, "/data/A"));
    }
    PayloadConfig payload;
    payload.executable = "/bin/true";
    builder->set_payload(payload);
    auto const made = builder->commit();
    ASSERT_TRUE(made) << made.error().text();
    EXPECT_EQ(made->job_count, 2u);
    auto const loaded = load_event_file(folder / "run");
    ASSERT_TRUE(loaded) << loaded.error().text();
    EXPECT_EQ(loaded->table.job_counts(one)[0], 1000u);
    EXPECT_EQ(loaded->table.job_counts(two)[0], 1000u);
    EXPECT_EQ(parse_jobs(file_text(folder / "run/job.json"))->size(), 2u);
}

TEST(RunBuilder, RefusesRangesThatCannotBe)
{
    ScratchFolder const folder;
    auto builder = RunBuilder::create(folder / "run");
    ASSERT_TRUE(builder) << builder.error().text();
    PayloadConfig payload;
    payload.executable = "/bin/true";
    builder->set_payload(payload);
    EXPECT_THAT(builder->commit().error().text(), HasSubstr("it has no job"));
    auto const job = builder->add_job(*Job::from_json({{"PandaID", 10}}));
    EXPECT_THAT(builder->commit().error().text(), HasSubstr("it has no event range"));
    EXPECT_THAT(builder->add_range(job, {"5-10-7-1-10", 9, 3, "A", "", ""}, "").error().text(),
                HasSubstr("out of order"));
    EXPECT_THAT(builder->add_range(job, {"5-10-7-2-10", 1, 3, "it's", "", ""}, "").error().text(),
                HasSubstr("cannot be given to a payload"));
}

TEST(RunBuilder, RefusesAnIdTwice)
{
    ScratchFolder const folder;
    auto builder = RunBuilder::create(folder / "run");
    ASSERT_TRUE(builder) << builder.error().text();
    auto const job = builder->add_job(*Job::from_json({{"PandaID", 10}}));
    ASSERT_TRUE(builder->add_range(job, {"5-10-7-1-10", 1, 3, "A", "", ""}, ""));
    ASSERT_TRUE(builder->add_range(job, {"5-10-7-1-10", 4, 6, "A", "", ""}, ""));
    EXPECT_THAT(builder->commit().error().text(), HasSubstr("'5-10-7-1-10' is there twice"));
}

TEST(RunBuilder, CleansUpWhenItIsGivenUp)
{
    ScratchFolder const folder;
    {
        auto const builder = RunBuilder::create(folder / "run");
        ASSERT_TRUE(builder);
        EXPECT_FALSE(fs::is_empty(folder.path()));
    }
    EXPECT_TRUE(fs::is_empty(folder.path()));
}

}  // namespace
}  // namespace yoda
