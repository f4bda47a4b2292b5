// SPDX-License-Identifier: Apache-2.0
// gzip of a text in memory: request bodies for servers that take them.
#pragma once

#include <string>
#include <string_view>

namespace yoda {

/// `level` 1 (fast) to 9. The same text gives the same bytes.
std::string gzip(std::string_view text, int level = 1);

}  // namespace yoda
