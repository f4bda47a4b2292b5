// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/launch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "droid/athenamp/pool_catalogue.hpp"
#include "source_folder.hpp"
#include "support/python.hpp"

namespace yoda::athenamp {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using ::testing::StartsWith;

Job make_job(nlohmann::json more = {})
{
    nlohmann::json fields{{"PandaID", 6001},
                          {"taskID", 4001},
                          {"inFiles", "EVNT.1,EVNT.2"},
                          {"GUID", "G1,G2"},
                          {"fsize", "1,2"},
                          {"checksum", "ad:1,ad:2"},
                          {"scopeIn", "mc,mc"},
                          {"inFilePaths", "/data/EVNT.1,/data/EVNT.2"},
                          {"inFilePosEvtNum", "True"},
                          {"outFiles", "HITS.1,log.1"},
                          {"logFile", "log.1"},
                          {"transformation", "Sim_tf.py"},
                          {"swRelease", "Atlas-22.0.115"},
                          {"homepackage", "Athena/22.0.115"},
                          {"cmtConfig", "x86_64-centos7-gcc11-opt"},
                          {"processingType", "simul"},
                          {"container_name", "docker://atlas:1"},
                          {"sourceSite", "NERSC_P"},
                          {"jobPars", "--inputEVNTFile=EVNT.1,EVNT.2 --fileValidation=TRUE --preExec 'x=1'"}};
    if (!more.is_null()) fields.update(more);
    return *Job::from_json(fields);
}

struct LaunchTest : ::testing::Test {
    Result<Launch> plan(Job const& job)
    {
        LaunchInput input;
        input.job = &job;
        input.payload = &payload;
        input.environment = {"PATH=/bin", "RUCIO_ACCOUNT=me", "ATHENA_PROC_NUMBER=99"};
        input.environment.insert(input.environment.end(), more_environment.begin(), more_environment.end());
        input.channel = "CHANNEL_1";
        input.folder = "/scratch/start_0";
        input.stage_folder = "/scratch/inputs";
        input.worker_count = 4;
        return plan_launch(std::move(input));
    }
    PayloadConfig payload;
    std::vector<std::string> more_environment;
    std::string const injected =
        "from AthenaMP.AthenaMPFlags import jobproperties as "
        "jps;jps.AthenaMPFlags.EventRangeChannel=\"CHANNEL_1\";x=1";
};

TEST_F(LaunchTest, TransformOfTheJobIsStartedDirectly)
{
    auto const launch = plan(make_job());
    ASSERT_TRUE(launch) << launch.error().text();
    EXPECT_THAT(launch->arguments, ElementsAre("Sim_tf.py", "--inputEVNTFile=/data/EVNT.1",
                                               "--fileValidation=TRUE", "--preExec", injected));
}

TEST_F(LaunchTest, RunScriptGetsTransformAndWords)
{
    payload.executable = "/site/run_athena.sh";
    auto const launch = plan(make_job());
    ASSERT_TRUE(launch) << launch.error().text();
    EXPECT_THAT(launch->arguments,
                ElementsAre("/site/run_athena.sh", "Sim_tf.py", "--inputEVNTFile=/data/EVNT.1",
                            "--fileValidation=TRUE", "--preExec", injected));
}

TEST_F(LaunchTest, ContainerAndPlaceholdersComeFirst)
{
    payload.prefix = {"apptainer", "exec", "--bind", "/tmp,{work},{inputs}", "{image}"};
    payload.executable = "/site/run.sh";
    payload.arguments = {"--release",        "{release}", "{package}",        "{cmtConfig}",
                         "{processingType}", "{pandaID}", "{taskID}",         "{threads}",
                         "{channel}",        "--",        "{transformation}", "{jobPars}"};
    auto const launch = plan(make_job({{"jobPars", "PILOT_EVENTRANGECHANNEL --fileValidation=TRUE"}}));
    ASSERT_TRUE(launch) << launch.error().text();
    EXPECT_THAT(launch->arguments,
                ElementsAre("apptainer", "exec", "--bind", "/tmp,/scratch/start_0,/scratch/inputs",
                            "docker://atlas:1", "/site/run.sh", "--release", "22.0.115", "Athena/22.0.115",
                            "x86_64-centos7-gcc11-opt", "simul", "6001", "4001", "4", "CHANNEL_1", "--",
                            "Sim_tf.py", "PILOT_EVENTRANGECHANNEL", "--fileValidation=TRUE"));
}

TEST_F(LaunchTest, JobParsInsideAnArgumentAreTextForAShell)
{
    payload.arguments = {"bash", "-c", "exec {transformation} {jobPars}"};
    auto const launch =
        plan(make_job({{"jobPars", "--a='b c' --x=PILOT_EVENTRANGECHANNEL --fileValidation=TRUE"}}));
    ASSERT_TRUE(launch) << launch.error().text();
    EXPECT_THAT(launch->arguments, ElementsAre("bash", "-c",
                                               "exec Sim_tf.py '--a=b c' --x=PILOT_EVENTRANGECHANNEL "
                                               "--fileValidation=TRUE"));
}

TEST_F(LaunchTest, EnvironmentTellsChannelWorkersAndJob)
{
    auto const launch = plan(make_job());
    ASSERT_TRUE(launch);
    for (auto const* entry :
         {"PILOT_EVENTRANGECHANNEL=CHANNEL_1", "ATHENA_PROC_NUMBER=4", "ATHENA_CORE_NUMBER=4",
          "FRONTIER_ID=[4001_6001]", "CMSSW_VERSION=[4001_6001]", "RUCIO_APPID=simul", "RUCIO_ACCOUNT=me",
          "PandaID=6001", "PANDA_RESOURCE=NERSC_P", "TRF_ECHO=1", "PATH=/bin"})
        EXPECT_THAT(launch->environment, Contains(entry));
}

TEST_F(LaunchTest, ThreadsAreNotToldToFork)
{
    auto const launch = plan(make_job({{"jobPars", "--CA --multithreaded=true"}}));
    ASSERT_TRUE(launch);
    EXPECT_THAT(launch->arguments, Contains("--athenaopts=--mtes --mtes-channel=\"CHANNEL_1\""));
    EXPECT_THAT(launch->environment, Contains("ATHENA_CORE_NUMBER=4"));
    EXPECT_THAT(launch->environment, Not(Contains(StartsWith("ATHENA_PROC_NUMBER="))))
        << "an inherited one must go too";
}

TEST_F(LaunchTest, VariablesThatAreSetForThePayloadAreKnownToItsCommandLine)
{
    auto const launch = plan(make_job({{"jobPars",
                                        "--threads=$ATHENA_CORE_NUMBER --n=${ATHENA_PROC_NUMBER} "
                                        "--fileValidation=TRUE --x=$PILOT_EVENTRANGECHANNEL"}}));
    ASSERT_TRUE(launch) << launch.error().text();
    EXPECT_THAT(launch->arguments,
                ElementsAre("Sim_tf.py", "--threads=4", "--n=4", "--fileValidation=TRUE", "--x=CHANNEL_1"));
}

TEST_F(LaunchTest, AVariableThatIsNotSetIsRefusedByItsName)
{
    auto const launch = plan(make_job({{"jobPars", "--a=$NOT_THERE --b=\"${NOR_THIS}\" --c='$QUOTED'"}}));
    ASSERT_FALSE(launch);
    EXPECT_NE(launch.error().text().find("$NOR_THIS, $NOT_THERE, which"), std::string::npos)
        << launch.error().text();
    EXPECT_TRUE(plan(make_job({{"jobPars", "--c='$QUOTED' --d=\\$ESCAPED"}})));
}

TEST_F(LaunchTest, QueueIsWhatHarvestAskedFor)
{
    auto const with_queue = plan(make_job({{"computingSite", "NERSC_Queue"}}));
    ASSERT_TRUE(with_queue);
    EXPECT_THAT(with_queue->environment, Contains("PANDA_RESOURCE=NERSC_Queue"));
    auto const unknown = plan(make_job({{"sourceSite", "NULL"}}));
    ASSERT_TRUE(unknown);
    EXPECT_THAT(unknown->environment, Not(Contains(StartsWith("PANDA_RESOURCE="))));
}

TEST_F(LaunchTest, ThreadsNeedRangesThatNameTheirFile)
{
    nlohmann::json fields{{"jobPars", "--CA --multithreaded=true"}, {"inFilePosEvtNum", "NULL"}};
    auto const launch = plan(make_job(fields));
    ASSERT_FALSE(launch);
    EXPECT_NE(launch.error().text().find("2 files"), std::string::npos) << launch.error().text();
    fields["usePrefetcher"] = "True";
    EXPECT_TRUE(plan(make_job(fields))) << "the prefetcher's file is named";
    fields["usePrefetcher"] = "NULL";
    for (auto const* list : {"inFiles", "GUID", "fsize", "checksum", "scopeIn", "inFilePaths"})
        fields[list] = "1";
    auto const one_file = plan(make_job(fields));
    ASSERT_TRUE(one_file) << one_file.error().text();
    EXPECT_TRUE(one_file->multithreaded);
}

TEST_F(LaunchTest, ListsThatTheJobWantsInFilesNameTheInputsPlaces)
{
    auto const launch =
        plan(make_job({{"writeToFile", "tmpin_mc.x:EVNT.1,EVNT.2^inputFor_y:zip://EVNT.2,other"}}));
    ASSERT_TRUE(launch) << launch.error().text();
    ASSERT_EQ(launch->lists.size(), 2u);
    EXPECT_EQ(launch->lists[0].name, "tmpin_mc.x");
    EXPECT_EQ(launch->lists[0].text, "/data/EVNT.1\n/data/EVNT.2\n");
    EXPECT_EQ(launch->lists[1].name, "inputFor_y");
    EXPECT_EQ(launch->lists[1].text, "zip://EVNT.2\nother\n");
    EXPECT_TRUE(plan(make_job({{"writeToFile", "NULL"}}))->lists.empty());
    for (auto const* bad : {"../x:EVNT.1", "/etc/x:EVNT.1", ":EVNT.1", "x", "a:EVNT.1^..:EVNT.2"}) {
        auto const refused = plan(make_job({{"writeToFile", bad}}));
        ASSERT_FALSE(refused) << bad;
        EXPECT_NE(refused.error().text().find("writeToFile"), std::string::npos);
    }
}

TEST_F(LaunchTest, CompilersPlaceIsToldForRelease19Only)
{
    payload.arguments = {"{gcclocation}", "x{gcclocation}"};
    auto const newer = plan(make_job());
    ASSERT_TRUE(newer) << newer.error().text();
    EXPECT_THAT(newer->arguments, ElementsAre("x"));
    nlohmann::json const old{{"homepackage", "AtlasProduction/19.2.5.3"},
                             {"cmtConfig", "x86_64-slc6-gcc47-opt"}};
    auto const without = plan(make_job(old));
    ASSERT_TRUE(without) << without.error().text();
    EXPECT_EQ(without->arguments.at(0),
              "--gcclocation=$VO_ATLAS_SW_DIR/software/x86_64-slc6-gcc47-opt/19.2.5/gcc-alt-472/"
              "x86_64-slc6-gcc47-opt");
    more_environment = {"VO_ATLAS_SW_DIR=/sw"};
    EXPECT_EQ(plan(make_job(old))->arguments.at(1),
              "x--gcclocation=/sw/software/x86_64-slc6-gcc47-opt/19.2.5/gcc-alt-472/x86_64-slc6-gcc47-opt");
}

TEST_F(LaunchTest, RunningNumbersKeepTheWholeListOfFiles)
{
    auto const launch = plan(make_job({{"inFilePosEvtNum", "NULL"}}));
    ASSERT_TRUE(launch);
    EXPECT_THAT(launch->arguments, Contains("--inputEVNTFile=/data/EVNT.1,/data/EVNT.2"));
}

TEST_F(LaunchTest, WhatCannotBeStartedSaysWhy)
{
    auto const shell = plan(make_job({{"jobPars", "--a=b; rm -rf x"}}));
    ASSERT_FALSE(shell);
    EXPECT_NE(shell.error().text().find("';'"), std::string::npos);
    EXPECT_FALSE(plan(make_job({{"transformation", "NULL"}})));
    payload.arguments = {"{nonsense}"};
    EXPECT_FALSE(plan(make_job()));
}

TEST(AthenaConfigurations, ThatComeWithYodaAreReadAndPrintedTheSame)
{
    for (auto const* name : {"athenamp", "athenamp_container"}) {
        auto const path = std::string(YODA_SOURCE_DIR) + "/config/payloads/" + name + ".cfg";
        auto const config = parse_payload_config(test::file_text(path), path);
        ASSERT_TRUE(config) << config.error().text();
        EXPECT_EQ(config->channel, ChannelKind::athenamp);
        auto const again = parse_payload_config(print_payload_config(*config), "printed");
        ASSERT_TRUE(again) << again.error().text();
        EXPECT_EQ(print_payload_config(*again), print_payload_config(*config));
        EXPECT_EQ(again->prefix, config->prefix);
        EXPECT_EQ(again->stage_in, config->stage_in);
    }
}

constexpr auto read_catalogue = R"(
import sys, xml.etree.ElementTree as tree
text = open(sys.argv[1]).read()
assert '<!DOCTYPE POOLFILECATALOG SYSTEM "InMemory">' in text
root = tree.parse(sys.argv[1]).getroot()
assert root.tag == 'POOLFILECATALOG'
for file in root:
    assert file.tag == 'File' and file.find('logical') is not None
    pfn = file.find('physical/pfn')
    assert pfn.get('filetype') == 'ROOT_All'
    print(file.get('ID') + ' -> ' + pfn.get('name'))
)";

