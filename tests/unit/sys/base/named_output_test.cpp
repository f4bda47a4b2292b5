// SPDX-License-Identifier: Apache-2.0
#include "sys/base/named_output.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>

#include "support/scratch_folder.hpp"
#include "support/skip.hpp"

namespace yoda {
namespace {

using test::file_text;
using test::ScratchFolder;
using test::write_text;
using ::testing::HasSubstr;

struct NamedOutput : ::testing::Test {
    ScratchFolder folder;
    std::string const path = folder / "out";

    /// The rule refuses the path, as a file and as a stream, with this reason.
    void expect_refused(std::string const& at, std::string const& why)
    {
        auto const status = check_replaceable(at);
        ASSERT_FALSE(status) << at;
        EXPECT_EQ(status.error().kind, ErrorKind::usage);
        EXPECT_THAT(status.error().text(), HasSubstr(at));
        EXPECT_THAT(status.error().text(), HasSubstr(why));
        auto const stream = open_stream(at);
        ASSERT_FALSE(stream) << at;
        EXPECT_EQ(stream.error().kind, ErrorKind::usage);
        EXPECT_THAT(stream.error().text(), HasSubstr(why));
    }
    /// A file is not put there; what stands there is what stood there.
    void expect_kept(std::string const& at)
    {
        struct stat before {};
        ASSERT_EQ(::lstat(at.c_str(), &before), 0);
        write_text(folder / "part", "content");
        auto const status = put_in_place(folder / "part", at);
        ASSERT_FALSE(status) << at;
        EXPECT_EQ(status.error().kind, ErrorKind::usage);
        struct stat after {};
        ASSERT_EQ(::lstat(at.c_str(), &after), 0);
        EXPECT_EQ(after.st_ino, before.st_ino);
        EXPECT_EQ(after.st_mode, before.st_mode);
        EXPECT_FALSE(path_exists(folder / "part"));
    }
};

TEST_F(NamedOutput, TakesANewNameAndAFileOfTheCaller)
{
    for (int round = 0; round < 2; ++round) {
        ASSERT_TRUE(check_replaceable(path));
        auto const stream = open_stream(path);
        ASSERT_TRUE(stream);
        EXPECT_FALSE(*stream);
        write_text(folder / "part", "content");
        auto const status = put_in_place(folder / "part", path);
        ASSERT_TRUE(status) << status.error().text();
        EXPECT_EQ(file_text(path), "content");
        write_text(path, "an older one");
    }
}

TEST_F(NamedOutput, RefusesLinksByName)
{
    write_text(folder / "target", "precious");
    std::filesystem::create_symlink(folder / "target", path);
    std::filesystem::create_symlink(folder / "nowhere", folder / "dangling");
    expect_refused(path, "it is a symbolic link");
    expect_refused(folder / "dangling", "it is a symbolic link");
    expect_kept(path);
    expect_kept(folder / "dangling");
    EXPECT_EQ(file_text(folder / "target"), "precious");
    EXPECT_FALSE(path_exists(folder / "nowhere"));
}

TEST_F(NamedOutput, FollowsLinksToTheFolder)
{
    std::filesystem::create_directory(folder / "real");
    std::filesystem::create_directory_symlink(folder / "real", folder / "link");
    EXPECT_TRUE(check_replaceable(folder / "link/out"));
}

TEST_F(NamedOutput, RefusesFoldersSocketsAndNamesOfNothing)
{
    std::filesystem::create_directory(path);
    expect_refused(path, "it is a folder");
    expect_kept(path);
    expect_refused(folder / "new/", "it names a folder");
    EXPECT_THAT(check_replaceable("").error().text(), HasSubstr("it has no name"));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    auto const name = folder / "socket";
    ASSERT_LT(name.size(), sizeof address.sun_path);
    std::copy(name.begin(), name.end(), address.sun_path);
    FileDescriptor const socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    expect_refused(name, "it is a socket");
    expect_kept(name);
}

TEST_F(NamedOutput, NeverWaitsForTheReaderOfAFifo)
{
    ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
    EXPECT_THAT(check_replaceable(path).error().text(), HasSubstr("it is a FIFO"));
    auto const nobody = open_stream(path);
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().kind, ErrorKind::usage);
    EXPECT_THAT(nobody.error().text(), HasSubstr("nobody reads"));
    expect_kept(path);

    FileDescriptor const reader(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    auto const stream = open_stream(path);
    ASSERT_TRUE(stream) << stream.error().text();
    ASSERT_TRUE(*stream);
    EXPECT_EQ(::fcntl((*stream)->get(), F_GETFL) & O_NONBLOCK, 0) << "a write waits for the reader";
    ASSERT_TRUE(write_all((*stream)->get(), "content", path));
    char text[8] = {};
    ASSERT_EQ(::read(reader.get(), text, sizeof text), 7);
    EXPECT_STREQ(text, "content");
}

TEST_F(NamedOutput, WritesIntoADeviceAndNeverOverIt)
{
    if (::mknod(path.c_str(), S_IFCHR | 0666, ::makedev(1, 3)) != 0) YODA_SKIP("only root makes devices");
    EXPECT_THAT(check_replaceable(path).error().text(), HasSubstr("it is a device"));
    expect_kept(path);
    auto const stream = open_stream(path);
    if (!FileDescriptor(::open(path.c_str(), O_WRONLY | O_CLOEXEC)))
        YODA_SKIP("devices are forbidden on this file system");
    ASSERT_TRUE(stream) << stream.error().text();
    ASSERT_TRUE(*stream);
    EXPECT_TRUE(write_all((*stream)->get(), "content", path));
}

TEST_F(NamedOutput, LeavesTheFilesOfOthersAlone)
{
    write_text(path, "theirs");
    if (::chown(path.c_str(), ::geteuid() + 1, static_cast<gid_t>(-1)) != 0)
        YODA_SKIP("only root gives files away");
    expect_refused(path, "it belongs to user");
    expect_kept(path);
    EXPECT_EQ(file_text(path), "theirs");
}

TEST_F(NamedOutput, TheDashIsNoFile)
{
    EXPECT_THAT(check_replaceable("-").error().text(), HasSubstr("standard output"));
    EXPECT_TRUE(check_replaceable("./-"));
}

TEST_F(NamedOutput, BeginsAPartAnewWhateverWasLeftThere)
{
    write_text(folder / "target", "precious");
    std::filesystem::create_symlink(folder / "target", folder / "link");
    ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
    write_text(folder / "sealed", "of a process that died");
    std::filesystem::permissions(folder / "sealed", std::filesystem::perms::owner_read);
    for (std::string const name : {"link", "fifo", "sealed", "new"}) {
        auto const part = open_part(folder / name);
        ASSERT_TRUE(part) << part.error().text();
        ASSERT_TRUE(write_all(part->get(), name, name));
        EXPECT_TRUE(std::filesystem::is_regular_file(std::filesystem::symlink_status(folder / name)));
        EXPECT_EQ(file_text(folder / name), name);
    }
    EXPECT_EQ(file_text(folder / "target"), "precious");
}

}  // namespace
}  // namespace yoda
