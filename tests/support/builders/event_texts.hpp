// SPDX-License-Identifier: Apache-2.0
// Small input files: Les Houches events and HepMC.
#pragma once

#include <fmt/format.h>

#include <string>

namespace yoda::test {

/// With `<initrwgt>` before `<init>`, as LHE 3 files have it.
inline std::string make_les_houches(unsigned event_count)
{
    std::string text =
        "<LesHouchesEvents version=\"3.0\">\n<header>\n<!-- a remark\n<event>\n-->\n"
        "<initrwgt>\n<weight id='1'> a </weight>\n</initrwgt>\n</header>\n"
        "<init>\n2212 2212 6500 6500 0 0 0 0 -4 1\n1.0 0.1 1.0 1\n</init>\n";
    for (unsigned i = 1; i <= event_count; ++i)
        text += fmt::format(
            "<event>\n 3 1 1.0 100.0 0.0078 0.118\n 21 -1 0 0 501 502 0 0 {0} {0} 0 0 9\n"
            " 21 -1 0 0 502 501 0 0 -{0} {0} 0 0 9\n 25 1 1 2 0 0 0 0 0 {1} {1} 0 9\n</event>\n",
            i, 2 * i);
    return text + "</LesHouchesEvents>\n";
}

inline std::string make_hepmc(unsigned event_count)
{
    std::string text = "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n";
    for (unsigned i = 0; i < event_count; ++i)
        text +=
            fmt::format("E {} 1 2\nU GEV MM\nP 1 0 21 0 0 1 1 0 4\nV -1 0 [1]\nP 2 -1 21 0 0 1 1 0 1\n", i);
    return text + "HepMC::Asciiv3-END_EVENT_LISTING\n\n";
}

}  // namespace yoda::test
