// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <hdf5.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include "common/jet.hpp"
#include "sys/base/named_output.hpp"

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

/// The file as bytes: built in memory, since a file of a few kB otherwise costs dozens of small writes.
std::string make_file(std::vector<EventJets> const& events, std::string const& algorithm)
{
    constexpr std::size_t kGrowBytes = 64 * 1024;
    Handle const access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, "properties");
    check(H5Pset_fapl_core(access, kGrowBytes, false), "set the memory driver");
    Handle const creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose, "properties");
    leave_out_times(creation);
    Handle const file(H5Fcreate("jets.h5", H5F_ACC_TRUNC, creation, access), H5Fclose, "a file in memory");
    write_events(file, events);
    write_jets(file, events, algorithm);
    check(H5Fflush(file, H5F_SCOPE_GLOBAL), "flush");
    auto const size = H5Fget_file_image(file, nullptr, 0);
    std::string image(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
    if (size <= 0 || H5Fget_file_image(file, image.data(), image.size()) != size)
        throw std::runtime_error("HDF5 cannot give the file's bytes");
    return image;
}

void write_all(int fd, std::string_view bytes)
{
    while (!bytes.empty()) {
        auto const count = write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) throw std::system_error(errno, std::generic_category(), "cannot be written");
        bytes.remove_prefix(static_cast<std::size_t>(count));
    }
}

}  // namespace

void write_jet_file(std::string const& path, std::vector<EventJets> const& events,
                    std::string const& algorithm)
{
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // Errors are told by us, once.
    if (auto const status = yoda::check_replaceable(path); !status)
        throw std::runtime_error(status.error().text());
    auto const bytes = make_file(events, algorithm);
    int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    try {
        if (fd < 0) throw std::system_error(errno, std::generic_category(), "cannot be made");
        write_all(fd, bytes);
        if (close(std::exchange(fd, -1)) != 0)
            throw std::system_error(errno, std::generic_category(), "cannot be closed");
    } catch (std::system_error const& error) {
        if (fd >= 0) close(fd);
        unlink(path.c_str());
        throw std::runtime_error("output file " + path + ": " + error.what());
    }
}

}  // namespace yoda::samples
