// SPDX-License-Identifier: Apache-2.0
// The element types of our columns, the same on disk and in memory (little-endian).
#pragma once

#include <cstddef>
#include <cstdint>

#include "sys/hdf5/handle.hpp"

namespace yoda::hdf5 {

enum class ElementType {
    u8,
    u16,
    u32,
    u64,
    i64,
    flag,   ///< HDF5 enum FALSE, TRUE over one byte, which h5py shows as bool
    state,  ///< HDF5 enum READY..DROPPED over one byte (core/base/types.hpp, RangeState)
};

std::size_t size_of(ElementType type);
Handle make_type(ElementType type);
/// A text of a fixed size, padded with NULs, UTF-8.
Handle make_text_type(std::size_t bytes);
/// Whether a stored type can be read as `type` without loss or surprise.
bool matches(hid_t stored, ElementType type);

}  // namespace yoda::hdf5
