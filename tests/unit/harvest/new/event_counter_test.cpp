// SPDX-License-Identifier: Apache-2.0
#include "harvest/new/event_counter.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "core/base/checksum.hpp"
#include "support/builders/event_files.hpp"
#include "support/builders/event_texts.hpp"
#include "support/python.hpp"
#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

using test::make_hepmc;
using test::make_les_houches;
using test::ScratchFolder;
using ::testing::HasSubstr;

Result<std::uint64_t> count(EventFormat format, std::string const& text, std::size_t piece_bytes)
{
    EventCounter counter(format);
    for (std::size_t at = 0; at < text.size(); at += piece_bytes)
        counter.feed(std::string_view(text).substr(at, piece_bytes));
    return counter.finish();
}

std::string count_error(EventFormat format, std::string const& text)
{
    auto const result = count(format, text, 7);
    return result ? fmt::format("{} events", *result) : result.error().text();
}

std::string replace(std::string text, std::string const& what, std::string const& by)
{
    auto const at = text.find(what);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, what.size(), by);
}

TEST(EventCounter, CountsTheSameWhereverThePiecesEnd)
{
    for (std::size_t piece = 1; piece < 40; ++piece) {
        EXPECT_EQ(*count(EventFormat::les_houches, make_les_houches(17), piece), 17u) << piece;
        EXPECT_EQ(*count(EventFormat::hepmc, make_hepmc(5), piece), 5u) << piece;
    }
}

TEST(EventCounter, TakesNeitherInitrwgtForInitNorCommentsForEvents)
{
    auto const text = make_les_houches(3);
    ASSERT_LT(text.find("<initrwgt>"), text.find("<init>"));
    ASSERT_LT(text.find("<event>"), text.find("<init>"));
    EXPECT_EQ(*count(EventFormat::les_houches, text, 100), 3u);
}

TEST(EventCounter, CountsEventTagsWithAttributesAndIndentButNoLongerWords)
{
    auto text = make_les_houches(2);
    text = replace(text, "</LesHouchesEvents>",
                   "  <event npLO=\" 1 \">\n\t</event>\r\n<events>\n</LesHouchesEvents>");
    EXPECT_EQ(*count(EventFormat::les_houches, text, 9), 3u);
}

TEST(EventCounter, NeedsNoLineBreakAtTheEnd)
{
    auto text = make_les_houches(2);
    text.pop_back();
    EXPECT_EQ(*count(EventFormat::les_houches, text, 9), 2u);
}

TEST(EventCounter, SaysThatAFileIsCutOff)
{
    auto const text = make_les_houches(4);
    auto const last = text.rfind("</event>");
    EXPECT_THAT(
        count_error(EventFormat::les_houches, text.substr(0, last - 20)),
        HasSubstr("it is cut off: </LesHouchesEvents> is missing at its end, after 4 events of which the "
                  "last is not complete"));
    EXPECT_THAT(count_error(EventFormat::les_houches, text.substr(0, last + 9)),
                HasSubstr("</LesHouchesEvents> is missing at its end, after 4 events"));
    EXPECT_THAT(count_error(EventFormat::les_houches, text.substr(0, text.find("</init>"))),
                HasSubstr("no complete <init> block"));
    EXPECT_THAT(count_error(EventFormat::les_houches, text.substr(0, last) + "</LesHouchesEvents>\n"),
                HasSubstr("event 4 has no </event>; 3 events are whole"));
    EXPECT_THAT(count_error(EventFormat::hepmc, make_hepmc(3).substr(0, 150)),
                HasSubstr("HepMC::...-END_EVENT_LISTING is missing at its end"));
}

TEST(EventCounter, RefusesAFileWithoutEvents)
{
    EXPECT_THAT(count_error(EventFormat::les_houches, make_les_houches(0)), HasSubstr("it holds no events"));
    EXPECT_THAT(count_error(EventFormat::hepmc, make_hepmc(0)), HasSubstr("it holds no events"));
}

