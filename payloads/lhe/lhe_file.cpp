// SPDX-License-Identifier: Apache-2.0
#include "lhe/lhe_file.hpp"

#include <cmath>
#include <stdexcept>

#include "common/numbers.hpp"
#include "payload/yoda_payload.hpp"

namespace yoda::samples::lhe {
namespace {

constexpr auto kNone = std::string_view::npos;
constexpr int kMaxParticles = 500;  // PYTHIA's and the standard's own limit
constexpr int kMaxProcesses = 100;

bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/// Where the content behind the next `<name>` or `<name attributes>` starts; `<init` alone would find
/// `<initrwgt>`, too.
std::size_t behind_tag(std::string_view text, std::string_view opening, std::size_t from)
{
    for (auto at = text.find(opening, from); at != kNone; at = text.find(opening, at + 1)) {
        auto const next = at + opening.size();
        if (next >= text.size() || (text[next] != '>' && !is_space(text[next]))) continue;
        auto before = at;
        while (before > 0 && (text[before - 1] == ' ' || text[before - 1] == '\t')) --before;
        if (before > 0 && text[before - 1] != '\n')
            continue;  // Not at the start of a line: part of a comment.
        auto const end = text.find('>', next);
        return end == kNone ? kNone : end + 1;
    }
    return kNone;
}

[[noreturn]] void refuse(std::string const& path, std::string const& why)
{
    throw std::runtime_error("input file " + path + ": " + why);
}

Beams read_beams(std::string const& path, std::string_view text)
{
    Beams beams;
    NumberReader numbers(text);
    int process_count = 0;
    if (!numbers.read_all(beams.pdg_ids[0], beams.pdg_ids[1], beams.energies_gev[0], beams.energies_gev[1],
                          beams.pdf_groups[0], beams.pdf_groups[1], beams.pdf_sets[0], beams.pdf_sets[1],
                          beams.weight_strategy, process_count))
        refuse(path, "the first line of <init> does not hold its ten numbers");
    if (process_count < 1 || process_count > kMaxProcesses)
        refuse(path, "<init> names " + std::to_string(process_count) + " processes");
    for (int i = 0; i < process_count; ++i) {
        Process process;
        if (!numbers.read_all(process.cross_section_pb, process.error_pb, process.max_weight, process.id))
            refuse(path, "<init> does not hold the four numbers of process " + std::to_string(i + 1));
        beams.processes.push_back(process);
    }
    for (double const energy_gev : beams.energies_gev) {
        if (!(energy_gev > 0) || !std::isfinite(energy_gev)) refuse(path, "<init> has a beam without energy");
    }
    return beams;
}

bool is_physical(Particle const& particle, int count)
{
    bool const finite = std::isfinite(particle.px) && std::isfinite(particle.py) &&
                        std::isfinite(particle.pz) && std::isfinite(particle.energy) &&
                        std::isfinite(particle.mass);
    auto const is_mother = [count](int index) { return index >= 0 && index <= count; };
    return finite && is_mother(particle.mothers[0]) && is_mother(particle.mothers[1]);
}

/// Empty, or what is wrong.
std::string read_event(std::string_view text, Event& event)
{
    NumberReader numbers(text);
    int count = 0;
    if (!numbers.read_all(count, event.process, event.weight, event.scale, event.alpha_qed, event.alpha_qcd))
        return "its first line does not hold its six numbers";
    if (count < 3 || count > kMaxParticles) return "it has " + std::to_string(count) + " particles";
    event.particles.resize(static_cast<std::size_t>(count));
    for (auto& p : event.particles) {
        if (!numbers.read_all(p.pdg_id, p.status, p.mothers[0], p.mothers[1], p.colours[0], p.colours[1],
                              p.px, p.py, p.pz, p.energy, p.mass, p.lifetime, p.spin))
            return "the line of a particle does not hold its 13 numbers";
        if (!is_physical(p, count))
            return "a particle has no finite momentum or a mother that does not exist";
    }
    if (event.particles[0].status != -1 || event.particles[1].status != -1)
        return "its first two particles are not the incoming ones";
    return {};
}

}  // namespace

LheFile::LheFile(std::string const& path) : file_(path)
{
    auto const text = file_.text();
    if (text.substr(0, 4096).find("<LesHouchesEvents") == kNone)
        refuse(path, "is no Les Houches event file: <LesHouchesEvents is not in its first 4096 bytes");
    auto const init = behind_tag(text, "<init", 0);
    auto const init_end = text.find("</init>", init == kNone ? text.size() : init);
    if (init_end == kNone) refuse(path, "has no complete <init> block; is it cut off?");
    beams_ = read_beams(path, text.substr(init, init_end - init));
    for (auto at = behind_tag(text, "<event", init_end); at != kNone; at = behind_tag(text, "<event", at))
        starts_.push_back(at);
    auto const tail = text.substr(text.size() - std::min<std::size_t>(text.size(), 4096));
    complete_ = tail.find("</LesHouchesEvents>") != kNone;
    if (starts_.empty()) refuse(path, complete_ ? "holds no events" : "holds no events; is it cut off?");
}

void LheFile::require(std::int64_t position) const
{
    if (position >= 1 && position <= static_cast<std::int64_t>(starts_.size())) return;
    throw payload::Fatal("event " + std::to_string(position) + " of " + file_.path() +
                         " does not exist: the file holds " + std::to_string(starts_.size()) + " events" +
                         (complete_ ? "" : " and is cut off"));
}

Event LheFile::event(std::int64_t position) const
{
    require(position);
    auto const count = static_cast<std::int64_t>(starts_.size());
    auto const where = "event " + std::to_string(position) + " of " + file_.path();
    auto const start = starts_[static_cast<std::size_t>(position - 1)];
    auto const limit = position < count ? starts_[static_cast<std::size_t>(position)] : file_.text().size();
    auto const text = file_.text().substr(start, limit - start);
    auto const end = text.find("</event>");
    if (end == kNone) throw payload::Fatal(where + " is cut off: it has no </event>");
    Event event;
    if (auto const problem = read_event(text.substr(0, end), event); !problem.empty())
        throw payload::Fatal(where + " is malformed: " + problem);
    return event;
}

}  // namespace yoda::samples::lhe
