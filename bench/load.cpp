// SPDX-License-Identifier: Apache-2.0
// How long a run takes to read back: checkpoint, journal and bundles, as the next life
// does (but changing nothing).
//   load RUN
#include <sys/resource.h>

#include <cstdio>

#include "sys/base/clock.hpp"
#include "sys/run/event_file.hpp"
#include "sys/run/run_opening.hpp"

int main(int argc, char** argv)
{
    using namespace yoda;
    if (argc != 2) {
        std::fprintf(stderr, "usage: bench_load RUN\n");
        return 2;
    }
    SystemClock const clock;
    TimePoint const begin = clock.now();
    {
        auto const loaded = load_event_file(argv[1]);
        if (!loaded) {
            std::fprintf(stderr, "%s\n", loaded.error().text().c_str());
            return 4;
        }
    }
    TimePoint const tables_read = clock.now();
    auto const opened = open_run(RunFolder(argv[1]), {});
    if (!opened) {
        std::fprintf(stderr, "%s\n", opened.error().text().c_str());
        return 4;
    }
    TimePoint const end = clock.now();
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    std::printf(
        "{\"ranges\": %llu, \"finished\": %llu, \"tables_s\": %.3f, \"whole_s\": %.3f, \"findings\": %zu, "
        "\"peak_GiB\": %.2f}\n",
        static_cast<unsigned long long>(opened->table.size()),
        static_cast<unsigned long long>(
            opened->table.counts()[static_cast<std::size_t>(RangeState::finished)]),
        (tables_read - begin).s(), (end - tables_read).s(),
        static_cast<std::size_t>(opened->findings.count()), static_cast<double>(usage.ru_maxrss) / 1048576);
    return 0;
}
