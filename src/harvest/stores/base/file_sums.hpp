// SPDX-License-Identifier: Apache-2.0
// Checksums of a local file: adler32 of the whole, MD5 and SHA-256 of its parts, computed by several threads
// that run a few parts ahead of whoever sends them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

struct PartSums {
    std::uint64_t bytes = 0;
    std::uint32_t adler32 = 1;
    std::string md5;     ///< raw
    std::string sha256;  ///< raw; empty unless asked for
};

/// Of bytes [offset, offset + bytes) of an open file. io: it cannot be read, or is shorter.
Result<PartSums> sum_part(int fd, std::uint64_t offset, std::uint64_t bytes, bool with_sha256);

/// How a file of `bytes` is cut: parts of `part_bytes` (rounded up so that there
/// are at most 1,000), the last one shorter.
struct PartPlan {
    std::uint64_t bytes = 0;
    std::uint64_t part_bytes = 0;

    static PartPlan make(std::uint64_t bytes, std::uint64_t part_bytes);
    std::uint64_t count() const { return bytes == 0 ? 1 : (bytes + part_bytes - 1) / part_bytes; }
    std::uint64_t offset(std::uint64_t part) const { return part * part_bytes; }
    std::uint64_t size(std::uint64_t part) const;
};

/// adler32 of the whole file, and "<md5 of the md5s>-<count>" as S3 names a multipart object.
std::uint32_t combined_adler32(std::vector<PartSums> const& parts);
std::string combined_md5(std::vector<PartSums> const& parts);

/// Sums all parts of a plan in the background, in order, at most `ahead` parts before the one taken last.
class PartHasher {
  public:
    /// `ready` is called from the threads whenever another part is done. `fd` must outlive the hasher;
    /// `offset` is where the plan's first byte lies in it.
    PartHasher(int fd, std::uint64_t offset, PartPlan plan, bool with_sha256, unsigned thread_count,
               unsigned ahead, std::function<void()> ready);
    ~PartHasher();
    /// The sums of this part if they are there by now; parts at and after `part +
    /// ahead` are not begun before.
    std::optional<Result<PartSums>> take(std::uint64_t part);
    /// Waits for it.
    Result<PartSums> wait(std::uint64_t part);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// All parts at once, by `thread_count` threads.
Result<std::vector<PartSums>> sum_file(std::string const& path, std::uint64_t offset, PartPlan plan,
                                       unsigned thread_count);

}  // namespace yoda
