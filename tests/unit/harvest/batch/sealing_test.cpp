// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/sealing.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harvest/batch/batch_run.hpp"
#include "harvest/explain/run_view.hpp"
#include "harvest/stage_out/push_bundle.hpp"
#include "support/builders/opened_runs.hpp"
#include "sys/base/log.hpp"
#include "sys/lease/lease.hpp"

namespace yoda {
namespace {

using namespace test;

/// A run whose yoda was killed after the last of six ranges had ended: one bundle is sealed, one is open.
class KilledAtTheEnd {
  public:
    KilledAtTheEnd()
    {
        make_run(run(), 6);
        write_text(run() + "/payload.cfg", "executable = /bin/true\n");
        TestLife life(run(), 1, 1);
        life.store_and_finish(0, {0, 1, 2});
        life.seal(0);
        life.store_and_finish(1, {3, 4, 5});
        EXPECT_TRUE(life.good());
    }

    std::string run() const { return folder_.path() + "/run"; }
    Result<BatchStanding> step(BatchAction action)
    {
        BatchRequest request;
        request.action = action;
        return step_batch_run(run(), request, clock_, log_);
    }
    std::size_t sealed_count() const
    {
        auto const sealed = list_sealed_bundles(run());
        return sealed ? sealed->size() : 0;
    }

  private:
    ScratchFolder folder_;
    SystemClock clock_;
    Log log_{LogLevel::error};
};

TEST(Sealing, WhatAKilledJobLeftOpenIsSealedBeforeTheRunIsComplete)
{
    KilledAtTheEnd world;
    auto const looked = world.step(BatchAction::look);
    ASSERT_TRUE(looked) << looked.error().text();
    EXPECT_EQ(looked->step, NextStep::seal);
    EXPECT_THAT(looked->why, ::testing::HasSubstr("1 bundles that a killed job left open"));
    EXPECT_EQ(world.sealed_count(), 1u) << "a look has changed the run";

    auto const stepped = world.step(BatchAction::step);
    ASSERT_TRUE(stepped) << stepped.error().text();
    EXPECT_EQ(stepped->step, NextStep::complete) << stepped->text();
    EXPECT_EQ(world.sealed_count(), 2u);
    auto const view = read_run(world.run());
    ASSERT_TRUE(view);
    EXPECT_EQ(check_outputs(RunFolder(world.run()), view->opened.table, true), "");
}

TEST(Sealing, NothingIsTouchedWhileItsYodaLives)
{
    KilledAtTheEnd world;
    SystemClock const clock;
    auto const held = acquire_lease(world.run() + "/lock", describe_holder("yoda", "", clock), {}, clock);
    ASSERT_TRUE(held);
    EXPECT_FALSE(seal_open_bundles(world.run(), clock));
    auto const stepped = world.step(BatchAction::step);
    ASSERT_TRUE(stepped);
    EXPECT_EQ(stepped->step, NextStep::wait) << stepped->text();
    EXPECT_EQ(world.sealed_count(), 1u);
}

}  // namespace
}  // namespace yoda
