// SPDX-License-Identifier: Apache-2.0
// What an HDF5 file holds, as far as concatenation goes: its groups, and its datasets with type and shape.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "sys/hdf5/handle.hpp"

namespace yoda::hdf5 {

struct GroupInfo {
    std::string path;  ///< "/" for the root
    hsize_t link_count = 0;
    std::string rows_per_event;  ///< attribute of that name: the dataset that counts its rows; empty: none
};

struct DatasetInfo {
    std::string path;
    Handle type;                    ///< as stored
    Handle memory_type;             ///< as read and written
    std::vector<hsize_t> row_size;  ///< extents beyond the first axis
    std::size_t row_bytes = 0;      ///< in memory
    bool scalar = false;            ///< has no axis: one value, the same in all files
    bool variable = false;          ///< holds texts or lists of variable length
};

struct Schema {
    std::vector<GroupInfo> groups;      ///< parents before children, else by name
    std::vector<DatasetInfo> datasets;  ///< by group, then by name
};

/// Errors (`what` is left empty): links that are not plain, references, stored
/// types, too many or too deeply nested objects.
Result<Schema> read_schema(hid_t file);

/// The value of a text attribute, of fixed or variable length; empty if there is none.
std::string read_text_attribute(hid_t object, char const* name);

/// Copies all attributes but references from one object to another. False: HDF5's error stack says why.
bool copy_attributes(hid_t from, hid_t to);

}  // namespace yoda::hdf5
