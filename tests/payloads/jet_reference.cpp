// SPDX-License-Identifier: Apache-2.0
// The jets of an event file by FastJet and nothing of ours: what the payloads `jets` and `shower` have to
// give, bit by bit. Also makes HepMC3 events to try them with. Links FastJet and PYTHIA 6, so the program is
// under the GPL (NOTICE).
//     jet_reference shower LHE HEPMC
//         writes what PYTHIA makes of each event of LHE as HepMC3 text
//     jet_reference antikt HEPMC keep|drop RADIUS MIN_PT
//         prints the anti-kt jets above MIN_PT (GeV)
//     jet_reference ee_kt HEPMC keep|drop COUNT
//         prints COUNT exclusive Durham jets
// `drop` leaves out neutrinos. For each event a line "event <number of jets>", then a line a jet,
// the hardest first: pt, eta, rapidity, phi, mass, energy, px, py, pz as hexadecimal
// floating-point numbers, which lose nothing.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fastjet/ClusterSequence.hh>
#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "lhe/lhe_file.hpp"
#include "pythia6/process.hpp"

namespace {

using namespace yoda::samples;

/// The random seed that `shower` promises for the event at a position with --seed 1: splitmix64 of both.
std::uint32_t seed_at(std::uint64_t position)
{
    std::uint64_t x = (std::uint64_t{1} << 40) + position * 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return static_cast<std::uint32_t>(x ^ (x >> 31));
}

void write_showered(std::string const& from, std::string const& to)
{
    lhe::LheFile const file(from);
    pythia6::start_showering(file.beams());
    std::ofstream out(to);
    out.precision(17);
    out << "HepMC::Version 3.02.05\nHepMC::Asciiv3-START_EVENT_LISTING\n";
    for (std::size_t i = 1; i <= file.event_count(); ++i) {
        auto const event = file.event(static_cast<std::int64_t>(i));
        auto const particles = pythia6::shower(event, seed_at(i));
        out << "E " << i << " 1 " << particles.size() + 2 << "\nU GEV MM\nW " << event.weight << '\n';
        for (int beam : {0, 1}) {
            auto const energy = file.beams().energies_gev[static_cast<std::size_t>(beam)];
            out << "P " << beam + 1 << " 0 2212 0 0 " << (beam ? -energy : energy) << ' ' << energy
                << " 0 4\n";
        }
        out << "V -1 0 [1,2]\n";
        for (std::size_t k = 0; k < particles.size(); ++k) {
            auto const& p = particles[k];
            out << "P " << k + 3 << " -1 " << p.pdg_id << ' ' << p.px << ' ' << p.py << ' ' << p.pz << ' '
                << p.energy << " 0 1\n";
        }
    }
    out << "HepMC::Asciiv3-END_EVENT_LISTING\n";
    if (!out.flush()) throw std::runtime_error("cannot write " + to);
}

/// The momenta of each event's final state.
std::vector<std::vector<fastjet::PseudoJet>> read_hepmc(std::string const& path, bool keep_neutrinos)
{
    std::ifstream in(path);
    std::vector<std::vector<fastjet::PseudoJet>> events;
    for (std::string line; std::getline(in, line);) {
        std::istringstream words(line);
        std::string kind, number, mother;
        int pdg_id = 0, status = 0;
        double px = 0, py = 0, pz = 0, energy = 0, mass = 0;
        words >> kind;
        if (kind == "E") events.emplace_back();
        if (kind != "P" ||
            !(words >> number >> mother >> pdg_id >> px >> py >> pz >> energy >> mass >> status))
            continue;
        int const kind_of_lepton = std::abs(pdg_id);
        bool const neutrino = kind_of_lepton == 12 || kind_of_lepton == 14 || kind_of_lepton == 16;
        if (status == 1 && (keep_neutrinos || !neutrino)) events.back().emplace_back(px, py, pz, energy);
    }
    if (events.empty()) throw std::runtime_error(path + " holds no events");
    return events;
}

void print_jets(std::vector<fastjet::PseudoJet> jets)
{
    std::sort(jets.begin(), jets.end(), [](auto const& a, auto const& b) { return a.pt2() > b.pt2(); });
    std::printf("event %zu\n", jets.size());
    for (auto const& jet : jets)
        std::printf("%a %a %a %a %a %a %a %a %a\n", jet.pt(), jet.eta(), jet.rap(), jet.phi(), jet.m(),
                    jet.E(), jet.px(), jet.py(), jet.pz());
}

void run(std::vector<std::string> const& words)
{
    auto const& what = words.at(0);
    if (what == "shower") return write_showered(words.at(1), words.at(2));
    bool const antikt = what == "antikt";
    if (!antikt && what != "ee_kt") throw std::runtime_error("unknown word '" + what + "'");
    fastjet::ClusterSequence::set_fastjet_banner_stream(nullptr);
    for (auto const& particles : read_hepmc(words.at(1), words.at(2) == "keep")) {
        auto const definition =
            antikt ? fastjet::JetDefinition(fastjet::antikt_algorithm, std::stod(words.at(3)))
                   : fastjet::JetDefinition(fastjet::ee_kt_algorithm);
        fastjet::ClusterSequence const sequence(particles, definition);
        print_jets(antikt ? sequence.inclusive_jets(std::stod(words.at(4)))
                          : sequence.exclusive_jets(std::stoi(words.at(3))));
    }
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        run({argv + 1, argv + argc});
        return 0;
    } catch (std::exception const& error) {
        std::cerr << "jet_reference: " << error.what() << '\n';
        return 1;
    }
}
