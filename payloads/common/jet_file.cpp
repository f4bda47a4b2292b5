#include <hdf5.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "common/jet.hpp"

namespace yoda::samples {
namespace {

/// An HDF5 identifier with its closing function.
class Handle {
  public:
    Handle(hid_t id, herr_t (*closer)(hid_t), char const* what) : id_(id), closer_(closer)
    {
        if (id_ < 0) throw std::runtime_error(std::string("HDF5 cannot make ") + what);
    }
    ~Handle()
    {
        if (id_ >= 0) closer_(id_);
    }
    Handle(Handle const&) = delete;
    Handle& operator=(Handle const&) = delete;
    operator hid_t() const { return id_; }
    bool close() { return closer_(std::exchange(id_, -1)) >= 0; }

  private:
    hid_t id_;
    herr_t (*closer_)(hid_t);
};

void check(herr_t status, char const* what)
{
    if (status < 0) throw std::runtime_error(std::string("HDF5 cannot ") + what);
}

void write_attribute(hid_t object, char const* name, std::string const& text)
{
    Handle const type(H5Tcopy(H5T_C_S1), H5Tclose, "a text type");
    check(H5Tset_size(type, text.size() + 1), "set a text's size");
    Handle const space(H5Screate(H5S_SCALAR), H5Sclose, "a scalar");
    Handle const attribute(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose,
                           "an attribute");
    check(H5Awrite(attribute, type, text.c_str()), "write an attribute");
}

/// Objects carry no times, or the same jets would give other bytes a second later.
void leave_out_times(hid_t properties)
{
    check(H5Pset_obj_track_times(properties, false), "leave out times");
}

template <class Value>
void write_column(hid_t group, char const* name, hid_t file_type, hid_t memory_type,
                  std::vector<Value> const& values, char const* meaning, char const* unit)
{
    hsize_t const size = values.size();
    Handle const space(H5Screate_simple(1, &size, nullptr), H5Sclose, "a data space");
    Handle const properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose, "properties");
    leave_out_times(properties);
    Handle const dataset(H5Dcreate2(group, name, file_type, space, H5P_DEFAULT, properties, H5P_DEFAULT),
                         H5Dclose, "a dataset");
    if (size > 0)
        check(H5Dwrite(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), "write data");
    write_attribute(dataset, "meaning", meaning);
    if (*unit) write_attribute(dataset, "unit", unit);
}

Handle make_group(hid_t file, char const* name)
{
    Handle const properties(H5Pcreate(H5P_GROUP_CREATE), H5Pclose, "properties");
    leave_out_times(properties);
    return {H5Gcreate2(file, name, H5P_DEFAULT, properties, H5P_DEFAULT), H5Gclose, "a group"};
}

void write_events(hid_t file, std::vector<EventJets> const& events)
{
    std::vector<std::int64_t> numbers;
    std::vector<std::int32_t> jet_counts;
    std::vector<double> weights;
    for (auto const& event : events) {
        numbers.push_back(event.number);
        jet_counts.push_back(static_cast<std::int32_t>(event.jets.size()));
        weights.push_back(event.weight);
    }
    auto const group = make_group(file, "events");
    write_attribute(group, "meaning", "one row an event");
    write_column(group, "number", H5T_STD_I64LE, H5T_NATIVE_INT64, numbers,
                 "position in the input file, from 1", "");
    write_column(group, "jet_count", H5T_STD_I32LE, H5T_NATIVE_INT32, jet_counts,
                 "rows of this event in /jets", "");
    write_column(group, "weight", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, weights,
                 "weight of the event in the input", "");
}

void write_jets(hid_t file, std::vector<EventJets> const& events, std::string const& algorithm)
{
    struct Column {
        char const* name;
        double Jet::*member;
        char const* meaning;
        char const* unit;
    };
    static constexpr Column columns[] = {
        {"pt", &Jet::pt, "transverse momentum", "GeV"},
        {"eta", &Jet::eta, "pseudorapidity", ""},
        {"rapidity", &Jet::rapidity, "rapidity along the beam", ""},
        {"phi", &Jet::phi, "azimuth, from 0 to 2 pi", "rad"},
        {"mass", &Jet::mass, "invariant mass, negative if its square is", "GeV"},
        {"energy", &Jet::energy, "energy", "GeV"},
        {"px", &Jet::px, "momentum along x", "GeV"},
        {"py", &Jet::py, "momentum along y", "GeV"},
        {"pz", &Jet::pz, "momentum along the beam", "GeV"},
    };
    auto const group = make_group(file, "jets");
    write_attribute(group, "meaning",
                    "one row a jet, in the order of the events, the hardest of an event first");
    write_attribute(group, "rows_per_event", "/events/jet_count");
    write_attribute(group, "algorithm", algorithm);
    std::vector<double> values;
    for (auto const& column : columns) {
        values.clear();
        for (auto const& event : events) {
            for (auto const& jet : event.jets) values.push_back(jet.*column.member);
        }
        write_column(group, column.name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values, column.meaning,
                     column.unit);
    }
}

void write_file(std::string const& path, std::vector<EventJets> const& events, std::string const& algorithm)
{
    // Built in memory and written at its close in one go: a file of a few kB otherwise costs dozens of small
    // writes.
    constexpr std::size_t kGrowBytes = 64 * 1024;
    Handle const access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "properties");
    check(H5Pset_fapl_core(access, kGrowBytes, true), "set the memory driver");
    Handle const creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "properties");
    leave_out_times(creation);
    errno = 0;
    Handle file(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, creation, access), H5Fclose, "the file");
    write_events(file, events);
    write_jets(file, events, algorithm);
    if (!file.close()) throw std::runtime_error("HDF5 cannot write the file");
}

}  // namespace

void write_jet_file(std::string const& path, std::vector<EventJets> const& events,
                    std::string const& algorithm)
{
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // Errors are told by us, once.
    try {
        write_file(path, events, algorithm);
    } catch (std::runtime_error const& error) {
        auto const number = errno;
        unlink(path.c_str());
        throw std::runtime_error("output file " + path + ": " + error.what() +
                                 (number != 0 ? std::string(": ") + std::strerror(number) : std::string()));
    }
}

}  // namespace yoda::samples
