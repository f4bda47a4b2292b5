#include "app/signal_meaning.hpp"

#include <gtest/gtest.h>

namespace yoda {
namespace {

using Meaning = SignalMeaning;

TimePoint at(double seconds)
{
    return TimePoint{} + Duration::from_s(seconds);
}

TEST(SignalMeaning, TheFirstSignalDrainsAndItsRepeatsSayNothingNew)
{
    SignalMeanings meanings;
    EXPECT_EQ(meanings.on(at(100), {SIGHUP}, false), Meaning::drain);
    EXPECT_EQ(meanings.on(at(100), {SIGHUP}, true), Meaning::repeat);
    EXPECT_EQ(meanings.on(at(102), {SIGTERM}, true), Meaning::repeat) << "mpirun and srun: two for one";
    EXPECT_EQ(meanings.on(at(102.1), {SIGUSR1}, true), Meaning::hurry);
    EXPECT_EQ(meanings.on(at(103), {SIGUSR1}, true), Meaning::hurry);
}

TEST(SignalMeaning, WhoDrainsAlreadyHurries)
{
    SignalMeanings meanings;
    EXPECT_EQ(meanings.on(at(0), {SIGTERM}, true), Meaning::hurry) << "the allocation ends, then TERM";
    EXPECT_EQ(meanings.on(at(1), {SIGTERM}, true), Meaning::repeat);
}

TEST(SignalMeaning, WhatTheWatchTookForTheEndIsTheEnd)
{
    SignalMeanings meanings;
    EXPECT_EQ(meanings.on(at(0), {SIGINT, 0, true}, true), Meaning::end);
}

}  // namespace
}  // namespace yoda
