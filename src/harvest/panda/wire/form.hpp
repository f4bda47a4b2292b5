// SPDX-License-Identifier: Apache-2.0
// application/x-www-form-urlencoded, both ways.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yoda {

using FormFields = std::vector<std::pair<std::string, std::string>>;

/// Everything but letters, digits and "-._~" as %XX; with `plus` a blank as
/// '+' (forms), else as %20 (query strings).
void append_url_encoded(std::string_view text, bool plus, std::string& out);
std::string print_form(FormFields const& fields);
/// The same for the part after '?'.
std::string print_query(FormFields const& fields);

/// "a=1&b=x+y". nullopt if the text is no such thing: an empty name, a blank or control character, a field
/// without '='. A broken %XX stays as it is. Of fields with the same name all are kept, in order.
std::optional<FormFields> parse_form(std::string_view text);

}  // namespace yoda
