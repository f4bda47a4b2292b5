// Progress for people: one line rewritten on a terminal, a line every 30 s elsewhere. Nobody waits for who
// does not read, and where nobody can read any more nothing is said from then on.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/time.hpp"

namespace yoda {

class Progress {
  public:
    explicit Progress(bool quiet);
    /// Whether the next show() would print.
    bool due(TimePoint now) const { return !quiet_ && now >= next_; }
    void show(TimePoint now, nlohmann::ordered_json const& status);
    void finish(nlohmann::ordered_json const& status);

  private:
    void print(std::string const& text);
    bool quiet_;
    bool terminal_;
    TimePoint next_;
};

}  // namespace yoda
