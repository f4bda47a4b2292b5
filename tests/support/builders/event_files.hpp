// SPDX-License-Identifier: Apache-2.0
// The files of tests/data/event_files, each with a trait that public bug reports name, and the right answer
// for each. `harvest new` and the sample payloads are held to the same list.
#pragma once

#include <string>
#include <vector>

#include "source_folder.hpp"

namespace yoda::test {

struct EventFile {
    std::string name;
    unsigned event_count;  ///< 0: refused
    std::string refusal;   ///< what the reason holds
    unsigned whole_count;  ///< with --accept-cut; 0: refused all the same
};

inline std::vector<EventFile> event_files()
{
    return {
        {"two_tags_on_a_line.lhe", 12, "", 12},
        {"end_behind_a_number.lhe", 12, "", 12},
        {"two_files_same_beams.lhe", 0, "two files in one", 0},
        {"two_files_other_beams.lhe", 0, "two files in one", 0},
        {"cut_in_the_middle.lhe", 0, "event 6 has no </event>; 11 events are whole", 11},
        {"groups.lhe", 12, "", 12},
        {"long_comment_first.lhe", 12, "", 12},
        {"xml_declaration.lhe", 12, "", 12},
        {"banner.lhe", 12, "", 12},
        {"text_behind_the_end.lhe", 12, "", 12},
        {"carriage_returns.lhe", 12, "", 12},
        {"one_member.tar", 12, "", 12},
        {"one_member.zip", 12, "", 12},
        {"two_files.hepmc3", 12, "", 12},
        {"two_files_without_names.hepmc3", 12, "", 12},
        {"crlf.hepmc3", 12, "", 12},
        {"names_with_line_breaks.hepmc", 12, "", 12},
        {"crlf.hepmc", 12, "", 12},
    };
}

inline std::string event_file(std::string const& name)
{
    return YODA_SOURCE_DIR "/tests/data/event_files/" + name;
}

}  // namespace yoda::test