TEST(PoolCatalogue, IsReadByAnXmlParserAsItWasMeant)
{
    auto const input = [](std::string guid, std::string pfn) {
        return InputFile{"lfn", guid, "mc", pfn, "", 0};
    };
    test::ScratchFolder const folder;
    test::write_text(folder / "PoolFileCatalog.xml",
                     print_pool_catalogue({input("BEA4C016-E37E-0841-A448-8D664E8CD570", "/data/EVNT.1"),
                                           input("G2", "root://host:1094//a?x=1&y=<2>&z='3'\"4\""),
                                           input("G2", "/a/second/of/one/guid"), input("", "/without/guid"),
                                           input("G3", ""), input("G4", "/with/\x01/control"),
                                           input("G5", "/with blank/\xc3\xa9&amp;")}));
    auto const read = test::run_python(read_catalogue, {folder / "PoolFileCatalog.xml"});
    EXPECT_EQ(read.exit_code, 0);
    EXPECT_EQ(read.output,
              "BEA4C016-E37E-0841-A448-8D664E8CD570 -> /data/EVNT.1\n"
              "G2 -> root://host:1094//a?x=1&y=<2>&z='3'\"4\"\n"
              "G5 -> /with blank/\xc3\xa9&amp;\n");
}

}  // namespace
}  // namespace yoda::athenamp
