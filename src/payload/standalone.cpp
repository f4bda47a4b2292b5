// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "payload/standalone.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>

#include "payload/worker_loop.hpp"

namespace yoda::payload {
namespace {

bool read_count(std::string_view text, std::int64_t& value)
{
    std::int64_t read = 0;
    auto const [stop, error] = std::from_chars(text.data(), text.data() + text.size(), read);
    if (error != std::errc{} || stop != text.data() + text.size() || read < 1) return false;
    value = read;
    return true;
}

bool read_span(std::string_view text, StandaloneRequest& request)
{
    auto const dash = text.find('-');
    return dash != std::string_view::npos && read_count(text.substr(0, dash), request.first) &&
           read_count(text.substr(dash + 1), request.last) && request.first <= request.last;
}

}  // namespace

std::optional<StandaloneRequest> read_standalone(std::string_view text)
{
    StandaloneRequest request;
    auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    if (read_count(text.substr(colon + 1), request.step)) {
        text = text.substr(0, colon);
        colon = text.rfind(':');
        if (colon == std::string_view::npos) return std::nullopt;
    }
    if (!read_span(text.substr(colon + 1), request)) return std::nullopt;
    if (request.step == 0) request.step = request.last - request.first + 1;
    request.pfn = text.substr(0, colon);
    return request;
}

int run_standalone(StandaloneRequest const& request, std::string const& folder, Kit::Work const& work)
{
    std::error_code ignored;
    auto const pfn = std::filesystem::absolute(request.pfn, ignored);
    Output output(folder);
    int exit_code = kDone;
    Range range;
    range.guid = "standalone";
    range.lfn = pfn.filename().string();
    range.pfn = request.pfn.empty() ? std::string() : pfn.string();
    for (auto first = request.first; first <= request.last; first += request.step) {
        range.first = first;
        range.last = request.last - first < request.step ? request.last : first + request.step - 1;
        range.id = "standalone-" + std::to_string(range.first) + "-" + std::to_string(range.last);
        std::string line;
        if (!run_range(work, range, output, line)) exit_code = kSomeFailed;
        std::cout << line << '\n' << std::flush;
        if (range.last == request.last) break;
    }
    return exit_code;
}

}  // namespace yoda::payload
