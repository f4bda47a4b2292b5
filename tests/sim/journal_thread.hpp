// SPDX-License-Identifier: Apache-2.0
// Rank 0's journal on the world's disk, step by step: the same steps as sys/journal/file.cpp takes.
// Appended bytes wait for the commit interval, are written at once, synced, and only then durable.
#pragma once

#include <deque>
#include <string>

#include "core/base/types.hpp"
#include "sim.hpp"

namespace yoda::sim {

class JournalThread {
  public:
    static constexpr std::uint64_t queue_limit_bytes = 64u << 20;

    JournalThread(Sim& sim, ProcessId self, Life life) : sim_(sim), self_(self), life_(life) {}

    /// The first segment of this life; false: it cannot be made.
    bool open();
    std::uint64_t append(std::string_view frames);
    bool full() const { return appended_ - durable_ > queue_limit_bytes; }
    std::uint64_t appended() const { return appended_; }
    std::uint64_t durable() const { return durable_; }
    bool failed() const { return failed_; }
    /// Appended, not written yet.
    std::string_view queued() const { return queue_; }
    /// Its event has come. True when durable() has grown or failed() has come.
    bool step();
    /// Returns the number of a new segment; 0: it cannot be made.
    std::uint64_t rotate();
    void remove_before(std::uint64_t segment);

  private:
    enum class Step : std::uint8_t { idle, wait, sync };
    struct Turn {
        std::uint64_t position;
        FileId file;
    };
    std::string name(std::uint64_t number) const
    {
        return fmt::format("{:010}-{:05}.journal", number, life_);
    }
    bool make(FileId& file);
    void write();

    Sim& sim_;
    ProcessId self_;
    Life life_;
    Step step_ = Step::idle;
    std::string queue_;
    std::uint64_t number_ = 0;
    FileId file_ = 0;
    std::deque<Turn> turns_;
    std::deque<FileId> unsynced_;
    std::uint64_t appended_ = 0;
    std::uint64_t taken_ = 0;
    std::uint64_t durable_ = 0;
    bool failed_ = false;
};

}  // namespace yoda::sim
