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
    explicit EventReader(bool is_mev) : gev_(is_mev ? mev : 1) {}

    /// Empty, or what is wrong.
    std::string read(std::string_view text, Event& event)
    {
        bool is_first = true;
        while (!text.empty()) {
            auto const line = take_line(text);
            // What follows a last event of a part is not its own: the next part's header, or a cut event.
            if (line.starts_with("HepMC::") || (line.starts_with("E ") && !is_first)) break;
            is_first = false;
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
    static constexpr double mev = 1e-3;

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
        gev_ = rest.starts_with("MEV") ? mev : 1;
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
    double gev_;
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
    if (index_was_read_) return;
    // Starts are all that an index holds.
    bool const is_plain = find_events();
    if (is_plain && !place.empty() && !write_index(place, {text.size(), file_.modified_ns(), starts_}))
        std::cerr << "index " << place << " cannot be written: every start will look for the events again\n";
}

bool HepmcFile::find_events()
{
    HepmcScanner scanner;
    std::vector<EventSpan> events;
    scanner.feed(file_.text(), events);
    scanner.finish(events);
    if (auto const status = scanner.check(cut_events()); !status)
        refuse(file_.path(), status.error().why + " (" + status.error().fix + ")");
    starts_.reserve(events.size());
    for (auto const& event : events) starts_.push_back(event.begin);
    unit_changes_ = scanner.unit_changes();
    complete_ = scanner.closed();
    return unit_changes_.empty() && !scanner.has_cut_event();
}

bool HepmcFile::is_mev(std::uint64_t offset) const
{
    bool is_mev = false;
    for (auto const& change : unit_changes_) {
        if (change.offset > offset) break;
        is_mev = change.is_mev;
    }
    return is_mev;
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
    if (!text.starts_with("E ") || (start > 0 && file_.text()[start - 1] != '\n')) {
        throw std::runtime_error("the index of " + file_.path() +
                                 " names a place where no event starts; remove it");
    }
    return at + 1 < starts_.size() ? text.substr(0, starts_[at + 1] - start) : text;
}

Event HepmcFile::event(std::int64_t position) const
{
    require(position);
    Event event;
    EventReader reader(is_mev(starts_[static_cast<std::size_t>(position - 1)]));
    if (auto const problem = reader.read(event_text(position), event); !problem.empty()) {
        throw payload::Fatal("event " + std::to_string(position) + " of " + file_.path() +
                             " is malformed: " + problem);
    }
    return event;
}

}  // namespace yoda::samples::hepmc
