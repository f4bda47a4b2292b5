// SPDX-License-Identifier: Apache-2.0
// Ranges per second through real worker processes, fed by the mini droid: `measure_kit
// WORKERS RANGES PAYLOAD...`.
#include <chrono>
#include <cstdlib>
#include <iostream>

#include "support/mini_droid.hpp"

int main(int argc, char** argv)
{
    using namespace yoda::test;
    if (argc < 4) {
        std::cerr << "usage: measure_kit WORKERS RANGES PAYLOAD [ARGUMENTS]\n";
        return 2;
    }
    MiniDroid droid(std::vector<std::string>(argv + 3, argv + argc));
    if (auto const message = droid.hear(); message != "Ready for workers") {
        std::cerr << message.value_or("the payload ended") << '\n' << droid.standard_error();
        return 1;
    }
    std::vector<WorkerPeer> workers;
    for (int k = 0; k < std::atoi(argv[1]); ++k) workers.push_back(droid.add_worker(k));
    for (auto& worker : workers) worker.meet();
    std::vector<std::string> ranges;
    for (int i = 1; i <= std::atoi(argv[2]); ++i)
        ranges.push_back(
            range_text("21130195-3575829612-22136789-" + std::to_string(i) + "-2", i, i, "/data/in.root"));
    auto const start = std::chrono::steady_clock::now();
    auto const answers = work_through(workers, ranges);
    std::chrono::duration<double> const seconds = std::chrono::steady_clock::now() - start;
    for (auto const& answer : answers) {
        if (answer.rfind("ERR", 0) == 0) {
            std::cerr << answer << '\n';
            return 1;
        }
    }
    std::cout << static_cast<double>(ranges.size()) / seconds.count() << " ranges/s\n";
}
