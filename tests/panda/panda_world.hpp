// SPDX-License-Identifier: Apache-2.0
// A fake PanDA of its own for a test, and a client that talks to it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "harvest/panda/wire/client.hpp"
#include "support/servers/server_process.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"
#include "sys/http/http.hpp"

namespace yoda::test {

class PandaWorld {
  public:
    explicit PandaWorld(std::vector<std::string> const& arguments = {})
        : server_("panda/fake_panda.py", arguments)
    {}

    /// One of fake_panda.py's commands.
    nlohmann::json tell(std::string const& command,
                        nlohmann::json const& arguments = nlohmann::json::object())
    {
        return server_.tell(command + " " + arguments.dump());
    }
    std::string url() const { return server_.text("url"); }
    std::string https_url() const { return server_.text("https_url"); }
    std::string admin() const { return server_.text("admin"); }
    std::string tls(std::string const& name) const
    {
        return server_.ready().at("tls").at(name).get<std::string>();
    }
    /// Events by status name.
    nlohmann::json event_counts() { return tell("counts").at("events"); }
    nlohmann::json job(std::int64_t panda_id)
    {
        auto const answer = tell("jobs");
        for (auto const& job : answer.at("jobs"))
            if (job.at("PandaID") == panda_id) return job;
        return nullptr;
    }
    std::int64_t call_count(std::string const& method) { return tell("counts").at("calls").value(method, 0); }

  private:
    ServerProcess server_;
};

/// What a client needs besides a server.
struct ClientParts {
    SystemClock clock;
    HttpClient http{clock};
    Log log{LogLevel::error};

    PandaClient make(PandaServer server, PandaCredentials credentials = {})
    {
        return PandaClient(http, clock, log, std::move(server), std::move(credentials));
    }
    PandaClient make(std::string const& url, std::optional<PandaApi> api = {})
    {
        PandaServer server;
        server.urls = {url};
        server.api = api;
        return make(std::move(server));
    }
};

}  // namespace yoda::test
