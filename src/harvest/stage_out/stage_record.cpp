// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/base/checksum.hpp"
#include "harvest/stage_out/stager.hpp"

namespace yoda {

namespace {

constexpr int version = 1;
constexpr std::array stages{Stage::sealed,   Stage::uploading, Stage::uploaded, Stage::verified,
                            Stage::reported, Stage::cleaned,   Stage::lost};

bool stays_inside(std::string_view path)
{
    if (path.empty() || path.front() == '/' || path.find('\0') != std::string_view::npos) return false;
    for (std::string_view rest = path;;) {
        auto const slash = rest.find('/');
        auto const part = rest.substr(0, slash);
        if (part.empty() || part == "." || part == "..") return false;
        if (slash == std::string_view::npos) return true;
        rest.remove_prefix(slash + 1);
    }
}

}  // namespace

std::string print_stage_record(StageRecord const& record)
{
    nlohmann::ordered_json json;
    json["version"] = version;
    json["name"] = record.name;
    if (!record.lfn.empty()) json["lfn"] = record.lfn;
    json["stage"] = print_stage(record.stage);
    json["path"] = record.path;
    json["offset"] = record.offset;
    json["bytes"] = record.bytes;
    json["adler32"] = print_adler32(record.adler32);
    json["md5"] = record.md5;
    json["split"] = record.split;
    json["activity"] = record.activity;
    json["scope"] = record.scope;
    json["PandaID"] = record.panda_id;
    json["taskID"] = record.task_id;
    json["target"] = record.target;
    json["key"] = record.key;
    json["url"] = record.url;
    json["token"] = record.token;
    json["resume"] = record.resume;
    json["proof"] = record.proof;
    json["primary_failure_count"] = record.failures.primary_count;
    json["failover_failure_count"] = record.failures.failover_count;
    json["reason"] = record.reason;
    json["next_try_unix_s"] = record.next_try_unix_s;
    json["sealed_unix_s"] = record.sealed_unix_s;
    json["verified_unix_s"] = record.verified_unix_s;
    json["reported_unix_s"] = record.reported_unix_s;
    json["cleaned_unix_s"] = record.cleaned_unix_s;
    return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

Result<StageRecord> parse_stage_record(std::string_view text)
{
    auto const broken = [](std::string why) {
        return Error{ErrorKind::bad_input, "stage record cannot be used", std::move(why), {}};
    };
    try {
        auto const json = nlohmann::json::parse(text);
        if (int const found = json.at("version").get<int>(); found != version)
            return broken(fmt::format("it has version {}, this program reads {}", found, version));
        StageRecord record;
        json.at("name").get_to(record.name);
        record.lfn = json.value("lfn", "");
        json.at("path").get_to(record.path);
        if (!stays_inside(record.path) || record.name.find('/') != std::string::npos || record.name.empty())
            return broken("its path leaves the run folder");
        auto const stage = json.at("stage").get<std::string>();
        auto const* const known =
            std::find_if(stages.begin(), stages.end(), [&](Stage s) { return print_stage(s) == stage; });
        if (known == stages.end()) return broken(fmt::format("its stage \"{}\" is unknown", stage));
        record.stage = *known;
        json.at("offset").get_to(record.offset);
        json.at("bytes").get_to(record.bytes);
        auto const sum = parse_adler32(json.at("adler32").get<std::string>());
        if (!sum) return broken("its adler32 is no hexadecimal number");
        record.adler32 = *sum;
        json.at("md5").get_to(record.md5);
        json.at("split").get_to(record.split);
        json.at("activity").get_to(record.activity);
        json.at("scope").get_to(record.scope);
        json.at("PandaID").get_to(record.panda_id);
        json.at("taskID").get_to(record.task_id);
        json.at("target").get_to(record.target);
        json.at("key").get_to(record.key);
        json.at("url").get_to(record.url);
        json.at("token").get_to(record.token);
        json.at("resume").get_to(record.resume);
        json.at("proof").get_to(record.proof);
        json.at("primary_failure_count").get_to(record.failures.primary_count);
        json.at("failover_failure_count").get_to(record.failures.failover_count);
        json.at("reason").get_to(record.reason);
        json.at("next_try_unix_s").get_to(record.next_try_unix_s);
        json.at("sealed_unix_s").get_to(record.sealed_unix_s);
        json.at("verified_unix_s").get_to(record.verified_unix_s);
        json.at("reported_unix_s").get_to(record.reported_unix_s);
        json.at("cleaned_unix_s").get_to(record.cleaned_unix_s);
        return record;
    } catch (nlohmann::json::exception const& exception) {
        return broken(exception.what());
    }
}

}  // namespace yoda
