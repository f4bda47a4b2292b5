// SPDX-License-Identifier: Apache-2.0
// A particle of the final state.
#pragma once

#include <vector>

namespace yoda::samples {

struct Particle {
    double px = 0, py = 0, pz = 0, energy = 0;  ///< GeV
    int pdg_id = 0;
};

/// Leaves no trace in a detector.
inline bool is_neutrino(Particle const& particle)
{
    auto const id = particle.pdg_id < 0 ? -particle.pdg_id : particle.pdg_id;
    return id == 12 || id == 14 || id == 16;
}

}  // namespace yoda::samples
