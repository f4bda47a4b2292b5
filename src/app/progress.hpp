// SPDX-License-Identifier: Apache-2.0
// Progress for people: one line that is rewritten on a terminal, else a line every 30 s. Yoda never waits for
// a reader that does not read, and writes nothing more once the reader is gone.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "core/base/time.hpp"

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
