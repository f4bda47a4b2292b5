// SPDX-License-Identifier: Apache-2.0
// Rank 0's real loop, dispatcher, codec and durable journal, in real time, against a swarm of Droids.
//   scale [DROIDS [WORKERS [EVENT_S [SECONDS [SLOW_SYNC_MS [CHECKPOINT_S]]]]]]
// Prints one line: ranges/s, messages/s, rank 0's share of a core, the wait from report to grant.

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "large_table.hpp"
#include "swarm.hpp"
#include "sys/base/log.hpp"
#include "yoda/rank_zero.hpp"

namespace {

using namespace yoda;

double thread_cpu_s()
{
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

float quantile(std::vector<float> values, double q)
{
    if (values.empty()) return 0;
    auto const at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return *at;
}

int run(bench::SwarmPlan plan, double seconds, Duration slow_sync, double checkpoint_s,
        std::string const& folder)
{
    SystemClock const clock;
    Log log(LogLevel::warning);
    RunFolder const run_folder(folder);
    if (auto made = run_folder.make_folders(); !made) {
        std::fprintf(stderr, "%s\n", made.error().text().c_str());
        return 1;
    }
    auto journal = JournalFile::open(run_folder.journal(), plan.life,
                                     {Duration::from_ms(10), 64ull << 20, slow_sync, {}});
    auto poller = Poller::make();
    if (!journal || !poller) return 1;

    double const rate = plan.droids * plan.workers / plan.event_time.s();
    auto const ranges = static_cast<std::uint64_t>(rate * (seconds + 2 * plan.event_time.s())) +
                        3ull * plan.droids * plan.workers;
    bench::SwarmTransport transport(plan, clock);
    DispatchPolicy policy;
    policy.batch = plan.workers;
    policy.window = 3;
    policy.begin = clock.now();
    RankZeroParts parts;
    parts.folder = run_folder;
    parts.info.run_id = std::string(32, '0');
    parts.event_file_rows = none - 1;  // There is none.
    parts.config.journal_checkpoint_interval_s = checkpoint_s;
    parts.config.journal_checkpoint_bytes = 1ull << 40;
    parts.documents = {"{}", "", ""};
    auto table = bench::make_large_table(ranges);
    table.start_life(plan.life);
    RankZero zero(std::move(parts),
                  Dispatcher(std::move(table), {6900000001}, transport.rank_count(), policy), **journal,
                  transport, *poller, clock, log);
    zero.begin({});
    transport.start();

    auto const finished = [&] {
        return zero.dispatcher().table().counts()[static_cast<std::size_t>(RangeState::finished)];
    };
    TimePoint const warm = clock.now() + plan.event_time * 2;
    TimePoint begin;
    std::uint64_t finished_before = 0, frames_before = 0;
    double cpu_before = 0, longest_step_ms = 0;
    std::size_t answers_before = 0;
    for (;;) {
        TimePoint const now = clock.now();
        if (begin == TimePoint{} && now >= warm) {
            begin = now;
            finished_before = finished();
            frames_before = transport.frame_count();
            answers_before = transport.answer_ms().size();
            cpu_before = thread_cpu_s();
            longest_step_ms = 0;
        }
        if (begin != TimePoint{} && (now - begin).s() >= seconds) break;
        bool const busy = zero.step();
        longest_step_ms = std::max(longest_step_ms, (clock.now() - now).s() * 1e3);
        if (!busy) zero.rest();
    }
    double const elapsed_s = (clock.now() - begin).s();
    double const cpu_s = thread_cpu_s() - cpu_before;
    auto const done = finished() - finished_before;
    std::vector<float> const answers(
        transport.answer_ms().begin() + static_cast<std::ptrdiff_t>(answers_before),
        transport.answer_ms().end());
    std::printf(
        "{\"droids\": %u, \"workers\": %u, \"ranges_per_s\": %.0f, \"of_wanted\": %.3f, \"messages_per_s\": "
        "%.0f, "
        "\"rank0_core\": %.3f, \"answer_p50_ms\": %.2f, \"answer_p99_ms\": %.2f, \"answer_max_ms\": %.1f, "
        "\"longest_step_ms\": %.1f, \"journal_waiting_mb\": %.1f}\n",
        plan.droids, plan.workers, static_cast<double>(done) / elapsed_s,
        static_cast<double>(done) / elapsed_s / rate,
        static_cast<double>(transport.frame_count() - frames_before) / elapsed_s, cpu_s / elapsed_s,
        static_cast<double>(quantile(answers, 0.5)), static_cast<double>(quantile(answers, 0.99)),
        static_cast<double>(quantile(answers, 1)), longest_step_ms,
        static_cast<double>((*journal)->appended() - (*journal)->durable()) * 1e-6);
    return 0;
}

}  // namespace

int main(int argc, char** argv)
{
    auto const number = [&](int i, double otherwise) { return argc > i ? std::atof(argv[i]) : otherwise; };
    bench::SwarmPlan plan;
    plan.droids = static_cast<std::uint32_t>(number(1, 10'000));
    plan.workers = static_cast<std::uint32_t>(number(2, 250));
    plan.event_time = Duration::from_s(number(3, 1));
    std::string folder = (std::filesystem::temp_directory_path() / "yoda_scale_XXXXXX").string();
    if (!::mkdtemp(folder.data())) return 1;
    int const code = run(plan, number(4, 10), Duration::from_ms(static_cast<std::int64_t>(number(5, 0))),
                         number(6, 1e9), folder);
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    return code;
}
