// SPDX-License-Identifier: Apache-2.0
// The disk's part of staging inputs: a thread that reads the shared filesystem and writes the
// local copies. It does one order after the other, and puts its news into a queue. Memory is
// bounded by what the core has asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/types.hpp"
#include "core/job/job.hpp"

namespace yoda {

/// What has become of an order (input_stage_core.hpp names them).
struct InputNews {
    enum class Kind { copied, appended, finished, mismatch, failed, adopted, block };
    Kind kind = Kind::appended;
    std::uint32_t file = 0;
    std::uint64_t bytes = 0;   ///< on the local copy so far; in all; of a block: its offset
    bool yes = false;          ///< copied: to the end; adopted: it is there
    std::uint32_t crc32c = 0;  ///< finished
    std::string text;          ///< why; a block's bytes
    Rank to = 0;               ///< of a block
};

class InputCopies {
  public:
    /// `folder` is the node's; `tag` makes names of unfinished copies this Droid's own.
    InputCopies(std::string folder, std::vector<InputFile> inputs, std::string tag);
    ~InputCopies();
    InputCopies(InputCopies const&) = delete;
    InputCopies& operator=(InputCopies const&) = delete;

    /// -1: it cannot work.
    int event_fd() const;
    /// Where the copy is once it is finished.
    std::string place(std::uint32_t file) const;

    void copy_piece(std::uint32_t file, std::uint64_t offset);
    void append(std::uint32_t file, std::string bytes);
    void finish(std::uint32_t file);
    void adopt(std::uint32_t file, std::uint64_t total_bytes);
    void restart(std::uint32_t file);
    void read_block(Rank to, std::uint32_t file, std::uint64_t offset, std::uint32_t bytes);

    std::vector<InputNews> take();

  private:
    struct Work;
    std::unique_ptr<Work> work_;
};

}  // namespace yoda
