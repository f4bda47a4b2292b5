// SPDX-License-Identifier: Apache-2.0
// sim_worlds: runs worlds and says which promises broke (docs/simulation.md).
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <malloc.h>
#include <unistd.h>

#include "shrink.hpp"

using namespace yoda::sim;

namespace {

char const* const usage =
    "usage: sim_worlds [--seeds FROM:COUNT] [--file FILE] [--scale small|mixed|large|big] [--ranges N]\n"
    "                  [--trace] [--no-shrink] [--first]\n"
    "  --seeds FROM:COUNT  worlds FROM, FROM+1, ... (default 1:500)\n"
    "  --file FILE         worlds named in a file, one a line, '#' begins a comment\n"
    "  --scale SCALE       all of this size (default: drawn from the seed)\n"
    "  --ranges N          go on past the last seed until so many ranges have been simulated\n"
    "  --trace             print what happened in worlds that fail, all of it\n"
    "  --no-shrink         do not look for a smaller world that fails in the same way\n"
    "  --first             stop at the first world that fails\n";

struct Options {
    std::uint64_t first = 1;
    std::uint64_t count = 500;
    std::uint64_t ranges = 0;
    std::vector<std::uint64_t> named;
    bool only_named = false;
    std::string scale;
    bool trace = false;
    bool shrink = true;
    bool stop_at_first = false;
};

struct Totals {
    std::uint64_t worlds = 0, ranges = 0, finished = 0, executed = 0, lives = 0, events = 0, recoveries = 0;
    std::uint64_t payload_faults = 0, lost = 0, doubled = 0, broken = 0;
    std::array<std::uint64_t, fault_kind_count> faults{};
};

/// What a crash of the program under test leaves: which world it was.
char current_seed[64];

void on_crash(int)
{
    [[maybe_unused]] auto const n = ::write(STDOUT_FILENO, current_seed, std::strlen(current_seed));
    ::_exit(3);
}

Scale pick_scale(std::uint64_t seed, std::string const& wanted)
{
    if (wanted == "small") return Scale::small;
    if (wanted == "mixed") return Scale::mixed;
    if (wanted == "large") return Scale::large;
    if (wanted == "big") return Scale::big;
    auto const u = to_unit(mix(seed, 0x5CA1E));
    return u < 0.72 ? Scale::small : u < 0.97 ? Scale::mixed : u < 0.99 ? Scale::large : Scale::big;
}

void print_failure(Plan const& plan, Violation const& violation, Options const& options)
{
    std::printf("seed %llu: %s: %s\n", static_cast<unsigned long long>(plan.seed), violation.checker.c_str(),
                violation.what.c_str());
    if (!options.shrink && !options.trace) return;
    Plan const small = options.shrink ? shrink(plan, violation.checker, 300) : plan;
    Trace trace(options.trace ? 10'000'000 : 60);
    Outcome outcome;
    auto const again = run_plan(small, outcome, &trace);
    std::printf("the same in a world of\n%s", print_plan(small).c_str());
    for (auto const& line : trace.lines()) std::printf("%s\n", line.c_str());
    if (again) std::printf("%s: %s\n", again->checker.c_str(), again->what.c_str());
    std::printf("run it again, with sources of the same commit: sim_worlds --seeds %llu:1%s%s\n\n",
                static_cast<unsigned long long>(plan.seed), options.scale.empty() ? "" : " --scale ",
                options.scale.c_str());
}

/// False: promises were broken.
bool run_seed(std::uint64_t seed, Options const& options, Totals& totals)
{
    std::snprintf(current_seed, sizeof current_seed, "seed %llu: aborted: the program crashed\n",
                  static_cast<unsigned long long>(seed));
    auto const plan = make_plan(seed, pick_scale(seed, options.scale));
    ++totals.worlds;
    Outcome outcome;
    auto violation = run_plan(plan, outcome);
    if (!violation && options.only_named) {  // A seed must say the same whenever it is run.
        Outcome again;
        violation = run_plan(plan, again);
        if (!violation && !(again == outcome))
            violation = Violation{"repeat", "the same world went otherwise"};
    }
    if (!violation) {
        totals.ranges += outcome.range_count;
        totals.finished += outcome.finished_count;
        totals.executed += outcome.execution_count;
        totals.lives += outcome.life_count;
        totals.events += outcome.event_count;
        totals.recoveries += outcome.crash_count;
        totals.payload_faults += outcome.payload_fault_count;
        for (std::size_t i = 0; i < fault_kind_count; ++i) totals.faults[i] += outcome.faults[i];
        return true;
    }
    auto const& checker = violation->checker;
    ++(checker == "lost" || checker == "output"                 ? totals.lost
       : checker == "counted twice" || checker == "ended twice" ? totals.doubled
                                                                : totals.broken);
    print_failure(plan, *violation, options);
    return false;
}

bool read_options(int argc, char** argv, Options& options)
{
    for (int i = 1; i < argc; ++i) {
        std::string const word = argv[i];
        bool const has_value = i + 1 < argc;
        if (word == "--trace") {
            options.trace = true;
        } else if (word == "--no-shrink") {
            options.shrink = false;
        } else if (word == "--first") {
            options.stop_at_first = true;
        } else if (word == "--seeds" && has_value) {
            char* end = nullptr;
            options.first = std::strtoull(argv[++i], &end, 10);
            options.count = *end == ':' ? std::strtoull(end + 1, nullptr, 10) : 1;
        } else if (word == "--scale" && has_value) {
            options.scale = argv[++i];
        } else if (word == "--ranges" && has_value) {
            options.ranges = std::strtoull(argv[++i], nullptr, 10);
        } else if (word == "--file" && has_value) {
            std::ifstream file(argv[++i]);
            if (!file) return false;
            options.only_named = true;
            for (std::string line; std::getline(file, line);) {
                if (!line.empty() && line[0] != '#')
                    options.named.push_back(std::strtoull(line.c_str(), nullptr, 10));
            }
            if (options.named.empty()) return false;
        } else {
            return false;
        }
    }
    return true;
}

void print_totals(Totals const& totals)
{
    std::string faults;
    for (std::size_t i = 0; i < fault_kind_count; ++i)
        faults += fmt::format("{} {}, ", totals.faults[i], print_fault(static_cast<FaultKind>(i)));
    std::printf("%s",
                fmt::format("{} worlds, {} ranges in {} lives, finished {} times, run {} times, {} events\n"
                            "faults: {}{} of payloads; recoveries tried at other moments: {}\n"
                            "lost {}, doubled {}, other promises broken {}\n",
                            totals.worlds, totals.ranges, totals.lives, totals.finished, totals.executed,
                            totals.events, faults, totals.payload_faults, totals.recoveries, totals.lost,
                            totals.doubled, totals.broken)
                    .c_str());
}

}  // namespace

int main(int argc, char** argv)
{
    Options options;
    if (!read_options(argc, argv, options)) {
        std::fputs(usage, stderr);
        return 2;
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    // One world's memory is the next one's: giving it back in between costs as much as large worlds do.
    ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
    ::mallopt(M_TRIM_THRESHOLD, INT32_MAX);
    for (int const signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS}) std::signal(signal, on_crash);
    Totals totals;
    bool good = true;
    auto const run = [&](std::uint64_t seed) {
        good &= run_seed(seed, options, totals);
        return good || !options.stop_at_first;
    };
    if (options.only_named) {
        for (auto const seed : options.named) {
            if (!run(seed)) break;
        }
    } else {
        for (auto seed = options.first;
             seed - options.first < options.count || totals.ranges < options.ranges; ++seed) {
            if (!run(seed)) break;
        }
    }
    print_totals(totals);
    return good ? 0 : 1;
}
