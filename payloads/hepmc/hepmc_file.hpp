// SPDX-License-Identifier: Apache-2.0
// A HepMC3 event file (Asciiv3), opened once and read by event position. A parser of its own, since
// HepMC 3.1's reader cannot seek: 5,000 events are indexed in the time in which that reads twenty.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/mapped_file.hpp"
#include "common/particle.hpp"
#include "core/event_text/hepmc_scanner.hpp"

namespace yoda::samples::hepmc {

struct Event {
    double weight = 1;
    std::vector<Particle> particles;  ///< of the final state (status 1), in GeV
};

class HepmcFile {
  public:
    /// Takes the index from `index_folder` if it fits, else finds where the events start and leaves it there;
    /// without a folder it does the latter only. Throws std::runtime_error: no such file, no HepMC3, and what
    /// HepmcScanner::check refuses.
    explicit HepmcFile(std::string const& path, std::string const& index_folder = {});

    std::size_t event_count() const { return starts_.size(); }
    bool index_was_read() const { return index_was_read_; }
    /// Throws payload::Fatal when the file has no event at the position, which counts from 1.
    void require(std::int64_t position) const;
    /// Throws payload::Fatal: beyond the end, cut off, malformed.
    Event event(std::int64_t position) const;

  private:
    /// False if the events need more than an index of starts tells.
    bool find_events();
    bool is_mev(std::uint64_t offset) const;
    std::string_view event_text(std::int64_t position) const;

    MappedFile file_;
    std::vector<std::uint64_t> starts_;  ///< of the line "E ..."
    std::vector<HepmcScanner::UnitChange> unit_changes_;
    bool complete_ = false;  ///< the last line is there
    bool index_was_read_ = false;
};

}  // namespace yoda::samples::hepmc
