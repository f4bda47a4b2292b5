// SPDX-License-Identifier: Apache-2.0
// A jet and the file that a range's jets go into.
//
// Output convention (docs/payloads.md): group /events has one row an event, group /jets one row a jet, in
// event order; /jets says by its attribute rows_per_event which column of /events counts its rows. A merged
// file is the concatenation of every dataset.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace yoda::samples {

struct Jet {
    double pt, eta, rapidity, phi, mass, energy, px, py, pz;
};

struct EventJets {
    std::int64_t number = 0;  ///< position in the input file, from 1
    double weight = 1;
    std::vector<Jet> jets;
};

/// Writes the HDF5 file; the same jets give the same bytes. `algorithm` becomes an attribute of /jets.
/// Throws std::runtime_error, and leaves no file then.
void write_jet_file(std::string const& path, std::vector<EventJets> const& events,
                    std::string const& algorithm);

}  // namespace yoda::samples
