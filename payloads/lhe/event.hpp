// SPDX-License-Identifier: Apache-2.0
// A Les Houches event: partons before the shower (Comput. Phys. Commun. 176 (2007) 300).
// GeV, mothers count from 1.
#pragma once

#include <array>
#include <vector>

namespace yoda::samples::lhe {

struct Particle {
    int pdg_id = 0;
    int status = 0;
    std::array<int, 2> mothers{};
    std::array<int, 2> colours{};
    double px = 0, py = 0, pz = 0, energy = 0, mass = 0, lifetime = 0, spin = 9;
};

struct Event {
    int process = 0;
    double weight = 1, scale = 0, alpha_qed = 0, alpha_qcd = 0;
    std::vector<Particle> particles;
};

struct Process {
    double cross_section_pb = 0, error_pb = 0, max_weight = 1;
    int id = 0;
};

/// The <init> block: what collides.
struct Beams {
    std::array<int, 2> pdg_ids{};
    std::array<double, 2> energies_gev{};
    std::array<int, 2> pdf_groups{}, pdf_sets{};
    int weight_strategy = 3;
    std::vector<Process> processes;
};

}  // namespace yoda::samples::lhe
