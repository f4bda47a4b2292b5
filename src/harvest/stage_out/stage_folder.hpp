// SPDX-License-Identifier: Apache-2.0
// RUN/stage: one record a file (harvest/stage_out/stager.hpp), which moves between folders by rename, so that
// a record is in one place and has one owner. Two harvests may work on one run, also from two machines.
// Layout and races: docs/stores.md.
//
//   open/NAME.json           something is to be done and nobody does it
//   held/<holder>/NAME.json  that harvest works on it; the folder of a dead one is taken away as a whole
//   later/<hour>/NAME.json   nothing to do before that hour (Unix hours): not opened by a tick before
//   done/NAME.json           nothing to do any more: never opened again
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/stage_out/name_set.hpp"
#include "harvest/stage_out/stager.hpp"
#include "sys/base/clock.hpp"
#include "sys/lease/record.hpp"

namespace yoda {

class StageFolder;

/// A record that is ours until it is released (or this object ends, which releases it).
class Claim {
  public:
    Claim(Claim&& other) noexcept;
    Claim& operator=(Claim&& other) noexcept;
    ~Claim();

    StageRecord record;
    /// Writes the record where it is. Error of kind busy: it was taken from us, we were thought dead; stop.
    Status save();
    /// Writes it and puts it where it belongs by the policy.
    Status release(StagePolicy const& policy);
    /// As it was saved last, into done/.
    Status put_away();

  private:
    friend class StageFolder;
    Claim(StageFolder& folder, StageRecord content) : record(std::move(content)), folder_(&folder) {}
    StageFolder* folder_;
};

/// Safe from several threads, except open_run() and scan().
class StageFolder {
  public:
    StageFolder(std::string run_folder, Clock const& clock);
    ~StageFolder();
    StageFolder(StageFolder const&) = delete;
    StageFolder& operator=(StageFolder const&) = delete;

    /// Makes the folders and this process a holder. Until then nothing is written.
    Status join();
    /// Proves that we live; call it every 10 s or so. busy: we were thought dead, our claims are gone.
    Status beat();

    /// Where each file stands, by name only: no record is opened.
    struct Names {
        std::unordered_set<std::string> open;
        std::unordered_set<std::string> held;   ///< by living harvests
        std::unordered_set<std::string> later;  ///< due ones are in open
        NameSet done;                           ///< of these fingerprints only
        bool knows(std::string const& name) const
        {
            return open.contains(name) || held.contains(name) || later.contains(name) || done.contains(name);
        }
    };
    /// Also takes away what dead holders held and opens what is due. `done`: as a look before saw it, which
    /// is believed, so that a run with 100,000 finished bundles is listed once a tick; what was finished
    /// since then looks new, and add() refuses it.
    Result<Names> scan(std::optional<NameSet> done = std::nullopt);
    /// The same without changing anything (status, dry run).
    Result<Names> look() const;

    /// Brings a file in, once: false when it is known already.
    Result<bool> add(StageRecord const& record);
    /// nullopt: somebody else was faster, or there is no such record.
    Result<std::optional<Claim>> claim(std::string const& name);
    /// Whether nobody else has this record, which we hold, or has finished it. Asked before anything that
    /// cannot be undone.
    bool is_ours_alone(std::string const& name) const { return !is_known_elsewhere(name, holder_); }
    /// For showing; may be stale.
    Result<StageRecord> read(std::string const& name) const;

    std::string const& run_folder() const { return run_folder_; }

  private:
    friend class Claim;
    std::string own_path(std::string const& name) const;
    Status save(StageRecord const& record);
    Status move_to(StagePlace const& place, std::string const& name);
    void give_back(std::string const& name);
    bool is_known_elsewhere(std::string const& name, std::string const& but_holder) const;
    Status bury_dead_holders();
    bool is_dead(std::string const& holder, std::string_view identity);
    Status open_due(std::int64_t now_unix_h);
    Result<Names> look_at_unfinished() const;

    std::string run_folder_;
    std::string root_;
    Clock const& clock_;
    LeaseRecord identity_;  ///< of this process, with its beat
    std::string holder_;    ///< empty until join()
    std::mutex mutex_;
    std::unordered_set<std::int64_t> made_hours_;
    std::vector<std::string> spares_;  ///< files to write the next record into
    unsigned spare_count_ = 0;
};

}  // namespace yoda