TEST(EventCounter, DetectsFormats)
{
    EXPECT_EQ(*detect_format(make_les_houches(1)), EventFormat::les_houches);
    EXPECT_EQ(*detect_format(make_hepmc(1)), EventFormat::hepmc);
    EXPECT_EQ(*detect_format("\x89HDF\r\n\x1a\n...."), EventFormat::hdf5);
    EXPECT_EQ(*detect_format("root\0\0\xf7\xf5"), EventFormat::unknown);
    for (std::string const head : {"\x1f\x8b\x08", "\x28\xb5\x2f\xfd!", "BZh91AY",
                                   "\xfd"
                                   "7zXZ"}) {
        auto const format = detect_format(head);
        ASSERT_FALSE(format);
        EXPECT_THAT(format.error().text(), HasSubstr("compressed"));
    }
}

TEST(SurveyInput, AnswersForEachKnownKindOfFile)
{
    for (auto const& file : test::event_files()) {
        auto const survey = survey_input(test::event_file(file.name));
        EXPECT_EQ(survey ? survey->event_count : 0, file.event_count)
            << file.name << (survey ? "" : survey.error().text());
        if (!survey) {
            EXPECT_THAT(survey.error().text(), HasSubstr(file.name + " cannot be used: "));
            EXPECT_THAT(survey.error().text(), HasSubstr(file.refusal));
        }
        auto const accepted = survey_input(test::event_file(file.name), CutEvents::leave_out);
        EXPECT_EQ(accepted ? accepted->event_count : 0, file.whole_count) << file.name;
    }
}

TEST(SurveyInput, RefusesArchivesOfSeveralFiles)
{
    ScratchFolder const folder;
    auto const made = test::run_python(R"(
import sys, tarfile, zipfile
folder, event_file = sys.argv[1:]
for name, format in (('gnu', tarfile.GNU_FORMAT), ('pax', tarfile.PAX_FORMAT), ('ustar', tarfile.USTAR_FORMAT)):
    for count in (1, 2):
        with tarfile.open(folder + '/%s%d.tar' % (name, count), 'w', format=format) as tar:
            tar.add(folder, 'folder', recursive=False)
            for i in range(count):
                # Pax and GNU write records of their own for such a name.
                tar.add(event_file if i == 0 else sys.argv[0], 'folder/' + 'n' * (90 if name == 'ustar' else 200) + str(i))
for name, method in (('stored', zipfile.ZIP_STORED), ('deflated', zipfile.ZIP_DEFLATED)):
    for count in (1, 2):
        with zipfile.ZipFile(folder + '/%s%d.zip' % (name, count), 'w', method) as file:
            file.writestr('folder/', '')
            for i in range(count):
                file.write(event_file if i == 0 else sys.argv[0], 'folder/' + str(i))
)",
                                       {folder.path(), test::event_file("banner.lhe")});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    for (std::string const name : {"gnu", "pax", "ustar"}) {
        auto const one = survey_input(folder / (name + "1.tar"));
        ASSERT_TRUE(one) << one.error().text();
        EXPECT_EQ(one->event_count, 12u) << name;
        EXPECT_THAT(survey_input(folder / (name + "2.tar")).error().text(),
                    HasSubstr("an archive of 2 files"));
    }
    for (std::string const name : {"stored", "deflated"})
        EXPECT_THAT(survey_input(folder / (name + "2.zip")).error().text(),
                    HasSubstr("an archive of 2 files"));
    EXPECT_EQ(survey_input(folder / "stored1.zip")->event_count, 12u);
    auto const whole = test::file_text(folder / "stored2.zip");
    for (std::size_t size = 1; size < whole.size(); size += 97) {
        test::write_text(folder / "cut.zip", whole.substr(0, size));
        (void)survey_input(folder / "cut.zip");  // Whatever the answer: no crash.
    }
}

