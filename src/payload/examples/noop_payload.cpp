// SPDX-License-Identifier: Apache-2.0 OR MIT
// Example payload: does nothing and writes nothing; `noop_payload N` writes
// N bytes a range. Measures everything else.
#include <cstdlib>
#include <fstream>

#include "payload/yoda_payload.hpp"

int main(int argc, char** argv)
{
    yoda::payload::Kit kit;
    std::string const bytes(argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 0, 'x');
    return kit.run([&](yoda::payload::Range const&, yoda::payload::Output& output) {
        if (!bytes.empty()) std::ofstream(output.file("noop")) << bytes;
    });
}
