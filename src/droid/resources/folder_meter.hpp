// SPDX-License-Identifier: Apache-2.0
// A thread measures what lies in folders: a payload's folder may have 100,000 files, and each takes a
// millisecond on some disks. The Droid's loop asks, goes on, and takes the result when it looks again:
//
//     FolderSight sight;  // one for each folder that is watched
//     if (sight.look(meter, folder, now)) judge(sight.use(), sight.as_of());  // a walk has come to its end
//
// All walks go on in turn, a bounded number of files each time, so that a small folder does not wait for a
// large one. A walk ends early when its FolderSight is gone.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "core/base/time.hpp"
#include "droid/resources/errands.hpp"

namespace yoda {

/// What lies in a folder tree, or in a file; links are not followed.
struct FolderUse {
    std::uint64_t bytes = 0;
    std::int64_t newest_ns = 0;  ///< latest change of a file or folder
    bool operator==(FolderUse const&) const = default;
};
/// Of one file, or of a folder without what is in it.
FolderUse measure_file(std::string const& path);

class FolderMeter {
  public:
    /// Tests: `before_step` is called by the thread before each part of a walk.
    explicit FolderMeter(std::function<void()> before_step = {}) : before_step_(std::move(before_step)) {}
    /// Ends all walks.
    ~FolderMeter() { is_ending_ = true; }
    FolderMeter(FolderMeter const&) = delete;
    FolderMeter& operator=(FolderMeter const&) = delete;

    /// Whether all walks have come to their end, at the latest after this time.
    bool wait(Duration limit) { return errands_.wait(limit); }

  private:
    friend class FolderSight;
    struct Walk;
    std::shared_ptr<Walk> begin(std::string const& path);
    void step(std::shared_ptr<Walk> const& walk);

    std::function<void()> before_step_;
    std::atomic<bool> is_ending_ = false;
    Errands errands_;  ///< the last: its thread uses the above
};

/// One folder, measured again and again.
class FolderSight {
  public:
    /// Takes what a walk has found, if it has come to its end, and begins the next one. True: use() is new.
    bool look(FolderMeter& meter, std::string const& path, TimePoint now);
    /// As the last whole walk has found it.
    FolderUse const& use() const { return use_; }
    /// That walk began at this time or later; in the beginning: before all time.
    TimePoint as_of() const { return as_of_; }
    /// What the walk under way finds does not count: things have changed since it began.
    void forget() { walk_.reset(); }

  private:
    std::shared_ptr<FolderMeter::Walk> walk_;
    TimePoint asked_;
    FolderUse use_;
    TimePoint as_of_ = TimePoint{} - Duration::max();
};

/// Since when nothing has changed in a folder, as far as walks can prove it.
class FolderSilence {
  public:
    /// Of what begins now.
    void begin(TimePoint now)
    {
        *this = {};
        last_sign_ = now;
    }
    /// Any other sign of life.
    void heard(TimePoint when) { last_sign_ = std::max(last_sign_, when); }
    void look(FolderMeter& meter, std::string const& path, TimePoint now);
    /// For so long there was no sign of life; less than the time since the last one, as a walk takes time.
    Duration proven() const { return sight_.as_of() - last_sign_; }
    TimePoint last_sign() const { return last_sign_; }
    FolderUse const& use() const { return sight_.use(); }

  private:
    FolderSight sight_;
    FolderUse seen_;
    TimePoint last_sign_;
};

}  // namespace yoda
