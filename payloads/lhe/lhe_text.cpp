// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "lhe/lhe_file.hpp"

namespace yoda::samples::lhe {
namespace {

template <class... Values>
void append(std::string& to, char const* format, Values... values)
{
    char line[512];
    auto const size = std::snprintf(line, sizeof line, format, values...);
    if (size > 0) to.append(line, std::min(static_cast<std::size_t>(size), sizeof line - 1));
}

}  // namespace

std::string write_head(Beams const& beams, std::string_view comment)
{
    std::string text = "<LesHouchesEvents version=\"1.0\">\n<!--\n";
    text.append(comment).append("\n-->\n<init>\n");
    append(text, "%d %d %.6E %.6E %d %d %d %d %d %zu\n", beams.pdg_ids[0], beams.pdg_ids[1],
           beams.energies_gev[0], beams.energies_gev[1], beams.pdf_groups[0], beams.pdf_groups[1],
           beams.pdf_sets[0], beams.pdf_sets[1], beams.weight_strategy, beams.processes.size());
    for (auto const& process : beams.processes) {
        append(text, "%.6E %.6E %.6E %d\n", process.cross_section_pb, process.error_pb, process.max_weight,
               process.id);
    }
    return text + "</init>\n";
}

std::string write_event(Event const& event)
{
    std::string text = "<event>\n";
    append(text, "%zu %d %.6E %.6E %.6E %.6E\n", event.particles.size(), event.process, event.weight,
           event.scale, event.alpha_qed, event.alpha_qcd);
    for (auto const& p : event.particles) {
        append(text, "%d %d %d %d %d %d %.10E %.10E %.10E %.10E %.10E %.4E %.1f\n", p.pdg_id, p.status,
               p.mothers[0], p.mothers[1], p.colours[0], p.colours[1], p.px, p.py, p.pz, p.energy, p.mass,
               p.lifetime, p.spin);
    }
    return text + "</event>\n";
}

std::string write_tail()
{
    return "</LesHouchesEvents>\n";
}

}  // namespace yoda::samples::lhe
