// SPDX-License-Identifier: Apache-2.0
// Makes a run folder with sealed bundles for push_bench.py:
//   push_make_run RUN COUNT BYTES [FIRST]
#include <cstdlib>
#include <string>

#include "support/builders/run_builder.hpp"

int main(int argc, char** argv)
{
    if (argc != 4 && argc != 5) return 2;
    auto const count = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
    auto const bytes = std::strtoull(argv[3], nullptr, 10);
    auto const first = argc == 5 ? static_cast<std::uint32_t>(std::strtoul(argv[4], nullptr, 10)) : 0;
    for (std::uint32_t i = first; i < first + count; ++i)
        yoda::test::add_bundle(argv[1], i, yoda::test::some_bytes(bytes, i + 1));
}
