// SPDX-License-Identifier: Apache-2.0
// Copies a job's inputs to node-local disk, once for all Droids of a node, by a thread of its own.
//
// The folder is shared (sys/base/node_folder.hpp); whoever copies into it holds a lock meanwhile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/job/job.hpp"
#include "sys/base/checked_copy.hpp"

namespace yoda::athenamp {

class StageIn {
  public:
    /// `folder` is made; it names the job and the user.
    static Result<std::unique_ptr<StageIn>> open(std::string folder);
    ~StageIn();
    StageIn(StageIn const&) = delete;
    StageIn& operator=(StageIn const&) = delete;

    /// Where the file will be: two files of one name lie side by side. Direct-access URLs and files without a
    /// place are not copied: then it is their PFN.
    std::string local_path(InputFile const& input) const;
    static bool is_copied(InputFile const& input);

    static constexpr unsigned most_tries = 2;

    /// Asks for a file; asking again is harmless, and where the copy failed it is tried
    /// once more. Never blocks.
    void ask(InputFile const& input);
    enum class State { unknown, waiting, here, failed };
    State state(std::string const& pfn) const;
    CopyFault fault(std::string const& pfn) const;
    /// Where copies lie that this process has made since the last call.
    std::vector<std::string> take_copied();
    /// Readable when a file has come, or failed.
    int event_fd() const;
    void clear_event();

  private:
    struct Work;
    explicit StageIn(std::unique_ptr<Work> work);
    std::unique_ptr<Work> work_;
};

}  // namespace yoda::athenamp
