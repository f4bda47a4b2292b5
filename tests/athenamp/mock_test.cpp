// SPDX-License-Identifier: Apache-2.0
// The look-alike takes a wrong terminator as badly as the payloads do: else tests
// with it would prove nothing.
#include <gmock/gmock.h>

#include "athenamp/desk.hpp"

namespace yoda::test {
namespace {

using athenamp::Router;
using ::testing::ElementsAre;
using ::testing::StartsWith;

/// Answers each of the look-alike's requests with the next of `answers`,
/// then with the end word; returns what it said.
std::vector<std::string> talk(std::string const& dialect, std::vector<std::string> answers)
{
    ScratchFolder const folder;
    auto spawner = Spawner::start();
    auto router = Router::bind(athenamp::make_channel_name({"Mock", 1, 0, static_cast<int>(::getpid()), 0}));
    EXPECT_TRUE(spawner && router);
    SpawnRequest request;
    request.arguments = {ATHENAMP_MOCK, "--outputHITSFile=HITS"};
    request.environment = current_environment();
    set_variable(request.environment, "PILOT_EVENTRANGECHANNEL", router->name());
    set_variable(request.environment, "ATHENA_PROC_NUMBER", "1");
    set_variable(request.environment, "MOCK_DIALECT", dialect);
    request.folder = folder.path();
    EXPECT_TRUE(spawner->spawn(std::move(request)));
    std::vector<std::string> said;
    bool has_ended = false;
    std::size_t next = 0;
    eventually([&] {
        std::string peer, body;
        while (router->receive(peer, body)) {
            said.push_back(body.substr(0, 40));
            if (body != "Ready for events") continue;
            router->send(peer, next < answers.size() ? answers[next] : std::string("No more events"));
            ++next;
        }
        EXPECT_TRUE(spawner->poll());
        while (auto const event = spawner->take_event())
            has_ended |= std::holds_alternative<PayloadExited>(*event);
        return has_ended && router->all_gone() && !router->readable();
    });
    EXPECT_TRUE(has_ended) << "it did not end";
    return said;
}

constexpr auto ready = "Ready for events";

TEST(AthenaMock, OldReleasesAndThreadsDoNotKnowAnEndWordWithATerminator)
{
    using namespace std::string_literals;
    for (auto const* dialect : {"old", "mtes"}) {
        SCOPED_TRACE(dialect);
        EXPECT_THAT(talk(dialect, {"No more events\0"s}),
                    ElementsAre(ready, StartsWith("ERR_ATHENAMP_PARSE \"No more events"), ready));
    }
    EXPECT_THAT(talk("new", {"No more events\0"s}), ElementsAre(ready)) << "new ones look for the words";
}

TEST(AthenaMock, RangeTextsThatAPayloadMisreadsAreMisread)
{
    using namespace std::string_literals;
    auto const range = R"([{"eventRangeID": "1-2-3-4-5", "startEvent": 1, "lastEvent": 1, "GUID": "G"}])"s;
    EXPECT_THAT(talk("new", {range}), ElementsAre(ready, StartsWith("/"), ready));
    // Pretty-printed, no GUID, last before first, single quotes.
    for (auto const& text :
         {"[{\n"s + range.substr(2), R"([{"eventRangeID": "1", "startEvent": 1, "lastEvent": 1}])"s,
          R"([{"eventRangeID": "1", "startEvent": 2, "lastEvent": 1, "GUID": "G"}])"s,
          R"([{'eventRangeID': '1', 'startEvent': 1, 'lastEvent': 1, 'GUID': 'G'}])"s})
        EXPECT_THAT(talk("new", {text}), ElementsAre(ready, StartsWith("ERR_ATHENAMP_PARSE"), ready)) << text;
}

}  // namespace
}  // namespace yoda::test
