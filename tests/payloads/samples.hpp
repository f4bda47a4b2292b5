// SPDX-License-Identifier: Apache-2.0
// What the tests of the sample payloads share: input files, and the jets of a run put together as merge does.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/mini_droid.hpp"

namespace yoda::test {

std::string program(std::string const& name);

/// A small Les Houches file: 2 -> 2 scatterings of gluons at 13 TeV. `change` may spoil the text.
std::string lhe_text(int event_count);

/// All columns of HDF5 files one after another, by the dataset's name: what merge must give.
using Columns = std::map<std::string, std::vector<double>>;
Columns read_columns(std::vector<std::string> const& paths);
/// False if an object of the file carries a time.
bool has_no_times(std::string const& path);
std::string text_attribute(std::string const& path, std::string const& object, std::string const& name);

/// The columns of the jets that jet_reference finds, with these words, by FastJet alone (jet_reference.cpp).
Columns reference_jets(std::vector<std::string> const& words);

/// The path of a result line's only file; the line itself if it is an error.
std::string path_of(std::string const& answer);

/// Runs the ranges (first, last of each) through the payload with so many
/// workers, and returns the workers' answers.
std::vector<std::string> run_ranges(MiniDroid& droid, int worker_count,
                                    std::vector<std::pair<int, int>> const& ranges, std::string const& pfn);

/// Splits 1..count into ranges of `size`.
std::vector<std::pair<int, int>> split(int count, int size);

}  // namespace yoda::test
