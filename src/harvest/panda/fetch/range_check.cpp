// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/range_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "harvest/panda/wire/error_codes.hpp"
#include "sys/base/files.hpp"

namespace yoda {

RangeChecker::RangeChecker(Job const& job) : panda_id_(job.panda_id())
{
    for (auto const& input : job.inputs()) lfns_.insert(input.lfn);
}

RangeChecker::Verdict RangeChecker::check(RangeView const& range, RefusedRange& refused)
{
    auto const id = RangeId::parse(range.id);
    if (!seen_.insert(range.id, id, 0)) return Verdict::repeated;
    auto const refuse = [&](bool fatal, int code, std::string why) {
        refused = {std::string(range.id), fatal, code, std::move(why), true};
        return Verdict::refused;
    };
    if (id && id->panda_id != panda_id_) {
        refuse(false, pilot_error::general,
               fmt::format("the range belongs to job {}, not to {}", id->panda_id, panda_id_));
        refused.report = false;
        return Verdict::refused;
    }
    if (!id && !fits_range_text(range.id))  // Digits and dashes fit.
        return refuse(true, pilot_error::es_fatal, "its id has characters that no payload can be given");
    if (range.start_event < 1 || range.last_event < range.start_event)
        return refuse(true, pilot_error::es_fatal,
                      fmt::format("events {} to {} are no range", range.start_event, range.last_event));
    if (range.last_event > UINT32_MAX)
        return refuse(true, pilot_error::es_fatal,
                      fmt::format("event {} is beyond 32 bits", range.last_event));
    if (range.lfn != last_lfn_ || last_lfn_.empty()) {
        if (range.lfn.empty())
            return refuse(false, pilot_error::no_such_file, "PanDA named no input file for it");
        if (!is_plain_file_name(range.lfn))
            return refuse(true, pilot_error::no_such_file, "its input is no plain file name");
        if (!lfns_.contains(std::string(range.lfn)))
            return refuse(false, pilot_error::no_such_file, "its file is not among the inputs of the job");
        last_lfn_ = range.lfn;
    }
    return Verdict::good;
}

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
