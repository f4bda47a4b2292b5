// SPDX-License-Identifier: Apache-2.0
// Payload: showers and hadronises Les Houches events with PYTHIA 6, finds
// anti-kt jets with FastJet, writes them as HDF5.
//     shower --input FILE[,FILE...] [--repeat 1] [--seed 1] [--min-pt 20] [--radius 0.4]
// Each event has a random seed of its own, made of its position in the file and --seed: a result depends
// neither on the split of events over ranges and workers nor on what the worker did before. --repeat does
// each event so many times over, from the same seed, to make it longer; the output stays the same.
#include "common/clustering.hpp"
#include "common/inputs.hpp"
#include "common/options.hpp"
#include "lhe/lhe_file.hpp"
#include "payload/yoda_payload.hpp"
#include "pythia6/common_blocks.hpp"
#include "pythia6/process.hpp"

namespace {

using namespace yoda::samples;
namespace payload = yoda::payload;

struct Settings {
    Inputs<lhe::LheFile> inputs;
    Clustering clustering;
    int repeat_count = 1;
    std::uint64_t seed = 1;
};

std::unique_ptr<Settings> read_settings(int argc, char** argv)
{
    Options const options(
        argc, argv,
        {{"--input", ""}, {"--repeat", "1"}, {"--seed", "1"}, {"--min-pt", "20"}, {"--radius", "0.4"}});
    auto settings = std::make_unique<Settings>(Settings{
        {options.list("--input"), [](auto const& path) { return std::make_unique<lhe::LheFile>(path); }},
        {},
        options.number<int>("--repeat", 1, 1'000'000),
        options.number<std::uint32_t>("--seed", 0, 4'000'000'000),
    });
    settings->clustering.keep_neutrinos = false;
    settings->clustering.min_pt_gev = options.number<double>("--min-pt", 0, 1e6);
    settings->clustering.radius = options.number<double>("--radius", 0.01, 1.5);
    if (!options.text("--input").empty()) pythia6::start_showering(settings->inputs.get({}).beams());
    print_fastjet_reference();
    return settings;
}

/// Neighbouring positions give seeds that have nothing to do with each other (splitmix64).
std::uint32_t seed_of(std::uint64_t seed, std::int64_t position)
{
    auto bits = (seed << 40) + static_cast<std::uint64_t>(position) * 0x9e3779b97f4a7c15U;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9U;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebU;
    return static_cast<std::uint32_t>((bits ^ (bits >> 31)) & 0xffffffffU);
}

EventJets shower_event(lhe::LheFile const& file, std::int64_t position, Settings const& settings)
{
    auto const event = file.event(position);
    EventJets result{position, event.weight, {}};
    try {
        for (int i = 0; i < settings.repeat_count; ++i) {
            pythia6::start_showering(file.beams());
            result.jets =
                find_jets(pythia6::shower(event, seed_of(settings.seed, position)), settings.clustering);
        }
    } catch (payload::Fatal const& error) {
        throw payload::Fatal("event " + std::to_string(position) + ": " + error.what());
    }
    return result;
}

}  // namespace

int main(int argc, char** argv)
{
    payload::Kit kit;
    auto const settings = kit.initialise([&] { return read_settings(argc, argv); });
    kit.at_worker_end([](payload::Worker const&) { yoda_flush_fortran_output(); });
    return kit.run([&](payload::Range const& range, payload::Output& output) {
        auto const& file = settings->inputs.get(range.pfn);
        file.require(range.first, range.last);  // Before any work.
        std::vector<EventJets> events;
        for (auto position = range.first; position <= range.last; ++position)
            events.push_back(shower_event(file, position, *settings));
        write_jet_file(output.file("jets.h5"), events, settings->clustering.description());
    });
}
