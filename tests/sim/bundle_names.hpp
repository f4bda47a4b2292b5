// SPDX-License-Identifier: Apache-2.0
// How the files of a bundle are called (the same as sys/base/run_folder.hpp
// says) and what its outputs look like in a tar.
#pragma once

#include <string>

#include "core/base/types.hpp"
#include "core/table/bundle_index.hpp"
#include "random.hpp"

namespace yoda::sim {

struct BundleNames {
    std::string tar, index, manifest, open_tar, open_index;
};

inline BundleNames bundle_names(BundleOrigin const& origin)
{
    auto const name = bundle_name(origin);
    return {name + ".tar", name + ".index", name + ".manifest.json", name + ".tar.part",
            name + ".index.part"};
}

constexpr std::uint64_t tar_block_bytes = 512;
constexpr std::uint64_t tar_end_bytes = 1024;

inline std::uint64_t padded(std::uint64_t bytes)
{
    return (bytes + tar_block_bytes - 1) / tar_block_bytes * tar_block_bytes;
}

/// Stands for the content of an output: each hand-out of a range makes another.
inline std::uint32_t content_sum(RangeIndex range, std::uint32_t epoch)
{
    return static_cast<std::uint32_t>(mix(range, epoch));
}

}  // namespace yoda::sim
