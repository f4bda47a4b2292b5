// SPDX-License-Identifier: Apache-2.0
#include "pythia6/process.hpp"

#include <cmath>
#include <stdexcept>

#include "payload/yoda_payload.hpp"
#include "pythia6/common_blocks.hpp"

namespace yoda::samples::pythia6 {
namespace {

constexpr int kMaxTries = 20;
constexpr int kInitSeed = 19780503;
constexpr int kMaxSeed = 900'000'000;
constexpr int kOnlyProcess = 1;

/// What PYTHIA's PYSTOP becomes; it would end the program with exit code 0.
class Stopped : public std::runtime_error {
  public:
    explicit Stopped(int code) : std::runtime_error("PYTHIA stopped with code " + std::to_string(code)) {}
};

/// The event that PYTHIA asks for by calling UPEVNT, and how often it may: it asks again when a shower fails.
struct Supply {
    lhe::Beams beams;
    lhe::Event const* event = nullptr;
    int tries_left = 0;
    bool started = false;
};
Supply supply;

void seed_generator(std::uint32_t seed)
{
    pydatr_.MRPY[0] = static_cast<int>(seed % (kMaxSeed + 1U));
    pydatr_.MRPY[1] = 0;  // Start from the seed at the next number.
}

void set_quiet()
{
    pydat1_.MSTU[11] = 12345;  // MSTU(12): no title page
    pydat1_.MSTU[20] = 1;      // MSTU(21): go on after errors
    pypars_.MSTP[121] = 0;     // MSTP(122): no listing of cross-sections
}

void initialise(char const* frame, double energy_gev)
{
    seed_generator(kInitSeed);
    pyinit_(frame, "p", "p", &energy_gev, static_cast<long>(std::char_traits<char>::length(frame)), 1, 1);
    yoda_flush_fortran_output();
}

void fill_event(lhe::Event const& event)
{
    auto& out = hepeup_;
    out.NUP = static_cast<int>(event.particles.size());
    out.IDPRUP = kOnlyProcess;
    out.XWGTUP = event.weight < 0 ? -1 : 1;
    out.SCALUP = event.scale;
    out.AQEDUP = event.alpha_qed;
    out.AQCDUP = event.alpha_qcd;
    for (std::size_t i = 0; i < event.particles.size(); ++i) {
        auto const& particle = event.particles[i];
        out.IDUP[i] = particle.pdg_id;
        out.ISTUP[i] = particle.status;
        for (std::size_t j = 0; j < 2; ++j) {
            out.MOTHUP[i][j] = particle.mothers[j];
            out.ICOLUP[i][j] = particle.colours[j];
        }
        double const momentum[] = {particle.px, particle.py, particle.pz, particle.energy, particle.mass};
        std::copy(std::begin(momentum), std::end(momentum), out.PUP[i]);
        out.VTIMUP[i] = particle.lifetime;
        out.SPINUP[i] = particle.spin;
    }
}

void check_event(lhe::Event const& event)
{
    for (auto particle : event.particles) {
        if (pycomp_(&particle.pdg_id) == 0)
            throw payload::Fatal("PYTHIA does not know the particle with PDG id " +
                                 std::to_string(particle.pdg_id));
    }
    for (std::size_t i = 0; i < 2; ++i) {
        auto const energy_gev = event.particles[i].energy;
        if (!(energy_gev > 0) || energy_gev > 1.000001 * supply.beams.energies_gev[i])
            throw payload::Fatal("an incoming particle has no energy or more than its beam");
    }
}

std::vector<Particle> final_particles()
{
    std::vector<Particle> particles;
    for (int i = 0; i < pyjets_.N; ++i) {
        if (pyjets_.K[0][i] < 1 || pyjets_.K[0][i] > 10) continue;
        particles.push_back(
            {pyjets_.P[0][i], pyjets_.P[1][i], pyjets_.P[2][i], pyjets_.P[3][i], pyjets_.K[1][i]});
    }
    return particles;
}

}  // namespace

void start_showering(lhe::Beams const& beams)
{
    if (supply.started && supply.beams.pdg_ids == beams.pdg_ids &&
        supply.beams.energies_gev == beams.energies_gev)
        return;
    supply.started = false;
    supply.beams = beams;
    set_quiet();
    initialise("USER", 0);
    supply.started = true;
}

std::vector<Particle> shower(lhe::Event const& event, std::uint32_t seed)
{
    check_event(event);
    supply.event = &event;
    supply.tries_left = kMaxTries;
    seed_generator(seed);
    try {
        pyevnt_();
    } catch (Stopped const& stopped) {
        supply.started = false;  // Its state is that of an unfinished event.
        yoda_flush_fortran_output();
        throw payload::Fatal(stopped.what());
    }
    if (pypars_.MSTI[50] == 1)  // MSTI(51): it got no event that it could finish.
        throw payload::Fatal("PYTHIA could not shower the event in " + std::to_string(kMaxTries) + " tries");
    return final_particles();
}

void start_generating(double energy_gev, double min_pt_gev, std::uint32_t seed)
{
    set_quiet();
    pysubs_.MSEL = 1;              // hard QCD
    pysubs_.CKIN[2] = min_pt_gev;  // CKIN(3)
    initialise("CMS", energy_gev);
    seed_generator(seed);
}

lhe::Event generate()
{
    for (int tries_left = kMaxTries; tries_left > 0; --tries_left) {
        pyupev_();
        if (pypars_.MSTI[51] == 0) break;  // MSTI(52): number of failed tries; it stores no event after one.
        if (tries_left == 1) throw std::runtime_error("PYTHIA generates no event");
    }
    lhe::Event event;
    auto const& in = hepeup_;
    event.process = in.IDPRUP;
    event.weight = in.XWGTUP;
    event.scale = in.SCALUP;
    event.alpha_qed = in.AQEDUP;
    event.alpha_qcd = in.AQCDUP;
    for (int i = 0; i < in.NUP; ++i) {
        auto const& p = in.PUP[i];
        event.particles.push_back({in.IDUP[i],
                                   in.ISTUP[i],
                                   {in.MOTHUP[i][0], in.MOTHUP[i][1]},
                                   {in.ICOLUP[i][0], in.ICOLUP[i][1]},
                                   p[0],
                                   p[1],
                                   p[2],
                                   p[3],
                                   p[4],
                                   in.VTIMUP[i],
                                   in.SPINUP[i]});
    }
    return event;
}

lhe::Beams generated_beams()
{
    pyupin_();
    auto const& in = heprup_;
    lhe::Beams beams;
    for (std::size_t i = 0; i < 2; ++i) {
        beams.pdg_ids[i] = in.IDBMUP[i];
        beams.energies_gev[i] = in.EBMUP[i];
        beams.pdf_groups[i] = in.PDFGUP[i];
        beams.pdf_sets[i] = in.PDFSUP[i];
    }
    beams.weight_strategy = in.IDWTUP;
    for (int i = 0; i < in.NPRUP; ++i)
        beams.processes.push_back({in.XSECUP[i], in.XERRUP[i], in.XMAXUP[i], in.LPRUP[i]});
    return beams;
}

}  // namespace yoda::samples::pythia6

