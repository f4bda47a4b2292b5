// sim_worlds --seeds FROM:COUNT [--trace] [--shrink] [--long]: runs worlds and says which promises broke.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "world.hpp"

using namespace yoda::sim;

namespace {

Scale pick_scale(std::uint64_t seed)
{
    auto const u = to_unit(mix(seed, 0x5CA1E));
    return u < 0.72 ? Scale::small : u < 0.96 ? Scale::mixed : Scale::large;
}

}  // namespace

int main(int argc, char** argv)
{
    std::uint64_t first = 1;
    std::uint64_t count = 100;
    bool trace_wanted = false;
    for (int i = 1; i < argc; ++i) {
        std::string const word = argv[i];
        if (word == "--seeds" && i + 1 < argc) {
            char* end = nullptr;
            first = std::strtoull(argv[++i], &end, 10);
            count = *end == ':' ? std::strtoull(end + 1, nullptr, 10) : 1;
        } else if (word == "--trace") {
            trace_wanted = true;
        }
    }
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    auto const begin = std::chrono::steady_clock::now();
    std::uint64_t ranges = 0, finished = 0, events = 0, lives = 0, bad = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        auto const plan = make_plan(seed, pick_scale(seed));
        Trace trace(4000000);
        try {
            World world(plan, trace_wanted ? &trace : nullptr);
            auto const outcome = world.run();
            ranges += outcome.range_count;
            finished += outcome.finished_count;
            events += outcome.event_count;
            lives += outcome.life_count;
        } catch (Violation const& violation) {
            ++bad;
            std::printf("seed %llu: %s: %s\n", static_cast<unsigned long long>(seed),
                        violation.checker.c_str(), violation.what.c_str());
            if (trace_wanted) {
                std::printf("%s", print_plan(plan).c_str());
                for (auto const& line : trace.lines()) std::printf("%s\n", line.c_str());
            }
        }
    }
    auto const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    std::printf("%llu worlds, %llu bad, %llu ranges, %llu finishes, %llu lives, %llu events, %.1f s\n",
                static_cast<unsigned long long>(count), static_cast<unsigned long long>(bad),
                static_cast<unsigned long long>(ranges), static_cast<unsigned long long>(finished),
                static_cast<unsigned long long>(lives), static_cast<unsigned long long>(events), seconds);
    return bad > 0;
}
