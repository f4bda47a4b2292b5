// SPDX-License-Identifier: Apache-2.0
#include "hepmc/hepmc_file.hpp"

#include <cmath>
#include <cstring>
#include <iostream>
#include <stdexcept>

#include "common/event_index.hpp"
#include "common/numbers.hpp"
#include "payload/yoda_payload.hpp"

namespace yoda::samples::hepmc {
namespace {

constexpr auto kNone = std::string_view::npos;
constexpr int kFinalState = 1;

[[noreturn]] void refuse(std::string const& path, std::string const& why)
{
    throw std::runtime_error("input file " + path + ": " + why);
}

std::vector<std::uint64_t> find_events(std::string_view text)
{
    std::vector<std::uint64_t> starts;
    for (auto at = text.find("\nE "); at != kNone; at = text.find("\nE ", at + 1)) starts.push_back(at + 1);
    return starts;
}

/// Takes the next line off the text, without its end.
std::string_view take_line(std::string_view& text)
{
    auto const end = text.find('\n');
    auto const line = text.substr(0, end);
    text.remove_prefix(end == kNone ? text.size() : end + 1);
    return line;
}

/// The lines of one event, from "E": vertices and particles, of which those of the final state are kept.
class EventReader {
  public:
    /// Empty, or what is wrong.
    std::string read(std::string_view text, Event& event)
    {
        while (!text.empty()) {
            auto const line = take_line(text);
            if (line.size() < 2 || line[1] != ' ') continue;
            if (!read_line(line[0], line.substr(2), event))
                return "cannot read the line '" + shorten(line) + "'";
        }
        if (read_count_ != particle_count_) {
            return "it holds " + std::to_string(read_count_) + " of its " + std::to_string(particle_count_) +
                   " particles; is the file cut off?";
        }
        return {};
    }

  private:
    static std::string shorten(std::string_view line) { return std::string(line.substr(0, 80)); }

    bool read_line(char kind, std::string_view rest, Event& event)
    {
        NumberReader numbers(rest);
        int ignored = 0;
        switch (kind) {
            case 'E':
                return numbers.read_all(ignored, ignored, particle_count_);
            case 'U':
                return read_unit(rest);
            case 'W':
                return numbers.read(event.weight);
            case 'P':
                return read_particle(numbers, event);
            default:
                return true;
        }
    }

    bool read_unit(std::string_view rest)
    {
        if (rest.starts_with("MEV")) gev_ = 1e-3;
        return rest.starts_with("MEV") || rest.starts_with("GEV");
    }

    bool read_particle(NumberReader& numbers, Event& event)
    {
        int number = 0;
        int mother = 0;
        int status = 0;
        double mass = 0;
        Particle particle;
        if (!numbers.read_all(number, mother, particle.pdg_id, particle.px, particle.py, particle.pz,
                              particle.energy, mass, status))
            return false;
        ++read_count_;
        if (status != kFinalState) return true;
        if (gev_ != 1) {
            for (auto* component : {&particle.px, &particle.py, &particle.pz, &particle.energy})
                *component *= gev_;
        }
        event.particles.push_back(particle);
        return std::isfinite(particle.px) && std::isfinite(particle.py) && std::isfinite(particle.pz) &&
               std::isfinite(particle.energy);
    }

    int particle_count_ = -1;
    int read_count_ = 0;
    double gev_ = 1;
};

}  // namespace

HepmcFile::HepmcFile(std::string const& path, std::string const& index_folder) : file_(path)
{
    auto const text = file_.text();
    if (text.substr(0, 4096).find("HepMC::Asciiv3-START_EVENT_LISTING") == kNone)
        refuse(path,
               "is no HepMC3 text file: HepMC::Asciiv3-START_EVENT_LISTING is not in its first 4096 bytes");
    complete_ =
        text.substr(text.size() - std::min<std::size_t>(text.size(), 4096)).find("END_EVENT_LISTING") !=
        kNone;

    auto const place = index_folder.empty() ? std::string() : index_path(index_folder, path);
    if (!place.empty()) {
        std::string reason;
        if (auto index = read_index(place, text.size(), file_.modified_ns(), reason)) {
            starts_ = std::move(index->offsets);
            index_was_read_ = true;
        } else {
            std::cerr << "index " << place << ' ' << reason << ": made anew\n";
        }
    }
    if (!index_was_read_) {
        starts_ = find_events(text);
        if (!place.empty() && !write_index(place, {text.size(), file_.modified_ns(), starts_}))
            std::cerr << "index " << place
                      << " cannot be written: every start will look for the events again\n";
    }
    if (starts_.empty()) refuse(path, complete_ ? "holds no events" : "holds no events; is it cut off?");
}

void HepmcFile::require(std::int64_t position) const
{
    if (position >= 1 && position <= static_cast<std::int64_t>(starts_.size())) return;
    throw payload::Fatal("event " + std::to_string(position) + " of " + file_.path() +
                         " does not exist: the file holds " + std::to_string(starts_.size()) + " events" +
                         (complete_ ? "" : " and is cut off"));
}

std::string_view HepmcFile::event_text(std::int64_t position) const
{
    auto const at = static_cast<std::size_t>(position - 1);
    auto const start = starts_[at];
    auto text = file_.text().substr(start);
    if (!text.starts_with("E ") || file_.text()[start - 1] != '\n') {
        throw std::runtime_error("the index of " + file_.path() +
                                 " names a place where no event starts; remove it");
    }
    if (at + 1 < starts_.size()) return text.substr(0, starts_[at + 1] - start);
    return text.substr(0, text.find("\nHepMC::"));
}

Event HepmcFile::event(std::int64_t position) const
{
    require(position);
    Event event;
    if (auto const problem = EventReader().read(event_text(position), event); !problem.empty()) {
        throw payload::Fatal("event " + std::to_string(position) + " of " + file_.path() +
                             " is malformed: " + problem);
    }
    return event;
}

}  // namespace yoda::samples::hepmc