/// PYTHIA asks what collides. It is told of one process that takes every event as it comes:
/// which process an event belongs to and how the generator weighted it does not matter to
/// the shower, so events cannot be turned down.
extern "C" void upinit_()
{
    using yoda::samples::pythia6::supply;
    for (std::size_t i = 0; i < 2; ++i) {
        heprup_.IDBMUP[i] = supply.beams.pdg_ids[i];
        heprup_.EBMUP[i] = supply.beams.energies_gev[i];
        heprup_.PDFGUP[i] = 0;
        heprup_.PDFSUP[i] = 0;
    }
    heprup_.IDWTUP = -3;
    heprup_.NPRUP = 1;
    heprup_.XSECUP[0] = 1;
    heprup_.XERRUP[0] = 0;
    heprup_.XMAXUP[0] = 1;
    heprup_.LPRUP[0] = yoda::samples::pythia6::kOnlyProcess;
}

/// PYTHIA asks for an event.
extern "C" void upevnt_()
{
    using yoda::samples::pythia6::supply;
    if (!supply.event || supply.tries_left-- <= 0) {
        hepeup_.NUP = 0;  // The end, as far as PYTHIA is concerned.
        return;
    }
    yoda::samples::pythia6::fill_event(*supply.event);
}

extern "C" void pystop_(int* code)
{
    throw yoda::samples::pythia6::Stopped(*code);
}
