// SPDX-License-Identifier: Apache-2.0
// HDF5 itself may crash on a damaged file, and we must not. So the files that we read back carry a seal:
// their first 512 bytes, which HDF5 leaves to the user ("user block"), are one line of text with the length
// and the CRC-32C of all bytes after them. Only a file whose seal is right is given to HDF5.
//
// A program that opens the file read-write (h5py "a", pandas.HDFStore, HDFView) changes HDF5's own marks in
// the superblock, though it writes nothing. The CRC takes these as zeros; older seals took them as they were.
#pragma once

#include <cstdint>
#include <string>

#include "core/base/result.hpp"

namespace yoda::hdf5 {

constexpr std::uint64_t seal_bytes = 512;

enum class SealForm {
    current,
    old,         ///< HDF5's own marks are in its CRC, and as they were
    old_opened,  ///< the same, but another program has opened the file since: only these marks differ
};

/// Writes the seal of the finished file behind `fd`.
Status write_seal(int fd, std::string const& path);
/// The same, then: nobody may write it (0444), fsync, rename. `part` stays where that fails.
Status commit_sealed(int fd, std::string const& part, std::string const& path);

/// Errors of kind bad_input without a fix: empty, no HDF5 file, no seal, cut off, damaged.
Result<SealForm> check_seal(int fd, std::string const& path);

/// Whether renew_seal is wanted: the file is whole, and check_seal says old_opened. Reads a file with a
/// current seal no further than that.
bool wants_renewal(std::string const& path);
/// Puts a copy with a current seal in the place of the file.
Status renew_seal(std::string const& path);

}  // namespace yoda::hdf5