TEST(SurveyInput, TellsSizeAndChecksums)
{
    ScratchFolder const folder;
    auto const text = make_les_houches(20'000);  // Several blocks.
    test::write_text(folder / "EVNT.lhe", text);
    auto const survey = survey_input(folder / "EVNT.lhe");
    ASSERT_TRUE(survey) << survey.error().text();
    EXPECT_EQ(survey->format, EventFormat::les_houches);
    EXPECT_EQ(survey->event_count, 20'000u);
    EXPECT_EQ(survey->bytes, text.size());
    EXPECT_EQ(survey->adler32, adler32(text));
    EXPECT_EQ(survey->crc32c, crc32c(text));
}

TEST(SurveyInput, LeavesTheCountOpenWhereTheFormatDoesNotTell)
{
    ScratchFolder const folder;
    test::write_text(folder / "EVNT.pool.root", "root...");
    auto const survey = survey_input(folder / "EVNT.pool.root");
    ASSERT_TRUE(survey) << survey.error().text();
    EXPECT_FALSE(survey->event_count);
}

TEST(SurveyInput, CountsHdf5Events)
{
    ScratchFolder const folder;
    auto const made = test::run_python(R"(
import sys, h5py
f = h5py.File(sys.argv[1] + '/dataset.h5', 'w'); f.create_dataset('events', (12, 10)); f.close()
f = h5py.File(sys.argv[1] + '/group.h5', 'w'); f.create_dataset('events/number', (7,)); f.create_dataset('events/weight', (7,)); f.close()
f = h5py.File(sys.argv[1] + '/other.h5', 'w'); f.create_dataset('data', (7,)); f.close()
f = h5py.File(sys.argv[1] + '/uneven.h5', 'w'); f.create_dataset('events/a', (7,)); f.create_dataset('events/b', (8,)); f.close()
f = h5py.File(sys.argv[1] + '/none.h5', 'w'); f.create_dataset('events', (0, 10)); f.close()
)",
                                       {folder.path()});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    EXPECT_EQ(survey_input(folder / "dataset.h5")->event_count, 12u);
    EXPECT_EQ(survey_input(folder / "group.h5")->event_count, 7u);
    EXPECT_EQ(survey_input(folder / "other.h5")->event_count, std::nullopt);
    EXPECT_EQ(survey_input(folder / "uneven.h5")->event_count, std::nullopt);
    EXPECT_THAT(survey_input(folder / "none.h5").error().text(), HasSubstr("it holds no events"));
    auto const whole = test::file_text(folder / "dataset.h5");
    test::write_text(folder / "cut.h5", whole.substr(0, whole.size() / 2));
    auto const cut = survey_input(folder / "cut.h5");
    ASSERT_FALSE(cut);
    EXPECT_THAT(cut.error().text(), HasSubstr("truncated file"));
}

TEST(SurveyInput, SurvivesDamagedHdf5)
{
    ScratchFolder const folder;
    auto const made = test::run_python(
        "import sys, h5py\nf = h5py.File(sys.argv[1], 'w'); f.create_dataset('events/number', (7,)); "
        "f.close()",
        {folder / "whole.h5"});
    ASSERT_EQ(made.exit_code, 0) << made.output;
    auto const whole = test::file_text(folder / "whole.h5");
    unsigned refused = 0;
    for (std::size_t at = 8; at < whole.size(); at += 23) {
        auto bytes = whole;
        bytes[at] = static_cast<char>(~bytes[at]);
        test::write_text(folder / "damaged.h5", bytes);
        if (!survey_input(folder / "damaged.h5")) ++refused;
    }
    EXPECT_GT(refused, 0u);
}

TEST(SurveyInput, NamesWhatIsNoUsableFile)
{
    ScratchFolder const folder;
    EXPECT_THAT(survey_input(folder / "missing").error().text(), HasSubstr("missing: No such file"));
    EXPECT_THAT(survey_input(folder.path()).error().text(), HasSubstr("it is a folder"));
    test::write_text(folder / "empty.lhe", "");
    EXPECT_THAT(survey_input(folder / "empty.lhe").error().text(),
                HasSubstr("empty.lhe cannot be used: it is empty"));
    ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
    EXPECT_THAT(survey_input(folder / "pipe").error().text(), HasSubstr("it is no regular file"));
    test::write_text(folder / "cut.lhe", make_les_houches(3).substr(0, 400));
    EXPECT_THAT(survey_input(folder / "cut.lhe").error().text(),
                HasSubstr("cut.lhe cannot be used: it is cut off"));
}

}  // namespace
}  // namespace yoda
