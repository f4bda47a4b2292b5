// SPDX-License-Identifier: Apache-2.0
// Names of hosts to addresses.
#pragma once

#include <string>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

/// The addresses of a name, each once, in the resolver's order, as a URL has them (IPv6 in brackets). May
/// wait. Errors (unavailable): there is no such name now.
Result<std::vector<std::string>> resolve_host(std::string const& name);

}  // namespace yoda
