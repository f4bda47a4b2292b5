// SPDX-License-Identifier: Apache-2.0
#include "payloads/samples.hpp"

#include <hdf5.h>

#include <cmath>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace yoda::test {
namespace {

void add_dataset(hid_t dataset, std::vector<double>& values)
{
    hid_t const space = H5Dget_space(dataset);
    auto const size = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space));
    H5Sclose(space);
    auto const old_size = values.size();
    values.resize(old_size + size);
    if (size > 0 &&
        H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data() + old_size) < 0)
        throw std::runtime_error("cannot read a dataset");
}

herr_t visit(hid_t file, char const* name, H5O_info_t const* info, void* columns)
{
    if (info->type != H5O_TYPE_DATASET) return 0;
    hid_t const dataset = H5Dopen2(file, name, H5P_DEFAULT);
    add_dataset(dataset, (*static_cast<Columns*>(columns))[name]);
    H5Dclose(dataset);
    return 0;
}

hid_t open_hdf5(std::string const& path)
{
    hid_t const file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) throw std::runtime_error("no HDF5 file: " + path);
    return file;
}

}  // namespace

std::string program(std::string const& name)
{
    return YODA_BIN_DIR "/" + name;
}

std::string lhe_text(int event_count)
{
    std::ostringstream text;
    text.precision(10);
    text << "<LesHouchesEvents version=\"3.0\">\n<header>\n<initrwgt>\n<weight "
            "id='1'/>\n</initrwgt>\n</header>\n"
         << "<init>\n2212 2212 6.5e+03 6.5D+03 0 0 247000 247000 -4 1\n+7.0e+08 4.2e+06 7.0e+08 1\n</init>\n";
    for (int i = 1; i <= event_count; ++i) {
        double const angle = 0.1 * i;
        double const energy = 100 + i;
        text << "<event>\n 4 1 +6.99e+08 9.1e+01 7.5e-03 1.2e-01\n";
        text << "21 -1 0 0 501 502 0 0 " << energy << ' ' << energy << " 0 0 9\n";
        text << "21 -1 0 0 503 501 0 0 " << -energy << ' ' << energy << " 0 0 9\n";
        for (int const sign : {1, -1}) {
            text << "21 1 1 2 " << (sign > 0 ? "503 504 " : "504 502 ") << sign * energy * std::cos(angle)
                 << ' ' << sign * energy * std::sin(angle) << " 0 " << energy << " 0 0 9\n";
        }
        text << "<rwgt>\n<wgt id='1'> 1 </wgt>\n</rwgt>\n</event>\n";
    }
    text << "</LesHouchesEvents>\n";
    return text.str();
}

Columns read_columns(std::vector<std::string> const& paths)
{
    Columns columns;
    for (auto const& path : paths) {
        hid_t const file = open_hdf5(path);
        H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, visit, &columns, H5O_INFO_BASIC);
        H5Fclose(file);
    }
    return columns;
}

bool has_no_times(std::string const& path)
{
    bool timeless = true;
    hid_t const file = open_hdf5(path);
    auto const look = [](hid_t, char const*, H5O_info_t const* info, void* answer) -> herr_t {
        if (info->mtime != 0 || info->ctime != 0) *static_cast<bool*>(answer) = false;
        return 0;
    };
    H5Ovisit2(file, H5_INDEX_NAME, H5_ITER_INC, look, &timeless, H5O_INFO_ALL);
    H5Fclose(file);
    return timeless;
}

std::string text_attribute(std::string const& path, std::string const& object, std::string const& name)
{
    hid_t const file = open_hdf5(path);
    hid_t const attribute = H5Aopen_by_name(file, object.c_str(), name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
    std::string text;
    if (attribute >= 0) {
        hid_t const type = H5Aget_type(attribute);
        text.resize(H5Tget_size(type));
        H5Aread(attribute, type, text.data());
        text.resize(text.find('\0'));
        H5Tclose(type);
        H5Aclose(attribute);
    }
    H5Fclose(file);
    return text;
}

Columns reference_jets(std::vector<std::string> const& words)
{
    std::vector<std::string> command{YODA_JET_REFERENCE};
    command.insert(command.end(), words.begin(), words.end());
    auto const finished = run_program(command);
    if (finished.exit_code != 0) throw std::runtime_error(finished.text);
    Columns columns;
    std::istringstream text(finished.text);
    for (std::string line; std::getline(text, line);) {
        std::istringstream numbers(line);
        std::string word;
        if (line.starts_with("event ")) {
            columns["events/number"].push_back(static_cast<double>(columns["events/number"].size() + 1));
            columns["events/jet_count"].push_back(std::stod(line.substr(6)));
            continue;
        }
        for (char const* name : {"pt", "eta", "rapidity", "phi", "mass", "energy", "px", "py", "pz"}) {
            numbers >> word;
            columns[std::string("jets/") + name].push_back(std::strtod(word.c_str(), nullptr));
        }
    }
    return columns;
}

std::string path_of(std::string const& answer)
{
    return answer.substr(0, answer.find(",ID:"));
}

std::vector<std::string> run_ranges(MiniDroid& droid, int worker_count,
                                    std::vector<std::pair<int, int>> const& ranges, std::string const& pfn)
{
    if (auto const message = droid.hear(); message != "Ready for workers")
        throw std::runtime_error(message.value_or("the payload ended") + "\n" + droid.standard_error());
    std::vector<WorkerPeer> workers;
    for (int k = 0; k < worker_count; ++k) workers.push_back(droid.add_worker(k));
    for (auto& worker : workers) worker.meet();
    std::vector<std::string> texts;
    for (auto const& [first, last] : ranges)
        texts.push_back(
            range_text("r" + std::to_string(first) + "-" + std::to_string(last), first, last, pfn));
    auto answers = work_through(workers, texts);
    droid.tell("No more workers");
    if (auto const code = droid.wait(); code != 0)
        throw std::runtime_error("the payload ended with " + std::to_string(code) + "\n" +
                                 droid.standard_error());
    return answers;
}

std::vector<std::pair<int, int>> split(int count, int size)
{
    std::vector<std::pair<int, int>> ranges;
    for (int first = 1; first <= count; first += size)
        ranges.emplace_back(first, std::min(first + size - 1, count));
    return ranges;
}

}  // namespace yoda::test
