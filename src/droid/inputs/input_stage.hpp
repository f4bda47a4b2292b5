// SPDX-License-Identifier: Apache-2.0
// Brings a run's input files to the node's disk (input_stage_core.hpp) and says where each one is.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/job/job.hpp"
#include "core/messages/codec.hpp"
#include "droid/inputs/input_copies.hpp"
#include "droid/inputs/input_stage_core.hpp"
#include "sys/base/log.hpp"
#include "sys/base/node_folder.hpp"
#include "sys/transport/transport.hpp"

namespace yoda {

class InputStage final : private InputStageEffects {
  public:
    /// Copies go to `folder`, which all Droids of the node share. Error: it cannot be used, or has too little
    /// room for the files with `spare_bytes` besides.
    static Result<std::unique_ptr<InputStage>> open(std::string folder, std::vector<Job> const& jobs,
                                                    std::uint64_t spare_bytes, Life life,
                                                    Transport& transport, Log& log);
    ~InputStage() override;

    void begin(TimePoint now, InputPlace const& place);
    /// A frame from another Droid.
    void take_frame(TimePoint now, Rank from, std::string_view frame);
    void tick(TimePoint now);
    int event_fd() const { return files_->event_fd(); }
    void take_news(TimePoint now);

    /// Everything that the job needs is here, or will not be.
    bool is_settled(JobIndex job) const;
    /// The copy, or the place itself where there is none.
    std::string place_of(std::string const& pfn) const;
    bool over() const { return core_.over(); }
    InputsStaged summary() const { return core_.summary(); }

  private:
    InputStage(NodeFolder folder, std::vector<InputFile> inputs, std::vector<std::uint32_t> last_of_job,
               Life life, Transport& transport, Log& log);

    void send(Rank to, Message const& message) override;
    void copy_piece(std::uint32_t file, std::uint64_t offset) override;
    void append(std::uint32_t file, std::string_view bytes) override;
    void finish(std::uint32_t file) override;
    void adopt(std::uint32_t file, std::uint64_t total_bytes) override;
    void restart(std::uint32_t file) override;
    void read_block(Rank to, std::uint32_t file, std::uint64_t offset, std::uint32_t bytes) override;
    void note(std::string_view event, std::uint64_t count, std::string_view why) override;

    NodeFolder folder_;
    std::vector<InputFile> inputs_;
    std::vector<std::uint32_t> last_of_job_;  ///< how many files must be settled for each job
    std::unique_ptr<InputCopies> files_;
    InputStageCore core_;
    Transport& transport_;
    Log& log_;
    FrameWriter frames_;
    FrameReader reader_;
};

}  // namespace yoda
