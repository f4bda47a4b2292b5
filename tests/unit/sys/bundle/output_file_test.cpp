// SPDX-License-Identifier: Apache-2.0
#include "sys/bundle/output_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "core/base/types.hpp"
#include "support/scratch_folder.hpp"

namespace yoda {
namespace {

namespace fs = std::filesystem;
using test::ScratchFolder;
using test::write_text;
using ::testing::HasSubstr;

struct OutputFolderTest : ::testing::Test {
    OutputFolderTest()
    {
        fs::create_directories(root / "worker/below");
        fs::create_directories(root / "other");
        write_text(root / "worker/hits", "content");
        write_text(root / "worker/below/hits", "more content");
        write_text(root / "other/hits", "not mine");
    }
    OutputFault fault(std::string const& path)
    {
        auto opened = OutputFolder(root / "worker").open(path);
        if (auto* const found = std::get_if<OutputFault>(&opened)) return *found;
        return {0, "it was taken"};
    }
    ScratchFolder root;
};

TEST_F(OutputFolderTest, TakesAFileOfTheFolderAndOfFoldersBelowIt)
{
    OutputFolder const folder(root / "worker");
    for (auto const& [path, bytes] :
         std::vector<std::pair<std::string, std::uint64_t>>{{root / "worker/hits", 7},
                                                            {"hits", 7},
                                                            {root / "worker//./below/hits", 12},
                                                            {"below/hits", 12}}) {
        auto const opened = folder.open(path);
        auto const* const output = std::get_if<OutputFile>(&opened);
        ASSERT_TRUE(output) << std::get<OutputFault>(opened).reason;
        EXPECT_EQ(output->name, "hits");
        EXPECT_EQ(output->bytes, bytes);
        EXPECT_EQ(output->path, path);
        EXPECT_TRUE(output->fd);
    }
}

TEST_F(OutputFolderTest, TakesThePathThatAPayloadSeesWhenTheFolderIsReachedThroughALink)
{
    fs::create_directory_symlink(root / "worker", root / "link_to_worker");
    // The last part may not be a link, parts before it may: that is how scratch file systems are mounted.
    fs::create_directory_symlink(root.path(), root / "mounted");
    OutputFolder const folder(root / "mounted/worker");
    auto const real = fs::canonical(root / "worker").string();
    EXPECT_TRUE(std::holds_alternative<OutputFile>(folder.open(root / "mounted/worker/hits")));
    EXPECT_TRUE(std::holds_alternative<OutputFile>(folder.open(real + "/hits")));
    EXPECT_FALSE(std::holds_alternative<OutputFile>(OutputFolder(root / "link_to_worker").open("hits")));
}

TEST_F(OutputFolderTest, RefusesWhatIsNotThere)
{
    for (auto const* const path : {"nothing", "nothing/hits", "hits/below"}) {
        EXPECT_EQ(fault(path).error_code, code::missing_output) << path;
    }
    EXPECT_THAT(fault("nothing").reason, HasSubstr("nothing cannot be taken: No such file"));
}

TEST_F(OutputFolderTest, RefusesAnEmptyFile)
{
    write_text(root / "worker/empty", "");
    EXPECT_EQ(fault("empty").error_code, code::zero_file_size);
}

TEST_F(OutputFolderTest, RefusesWhatLiesOutside)
{
    for (auto const& path : {root / "other/hits", root / "worker_2/hits", std::string("/etc/passwd"),
                             root / "worker", std::string("/")}) {
        EXPECT_EQ(fault(path).error_code, code::payload_failure) << path;
        EXPECT_THAT(fault(path).reason, HasSubstr("not in the worker's folder")) << path;
    }
}

TEST_F(OutputFolderTest, RefusesToGoUp)
{
    for (auto const& path : {root / "worker/../other/hits", std::string("../other/hits"),
                             std::string("below/../../other/hits"), std::string("below/../hits")}) {
        EXPECT_EQ(fault(path).error_code, code::payload_failure) << path;
        EXPECT_THAT(fault(path).reason, HasSubstr("goes up")) << path;
    }
}

TEST_F(OutputFolderTest, RefusesSymbolicLinksAnywhereBelowIt)
{
    fs::create_symlink(root / "other/hits", root / "worker/file_link");
    fs::create_symlink("hits", root / "worker/link_inside");
    fs::create_directory_symlink(root / "other", root / "worker/folder_link");
    for (auto const* const path : {"file_link", "link_inside", "folder_link/hits"}) {
        EXPECT_EQ(fault(path).error_code, code::payload_failure) << path;
        EXPECT_THAT(fault(path).reason, HasSubstr("symbolic link")) << path;
    }
}

TEST_F(OutputFolderTest, RefusesWhatIsNoRegularFileWithoutWaitingForIt)
{
    ASSERT_EQ(::mkfifo((root / "worker/pipe").c_str(), 0600), 0);
    for (auto const* const path : {"pipe", "below", "below/"}) {
        EXPECT_EQ(fault(path).error_code, code::payload_failure) << path;
    }
    EXPECT_THAT(fault("pipe").reason, HasSubstr("no regular file"));
}

TEST_F(OutputFolderTest, RefusesNamesThatAreNoNames)
{
    // Such a name stays what it is at the next try.
    for (auto const& path : {std::string("two\nlines"), std::string("nul\0byte", 8)})
        EXPECT_EQ(fault(path).error_code, code::es_fatal);
    EXPECT_EQ(fault("").error_code, code::payload_failure);
}

TEST_F(OutputFolderTest, AMissingFolderIsMissingOutput)
{
    auto const opened = OutputFolder(root / "gone").open("hits");
    EXPECT_EQ(std::get<OutputFault>(opened).error_code, code::missing_output);
}

TEST_F(OutputFolderTest, RemovesFilesBelowItOnly)
{
    OutputFolder const folder(root / "worker");
    EXPECT_TRUE(folder.remove(root / "worker/below/hits"));
    EXPECT_FALSE(fs::exists(root / "worker/below/hits"));
    EXPECT_TRUE(folder.remove(root / "worker/below/hits")) << "it is gone already";
    EXPECT_TRUE(folder.remove("never/was"));

    fs::create_directory_symlink(root / "other", root / "worker/folder_link");
    for (auto const& path :
         {root / "other/hits", root / "worker/../other/hits", root / "worker/folder_link/hits"})
        EXPECT_FALSE(folder.remove(path)) << path;
    EXPECT_TRUE(fs::exists(root / "other/hits"));
}

}  // namespace
}  // namespace yoda
