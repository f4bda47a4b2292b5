// SPDX-License-Identifier: Apache-2.0
// The event table alone: RANGES ranges created, handed out and finished in memory; time and memory per range.
//   table RANGES [BATCH]

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "large_table.hpp"

int main(int argc, char** argv)
{
    using namespace yoda;
    auto const now_s = [] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
    };
    std::uint64_t const ranges = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    auto const batch = static_cast<std::uint32_t>(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 256);

    double const begin_s = now_s();
    auto table = bench::make_large_table(ranges);
    double const made_s = now_s();
    BundleNumber const bundle = table.bundle({6900000001, 0, 1, 1, 0});
    FileIndex file = none;
    std::vector<RangeRun> runs;
    std::uint64_t finished = 0;
    for (;;) {
        runs.clear();
        if (table.hand_out(1, file, batch, runs) == 0) break;
        for (auto const& run : runs) {
            for (RangeIndex range = run.begin; range < run.begin + run.count; ++range)
                finished += table.finish(range, Epoch::make(table.life(), run.hand_out), bundle, 1, 1) ==
                            Outcome::accepted;
        }
    }
    double const end_s = now_s();
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf(
        "{\"ranges\": %llu, \"made_s\": %.3f, \"dispatched_s\": %.3f, \"ns_per_range\": %.1f, "
        "\"peak_bytes_per_range\": %.1f, \"peak_GiB\": %.3f}\n",
        static_cast<unsigned long long>(ranges), made_s - begin_s, end_s - made_s,
        (end_s - made_s) * 1e9 / static_cast<double>(ranges),
        static_cast<double>(usage.ru_maxrss) * 1024 / static_cast<double>(ranges),
        static_cast<double>(usage.ru_maxrss) / 1048576);
    return finished == ranges ? 0 : 1;
}
