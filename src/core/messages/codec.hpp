// SPDX-License-Identifier: Apache-2.0
// Messages to bytes and back (docs/protocol.md): several messages travel in one frame, which stays below
// MPI's eager limit. A malformed frame is an Error for whoever received it, never undefined behaviour.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/bytes.hpp"
#include "core/base/result.hpp"
#include "core/messages/messages.hpp"

namespace yoda {

/// vader's eager limit is 4,096 bytes with MPI's own header (docs/reference/machines.md §1).
constexpr std::size_t max_frame_bytes = 3900;
constexpr std::uint16_t protocol_version = 1;
constexpr std::size_t max_document_part_bytes = 3600;
constexpr std::size_t max_input_part_bytes = 3600;
constexpr std::size_t max_input_ancestors = 64;  ///< far more than the levels of any tree
constexpr std::size_t max_text_bytes = 1024;     ///< names, paths and reasons in messages

/// A Finished message must not be cut into two, as Accepted answers whole messages.
constexpr std::size_t max_finished_entries = 276;

/// In front of every frame.
struct FrameHeader {
    Life life = 0;                 ///< of the sender's job
    std::uint32_t generation = 0;  ///< of the Droid: grows with each Reset
    bool operator==(FrameHeader const&) const = default;
};

/// Collects messages of one sender for one receiver. Lists of hand-outs that do not fit are cut
/// into several messages.
class FrameWriter {
  public:
    /// For messages from now on: a frame that is open with another header is not continued.
    void set_header(FrameHeader header)
    {
        is_open_ = is_open_ && header == header_;
        header_ = header;
    }
    void put(Message const& message);
    void put_grant(RangeRun const& run, std::string_view text_id = {});

    bool empty() const { return used_ == 0; }
    /// Frames made so far, including the one that is open.
    std::size_t count() const { return used_; }
    std::string const& frame(std::size_t i) const { return frames_[i]; }
    /// Forgets the messages, keeps the buffers.
    void clear()
    {
        used_ = 0;
        is_open_ = false;
    }

  private:
    ByteWriter begin(std::uint8_t type, std::size_t payload_bytes);

    FrameHeader header_;
    bool is_open_ = false;  ///< the last frame takes more messages
    std::vector<std::string> frames_;
    std::size_t used_ = 0;
};

/// Walks through one frame. What next() returns points into the frame and into this reader.
class FrameReader {
  public:
    /// Error: too short or too long, other magic or version.
    Status open(std::string_view frame);
    FrameHeader const& header() const { return header_; }
    /// The next message; nullopt at the end, or when malformed: then error() says so.
    std::optional<Message> next();
    Status const& error() const { return error_; }

  private:
    std::optional<Message> decode(std::uint8_t type, ByteReader payload);
    FrameHeader header_;
    ByteReader rest_{{}};
    Status error_;
    std::vector<FinishedEntry> finished_;
    std::vector<HandOut> hand_outs_;
    std::vector<RunningEntry> running_;
    std::vector<Rank> ranks_;
};

}  // namespace yoda
