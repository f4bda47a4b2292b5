// SPDX-License-Identifier: Apache-2.0
// PYTHIA 6 as the sample payloads use it: one generator a process (its state is in common blocks), events
// from outside showered one at a time, every event from a random seed of its own, so that an event's result
// depends on nothing else.
#pragma once

#include <cstdint>
#include <vector>

#include "common/particle.hpp"
#include "lhe/event.hpp"

namespace yoda::samples::pythia6 {

/// Makes PYTHIA ready to shower events of these beams. Beams that it knows already cost nothing.
/// Throws std::runtime_error when PYTHIA refuses them.
void start_showering(lhe::Beams const& beams);

/// Showers and hadronises the event, multiple interactions included. The result depends on the event, the
/// beams and the seed only. Throws payload::Fatal when PYTHIA cannot make anything of the event.
std::vector<Particle> shower(lhe::Event const& event, std::uint32_t seed);

/// Makes PYTHIA ready to generate hard QCD processes in proton-proton collisions.
void start_generating(double energy_gev, double min_pt_gev, std::uint32_t seed);
/// The next event before any shower.
lhe::Event generate();
/// Beams and cross-section as known after what was generated so far.
lhe::Beams generated_beams();

}  // namespace yoda::samples::pythia6
