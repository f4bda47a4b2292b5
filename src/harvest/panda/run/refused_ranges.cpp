// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/refused_ranges.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sys/base/files.hpp"

namespace yoda {

std::string print_refused(std::vector<RefusedRange> const& ranges)
{
    auto list = nlohmann::ordered_json::array();
    for (auto const& range : ranges)
        list.push_back({{"eventRangeID", range.id},
                        {"status", range.fatal ? "fatal" : "failed"},
                        {"code", range.code},
                        {"why", range.why},
                        {"report", range.report}});
    return nlohmann::ordered_json{{"version", 1}, {"ranges", std::move(list)}}.dump(
               1, ' ', false, nlohmann::json::error_handler_t::replace) +
           "\n";
}

Result<std::vector<RefusedRange>> parse_refused(std::string_view text)
{
    try {
        auto const json = nlohmann::json::parse(text);
        if (json.at("version") != 1)
            return Error{ErrorKind::bad_input, "list of refused ranges of another version", {}, {}};
        std::vector<RefusedRange> ranges;
        for (auto const& item : json.at("ranges"))
            ranges.push_back({item.at("eventRangeID").get<std::string>(), item.at("status") == "fatal",
                              item.at("code").get<int>(), item.at("why").get<std::string>(),
                              item.value("report", true)});
        return ranges;
    } catch (nlohmann::json::exception const& exception) {
        return Error{ErrorKind::bad_input, "list of refused ranges cannot be read", exception.what(), {}};
    }
}

Result<std::vector<RefusedRange>> read_refused(std::string const& path)
{
    if (!path_exists(path)) return std::vector<RefusedRange>{};
    auto const text = read_file(path);
    return text ? parse_refused(*text) : text.error();
}

Status add_refused(std::string const& path, std::vector<RefusedRange> const& ranges)
{
    if (ranges.empty()) return {};
    auto all = read_refused(path);
    if (!all) return all.error();
    for (auto const& range : ranges)
        if (std::none_of(all->begin(), all->end(),
                         [&](RefusedRange const& known) { return known.id == range.id; }))
            all->push_back(range);
    return replace_file(path, print_refused(*all));
}

}  // namespace yoda
