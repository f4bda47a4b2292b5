// SPDX-License-Identifier: Apache-2.0
// Staging of input files as a pure state machine: one node reads the shared filesystem, the others get the
// bytes from node to node, each in small messages that it asked for.
//
//   file:   waiting -> coming (asked of an ancestor, or read from the shared filesystem) -> checking -> here
//                      coming, checking -> failed: it is used where it is
//   source: the nearest ancestor; silent or lacking -> the next one; none left -> the shared filesystem
//
// Files come one after the other, in order, so one number says how much is here. A node serves the files that
// it has and the beginning of the file that is coming. A receiver asks for a window of bytes, and for more
// when its disk has taken them: nothing is sent that was not asked for, and of a node that dies at most one
// window is under way. A receiver whose source dies goes on at the next ancestor, from where it stands.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "core/base/time.hpp"
#include "core/messages/messages.hpp"

namespace yoda {

/// How many bytes one read of the local copy takes, for others: sixteen messages.
constexpr std::uint32_t input_block_bytes = 16 * 3600;

struct InputStagePolicy {
    std::uint64_t window_bytes = 8 * input_block_bytes;  ///< asked for and not yet on the disk
    Duration again = Duration::from_s(2);      ///< ask again after so much silence: a sign of life will do
    Duration patience = Duration::from_s(15);  ///< an ancestor silent for so long is dead
    std::size_t askers_max = 256;              ///< served at a time
};

class InputStageEffects {
  public:
    virtual ~InputStageEffects() = default;
    virtual void send(Rank to, Message const& message) = 0;
    // All of these are done in order, and answered by the input named.
    /// A piece of the file from the shared filesystem, onto the local copy: on_copied or on_failed.
    virtual void copy_piece(std::uint32_t file, std::uint64_t offset) = 0;
    /// Onto the local copy: on_appended or on_failed.
    virtual void append(std::uint32_t file, std::string_view bytes) = 0;
    /// The local copy is complete: on_finished, on_mismatch or on_failed.
    virtual void finish(std::uint32_t file) = 0;
    /// Whether another Droid of this node has the whole file where ours would be: on_adopted.
    virtual void adopt(std::uint32_t file, std::uint64_t total_bytes) = 0;
    /// Forget what has come of it.
    virtual void restart(std::uint32_t file) = 0;
    /// From the local copy, for `to`: on_block.
    virtual void read_block(Rank to, std::uint32_t file, std::uint64_t offset, std::uint32_t bytes) = 0;
    virtual void note(std::string_view event, std::uint64_t count, std::string_view why) = 0;
};

class InputStageCore {
  public:
    InputStageCore(InputStagePolicy policy, std::size_t file_count);

    void begin(TimePoint now, std::vector<Rank> ancestors, bool same_node, InputStageEffects& effects);
    void on_message(TimePoint now, Rank from, Message const& message, InputStageEffects& effects);
    void on_tick(TimePoint now, InputStageEffects& effects);

    // From the disk. `have_bytes`: of the local copy, so far.
    void on_copied(TimePoint now, std::uint32_t file, std::uint64_t have_bytes, bool at_end,
                   InputStageEffects& effects);
    void on_appended(TimePoint now, std::uint32_t file, std::uint64_t have_bytes, InputStageEffects& effects);
    void on_finished(TimePoint now, std::uint32_t file, std::uint64_t total_bytes, std::uint32_t crc32c,
                     InputStageEffects& effects);
    /// All bytes came, but they are not those that the job names.
    void on_mismatch(TimePoint now, std::uint32_t file, std::string_view why, InputStageEffects& effects);
    void on_failed(TimePoint now, std::uint32_t file, std::string_view why, InputStageEffects& effects);
    void on_adopted(TimePoint now, std::uint32_t file, bool is_there, InputStageEffects& effects);
    void on_block(Rank to, std::uint32_t file, std::uint64_t offset, std::string_view bytes,
                  InputStageEffects& effects);

    bool is_here(std::uint32_t file) const { return files_[file].state == FileState::here; }
    /// It is here, or will not be.
    bool is_settled(std::uint32_t file) const { return files_[file].state != FileState::open; }
    bool over() const { return current_ == files_.size(); }
    /// shared_bytes, passed_bytes and how many files are settled.
    InputsStaged summary() const;

  private:
    enum class FileState : std::uint8_t { open, here, lacking, bad };
    struct File {
        FileState state = FileState::open;
        std::uint64_t total_bytes = 0;
        std::uint32_t crc32c = 0;
    };
    struct Asker {
        Rank rank = 0;
        std::uint32_t file = none;
        std::uint64_t next = 0;  ///< byte that it gets next
        std::uint64_t upto = 0;
        bool reading = false;  ///< a block for it is being read
    };
    enum class Coming : std::uint8_t { bytes, word_of_the_node, checking };

    bool asks() const { return nearest_ < ancestors_.size(); }
    Rank asked() const { return ancestors_[nearest_]; }
    void start(TimePoint now, InputStageEffects& effects);
    void ask(TimePoint now, bool anew, InputStageEffects& effects);
    void go_to_next_ancestor(TimePoint now, std::string_view why, InputStageEffects& effects);
    void begin_again(TimePoint now, InputStageEffects& effects);
    void settle(TimePoint now, FileState state, std::string_view why, InputStageEffects& effects);
    void check(InputStageEffects& effects);
    void serve_all(InputStageEffects& effects);
    bool serve(Asker& asker, InputStageEffects& effects);
    void handle(TimePoint now, Rank from, InputPull const& pull, InputStageEffects& effects);
    void handle(TimePoint now, Rank from, InputPart const& part, InputStageEffects& effects);
    void handle(TimePoint now, Rank from, InputEnd const& end, InputStageEffects& effects);

    InputStagePolicy policy_;
    std::vector<File> files_;
    std::vector<Rank> ancestors_;
    std::size_t nearest_ = 0;  ///< the one that is asked; past the end: the shared filesystem
    bool same_node_ = false;

    bool begun_ = false;
    std::uint32_t current_ = 0;
    Coming coming_ = Coming::bytes;
    std::uint64_t have_bytes_ = 0;      ///< on the disk
    std::uint64_t received_bytes_ = 0;  ///< on the disk, or on the way to it
    std::uint64_t asked_upto_ = 0;
    std::uint64_t expected_bytes_ = 0;
    std::uint32_t expected_crc32c_ = 0;
    bool crc_is_expected_ = false;
    bool was_passed_on_ = false;  ///< some of the current file came from another Droid
    TimePoint asked_at_;
    TimePoint heard_at_;

    std::map<Rank, Asker> askers_;
    InputsStaged summary_;
};

}  // namespace yoda
