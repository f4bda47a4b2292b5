// SPDX-License-Identifier: Apache-2.0
// Payload: reads HepMC3 events, finds jets with FastJet, writes them as HDF5.
//     jets --input FILE[,FILE...] [--algorithm antikt|ee_kt] [--radius 0.4] [--min-pt 20] [--exclusive 3]
//          [--neutrinos keep|drop] [--index-folder FOLDER]
// antikt: proton collisions, all jets above --min-pt. ee_kt: electron collisions, Durham's algorithm until
// --exclusive jets are left.
#include "common/clustering.hpp"
#include "common/inputs.hpp"
#include "common/options.hpp"
#include "hepmc/hepmc_file.hpp"
#include "payload/yoda_payload.hpp"

namespace {

using namespace yoda::samples;
namespace payload = yoda::payload;

struct Settings {
    Inputs<hepmc::HepmcFile> inputs;
    Clustering clustering;
};

bool choose(Options const& options, std::string const& name, std::string const& yes, std::string const& no)
{
    auto const& value = options.text(name);
    if (value == yes || value == no) return value == yes;
    throw std::invalid_argument("option " + name + " is " + yes + " or " + no + ", not '" + value + "'");
}

std::unique_ptr<Settings> read_settings(int argc, char** argv)
{
    Options const options(argc, argv,
                          {{"--input", ""},
                           {"--algorithm", "antikt"},
                           {"--radius", "0.4"},
                           {"--min-pt", "20"},
                           {"--exclusive", "3"},
                           {"--neutrinos", "keep"},
                           {"--index-folder", ""}});
    Clustering clustering;
    clustering.algorithm = choose(options, "--algorithm", "antikt", "ee_kt") ? Clustering::Algorithm::antikt
                                                                             : Clustering::Algorithm::ee_kt;
    clustering.radius = options.number<double>("--radius", 0.01, 1.5);
    clustering.min_pt_gev = options.number<double>("--min-pt", 0, 1e6);
    clustering.exclusive_count = options.number<int>("--exclusive", 1, 1000);
    clustering.keep_neutrinos = choose(options, "--neutrinos", "keep", "drop");
    auto const open = [folder = options.text("--index-folder")](std::string const& path) {
        return std::make_unique<hepmc::HepmcFile>(path, folder);
    };
    print_fastjet_reference();
    return std::make_unique<Settings>(Settings{{options.list("--input"), open}, clustering});
}

}  // namespace

int main(int argc, char** argv)
{
    payload::Kit kit;
    auto const settings = kit.initialise([&] { return read_settings(argc, argv); });
    return kit.run([&](payload::Range const& range, payload::Output& output) {
        auto const& file = settings->inputs.get(range.pfn);
        file.require(range.last);  // Before any work.
        std::vector<EventJets> events;
        for (auto position = range.first; position <= range.last; ++position) {
            auto const event = file.event(position);
            events.push_back({position, event.weight, find_jets(event.particles, settings->clustering)});
        }
        write_jet_file(output.file("jets.h5"), events, settings->clustering.description());
    });
}
