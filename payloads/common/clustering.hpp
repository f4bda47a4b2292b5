// SPDX-License-Identifier: Apache-2.0
// Particles to jets with FastJet (GPL-2+).
#pragma once

#include <string>
#include <vector>

#include "common/jet.hpp"
#include "common/particle.hpp"

namespace yoda::samples {

struct Clustering {
    enum class Algorithm { antikt, ee_kt };  ///< ee_kt is Durham's
    Algorithm algorithm = Algorithm::antikt;
    double radius = 0.4;      ///< anti-kt
    double min_pt_gev = 20;   ///< anti-kt: softer jets are dropped
    int exclusive_count = 3;  ///< ee_kt: cluster until so many are left
    bool keep_neutrinos = true;

    /// One line about it, for the output file.
    std::string description() const;
};

/// The hardest first.
std::vector<Jet> find_jets(std::vector<Particle> const& particles, Clustering const& clustering);

/// FastJet prints its reference once a process; calling this before the workers are forked keeps it to once.
void print_fastjet_reference();

}  // namespace yoda::samples
