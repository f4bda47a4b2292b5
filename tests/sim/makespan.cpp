// SPDX-License-Identifier: Apache-2.0
// makespan [DROIDS WORKERS RANGES_A_WORKER EVENTS_A_RANGE]: how long the product's dispatcher and Droid core
// need for work with a heavy tail, against what no dispatcher could beat, and against plain batches as the
// original Yoda gave them. Fails if it is more than 5 % above the bound.
#include <cstdio>
#include <cstdlib>
#include <queue>
#include <vector>

#include "world.hpp"

using namespace yoda;
using namespace yoda::sim;

namespace {

constexpr double straggler_share = 0.01;  ///< of hand-outs: a slow node, a stuck disk
constexpr double straggler_factor = 20;
constexpr double allowed = 1.05;
constexpr std::size_t time_count = 1u << 20;

struct Size {
    std::uint32_t droids = 20;
    std::uint32_t workers = 32;
    std::uint32_t ranges_a_worker = 200;
    std::uint32_t events_a_range = 10;
};

/// Event times are log-normal with sigma 1 and a median of one second; a range's is the sum of its events'.
std::vector<Duration> draw_times(std::uint32_t events)
{
    Random random(20);
    std::vector<Duration> times(time_count);
    for (auto& time : times) {
        double sum_s = 0;
        for (std::uint32_t i = 0; i < events; ++i) sum_s += std::exp(random.normal());
        time = Duration::from_s(sum_s);
    }
    return times;
}

Plan make_makespan_plan(Size const& size, std::vector<Duration> times)
{
    Plan plan;
    plan.seed = 7;
    plan.droid_count = size.droids;
    plan.worker_count = size.workers;
    plan.file_count = size.droids;
    plan.file_ranges = size.workers * size.ranges_a_worker;
    plan.range_events = size.events_a_range;
    PayloadPlan payload;
    payload.has_output = false;
    payload.times = std::move(times);
    payload.straggler_share = straggler_share;
    payload.straggler_factor = straggler_factor;
    payload.range_limit = Duration::from_s(1e6);
    plan.payloads.push_back(std::move(payload));
    plan.ask_interval = Duration::from_s(3);
    plan.silence = Duration::from_s(120);
    plan.heartbeat = Duration::from_s(5);
    plan.bundle_age = Duration::from_s(7200);
    plan.tick = Duration::from_s(1);
    plan.frame_time = Duration::from_s(20e-6);
    plan.loop_time = Duration::from_s(20e-6);
    plan.sync_time = Duration::from_s(0.005);
    plan.commit_interval = Duration::from_s(0.005);
    plan.checkpoint_interval = Duration::from_s(1e6);
    plan.expected = Duration::from_s(1e4);
    return plan;
}

/// Each Droid asks for `batch` ranges when a worker of it has nothing to do; what it has it keeps.
double plain_batches(Plan const& plan, std::uint32_t batch)
{
    struct Free {
        double at_s;
        std::uint32_t droid;
        bool operator>(Free const& other) const { return at_s > other.at_s; }
    };
    std::priority_queue<Free, std::vector<Free>, std::greater<>> workers;
    for (std::uint32_t droid = 0; droid < plan.droid_count; ++droid) {
        for (std::uint32_t i = 0; i < plan.worker_count; ++i) workers.push({0, droid});
    }
    std::vector<std::uint64_t> next(plan.droid_count), end(plan.droid_count);
    std::uint64_t given = 0;
    double last_s = 0;
    while (!workers.empty()) {
        auto const [at_s, droid] = workers.top();
        workers.pop();
        if (next[droid] == end[droid]) {
            next[droid] = given;
            given = std::min(plan.range_count(), given + batch);
            end[droid] = given;
            if (next[droid] == end[droid]) continue;
        }
        auto const range = static_cast<RangeIndex>(next[droid]++);
        auto const done_s = at_s + hand_out_time(plan, 0, range, Epoch::make(1, 1)).s();
        last_s = std::max(last_s, done_s);
        workers.push({done_s, droid});
    }
    return last_s;
}

}  // namespace

int main(int argc, char** argv)
{
    Size size;
    for (int i = 1; i < argc && i <= 4; ++i) {
        std::uint32_t* const places[] = {&size.droids, &size.workers, &size.ranges_a_worker,
                                         &size.events_a_range};
        *places[i - 1] = static_cast<std::uint32_t>(std::strtoul(argv[i], nullptr, 10));
    }
    auto const plan = make_makespan_plan(size, draw_times(size.events_a_range));
    double total_s = 0;
    double longest_s = 0;
    for (RangeIndex range = 0; range < plan.range_count(); ++range) {
        total_s += hand_out_time(plan, 0, range, Epoch::make(1, 1)).s();
        longest_s = std::max(longest_s, range_time(plan, 0, range).s());
    }
    auto const worker_count = double{1.0} * plan.droid_count * plan.worker_count;
    double const bound_s = std::max(total_s / worker_count, longest_s);
    sim::Outcome outcome;
    try {
        World world(plan, nullptr);
        outcome = world.run();
    } catch (Violation const& violation) {
        std::printf("%s: %s\n", violation.checker.c_str(), violation.what.c_str());
        return 1;
    }
    double const batches_s = plain_batches(plan, 128);
    std::printf(
        "%u Droids x %u workers, %llu ranges of %u events, log-normal (sigma 1), 1 %% of hand-outs 20 x as "
        "long\n"
        "lower bound %.1f s (work %.1f s a worker, longest range %.1f s)\n"
        "Yoda %.1f s: %.3f x the bound\nplain batches of 128 a request %.1f s: %.3f x the bound\n",
        plan.droid_count, plan.worker_count, static_cast<unsigned long long>(plan.range_count()),
        plan.range_events, bound_s, total_s / worker_count, longest_s, outcome.last_finish_s,
        outcome.last_finish_s / bound_s, batches_s, batches_s / bound_s);
    return outcome.last_finish_s <= allowed * bound_s ? 0 : 1;
}
