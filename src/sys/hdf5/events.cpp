// SPDX-License-Identifier: Apache-2.0
#include "sys/hdf5/events.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <vector>

#include "sys/base/files.hpp"
#include "sys/hdf5/driver.hpp"
#include "sys/process/guarded_child.hpp"

namespace yoda::hdf5 {

namespace {

/// Extent along axis 0, and the number of axes; nullopt for a scalar.
struct Shape {
    std::uint64_t length = 0;
    int axes = 0;
};

std::optional<Shape> read_shape(hid_t dataset)
{
    Handle const space(H5Dget_space(dataset));
    int const axes = H5Sget_simple_extent_ndims(space.get());
    if (axes < 1) return std::nullopt;
    std::vector<hsize_t> sizes(static_cast<std::size_t>(axes));
    H5Sget_simple_extent_dims(space.get(), sizes.data(), nullptr);
    return Shape{sizes[0], axes};
}

std::optional<std::uint64_t> common_length(hid_t group)
{
    std::optional<std::uint64_t> length;
    H5G_info_t info{};
    if (H5Gget_info(group, &info) < 0) return std::nullopt;
    for (hsize_t i = 0; i < info.nlinks; ++i) {
        Handle const object(H5Oopen_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, H5P_DEFAULT));
        if (!object || H5Iget_type(object.get()) != H5I_DATASET) continue;
        auto const shape = read_shape(object.get());
        if (!shape || shape->axes != 1) continue;
        if (length && *length != shape->length) return std::nullopt;
        length = shape->length;
    }
    return length;
}

}  // namespace

namespace {

Result<std::optional<std::uint64_t>> count_here(std::string const& path)
{
    silence();
    auto const fd = open_file(path, O_RDONLY);
    if (!fd) return fd.error();
    Storage storage;
    storage.fd = fd->get();
    storage.bytes = static_cast<std::uint64_t>(::lseek(fd->get(), 0, SEEK_END));
    Handle const access = make_access(storage);
    Handle const file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
    if (!file) return last_error({});
    std::optional<std::uint64_t> count;
    if (H5Lexists(file.get(), "/events", H5P_DEFAULT) > 0) {
        Handle const events(H5Oopen(file.get(), "/events", H5P_DEFAULT));
        if (events && H5Iget_type(events.get()) == H5I_DATASET) {
            if (auto const shape = read_shape(events.get())) count = shape->length;
        } else if (events && H5Iget_type(events.get()) == H5I_GROUP) {
            count = common_length(events.get());
        }
    }
    H5Eclear2(H5E_DEFAULT);
    return count;
}

}  // namespace

Result<std::optional<std::uint64_t>> count_events(std::string const& path)
{
    Error const failed{
        ErrorKind::bad_input, "cannot read " + path, {}, "get the file again, or make it anew"};
    // In a child: HDF5 may crash on a damaged file.
    constexpr char failure_mark = '!';
    auto const work = [&](GuardedProgress&) {
        auto const count = count_here(path);
        if (!count) return failure_mark + count.error().why;
        return *count ? std::to_string(**count) : std::string();
    };
    auto const result = run_guarded(work, {});
    if (!result) return result.error();
    Error error = failed;
    if (!result->death.empty()) {
        error.why = "HDF5 was " + result->death + " when it read it";
        return error;
    }
    if (result->text.starts_with(failure_mark)) {
        error.why = result->text.substr(1);
        return error;
    }
    if (result->text.empty()) return std::optional<std::uint64_t>();
    return std::optional<std::uint64_t>(std::stoull(result->text));
}

}  // namespace yoda::hdf5
