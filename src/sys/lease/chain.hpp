// SPDX-License-Identifier: Apache-2.0
// The files of a lease (lease.hpp): reading the chain of holders, and making one's own link of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"
#include "sys/lease/record.hpp"

namespace yoda {

struct LeaseLink {
    std::string path;
    std::string content;
    std::optional<LeaseRecord> record;  ///< nullopt: not readable as one
    std::string token;                  ///< the record's, or one made of the content
};

/// From PATH to the holder; empty if nobody holds it. Error: the folder or a file in it cannot be read.
Result<std::vector<LeaseLink>> walk_lease_chain(std::string const& path);

/// What it locks.
std::string lease_folder(std::string const& path);

/// Where the record of the holder after this one has to be.
std::string next_lease_path(std::string const& path, std::string const& token);

/// A record in a file of its own, not part of any chain until it is linked; removed at the end of the scope.
class LeaseDraft {
  public:
    /// Error: read-only folder, full disk, ...
    static Result<LeaseDraft> make(std::string const& path, LeaseRecord const& record);
    LeaseDraft(LeaseDraft&&) noexcept = default;
    LeaseDraft& operator=(LeaseDraft&&) = delete;
    ~LeaseDraft();

    /// Gives it this name if nothing has it. Error: not "it exists", but anything that
    /// will not change by itself.
    Status link_as(std::string const& name) const;
    /// Its open file, whatever it is called by now.
    FileDescriptor take_file() { return std::move(file_); }

  private:
    LeaseDraft(std::string path, FileDescriptor file) : path_(std::move(path)), file_(std::move(file)) {}
    std::string path_;  ///< empty when moved from
    FileDescriptor file_;
};

/// Removes links that no chain leads to any more: those of takers that died on the way, all but what follows
/// `token`; and their drafts, once they are old.
void remove_loose_links(std::string const& path, std::string const& token);

Result<std::string> make_lease_token();

}  // namespace yoda
