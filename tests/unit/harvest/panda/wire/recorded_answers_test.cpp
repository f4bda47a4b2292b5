// SPDX-License-Identifier: Apache-2.0
// Every recorded answer of a real server goes through the reader of its call; what comes out is compared with
// data/panda_outcomes.txt, one line each, written by hand from the recordings' own rows and comments.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "harvest/panda/wire/form.hpp"
#include "harvest/panda/wire/job_answers.hpp"
#include "harvest/panda/wire/range_answers.hpp"
#include "source_folder.hpp"
#include "support/panda/panda_examples.hpp"

namespace yoda {
namespace {

using test::PandaExchange;

std::string describe(PandaJudgement const& judgement)
{
    return fmt::format("{}{}{}", print_outcome(judgement.outcome),
                       judgement.credentials ? " credentials" : "",
                       judgement.unknown_method ? " unknown_method" : "");
}

std::string describe(PandaCommands const& commands)
{
    std::string text;
    if (commands.to_be_killed) text += " tobekilled";
    if (commands.soft_kill) text += " softkill";
    if (commands.debug) text += " debug";
    if (commands.already_done) text += " alreadydone";
    return text;
}

/// How many ranges the request named: what the client knows when it reads the answer.
std::size_t count_sent(PandaExchange const& exchange)
{
    std::string const wanted = exchange.api() == PandaApi::v1 ? "event_ranges" : "eventRanges";
    std::string list;
    if (auto const fields = parse_form(exchange.request_body)) {
        for (auto const& [name, value] : *fields)
            if (name == wanted) list = value;
    } else if (auto const json = nlohmann::json::parse(exchange.request_body, nullptr, false);
               json.is_object()) {
        list = json.value(wanted, nlohmann::json()).is_string() ? json[wanted].get<std::string>() : "";
    }
    auto const items = nlohmann::json::parse(list, nullptr, false);
    if (!items.is_array()) return 1;
    bool const flat = exchange.request_body.find("version=1") == std::string::npos;
    std::size_t count = 0;
    for (auto const& item : items)
        count += !flat && item.is_object() && item.contains("eventRanges") ? item["eventRanges"].size() : 1;
    return count;
}

std::string describe_ranges(PandaExchange const& exchange)
{
    auto const answer = read_ranges(exchange.api(), exchange.answer);
    auto text = describe(answer.judgement);
    if (!answer.judgement.stored()) return text;
    std::set<std::string> ids;
    auto const count = answer.for_each([&](RangeView const& range) -> Status {
        EXPECT_TRUE(RangeId::parse(range.id)) << range.id;
        EXPECT_LE(range.start_event, range.last_event);
        EXPECT_EQ(range.scope, "mc16_13TeV");
        ids.emplace(range.id);
        return {};
    });
    if (!count) return text + " unreadable";
    EXPECT_EQ(ids.size(), *count);
    return fmt::format("{} ranges={}", text, *count);
}

std::string describe_update(PandaExchange const& exchange)
{
    auto const answer = read_range_updates(exchange.api(), count_sent(exchange), exchange.answer);
    auto text = describe(answer.judgement);
    if (answer.length_differs) text += " length_differs";
    if (answer.judgement.stored()) text += " returns=";
    for (auto const item : answer.returns)
        text += item == RangeReturn::accepted ? 'T' : item == RangeReturn::refused ? 'F' : 'N';
    for (auto const& [panda_id, commands] : answer.commands)
        text += fmt::format(" {}:{}", panda_id, describe(commands));
    return text;
}

std::string describe_bulk(PandaExchange const& exchange)
{
    auto const answer = read_bulk_update(exchange.api(), 2, exchange.answer);
    auto text = describe(answer.judgement);
    for (auto const& each : answer.each)
        text += fmt::format(" [{}{}]", describe(each.judgement), describe(each.commands));
    return text;
}

std::string describe_answer(PandaExchange const& exchange)
{
    auto const api = exchange.api();
    auto const call = exchange.call();
    auto const& raw = exchange.answer;
    if (call == "getJob" || call == "acquire_jobs") {
        auto const answer = read_jobs(api, raw);
        return fmt::format("{} jobs={}", describe(answer.judgement), answer.jobs.size());
    }
    if (call == "updateJob" || call == "update_job") {
        auto const answer = read_job_update(api, raw);
        return describe(answer.judgement) + describe(answer.commands);
    }
    if (call == "getEventRanges" || call == "acquire_event_ranges") return describe_ranges(exchange);
    if (call == "updateEventRanges" || call == "update_event_ranges") return describe_update(exchange);
    if (call == "updateEventRange" || call == "update_single_event_range") {
        auto const answer = read_range_update(api, raw);
        return describe(answer.judgement) + describe(answer.commands);
    }
    if (call == "checkEventsAvailability" || call == "get_available_event_range_count") {
        auto const answer = read_range_count(api, raw);
        return fmt::format("{} count={}", describe(answer.judgement), answer.count);
    }
    if (call == "get_events_status" || call == "get_event_range_statuses") {
        int count = 0;
        auto const judgement = read_range_statuses(api, raw, [&](auto, auto) { ++count; });
        return fmt::format("{} statuses={}", describe(judgement), count);
    }
    if (call == "getKeyPair" || call == "get_key_pair") {
        auto const answer = read_key_pair(api, raw);
        return fmt::format("{} '{}' '{}'", describe(answer.judgement), answer.public_key, answer.private_key);
    }
    if (call == "getStatus" || call == "get_job_status") {
        auto const answer = read_job_states(api, {6900000001, 12}, raw);
        auto text = describe(answer.judgement);
        for (auto const& state : answer.states) text += fmt::format(" [{} {}]", state.status, state.attempt);
        return text;
    }
    if (call == "updateJobsInBulk" || call == "update_jobs_bulk") return describe_bulk(exchange);
    return describe(read_alive(api, raw));
}

TEST(PandaRecordedAnswers, EachIsReadAsWhatTheServerDid)
{
    std::map<std::string, std::string> expected;
    std::ifstream in(std::string(YODA_SOURCE_DIR) + "/tests/unit/harvest/data/panda_outcomes.txt");
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        auto const tab = line.find(" = ");
        ASSERT_NE(tab, std::string::npos) << line;
        expected[line.substr(0, tab)] = line.substr(tab + 3);
    }
    auto const exchanges = test::read_panda_examples();
    EXPECT_GE(exchanges.size(), 200u);
    for (auto const& exchange : exchanges) {
        auto const key = exchange.file + " " + exchange.number;
        auto const found = expected.find(key);
        EXPECT_EQ(describe_answer(exchange), found == expected.end() ? "(not listed)" : found->second)
            << key << ": " << exchange.what;
        if (found != expected.end()) expected.erase(found);
    }
    for (auto const& [key, value] : expected)
        ADD_FAILURE() << key << " is listed but was not recorded: " << value;
}

}  // namespace
}  // namespace yoda
