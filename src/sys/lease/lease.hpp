// SPDX-License-Identifier: Apache-2.0
// The lock of a run folder, as a lease: a holder that stops giving signs of life loses the lease. It works
// on local, NFS and Lustre file systems: it needs link(), rename() and small files, and no flock.
//
// Who holds it. Each acquisition has a token that no other ever has. The
// last record of this chain is the holder's:
//
//   PATH                       is the record of holder A
//   PATH.next.<token of A>     is the record of B, which judged A dead and follows A
//   PATH.next.<token of B>     is the record of the holder that follows B, and so on
//
// A name is made by link() from a complete file, so exactly one of several takers can follow A, and this one
// follows A only: a taker that looked long ago cannot take the lease from a newer holder, as it could by
// removing or renaming PATH. The new holder then renames its record to PATH. A taker that was linking behind
// A just then walks the chain once more, finds that its own record is not on the chain,
// and withdraws.
//
// The beat. The holder overwrites its record in place, through the descriptor with which it made the file.
// This reaches the holder's own inode under whatever name. So a holder that was frozen and lost the lease
// cannot overwrite its follower's record, as a rename to PATH would. Before each beat the holder walks the
// chain, and so learns whether it has lost the lease. A holder that has lost it must stop without writing.
// What it should still write carries its older life in journal and bundles, and is refused.
//
// Judging: record.hpp. On NFS version 3 a holder may learn of its loss later by the time that clients
// may keep folders cached (by default up to 60 s).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/files.hpp"
#include "sys/lease/record.hpp"

namespace yoda {

struct LeasePolicy {
    Duration beat_interval = Duration::from_ms(10'000);
    Duration silence_limit = Duration::from_ms(60'000);  ///< without a change, and the holder is dead
    Duration look_interval = Duration::from_ms(1'000);   ///< while it is not clear whether it is
};

/// This process, for a lease from now on.
LeaseHolder describe_holder(std::string program, std::string batch_job, Clock const& clock);

/// What can be seen of a holder from here.
HolderSight look_for_holder(LeaseHolder const& holder);

/// A lease that is held. Not for several threads at once; keeper.hpp beats in a thread of its own.
class Lease {
  public:
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    /// Releases it.
    ~Lease();

    /// Beats. Error of kind busy: the lease is lost, for ever; of another kind: the file system is in
    /// trouble, or its folder is not there at the moment (folder_is_gone()), try again.
    Status beat();
    /// As of the last beat: the path of its folder leads to nothing. An automounter may bring it back.
    bool folder_is_gone() const { return folder_is_gone_; }
    /// Shown from the next beat on.
    void set_life(std::uint32_t life) { record_.holder.life = life; }
    /// Removes the lock if it still is ours; it is nobody's or somebody else's then in any case.
    Status release();
    LeaseRecord const& record() const { return record_; }
    /// That it locks.
    std::string folder() const;

  private:
    friend class LeaseTaker;
    Lease(std::string path, LeaseRecord record, FileDescriptor file)
        : path_(std::move(path)), record_(std::move(record)), file_(std::move(file))
    {}
    Status write_record();

    std::string path_;
    LeaseRecord record_;
    FileDescriptor file_;  ///< open while it is held
    bool folder_is_gone_ = false;
};

/// Tries to get a lease, step by step.
class LeaseTaker {
  public:
    LeaseTaker(std::string path, LeaseHolder holder, LeasePolicy policy = {});

    /// Looks once. The lease; or nothing: its holder may be dead, look again after policy.look_interval; or
    /// an Error: of kind busy if the holder lives, else the folder cannot be used.
    Result<std::optional<Lease>> step(TimePoint now);
    /// Whom we wait for, after a step that gave nothing.
    std::optional<LeaseRecord> const& seen() const { return seen_record_; }

  private:
    LeaseVerdict judge(std::string const& content, std::optional<LeaseRecord> record, TimePoint now);
    Result<std::optional<Lease>> claim(std::string const& name);

    std::string path_;
    LeaseHolder holder_;
    LeasePolicy policy_;
    std::string seen_content_;
    std::optional<LeaseRecord> seen_record_;
    TimePoint seen_since_;
    bool has_seen_ = false;
    bool has_changed_ = false;
};

/// Steps until it is decided: at once in most cases, else up to policy.silence_limit and a bit. `waiting`, if
/// given, is called once when there is something to wait for (with the record, if it can be read).
Result<Lease> acquire_lease(std::string const& path, LeaseHolder holder, LeasePolicy policy,
                            Clock const& clock,
                            std::function<void(std::optional<LeaseRecord> const&)> const& waiting = {});

/// Who holds it now, for people to read; nullopt if nobody does. Says nothing about whether the holder lives.
Result<std::optional<LeaseRecord>> read_lease(std::string const& path);

}  // namespace yoda
