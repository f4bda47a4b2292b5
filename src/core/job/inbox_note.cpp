// SPDX-License-Identifier: Apache-2.0
#include "core/job/inbox_note.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace yoda::inbox {

namespace {

constexpr int note_version = 1;

std::string text_or_empty(nlohmann::json const& object, char const* key)
{
    auto const found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

}  // namespace

Result<Note> parse(std::string_view text)
{
    auto const refuse = [](std::string why) {
        return Error{ErrorKind::bad_input, "inbox note cannot be applied", std::move(why), {}};
    };
    try {
        auto const json = nlohmann::json::parse(text);
        if (auto const found = json.at("version").get<int>(); found != note_version)
            return refuse(fmt::format("it has version {}, this program reads {}", found, note_version));
        auto const type = json.at("type").get<std::string>();
        if (type == "closed") return Note{Closed{}};
        if (type == "drain") return Note{Drain{}};
        if (type == "job_killed") return Note{JobKilled{json.at("PandaID").get<std::int64_t>()}};
        if (type == "bundle_lost") {
            auto bundle = json.at("bundle").get<std::string>();
            if (bundle.ends_with(".tar")) bundle.resize(bundle.size() - 4);
            return Note{BundleLost{std::move(bundle)}};
        }
        if (type != "more_ranges") return refuse(fmt::format("type '{}' is unknown", type));
        MoreRanges more;
        more.panda_id = json.at("PandaID").get<std::int64_t>();
        for (auto const& range : json.at("ranges")) {
            more.ranges.push_back({range.at("eventRangeID").get<std::string>(),
                                   range.at("startEvent").get<std::int64_t>(),
                                   range.at("lastEvent").get<std::int64_t>(), text_or_empty(range, "LFN"),
                                   text_or_empty(range, "GUID"), text_or_empty(range, "scope")});
        }
        return Note{std::move(more)};
    } catch (nlohmann::json::exception const& exception) {
        return refuse(exception.what());
    }
}

}  // namespace yoda::inbox
