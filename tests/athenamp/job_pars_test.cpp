// SPDX-License-Identifier: Apache-2.0
// What becomes of a job's command line: one line of the table a case. Lines are written as a shell reads
// them; the expected ones are split by a real shell, which is the judge of the parser too.
#include "core/job/job_pars.hpp"

#include <gtest/gtest.h>

#include "support/python.hpp"

namespace yoda {
namespace {

std::optional<std::string> variable(std::string_view name)
{
    if (name == "SITE") return "NERSC";
    if (name == "WITH_BLANK") return "a b";
    return std::nullopt;
}

constexpr char const* jps = "from AthenaMP.AthenaMPFlags import jobproperties as jps";
constexpr char const* set_jps = "jps.AthenaMPFlags.EventRangeChannel=\"N\"";

/// Replaces the short names that keep the table readable.
std::string expand(std::string text)
{
    auto const replace = [&](std::string_view name, std::string const& value) {
        for (std::size_t at; (at = text.find(name)) != std::string::npos;)
            text.replace(at, name.size(), value);
    };
    replace("<import>", jps);
    replace("<set>", set_jps);
    replace("\"N\"", "\"channel_1\"");
    return text;
}

std::string words_by_shell(std::string const& line)
{
    auto const script =
        "import subprocess, sys\n"
        "line = open(sys.argv[1]).read()\n"
        "sys.stdout.write(subprocess.run(['/bin/sh', '-c', 'for w in \"$@\"; do printf \"%s\\\\n\" \"$w\"; "
        "done', 'sh'],"
        "stdout=subprocess.PIPE, text=True).stdout)\n"
        "p = subprocess.run(['/bin/sh', '-f', '-c', 'SITE=NERSC; for w in ' + line + '; do printf "
        "\"%s\\\\n\" \"$w\"; done'],"
        "stdout=subprocess.PIPE, text=True)\n"
        "sys.stdout.write(p.stdout)\n";
    test::ScratchFolder const folder;
    test::write_text(folder / "line", line);
    return test::run_python(script, {folder / "line"}).output;
}

std::string lines_of(Words const& words)
{
    std::string text;
    for (auto const& word : words) text += word + "\n";
    return text;
}

struct Case {
    char const* what;
    char const* line;
    char const* expected;
};

// Injection only; the channel's name is channel_1, here written N.
constexpr Case injections[] = {
    {"no preExec", "--maxEvents=5", "--maxEvents=5 --preExec '<import>;<set>'"},
    {"nothing at all", "", "--preExec '<import>;<set>'"},
    {"own import", "--preExec '<import>;jps.AthenaMPFlags.Strategy=\"x\"'",
     "--preExec '<import>;<set>;jps.AthenaMPFlags.Strategy=\"x\"'"},
    {"own import alone", "--preExec '<import>'", "--preExec '<import>;<set>'"},
    {"own import later", "--preExec 'a=1;<import>;b=2'", "--preExec 'a=1;<import>;<set>;b=2'"},
    {"import of another package", "--preExec 'from RecExConfig.RecFlags import jobproperties as jps;jps.x=1'",
     "--preExec '<import>;<set>;from RecExConfig.RecFlags import jobproperties as jps;jps.x=1'"},
    {"other preExec", "--preExec 'x=1'", "--preExec '<import>;<set>;x=1'"},
    {"other preExec in double quotes", "--preExec \"x=\\\"1\\\"\"", "--preExec '<import>;<set>;x=\"1\"'"},
    {"joined", "--preExec='x=1' --maxEvents=5", "--preExec='<import>;<set>;x=1' --maxEvents=5"},
    {"scope all", "--preExec 'all:x=1'", "--preExec 'all:<import>;<set>;x=1'"},
    {"scope of a step", "--preExec 'EVNTtoHITS:x=1'",
     "--preExec 'EVNTtoHITS:<import>;<set>;x=1' 'all:<import>;<set>'"},
    {"scope and own import", "--preExec 'EVNTtoHITS:<import>;x=1'",
     "--preExec 'EVNTtoHITS:<import>;<set>;x=1' 'all:<import>;<set>'"},
    {"scope of the Event Service's step",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'EVNTtoHITS:<import>;x=1'",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec "
     "'EVNTtoHITS:<import>;<set>;x=1'"},
    {"the Event Service's step without a value",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'HITtoRDO:y=1' --maxEvents=5",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'HITtoRDO:y=1' "
     "'EVNTtoHITS:<import>;<set>' --maxEvents=5"},
    {"the Event Service's step without a value, joined",
     "--preInclude='EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec='HITtoRDO:y=1' --maxEvents=5",
     "--preInclude='EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'HITtoRDO:y=1' "
     "'EVNTtoHITS:<import>;<set>' --maxEvents=5"},
    {"the Event Service's step without a value, twice",
     "--preInclude 'B:AthenaMP/AthenaMP_EventService.py' --preExec 'A:y=1' --x=1 --preExec 'C:y=1' 'D:y=1'",
     "--preInclude 'B:AthenaMP/AthenaMP_EventService.py' --preExec 'A:y=1' 'B:<import>;<set>' --x=1 "
     "--preExec 'C:y=1' 'D:y=1' 'B:<import>;<set>'"},
    {"a default for the Event Service's step",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'HITtoRDO:y=1' 'default:x=1'",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'HITtoRDO:y=1' "
     "'default:<import>;<set>;x=1'"},
    {"first may be the Event Service's step",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'first:x=1'",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'first:<import>;<set>;x=1' "
     "'all:<import>;<set>'"},
    {"one value for several steps",
     "--preInclude 'B:AthenaMP/AthenaMP_EventService.py' --preExec 'A,B:x=1' 'C:x=1'",
     "--preInclude 'B:AthenaMP/AthenaMP_EventService.py' --preExec 'A,B:<import>;<set>;x=1' 'C:x=1'"},
    {"scope all among steps", "--preExec 'HITtoRDO:y=1' 'all:x=1' --maxEvents 5",
     "--preExec 'HITtoRDO:y=1' 'all:<import>;<set>;x=1' --maxEvents 5"},
    {"the Event Service's step among steps",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'HITtoRDO:y=1' 'EVNTtoHITS:x=1'",
     "--preInclude 'EVNTtoHITS:AthenaMP/AthenaMP_EventService.py' --preExec 'HITtoRDO:y=1' "
     "'EVNTtoHITS:<import>;<set>;x=1'"},
    {"steps of which none is known", "--preExec 'A:x=1' 'B:y=1'",
     "--preExec 'A:<import>;<set>;x=1' 'B:<import>;<set>;y=1' 'all:<import>;<set>'"},
    {"channel set already",
     "--preExec '<import>;jps.AthenaMPFlags.EventRangeChannel=\"EventService_EventRanges\";x=1'",
     "--preExec '<import>;<set>;x=1'"},
    {"channel set under another name",
     "--preExec 'from AthenaMP.AthenaMPFlags import jobproperties;"
     "jobproperties.AthenaMPFlags.EventRangeChannel = \"EventService_EventRanges\";x=1'",
     "--preExec 'from AthenaMP.AthenaMPFlags import jobproperties;"
     "jobproperties.AthenaMPFlags.EventRangeChannel = \"N\";x=1'"},
    {"channel set by a call",
     "--preExec \"<import>;jps.AthenaMPFlags.EventRangeChannel.set_Value_and_Lock('old');x=1\"",
     "--preExec \"<import>;jps.AthenaMPFlags.EventRangeChannel.set_Value_and_Lock('channel_1');x=1\""},
    {"channel set to a name", "--preExec '<import>;jps.AthenaMPFlags.EventRangeChannel = name;x=1'",
     "--preExec '<import>;jps.AthenaMPFlags.EventRangeChannel = \"N\";x=1'"},
    {"channel compared only", "--preExec '<import>;assert jps.AthenaMPFlags.EventRangeChannel==\"a\"'",
     "--preExec '<import>;<set>;assert jps.AthenaMPFlags.EventRangeChannel==\"a\"'"},
    {"channel of something else", "--preExec 'a.TMP.EventRangeChannel=\"a\"'",
     "--preExec '<import>;<set>;a.TMP.EventRangeChannel=\"a\"'"},
    {"channel set for a step after all",
     "--preExec 'all:x=1' 'EVNTtoHITS:jps.AthenaMPFlags.EventRangeChannel=\"old\"'",
     "--preExec 'all:<import>;<set>;x=1' 'EVNTtoHITS:<set>'"},
    {"placeholder of the HPC pilot",
     "--preExec '<import>;jps.AthenaMPFlags.EventRangeChannel=\"PILOT_EVENTRANGECHANNEL_CHANGE_ME\"'",
     "--preExec '<import>;<set>'"},
    {"reads the environment itself", "--preExec 'import os;x(os.environ[\"PILOT_EVENTRANGECHANNEL\"])'",
     "--preExec 'import os;x(os.environ[\"PILOT_EVENTRANGECHANNEL\"])'"},
    {"preExec without a value", "--preExec --maxEvents=5", "--preExec '<import>;<set>' --maxEvents=5"},
    {"preExec twice", "--preExec 'x=1' --maxEvents=5 --preExec 'y=1'",
     "--preExec '<import>;<set>;x=1' --maxEvents=5 --preExec '<import>;<set>;y=1'"},
    {"CA, MP", "--CA --maxEvents=5", "--CA --maxEvents=5 --preExec 'ConfigFlags.MP.EventRangeChannel=\"N\"'"},
    {"CA, MP, other preExec", "--CA True --preExec 'all:flags.x=1'",
     "--CA True --preExec 'all:ConfigFlags.MP.EventRangeChannel=\"N\";flags.x=1'"},
    {"CA, MP, channel set under another name", "--CA --preExec 'flags.MP.EventRangeChannel=\"old\";x=1'",
     "--CA --preExec 'flags.MP.EventRangeChannel=\"N\";x=1'"},
    {"CA, MP, old flag too", "--CA --preExec 'x=1;jps.AthenaMPFlags.EventRangeChannel=\"old\"'",
     "--CA --preExec 'ConfigFlags.MP.EventRangeChannel=\"N\";x=1;<set>'"},
    {"CA of the Event Service's step among steps",
     "--preInclude EVNTtoHITS:AthenaMP/AthenaMP_EventService.py --CA HITtoRDO:False EVNTtoHITS:True",
     "--preInclude EVNTtoHITS:AthenaMP/AthenaMP_EventService.py --CA HITtoRDO:False EVNTtoHITS:True "
     "--preExec 'ConfigFlags.MP.EventRangeChannel=\"N\"'"},
    {"CA of other steps",
     "--preInclude EVNTtoHITS:AthenaMP/AthenaMP_EventService.py --CA HITtoRDO:True EVNTtoHITS:False",
     "--preInclude EVNTtoHITS:AthenaMP/AthenaMP_EventService.py --CA HITtoRDO:True EVNTtoHITS:False "
     "--preExec '<import>;<set>'"},
    {"CA of all but a step",
     "--preInclude EVNTtoHITS:AthenaMP/AthenaMP_EventService.py --CA HITtoRDO:False all:True",
     "--preInclude EVNTtoHITS:AthenaMP/AthenaMP_EventService.py --CA HITtoRDO:False all:True "
     "--preExec 'ConfigFlags.MP.EventRangeChannel=\"N\"'"},
    {"CA of a later one of several steps", "--CA HITtoRDO:False EVNTtoHITS:True",
     "--CA HITtoRDO:False EVNTtoHITS:True --preExec 'ConfigFlags.MP.EventRangeChannel=\"N\"'"},
    {"CA, MT of several steps",
     "--preInclude EVNTtoHITS:AthenaMP/AthenaMP_EventService.py --CA all:True --multithreaded "
     "HITtoRDO:False EVNTtoHITS:True --athenaopts='HITtoRDO:--loglevel INFO'",
     "--preInclude EVNTtoHITS:AthenaMP/AthenaMP_EventService.py --CA all:True --multithreaded "
     "HITtoRDO:False EVNTtoHITS:True --athenaopts 'HITtoRDO:--loglevel INFO' "
     "'EVNTtoHITS:--mtes --mtes-channel=\"N\"'"},
    {"CA switched off", "--CA=False", "--CA=False --preExec '<import>;<set>'"},
    {"CA of one step", "--CA 'EVNTtoHITS:True'",
     "--CA 'EVNTtoHITS:True' --preExec 'ConfigFlags.MP.EventRangeChannel=\"N\"'"},
    {"CA, MT", "--CA --multithreaded=true",
     "--CA --multithreaded=true --athenaopts='--mtes --mtes-channel=\"N\"'"},
    {"CA, MT, capitals", "--CA --multithreaded=True",
     "--CA --multithreaded=True --athenaopts='--mtes --mtes-channel=\"N\"'"},
    {"CA, MT, other athenaopts", "--CA --multithreaded=true --athenaopts='--loglevel INFO'",
     "--CA --multithreaded=true --athenaopts='--mtes --mtes-channel=\"N\" --loglevel INFO'"},
    {"CA, MT, scoped athenaopts", "--CA --multithreaded=true --athenaopts='EVNTtoHITS:--loglevel INFO'",
     "--CA --multithreaded=true --athenaopts='EVNTtoHITS:--mtes --mtes-channel=\"N\" --loglevel INFO'"},
    {"CA, MT, channel set already",
     "--CA --multithreaded=true --athenaopts='--mtes --mtes-channel=\"old\" -l INFO'",
     "--CA --multithreaded=true --athenaopts='--mtes-channel=\"N\" --mtes -l INFO'"},
    {"MT without CA", "--multithreaded=true", "--multithreaded=true --preExec '<import>;<set>'"},
};

TEST(JobPars, ChannelIsInjectedByAllRules)
{
    static_assert(std::size(injections) >= 25);
    for (auto const& [what, line, expected] : injections) {
        SCOPED_TRACE(what);
        auto words = split_words(expand(line), variable);
        ASSERT_TRUE(words) << words.error().text();
        inject_channel(*words, "channel_1");
        EXPECT_EQ(lines_of(*words), words_by_shell(expand(expected)));
    }
}

TEST(JobPars, WordsAreThoseOfAShell)
{
    for (std::string const line :
         {"a b  c", "'a b' \"c d\"", "a'b'\"c\"d", "--x=\"a\\\"b\" 'it'\\''s'", "a\\ b \\'",
          "\"$SITE\" ${SITE}x $NOT_THERE.", "'$SITE' \"\\$SITE\" \\$SITE", "* ? [a]",
          "--preExec 'from a import b;b.c=\"d\"'", "a=b 'x=y z'", "'' \"\" x", "\"a\\b\\\\c\" a\\\\b", "a#b",
          "--x={a,b}"}) {
        SCOPED_TRACE(line);
        auto const words = split_words(line, variable);
        ASSERT_TRUE(words) << words.error().text();
        EXPECT_EQ(lines_of(*words), words_by_shell(line));
    }
}

TEST(JobPars, PrintedWordsAreReadAsTheSame)
{
    Words const words{"a b", "it's", "", "$SITE", "\"q\"", "back\\slash", "*", "plain-1.x", "a;b|c", "`x`"};
    auto const again = split_words(print_words(words), variable);
    ASSERT_TRUE(again) << again.error().text();
    EXPECT_EQ(*again, words);
    EXPECT_EQ(lines_of(words), words_by_shell(print_words(words)));
}

TEST(JobPars, WhatNeedsAShellIsRefusedWithItsReason)
{
    for (auto const& [line, why] :
         {std::pair{"a; rm x", "';'"}, std::pair{"a | b", "'|'"}, std::pair{"a && b", "'&'"},
          std::pair{"a > b", "'>'"}, std::pair{"a `b`", "'`'"}, std::pair{"\"`b`\"", "backquote"},
          std::pair{"$(b)", "$(...)"}, std::pair{"\"$(b)\"", "$(...)"}, std::pair{"${a:-b}", "${...}"},
          std::pair{"'a", "never closed"}, std::pair{"\"a", "never closed"}, std::pair{"a\\", "backslash"},
          std::pair{"a\nb", "new line"}, std::pair{"a #b", "comment"}, std::pair{"$1", "no variable"}}) {
        auto const words = split_words(line, variable);
        ASSERT_FALSE(words) << line;
        EXPECT_NE(words.error().text().find(why), std::string::npos) << words.error().text();
    }
}

TEST(JobPars, ValueOfAVariableStaysOneWord)
{
    auto const words = split_words("--x=$WITH_BLANK y", variable);
    ASSERT_TRUE(words);
    EXPECT_EQ(*words, (Words{"--x=a b", "y"}));
}

TEST(JobPars, TransformIsChangedForTheEventService)
{
    std::vector<InputFile> const inputs{{"EVNT.1", "G1", "mc", "/scratch/EVNT.1", "", 0},
                                        {"EVNT.2", "G2", "mc", "root://h//EVNT.2", "", 0}};
    JobParsChanges all;
    all.no_frontier = true;
    JobParsChanges none{false, false, false, false};
    struct Change {
        JobParsChanges changes;
        char const* line;
        char const* expected;
    };
    for (auto const& [changes, line, expected] : {
             Change{all, "--inputEVNTFile=EVNT.1,EVNT.2 --maxEvents=5",
                    "--inputEVNTFile=/scratch/EVNT.1 --maxEvents=5 --fileValidation=FALSE"},
             Change{all, "--inputEVNTFile EVNT.2 EVNT.1 --x=1",
                    "--inputEVNTFile root://h//EVNT.2 --x=1 --fileValidation=FALSE"},
             Change{all, "--inputHITSFile=EVNT.1,EVNT.2 --inputHighPtMinbiasHitsFile=M.1,M.2",
                    "--inputHITSFile=/scratch/EVNT.1 --inputHighPtMinbiasHitsFile=M.1,M.2 "
                    "--fileValidation=FALSE"},
             Change{all, "--DBRelease=DBRelease-1.tar.gz --x=1 --fileValidation=TRUE",
                    "--x=1 --fileValidation=TRUE"},
             Change{all, "--x=1 --DBRelease current --y=2", "--x=1 --y=2 --fileValidation=FALSE"},
             Change{all, "--postInclude default:a.py,RecJobTransforms/UseFrontier.py,b.py",
                    "--postInclude default:a.py,b.py --fileValidation=FALSE"},
             Change{all, "--postInclude=RecJobTransforms/UseFrontier.py --x=1",
                    "--x=1 --fileValidation=FALSE"},
             Change{all, "--postInclude 'A:UseFrontier.py' 'B:b.py'",
                    "--postInclude B:b.py --fileValidation=FALSE"},
             Change{none, "--inputEVNTFile=EVNT.1,EVNT.2,EVNT.3 --DBRelease=x",
                    "--inputEVNTFile=/scratch/EVNT.1,root://h//EVNT.2,EVNT.3 --DBRelease=x"},
         }) {
        SCOPED_TRACE(line);
        auto words = split_words(line, variable);
        ASSERT_TRUE(words);
        change_job_pars(*words, changes, inputs);
        EXPECT_EQ(print_words(*words), expected);
    }
}

}  // namespace
}  // namespace yoda
