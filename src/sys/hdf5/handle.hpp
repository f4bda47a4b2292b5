// SPDX-License-Identifier: Apache-2.0
// HDF5's identifiers and errors in our terms. HDF5 prints nothing by itself: what fails becomes an Error.
#pragma once

#include <hdf5.h>

#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"

namespace yoda::hdf5 {

/// Owns one HDF5 identifier of any kind: file, group, dataset, type, space, property list.
class Handle {
  public:
    Handle() = default;
    explicit Handle(hid_t id) : id_(id) {}
    Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, H5I_INVALID_HID)) {}
    Handle& operator=(Handle&& other) noexcept
    {
        if (this != &other) {
            close();
            id_ = std::exchange(other.id_, H5I_INVALID_HID);
        }
        return *this;
    }
    ~Handle() { close(); }

    hid_t get() const { return id_; }
    explicit operator bool() const { return id_ >= 0; }
    /// False if HDF5 could not close it (a file whose last bytes could not be written).
    bool close() { return id_ < 0 || H5Idec_ref(std::exchange(id_, H5I_INVALID_HID)) >= 0; }

  private:
    hid_t id_ = H5I_INVALID_HID;
};

/// Stops HDF5 from printing errors in this thread; call it before anything else of HDF5. Cheap when repeated.
void silence();

/// An Error of kind bad_input, or io or no_space if the operating system failed, that says why HDF5's last
/// call failed. Empties HDF5's error stack.
Error last_error(std::string what);

}  // namespace yoda::hdf5
