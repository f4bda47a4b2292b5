// SPDX-License-Identifier: Apache-2.0
// What a payload leaves behind that people want to read: jobReport.json, catalogues, logs of the transform
// and of its workers.
#pragma once

#include <string>

namespace yoda::athenamp {

/// Copies them from below `from` into `to` (made when there is something), one level: a
/// worker's log becomes `<worker>.<name>`. Bounded in number and size: the ends of long
/// logs are kept. Best effort; returns how many.
unsigned keep_logs(std::string const& from, std::string const& to);

}  // namespace yoda::athenamp
