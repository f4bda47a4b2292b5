// One harvest at a time speaks to PanDA for a run: a small file with its holder and a beat
// (harvest/stage_holder.hpp says when a holder is dead). It saves double work; nothing goes wrong where it
// fails (all that is sent may be sent twice, all that is asked for is numbered by whoever was first).
#pragma once

#include <string>

#include "core/result.hpp"
#include "harvest/stage_holder.hpp"
#include "sys/clock.hpp"

namespace yoda {

class Turn {
  public:
    /// busy: somebody else has it, who and since when. `folder` must exist.
    static Result<Turn> take(std::string folder, Clock const& clock);
    ~Turn();
    Turn(Turn&& other) noexcept;
    Turn& operator=(Turn&&) = delete;

    /// Proves that we live; call it between requests. busy: it was taken from us, stop.
    Status beat();

  private:
    Turn(std::string path, HolderIdentity own, Clock const& clock)
        : path_(std::move(path)), own_(std::move(own)), clock_(&clock)
    {}
    bool is_ours() const;

    std::string path_;  ///< empty once moved from
    HolderIdentity own_;
    Clock const* clock_;
    std::int64_t next_beat_unix_s_ = 0;
};

}  // namespace yoda
