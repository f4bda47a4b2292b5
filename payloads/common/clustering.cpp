// SPDX-License-Identifier: Apache-2.0
#include "common/clustering.hpp"

#ifdef YODA_HAVE_FASTJET
#include <fastjet/ClusterSequence.hh>
#include <sstream>
#include <stdexcept>

namespace yoda::samples {
namespace {

Jet to_jet(fastjet::PseudoJet const& jet)
{
    return {jet.pt(), jet.eta(), jet.rap(), jet.phi(), jet.m(), jet.E(), jet.px(), jet.py(), jet.pz()};
}

std::vector<fastjet::PseudoJet> cluster(std::vector<fastjet::PseudoJet> const& particles,
                                        Clustering const& clustering)
{
    if (clustering.algorithm == Clustering::Algorithm::antikt) {
        fastjet::JetDefinition const definition(fastjet::antikt_algorithm, clustering.radius);
        return fastjet::ClusterSequence(particles, definition).inclusive_jets(clustering.min_pt_gev);
    }
    fastjet::JetDefinition const definition(fastjet::ee_kt_algorithm);
    return fastjet::ClusterSequence(particles, definition).exclusive_jets_up_to(clustering.exclusive_count);
}

}  // namespace

std::string Clustering::description() const
{
    std::ostringstream text;
    if (algorithm == Algorithm::antikt) {
        text << "FastJet anti-kt, R = " << radius << ", pt > " << min_pt_gev << " GeV";
    } else {
        text << "FastJet ee_kt (Durham), " << exclusive_count << " exclusive jets";
    }
    text << (keep_neutrinos ? ", with neutrinos" : ", without neutrinos");
    return text.str();
}

std::vector<Jet> find_jets(std::vector<Particle> const& particles, Clustering const& clustering)
{
    std::vector<fastjet::PseudoJet> inputs;
    inputs.reserve(particles.size());
    for (auto const& particle : particles) {
        if (clustering.keep_neutrinos || !is_neutrino(particle))
            inputs.emplace_back(particle.px, particle.py, particle.pz, particle.energy);
    }
    if (inputs.empty()) return {};
    try {
        std::vector<Jet> jets;
        for (auto const& jet : fastjet::sorted_by_pt(cluster(inputs, clustering)))
            jets.push_back(to_jet(jet));
        return jets;
    } catch (fastjet::Error const& error) {
        throw std::runtime_error("FastJet: " + error.message());
    }
}

void print_fastjet_reference()
{
    fastjet::Error::set_print_errors(false);  // They come as exceptions.
    fastjet::ClusterSequence::print_banner();
}

}  // namespace yoda::samples
#endif
