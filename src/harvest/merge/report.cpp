// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/report.hpp"

#include <nlohmann/json.hpp>

namespace yoda {

std::string print_merge_report(Result<MergeSummary> const& result)
{
    nlohmann::json json;
    if (!result) {
        auto const& error = result.error();
        json["error"] = {{"kind", static_cast<int>(error.kind)},
                         {"what", error.what},
                         {"why", error.why},
                         {"fix", error.fix}};
    } else {
        json["output"] = result->output;
        json["bytes"] = result->bytes;
        json["range_count"] = result->range_count;
        json["event_count"] = result->event_count;
        json["left_out"] = result->left_out;
        json["events_checked"] = result->events_checked;
        json["datasets"] = result->datasets;
    }
    // Names from outside may be no UTF-8.
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Result<MergeSummary> parse_merge_report(std::string_view text)
{
    try {
        auto const json = nlohmann::json::parse(text);
        if (auto const found = json.find("error"); found != json.end())
            return Error{static_cast<ErrorKind>(found->at("kind").get<int>()), found->at("what"),
                         found->at("why"), found->at("fix")};
        MergeSummary summary;
        summary.output = json.at("output");
        summary.bytes = json.at("bytes");
        summary.range_count = json.at("range_count");
        summary.event_count = json.at("event_count");
        summary.left_out = json.at("left_out").get<StateCounts>();
        summary.events_checked = json.at("events_checked");
        summary.datasets = json.at("datasets").get<decltype(summary.datasets)>();
        return summary;
    } catch (nlohmann::json::exception const& exception) {
        return Error{ErrorKind::io, "the merge did not tell what became of it", exception.what(), {}};
    }
}

}  // namespace yoda
