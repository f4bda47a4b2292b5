// SPDX-License-Identifier: Apache-2.0
#include "sys/journal/queue.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace yoda {

void JournalQueue::append(std::string_view bytes)
{
    byte_count_ += bytes.size();
    while (!bytes.empty()) {
        if (blocks_.empty() || blocks_.back().memory == nullptr || blocks_.back().used_bytes == block_bytes) {
            Block fresh;
            if (spare_.empty()) {
                fresh.memory = std::make_unique_for_overwrite<char[]>(block_bytes);
            } else {
                fresh.memory = std::move(spare_.back());
                spare_.pop_back();
            }
            blocks_.push_back(std::move(fresh));
        }
        Block& block = blocks_.back();
        std::size_t const count = std::min(bytes.size(), block_bytes - block.used_bytes);
        std::memcpy(block.memory.get() + block.used_bytes, bytes.data(), count);
        block.used_bytes += count;
        bytes.remove_prefix(count);
    }
}

void JournalQueue::append_turn(std::uint64_t new_segment)
{
    Block turn;
    turn.new_segment = new_segment;
    blocks_.push_back(std::move(turn));
}

JournalQueue::Blocks JournalQueue::take()
{
    byte_count_ = 0;
    return std::exchange(blocks_, {});
}

void JournalQueue::recycle(Blocks blocks)
{
    for (Block& block : blocks) {
        if (block.memory == nullptr || spare_.size() >= spare_count_limit) continue;
        spare_.push_back(std::move(block.memory));
    }
}

}  // namespace yoda
