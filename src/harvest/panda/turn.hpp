// One harvest at a time speaks to PanDA for a run: a small file with its holder and a beat
// (harvest/stage_holder.hpp says when a holder is dead). It saves double work; nothing goes wrong where it
// fails (all that is sent may be sent twice, all that is asked for is numbered by whoever was first).
#pragma once

#include <memory>
#include <string>

#include "core/result.hpp"
#include "harvest/stage_holder.hpp"
#include "sys/clock.hpp"

namespace yoda {

/// A thread of its own shows that we live, since a request or an input's transfer may take longer than
/// anybody waits.
class Turn {
  public:
    /// busy: somebody else has it, who and since when. `folder` must exist.
    static Result<Turn> take(std::string folder, Clock const& clock, Duration beat = Duration::from_s(10));
    ~Turn();
    Turn(Turn&& other) noexcept;
    Turn& operator=(Turn&&) = delete;

    /// busy: it was taken from us, stop. Ask before each request.
    Status check() const;

  private:
    class Keeper;
    explicit Turn(std::unique_ptr<Keeper> keeper);
    std::unique_ptr<Keeper> keeper_;  ///< null once moved from
};

}  // namespace yoda
