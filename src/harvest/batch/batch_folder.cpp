// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/batch_folder.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t record_limit_bytes = 1u << 20;

bool is_record(std::string const& name)
{
    return name.size() > 5 && name.ends_with(".json") &&
           name.find_first_not_of("0123456789") == name.size() - 5;
}

}  // namespace

Status BatchFolder::make() const
{
    return make_folders(path_);
}

Result<std::vector<Submission>> BatchFolder::read_submissions() const
{
    std::vector<Submission> submissions;
    auto const names = list_folder(path_);
    if (!names) return names.error();
    for (auto const& name : *names) {
        if (!is_record(name)) continue;
        auto const path = path_ + "/" + name;
        auto const text = read_file(path, record_limit_bytes);
        if (!text) return text.error();
        auto submission = parse_submission(*text);
        if (!submission) {
            auto error = submission.error();
            error.what = path + ": " + error.what;
            error.fix = "look what the batch system has of this run, then move the file away";
            return error;
        }
        submissions.push_back(*std::move(submission));
    }
    std::sort(submissions.begin(), submissions.end(),
              [](auto const& a, auto const& b) { return a.number < b.number; });
    return submissions;
}

Status BatchFolder::write_submission(Submission const& submission) const
{
    return replace_file(
        fmt::format("{}/{:04}.json", path_, submission.number),
        print_submission(submission).dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
            "\n");
}

Status BatchFolder::write_current(std::string const& name) const
{
    return replace_file(path_ + "/current", name + "\n");
}

std::optional<int> BatchFolder::read_end_note(std::string const& name) const
{
    auto const text = read_file(path_ + "/" + name + ".ended", record_limit_bytes);
    if (!text) return std::nullopt;
    auto const json = nlohmann::json::parse(*text, nullptr, false);
    if (!json.is_object() || !json.contains("exit_code") || !json["exit_code"].is_number_integer())
        return std::nullopt;
    return json["exit_code"].get<int>();
}

Result<BatchPlan> BatchFolder::read_plan() const
{
    BatchPlan plan;
    if (!path_exists(path_ + "/plan.json")) return plan;
    auto const text = read_file(path_ + "/plan.json", record_limit_bytes);
    if (!text) return text.error();
    auto const json = nlohmann::json::parse(*text, nullptr, false);
    try {
        plan.held = json.at("held").get<bool>();
        plan.given_up = json.at("given_up").get<std::string>();
        plan.counts_from = json.at("counts_from").get<unsigned>();
    } catch (nlohmann::json::exception const& exception) {
        return Error{ErrorKind::bad_input, path_ + "/plan.json cannot be read", exception.what(),
                     "harvest submit makes it anew once it is moved away"};
    }
    return plan;
}

Status BatchFolder::write_plan(BatchPlan const& plan) const
{
    nlohmann::ordered_json json;
    json["held"] = plan.held;
    json["given_up"] = plan.given_up;
    json["counts_from"] = plan.counts_from;
    return replace_file(path_ + "/plan.json",
                        json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace yoda
