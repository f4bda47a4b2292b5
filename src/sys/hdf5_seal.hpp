// HDF5 itself may crash on a damaged file, and we must not. So the files that we read back carry a seal:
// their first 512 bytes, which HDF5 leaves to the user ("user block"), are one line of text with the length
// and the CRC-32C of all bytes after them. Only a file whose seal is right is given to HDF5.
#pragma once

#include <cstdint>
#include <string>

#include "core/result.hpp"

namespace yoda::hdf5 {

constexpr std::uint64_t seal_bytes = 512;

/// Writes the seal of the finished file behind `fd`.
Status write_seal(int fd, std::string const& path);

/// Errors of kind bad_input without a fix: empty, no HDF5 file, no seal, cut off, damaged.
Status check_seal(int fd, std::string const& path);

}  // namespace yoda::hdf5
