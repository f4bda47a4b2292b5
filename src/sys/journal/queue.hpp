// SPDX-License-Identifier: Apache-2.0
// Bytes on their way to the journal's thread, in blocks of fixed size: queueing never moves what is queued
// already, and used blocks are used again, so an append costs a copy and no more.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

namespace yoda {

class JournalQueue {
  public:
    static constexpr std::size_t block_bytes = 256 << 10;
    /// So much memory is kept for use again.
    static constexpr std::size_t spare_count_limit = 64;

    /// Either bytes, or the word that a new segment begins.
    struct Block {
        std::unique_ptr<char[]> memory;
        std::size_t used_bytes = 0;
        std::uint64_t new_segment = 0;  ///< 0: bytes

        std::string_view bytes() const { return {memory.get(), used_bytes}; }
    };
    using Blocks = std::deque<Block>;

    void append(std::string_view bytes);
    void append_turn(std::uint64_t new_segment);
    bool empty() const { return blocks_.empty(); }
    std::uint64_t byte_count() const { return byte_count_; }
    /// All of it, in order.
    Blocks take();
    /// Gives blocks back for use again.
    void recycle(Blocks blocks);

  private:
    Blocks blocks_;
    std::vector<std::unique_ptr<char[]>> spare_;
    std::uint64_t byte_count_ = 0;
};

}  // namespace yoda
