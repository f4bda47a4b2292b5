// SPDX-License-Identifier: Apache-2.0
// What a libcurl result code means for the caller (the kinds in sys/http/http.hpp).
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

/// `code` is a CURLcode; `detail` libcurl's own words, `method` and `url` the request's.
Error curl_error(int code, std::string_view detail, std::string_view method, std::string_view url);

}  // namespace yoda
