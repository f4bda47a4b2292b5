// SPDX-License-Identifier: Apache-2.0
// The shared file system of a world. What was written and not synced is lost or torn when the node that wrote
// it dies: a file is cut anywhere behind its synced part, blocks of what is left may be zeros, names that
// were made, changed or removed since the folder was synced may be as they were before.
//
// Two kinds of files: bytes (journal, indexes, manifests), and tars, of which only extents are kept: whose
// output lies where, and whether it can still be read.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "agenda.hpp"
#include "core/table/event_table.hpp"
#include "plan.hpp"

namespace yoda::sim {

using FileId = std::uint32_t;

/// A piece of a tar: one range's output, or (range none) something that is not an output.
struct Extent {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    RangeIndex range = none;
    std::uint32_t epoch = 0;
    bool good = true;
};

struct File {
    ProcessId writer = 0;
    bool is_tar = false;
    std::string bytes;
    std::vector<Extent> extents;
    std::uint64_t tar_bytes = 0;
    std::uint64_t synced = 0;  ///< bytes that survive

    std::uint64_t size() const { return is_tar ? tar_bytes : bytes.size(); }
    bool is_dirty() const { return synced < size(); }
};

enum class Folder : std::uint8_t { bundles, journal, quarantine };
constexpr std::size_t folder_count = 3;

/// What a checkpoint has of the event table (state.h5).
struct CheckpointData {
    std::uint64_t journal_sequence = 0;
    Life life = 0;
    std::vector<RangeProgress> progress;
    std::vector<std::uint16_t> winners;
    std::vector<BundleState> bundles;
};

/// Thrown when a process is to die at this very operation.
struct Interrupted {};

class Disk {
  public:
    // All names are within a folder. Errors: false, and nothing (or with append: a part) is done.
    bool create(ProcessId who, Folder folder, std::string const& name, bool is_tar, FileId& id);
    bool append(ProcessId who, FileId id, std::string_view bytes);
    bool append_extent(ProcessId who, FileId id, Extent const& extent);
    bool sync(ProcessId who, FileId id);
    bool rename(ProcessId who, Folder folder, std::string const& from, std::string const& to);
    bool move(ProcessId who, Folder from_folder, std::string const& from, Folder to_folder,
              std::string const& to);
    bool remove(ProcessId who, Folder folder, std::string const& name);
    bool sync_folder(ProcessId who, Folder folder);

    std::map<std::string, FileId> const& names(Folder folder) const { return names_[index(folder)]; }
    File const* find(Folder folder, std::string const& name) const;
    File const& file(FileId id) const { return files_[id]; }
    File& change(FileId id) { return files_[id]; }

    // What is replaced whole and durably.
    std::shared_ptr<CheckpointData const> checkpoint;  ///< state.h5; null: none yet
    std::vector<std::size_t> feeds;                    ///< whose ranges events.h5 has, in this order
    Life lease_life = 0;                               ///< in the lock

    /// What this process has written and not synced is lost or torn.
    void crash(ProcessId who, Random& random);

    // Faults.
    bool full = false;
    ProcessId broken_for = no_process;   ///< the next write or sync of this process fails
    ProcessId interrupted = no_process;  ///< this process dies at an operation to come
    std::uint32_t interrupted_in = 0;    ///< at which
    static constexpr ProcessId no_process = UINT32_MAX;

  private:
    struct NameChange {
        ProcessId who;
        Folder folder;
        std::string name;
        bool was_there;
        FileId old;
    };
    static constexpr std::size_t index(Folder folder) { return static_cast<std::size_t>(folder); }
    void begin_operation(ProcessId who);
    bool may_write(ProcessId who);
    void set_name(ProcessId who, Folder folder, std::string const& name, bool is_there, FileId id);
    void tear(File& file, Random& random);

    std::deque<File> files_;  // A deque: references stay good while files are made.
    std::map<std::string, FileId> names_[folder_count];
    std::vector<NameChange> unsynced_names_;  ///< oldest first
    std::map<ProcessId, std::vector<FileId>> written_;
};

}  // namespace yoda::sim
