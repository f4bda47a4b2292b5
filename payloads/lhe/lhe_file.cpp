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

/// The text with its comments as blanks: they may stand between numbers.
std::string without_comments(std::string_view text)
{
    std::string plain(text);
    for (auto at = plain.find("<!--"); at != kNone; at = plain.find("<!--", at)) {
        auto const end = plain.find("-->", at + 4);
        auto const size = end == kNone ? plain.size() - at : end + 3 - at;
        plain.replace(at, size, size, ' ');
    }
    return plain;
}

[[noreturn]] void refuse(std::string const& path, std::string const& why)
{
    throw std::runtime_error("input file " + path + ": " + why);
}

Beams read_beams(std::string const& path, std::string_view text)
{
    Beams beams;
    auto const plain = without_comments(text);
    NumberReader numbers(plain);
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
    auto const plain = without_comments(text);
    NumberReader numbers(plain);
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
    if (!is_les_houches(text))
        refuse(path, "is no Les Houches event file: it does not begin with <LesHouchesEvents>");
    LheScanner scanner;
    scanner.feed(text, events_);
    if (auto const status = scanner.check(cut_events()); !status)
        refuse(path, status.error().why + " (" + status.error().fix + ")");
    auto const init = scanner.init();
    beams_ = read_beams(path, text.substr(init.begin, init.end - init.begin));
    joined_ = scanner.joined();
    complete_ = scanner.closed();
}

void LheFile::require(std::int64_t position) const
{
    if (position >= 1 && position <= static_cast<std::int64_t>(events_.size())) return;
    throw payload::Fatal("event " + std::to_string(position) + " of " + file_.path() +
                         " does not exist: the file holds " + std::to_string(events_.size()) + " events" +
                         (complete_ ? "" : " and is cut off"));
}

void LheFile::require(std::int64_t first, std::int64_t last) const
{
    require(last);
    for (auto const event : {first, last + 1}) {
        auto const at = static_cast<std::size_t>(event - 1);
        if (event > 1 && at < joined_.size() && joined_[at])
            throw payload::Fatal("events " + std::to_string(first) + " to " + std::to_string(last) + " of " +
                                 file_.path() + " part an <eventgroup>: events " + std::to_string(event - 1) +
                                 " and " + std::to_string(event) + " belong together");
    }
}

Event LheFile::event(std::int64_t position) const
{
    require(position);
    auto const where = "event " + std::to_string(position) + " of " + file_.path();
    auto const span = events_[static_cast<std::size_t>(position - 1)];
    auto const text = file_.text().substr(span.begin, span.end - span.begin);
    Event event;
    if (auto const problem = read_event(text, event); !problem.empty())
        throw payload::Fatal(where + " is malformed: " + problem);
    return event;
}

}  // namespace yoda::samples::lhe
