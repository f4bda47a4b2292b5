// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/posix/posix_store.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "harvest/stores/base/part_file.hpp"
#include "support/builders/run_builder.hpp"
#include "support/skip.hpp"

namespace yoda::test {
namespace {

namespace fs = std::filesystem;

class Posix : public ::testing::Test {
  protected:
    Posix()
    {
        fs::create_directories(folder_ / "store");
        write_text(folder_ / "file", bytes_);
        spec_.key = "deep/name.tar";
        spec_.path = folder_ / "file";
        spec_.bytes = bytes_.size();
        spec_.adler32 = adler32(bytes_);
        spec_.token = "0123abcd";
    }
    std::ptrdiff_t file_count() const
    {
        return std::distance(fs::directory_iterator(folder_ / "store/deep"), {});
    }
    void expect_arrived() const { EXPECT_EQ(file_text(folder_ / "store/deep/name.tar"), bytes_); }

    SystemClock clock_;
    Log log_{LogLevel::error};
    Breakers breakers_;
    ScratchFolder folder_;
    std::string bytes_ = some_bytes(3'000'000);
    ObjectSpec spec_;
    PosixStore store_{parse_store_url("file://" + (folder_ / "store")).value(),
                      {&clock_, &log_, &breakers_, nullptr, nullptr, {}}};
};

TEST_F(Posix, WhatAKilledCopyLeftGoesWithTheNextTry)
{
    fs::create_directories(folder_ / "store/deep");
    write_text(folder_ / "store/deep/.name.tar.0123abcd-77.part", "half of it");
    write_text(folder_ / "store/deep/.name.tar.9999ffff-77.part", "somebody else's");
    ASSERT_TRUE(store_.put(spec_, {}));
    EXPECT_EQ(file_count(), 3) << "a first try looks for nothing";
    spec_.repeated = true;
    ASSERT_TRUE(store_.put(spec_, {}));
    expect_arrived();
    EXPECT_EQ(file_count(), 2);
    EXPECT_TRUE(fs::exists(folder_ / "store/deep/.name.tar.9999ffff-77.part"));
    EXPECT_EQ(store_.check(spec_).value(), Presence::same);
}

TEST_F(Posix, CopyOfOneWhoWasThoughtDeadNeverGetsTheName)
{
    fs::create_directories(folder_ / "store/deep");
    auto slow = PartFile::create(folder_ / "store/deep/name.tar", spec_.token);
    ASSERT_TRUE(slow);
    spec_.repeated = true;
    ASSERT_TRUE(store_.put(spec_, {}));
    EXPECT_FALSE(slow->keep());
    expect_arrived();
    EXPECT_EQ(file_count(), 1);
}

TEST_F(Posix, FolderThatIsFullOrGoneIsNotAskedAgain)
{
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNS) != 0 ||
        ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", (folder_ / "store").c_str(), "tmpfs", 0, "size=1m") != 0)
        YODA_SKIP("only root has mounts of its own");
    auto result = store_.put(spec_, {});
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().kind, ErrorKind::no_space) << result.error().text();
    EXPECT_EQ(file_count(), 0) << "nothing is left of it";
    auto small = spec_;
    small.bytes = 0;
    small.adler32 = 1;
    EXPECT_FALSE(store_.put(small, {})) << "it was asked again";
    ::umount((folder_ / "store").c_str());
    fs::remove_all(folder_ / "store");
    Breakers breakers;
    PosixStore gone(parse_store_url("file://" + (folder_ / "store")).value(),
                    {&clock_, &log_, &breakers, nullptr, nullptr, {}});
    EXPECT_EQ(gone.put(spec_, {}).error().kind, ErrorKind::unavailable);
    EXPECT_FALSE(fs::exists(folder_ / "store")) << "a store that is not mounted is not made up";
    fs::create_directories(folder_ / "store");
    EXPECT_FALSE(gone.put(spec_, {}));
}

}  // namespace
}  // namespace yoda::test
