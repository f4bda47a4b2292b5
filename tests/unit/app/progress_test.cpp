#include "app/progress.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "sys/files.hpp"

namespace yoda {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TimePoint at(double seconds)
{
    return TimePoint{} + Duration::from_s(seconds);
}

nlohmann::ordered_json status_of(unsigned ready, unsigned sent, unsigned finished, unsigned failed)
{
    return {{"ranges",
             {{"ready", ready},
              {"sent", sent},
              {"finished", finished},
              {"failed", failed},
              {"fatal", 0},
              {"dropped", 0},
              {"total", ready + sent + finished + failed}}},
            {"droids", nlohmann::ordered_json::array({{{"rank", 1}, {"running", sent}}})},
            {"rate_per_s", 2.5},
            {"left_s", 75.0},
            {"utilisation", 0.985}};
}

/// stdout is the other end of a terminal while it lives.
class Terminal {
  public:
    Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY)), before_(::dup(STDOUT_FILENO))
    {
        ::grantpt(master_.get());
        ::unlockpt(master_.get());
        FileDescriptor const slave(::open(::ptsname(master_.get()), O_RDWR | O_NOCTTY));
        std::fflush(stdout);
        ::dup2(slave.get(), STDOUT_FILENO);
    }
    ~Terminal()
    {
        std::fflush(stdout);
        ::dup2(before_.get(), STDOUT_FILENO);
    }
    std::string read()
    {
        char text[4096];
        ssize_t const n = ::read(master_.get(), text, sizeof text);
        return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
    }

  private:
    FileDescriptor master_;
    FileDescriptor before_;
};

TEST(Progress, PrintsALineEvery30SecondsWhereThereIsNoTerminal)
{
    ::testing::internal::CaptureStdout();
    Progress progress(false);
    EXPECT_TRUE(progress.due(at(0)));
    progress.show(at(0), status_of(9, 1, 0, 0));
    EXPECT_FALSE(progress.due(at(29.9)));
    EXPECT_TRUE(progress.due(at(30)));
    progress.show(at(30), status_of(4, 2, 3, 1));
    progress.finish(status_of(0, 0, 9, 1));
    EXPECT_EQ(::testing::internal::GetCapturedStdout(),
              "0/10 done, 1 running, 0 failed, 2.5/s, 1:15 left, 98 % busy\n"
              "3/10 done, 2 running, 1 failed, 2.5/s, 1:15 left, 98 % busy\n"
              "9/10 done, 0 running, 1 failed, 2.5/s, 1:15 left, 98 % busy\n");
}

TEST(Progress, DrawsABarOverItselfOnATerminal)
{
    Terminal terminal;
    Progress progress(false);
    progress.show(at(0), status_of(4, 1, 4, 1));
    auto const bar = terminal.read();
    EXPECT_THAT(bar, StartsWith("\r\033[K[###############...............] 4/10 done"));
    EXPECT_THAT(bar, HasSubstr("1 running, 1 failed, 2.5/s, 1:15 left, 98 % busy"));
    EXPECT_EQ(bar.find('\n'), std::string::npos);
    EXPECT_FALSE(progress.due(at(0.4)));
    EXPECT_TRUE(progress.due(at(0.5)));
    progress.finish(status_of(0, 0, 10, 0));
    EXPECT_THAT(terminal.read(), EndsWith("98 % busy\r\n")) << "what comes next begins on a line of its own";
}

/// stdout is this descriptor for a while.
class StandardOutput {
  public:
    explicit StandardOutput(int fd) : before_(::dup(STDOUT_FILENO))
    {
        std::fflush(stdout);
        ::dup2(fd, STDOUT_FILENO);
    }
    ~StandardOutput()
    {
        std::fflush(stdout);
        ::dup2(before_.get(), STDOUT_FILENO);
        std::clearerr(stdout);
    }

  private:
    FileDescriptor before_;
};

TEST(Progress, IsOverWhenNobodyCanReadItAnyMore)
{
    auto* const before = std::signal(SIGPIPE, SIG_IGN);  // As yoda does.
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    FileDescriptor reader(ends[0]);
    FileDescriptor const writer(ends[1]);
    {
        StandardOutput const output(writer.get());
        Progress progress(false);
        progress.show(at(0), status_of(9, 1, 0, 0));
        EXPECT_TRUE(progress.due(at(30)));
        reader.reset();
        progress.show(at(30), status_of(9, 1, 0, 0));
        EXPECT_FALSE(progress.due(at(1000)));
        progress.finish(status_of(0, 0, 10, 0));
    }
    std::signal(SIGPIPE, before);
}

TEST(Progress, WaitsForNobodyWhoDoesNotRead)
{
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    FileDescriptor const reader(ends[0]);
    FileDescriptor const writer(ends[1]);
    ::fcntl(writer.get(), F_SETFL, O_NONBLOCK);
    std::string const full(4096, 'x');
    while (::write(writer.get(), full.data(), full.size()) > 0) {
    }
    ::fcntl(writer.get(), F_SETFL, 0);
    StandardOutput const output(writer.get());
    Progress progress(false);
    progress.show(at(0), status_of(9, 1, 0, 0));  // Would hang here.
    EXPECT_TRUE(progress.due(at(30))) << "perhaps they read again";
}

TEST(Progress, SaysNothingWhenAskedToBeQuiet)
{
    ::testing::internal::CaptureStdout();
    Progress progress(true);
    EXPECT_FALSE(progress.due(at(1000)));
    progress.finish(status_of(0, 0, 10, 0));
    EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
}

}  // namespace
}  // namespace yoda
