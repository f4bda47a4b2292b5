// SPDX-License-Identifier: Apache-2.0
// Asks a PanDA server over either interface and judges the answers; nothing here throws or ends the process.
// The addresses of the server's alias are tried in turn while no request has reached any of them. A request
// that may have reached one address is never sent to another. Certificates are always checked. Plain HTTP
// goes to this machine only, unless the settings allow more.
#pragma once

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "core/base/time.hpp"
#include "harvest/panda/wire/credentials.hpp"
#include "harvest/panda/wire/job_answers.hpp"
#include "harvest/panda/wire/range_answers.hpp"
#include "harvest/panda/wire/requests.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/log.hpp"
#include "sys/http/http.hpp"

namespace yoda {

struct PandaServer {
    std::vector<std::string> urls;  ///< "https://pandaserver.cern.ch:25443"; without path; tried in order
    std::optional<PandaApi> api;    ///< nullopt: asked once
    bool allow_plain_http = false;  ///< also beyond this machine
    Duration connect_timeout = Duration::from_s(30);
    Duration timeout = Duration::from_s(180);  ///< for one request and its answer
    unsigned address_limit = 4;                ///< addresses tried for one request
};

/// What went over the wire, for figures.
struct PandaTraffic {
    std::uint64_t request_count = 0;
    std::uint64_t sent_bytes = 0;
    std::uint64_t received_bytes = 0;
};

class PandaClient {
  public:
    PandaClient(HttpClient& http, Clock const& clock, Log& log, PandaServer server,
                PandaCredentials credentials);

    /// Errors, before anything is sent: no or bad URLs, plain HTTP to
    /// elsewhere, credentials that cannot be used.
    Status check() const;
    /// Which interface the server speaks; asks it once unless configured.
    PandaJudgement find_api();
    PandaApi api() const { return api_; }

    JobsAnswer get_jobs(JobQuery const& query);
    JobUpdateAnswer update_job(JobUpdate const& update);
    BulkUpdateAnswer update_jobs(std::vector<JobUpdate> const& updates, std::string const& harvester_id);
    JobStatesAnswer get_job_states(std::vector<std::int64_t> const& panda_ids);
    RangesAnswer get_ranges(RangeQuery const& query);
    CountAnswer count_ranges(std::int64_t panda_id, std::int64_t jobset_id, std::int64_t task_id);
    /// `list` is print_range_updates' text with `count` ranges.
    RangeUpdatesAnswer update_ranges(int version, std::size_t count, std::string const& list);
    PandaJudgement get_range_statuses(std::vector<TaskAndJob> const& jobs, TakeRangeStatus const& take);
    KeyPairAnswer get_key_pair(std::string const& public_name, std::string const& private_name);
    PandaJudgement is_alive();

    PandaTraffic const& traffic() const { return traffic_; }

  private:
    /// An answer, or why there is none.
    struct Reply {
        std::optional<RawAnswer> answer;
        PandaJudgement judgement;
    };
    struct Route {
        std::string url;         ///< as configured
        std::string connect_to;  ///< one address; empty: the resolver's choice
    };
    template <class Make, class Read>
    auto ask(Make make, Read read);
    Reply exchange(PandaRequest const& request);
    Reply exchange_at(Route const& route, PandaRequest const& request, bool& left);
    std::vector<Route> find_routes();
    std::optional<PandaJudgement> add_credentials(HttpRequest& request);
    void renew_token(std::string const& token);
    void look_at_clock(std::string const& date);

    HttpClient& http_;
    Clock const& clock_;
    Log& log_;
    PandaServer server_;
    PandaCredentials credentials_;
    PandaApi api_ = PandaApi::classic;
    bool api_known_ = false;
    bool renewing_ = false;
    bool clock_was_told_ = false;
    std::int64_t next_renewal_unix_s_ = 0;
    std::minstd_rand random_;
    PandaTraffic traffic_;
};

/// Splits "https://host:port/"; nullopt unless it is http or https with a host and no path. `plain` is http.
struct ServerUrl {
    std::string base;  ///< without the trailing slash
    std::string host;  ///< without brackets
    bool plain = false;
};
std::optional<ServerUrl> parse_server_url(std::string_view url);
/// localhost, 127.0.0.0/8, ::1
bool is_loopback(std::string_view host);

}  // namespace yoda
