// SPDX-License-Identifier: Apache-2.0
// Makes an input file for the payload `shower`: hard QCD events of proton-proton collisions before the
// shower, as a Les Houches event file. The same options give the same bytes.
//     generate_events --events 2000 --seed 1 --output FILE [--energy 13000] [--min-pt 30]
#include <unistd.h>

#include <iostream>

#include "common/options.hpp"
#include "lhe/lhe_file.hpp"
#include "pythia6/process.hpp"
#include "sys/base/named_output.hpp"

namespace {

using namespace yoda::samples;

void write_file(std::string const& path, std::string const& text)
{
    // Under another name until it is whole: half an input must not look like one.
    auto const part = path + ".part";
    auto const file = yoda::open_part(part);
    if (!file) throw std::runtime_error(file.error().text());
    auto status = yoda::write_all(file->get(), text, part);
    if (status)
        status = yoda::put_in_place(part, path);
    else
        ::unlink(part.c_str());
    if (!status) throw std::runtime_error(status.error().text());
}

void generate_file(Options const& options)
{
    auto const event_count = options.number<int>("--events", 1, 100'000'000);
    auto const seed = options.number<std::uint32_t>("--seed", 0, 900'000'000);
    auto const energy_gev = options.number<double>("--energy", 100, 1e5);
    auto const min_pt_gev = options.number<double>("--min-pt", 5, energy_gev / 4);
    auto const output = options.text("--output");
    if (output.empty()) throw std::invalid_argument("option --output is missing");
    if (auto const status = yoda::check_replaceable(output); !status)
        throw std::invalid_argument(status.error().text());

    pythia6::start_generating(energy_gev, min_pt_gev, seed);
    std::string events;
    for (int i = 0; i < event_count; ++i) events += lhe::write_event(pythia6::generate());
    auto const head =
        lhe::write_head(pythia6::generated_beams(), "Hard QCD events of PYTHIA 6.428 before the shower");
    write_file(output, head + events + lhe::write_tail());
}

}  // namespace

int main(int argc, char** argv)
{
    try {
        generate_file(Options(argc, argv,
                              {{"--events", "2000"},
                               {"--seed", "1"},
                               {"--energy", "13000"},
                               {"--min-pt", "30"},
                               {"--output", ""}}));
        return 0;
    } catch (std::invalid_argument const& error) {
        std::cerr << "generate_events: " << error.what()
                  << "\nusage: generate_events --output FILE [--events 2000] [--seed 1] [--energy 13000] "
                     "[--min-pt 30]\n";
        return 2;
    } catch (std::exception const& error) {
        std::cerr << "generate_events: " << error.what() << '\n';
        return 1;
    }
}
