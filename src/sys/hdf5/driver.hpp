// SPDX-License-Identifier: Apache-2.0
// A HDF5 file driver of our own, for two things that HDF5's drivers cannot do:
// - a full disk must not end the process. HDF5 1.10 crashes when it cannot write its last metadata, so this
//   driver remembers the first failed write, drops all later ones and lets HDF5 believe that all is well;
//   whoever writes looks at `write_errno`, and throws the file away.
// - a file that is already in memory is read in place, without a copy.
// It takes no file locks, which parallel file systems may refuse.
#pragma once

#include <cstdint>
#include <string_view>

#include "sys/hdf5/handle.hpp"

namespace yoda::hdf5 {

/// Where the bytes are: behind a descriptor, or (read-only) in memory.
struct Storage {
    int fd = -1;
    std::string_view image;
    std::uint64_t offset = 0;  ///< where in `fd` the file begins: it may be a member of a tar
    std::uint64_t bytes = 0;   ///< size of what lies behind `fd`
    int write_errno = 0;       ///< why the first failed write failed
    int read_errno = 0;        ///< why the last failed read failed
};

/// A file access property list for H5Fcreate and H5Fopen; `storage` must outlive every file opened with it.
/// The name that goes with it to H5Fcreate or H5Fopen is not looked at, but must not be empty.
Handle make_access(Storage& storage);

}  // namespace yoda::hdf5
