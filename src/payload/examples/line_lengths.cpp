// SPDX-License-Identifier: Apache-2.0 OR MIT
// Example payload: events are the lines of a text file; the output holds their lengths, one line each.
// The file's line positions are found once, before the workers are forked, and shared by all of them.
#include <fstream>
#include <string>
#include <vector>

#include "payload/yoda_payload.hpp"

std::vector<std::streamoff> find_lines(std::string const& path)
{
    std::ifstream file(path);
    if (!file) throw std::runtime_error("cannot open " + path);
    std::vector<std::streamoff> starts;
    std::streamoff at = 0;
    for (std::string line; std::getline(file, line); at = file.tellg()) starts.push_back(at);
    return starts;
}

int main(int argc, char** argv)
{
    yoda::payload::Kit kit;
    auto const starts = kit.initialise([&] { return find_lines(argc > 1 ? argv[1] : ""); });
    return kit.run([&](yoda::payload::Range const& range, yoda::payload::Output& output) {
        if (range.last > static_cast<std::int64_t>(starts.size()))
            throw yoda::payload::Fatal("the file has only " + std::to_string(starts.size()) + " lines");
        std::ifstream file(argv[1]);
        file.seekg(starts[static_cast<std::size_t>(range.first - 1)]);
        std::ofstream lengths(output.file("lengths.txt"));
        std::string line;
        for (auto event = range.first; event <= range.last && std::getline(file, line); ++event)
            lengths << event << ' ' << line.size() << '\n';
    });
}
