// SPDX-License-Identifier: Apache-2.0
// A payload for the kit's tests: does what the range's id tells it. Its initialisation leaves a mark for each
// time it runs, and its workers say in their outputs what memory they share with the parent.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "payload/yoda_payload.hpp"

namespace {

using yoda::payload::Output;
using yoda::payload::Range;

std::string initialise()
{
    std::ofstream("initialised", std::ios::app) << "once\n";
    if (auto const* text = std::getenv("PROBE_INIT_ERROR")) throw std::runtime_error(text);
    std::cout << "not flushed by the parent ";
    return "made by " + std::to_string(getpid());
}

void write(std::string const& path, std::string const& text)
{
    std::ofstream(path) << text;
}

void work(Range const& range, Output& output, std::string const& shared)
{
    auto const& wish = range.id;
    if (wish == "throw") throw std::runtime_error("first line\nsecond line");
    if (wish == "throw-int") throw 42;
    if (wish == "throw-long") throw std::runtime_error(std::string(100'000, 'x'));
    if (wish == "fatal") throw yoda::payload::Fatal("beyond the end");
    if (wish == "half") {
        write(output.file("half"), "half an output");
        throw std::runtime_error("no more");
    }
    if (wish == "kill") raise(SIGKILL);
    if (wish == "exit") std::_Exit(0);
    if (wish == "hang") pause();
    if (wish == "nothing") return;
    if (wish == "comma") output.add("a,b");
    if (wish == "burn") {
        for (auto const start = std::clock(); std::clock() - start < CLOCKS_PER_SEC / 20;) {
        }
    }
    if (wish == "two") write(output.file("first"), "1");
    if (wish == "stdout") std::cout << "Ready for events\nnonsense\n";
    write(output.file("probe"), shared + "\ncwd " + std::filesystem::current_path().string() + "\nevents " +
                                    std::to_string(range.first) + "-" + std::to_string(range.last) +
                                    "\npfn " + range.pfn + "\nguid " + range.guid + "\nlfn " + range.lfn +
                                    "\nout " + yoda::payload::out_lfn() + "|" +
                                    yoda::payload::out_lfn("hist") + "\n");
}

}  // namespace

int main()
{
    yoda::payload::Kit kit;
    auto const shared = kit.initialise(initialise);
    kit.at_worker_start([](yoda::payload::Worker const& worker) {
        if (std::getenv("PROBE_START_ERROR")) throw std::runtime_error("no licence");
        write("started", std::to_string(worker.number));
    });
    kit.at_worker_end([](yoda::payload::Worker const& worker) { write("ended", worker.folder); });
    return kit.run([&](Range const& range, Output& output) { work(range, output, shared); });
}
