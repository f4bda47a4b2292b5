// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/client.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <type_traits>

#include "core/base/gzip.hpp"
#include "harvest/panda/wire/form.hpp"
#include "harvest/stores/base/credentials.hpp"
#include "sys/base/files.hpp"
#include "sys/http/resolve.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t answer_limit_bytes = 1ull << 30;
constexpr std::int64_t renew_before_s = 15 * 60;
constexpr std::int64_t renewal_pause_s = 10 * 60;
constexpr std::int64_t clock_tolerance_s = 5 * 60;

std::int64_t unix_s(Clock const& clock)
{
    return clock.unix_ns() / 1'000'000'000;
}

/// No response. If any bytes of the request were sent, only a read-only call is known to have had no effect.
PandaJudgement judge_no_answer(CallKind kind, Error const& error, bool left)
{
    PandaJudgement judgement{PandaOutcome::later, error.text()};
    if (error.kind == ErrorKind::usage || error.kind == ErrorKind::refused) {
        judgement.outcome = left ? PandaOutcome::unknown : PandaOutcome::refused;
        judgement.credentials = !left;
    } else if (left && kind != CallKind::question) {
        judgement.outcome = PandaOutcome::unknown;
    }
    return judgement;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT"; nullopt if the text is not a date.
std::optional<std::int64_t> read_http_date(std::string const& text)
{
    std::tm parts{};
    char const* const end = ::strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == nullptr || *end != '\0') return std::nullopt;
    return ::timegm(&parts);
}

template <class Answer>
PandaJudgement const& judgement_of(Answer const& answer)
{
    if constexpr (std::is_same_v<Answer, PandaJudgement>)
        return answer;
    else
        return answer.judgement;
}

template <class Answer>
void set_judgement(Answer& answer, PandaJudgement judgement)
{
    if constexpr (std::is_same_v<Answer, PandaJudgement>)
        answer = std::move(judgement);
    else
        answer.judgement = std::move(judgement);
}

}  // namespace

std::optional<ServerUrl> parse_server_url(std::string_view url)
{
    ServerUrl parsed;
    std::string_view rest = url;
    if (rest.starts_with("https://"))
        rest.remove_prefix(8);
    else if (rest.starts_with("http://"))
        parsed.plain = true, rest.remove_prefix(7);
    else
        return std::nullopt;
    while (rest.ends_with('/')) rest.remove_suffix(1), url.remove_suffix(1);
    if (rest.empty() || rest.find_first_of("/?#@ \t\r\n") != std::string_view::npos) return std::nullopt;
    parsed.base = std::string(url);
    if (rest.front() == '[') {
        auto const close = rest.find(']');
        if (close == std::string_view::npos) return std::nullopt;
        parsed.host = std::string(rest.substr(1, close - 1));
        rest.remove_prefix(close + 1);
    } else {
        auto const colon = rest.find(':');
        parsed.host = std::string(rest.substr(0, colon));
        rest = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon);
    }
    bool const good_port =
        rest.empty() || (rest.size() > 1 && rest.size() <= 6 && rest[0] == ':' &&
                         rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
    if (parsed.host.empty() || !good_port) return std::nullopt;
    return parsed;
}

bool is_loopback(std::string_view host)
{
    if (host == "localhost" || host == "::1") return true;
    return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string_view::npos;
}

PandaClient::PandaClient(HttpClient& http, Clock const& clock, Log& log, PandaServer server,
                         PandaCredentials credentials)
    : http_(http),
      clock_(clock),
      log_(log),
      server_(std::move(server)),
      credentials_(std::move(credentials)),
      random_(std::random_device{}())
{
    if (server_.api) {
        api_ = *server_.api;
        api_known_ = true;
    }
    use_grid_authorities(credentials_);
}

Status PandaClient::check() const
{
    if (server_.urls.empty())
        return Error{ErrorKind::usage, "no PanDA server", "no URL is configured", "set panda.url"};
    for (auto const& url : server_.urls) {
        auto const parsed = parse_server_url(url);
        if (!parsed)
            return Error{ErrorKind::usage,
                         fmt::format("'{}' is no address of a PanDA server", printable_url(url)),
                         {},
                         "write it as https://host:port"};
        if (parsed->plain && !is_loopback(parsed->host) && !server_.allow_plain_http)
            return Error{ErrorKind::usage, url + " is not encrypted",
                         "jobs and their secrets would go in the clear",
                         "use https, or allow it with panda.allow_plain_http"};
    }
    for (auto const& trusted : {credentials_.ca_file, credentials_.ca_folder})
        if (!trusted.empty() && ::access(trusted.c_str(), R_OK) != 0) {
            auto error = os_error("read", trusted, errno);
            error.kind = ErrorKind::usage;
            error.fix = "it holds the authorities that we trust: check panda.ca_file and panda.ca_folder";
            return error;
        }
    if (credentials_.uses_token()) {
        if (credentials_.origin.empty())
            return Error{ErrorKind::usage, "a token needs an origin", "PanDA wants to know its organisation",
                         "set panda.origin to vo or vo.role"};
        if (auto const token = read_token_file(credentials_, unix_s(clock_)); !token) return token.error();
    }
    return check_certificate(credentials_, unix_s(clock_));
}

// ---- routes and credentials
// ------------------------------------------------------------------------------------

std::vector<PandaClient::Route> PandaClient::find_routes()
{
    std::vector<Route> routes;
    for (auto const& url : server_.urls) {
        auto const parsed = parse_server_url(url);
        if (!parsed) continue;
        auto addresses = resolve_host(parsed->host);
        if (!addresses || addresses->size() < 2) {
            routes.push_back({parsed->base, {}});
            continue;
        }
        // The servers behind an alias are equal: begin with any, so that the load is spread.
        std::shuffle(addresses->begin(), addresses->end(), random_);
        for (auto& address : *addresses) routes.push_back({parsed->base, std::move(address)});
    }
    if (routes.size() > server_.address_limit) routes.resize(server_.address_limit);
    return routes;
}

std::optional<PandaJudgement> PandaClient::add_credentials(HttpRequest& request)
{
    request.tls.ca_file = credentials_.ca_file;
    request.tls.ca_folder = credentials_.ca_folder;
    request.tls.cert_file =
        credentials_.proxy_file.empty() ? credentials_.cert_file : credentials_.proxy_file;
    request.tls.key_file = credentials_.proxy_file.empty() ? credentials_.key_file : std::string{};
    if (!credentials_.uses_token()) return std::nullopt;
    auto token = read_token_file(credentials_, unix_s(clock_));
    if (!token) return PandaJudgement{PandaOutcome::refused, token.error().text(), true};
    auto const expiry = token_expiry_unix_s(*token);
    bool const soon = expiry && *expiry - unix_s(clock_) < renew_before_s;
    if (soon && !renewing_ && !credentials_.token_key_file.empty() &&
        unix_s(clock_) >= next_renewal_unix_s_) {
        renew_token(*token);
        if (auto renewed = read_token_file(credentials_, unix_s(clock_))) token = std::move(renewed);
    }
    request.headers.add("Authorization", "Bearer " + *token);
    request.headers.add("Origin", credentials_.origin);
    return std::nullopt;
}

void PandaClient::renew_token(std::string const&)
{
    next_renewal_unix_s_ = unix_s(clock_) + renewal_pause_s;
    auto key = read_secret_file(credentials_.token_key_file);
    if (!key) {
        log_.warning("token_not_renewed", key.error());
        return;
    }
    while (!key->empty() && (key->back() == '\n' || key->back() == ' ')) key->pop_back();
    renewing_ = true;
    auto const request = make_access_token(api_, "pilot_server", *key);
    auto const reply = exchange(request);
    renewing_ = false;
    auto const answer = reply.answer ? read_token(api_, *reply.answer) : TokenAnswer{reply.judgement, {}};
    if (!answer.judgement.stored()) {
        log_.warning("token_not_renewed", {{"why", answer.judgement.why}});
        return;
    }
    if (auto const kept = keep_token(credentials_, answer.token); !kept)
        log_.warning("token_not_renewed", kept.error());
    else
        log_.info("token_renewed");
}

// ---- one request
// -----------------------------------------------------------------------------------------------

PandaClient::Reply PandaClient::exchange_at(Route const& route, PandaRequest const& request, bool& left)
{
    HttpRequest http;
    http.method = request.method;
    http.url = route.url + request.path;
    http.connect_to = route.connect_to;
    http.headers.add("Accept", "application/json");
    if (!request.content_type.empty()) http.headers.add("Content-Type", request.content_type);
    if (request.gzip) {
        http.body = gzip(request.body);
        http.headers.add("Content-Encoding", "gzip");
    } else {
        http.body = request.body;
    }
    http.body_limit_bytes = answer_limit_bytes;
    http.connect_timeout = server_.connect_timeout;
    http.timeout = server_.timeout;
    http.stall_window = {};
    // What is handed out must not be asked for twice behind our back.
    http.fresh_connection = request.kind == CallKind::take;
    http.left = &left;
    if (auto refused = add_credentials(http)) return {std::nullopt, std::move(*refused)};
    ++traffic_.request_count;
    traffic_.sent_bytes += http.body.size();
    auto response = http_.perform(std::move(http));
    if (!response) return {std::nullopt, judge_no_answer(request.kind, response.error(), left)};
    traffic_.received_bytes += response->body_bytes;
    look_at_clock(std::string(response->headers.find("Date")));
    return {RawAnswer{response->status, std::string(response->headers.find("Content-Type")),
                      std::move(response->body)},
            {}};
}

/// Nothing of ours depends on the server's clock, but proxies, tokens and times in monitors do.
void PandaClient::look_at_clock(std::string const& date)
{
    auto const server_unix_s = read_http_date(date);
    if (!server_unix_s || clock_was_told_) return;
    auto const ahead_s = *server_unix_s - unix_s(clock_);
    if (std::abs(ahead_s) < clock_tolerance_s) return;
    clock_was_told_ = true;
    log_.warning("clocks_differ", {{"server_ahead_s", ahead_s},
                                   {"what_to_do", "check this machine's clock, then tell PanDA's people"}});
}

PandaClient::Reply PandaClient::exchange(PandaRequest const& request)
{
    Reply reply{std::nullopt, {PandaOutcome::refused, "no PanDA server is configured"}};
    for (auto const& route : find_routes()) {
        bool left = false;
        reply = exchange_at(route, request, left);
        // Another address is tried only if this one has certainly done nothing.
        bool const next = reply.answer ? reply.answer->status == 503
                                       : !left && reply.judgement.outcome == PandaOutcome::later;
        log_.debug("panda_asked", {{"path", request.path.substr(0, request.path.find('?'))},
                                   {"address", route.connect_to.empty() ? route.url : route.connect_to},
                                   {"status", reply.answer ? reply.answer->status : 0},
                                   {"why", reply.judgement.why}});
        if (!next) break;
    }
    return reply;
}

template <class Make, class Read>
auto PandaClient::ask(Make make, Read read)
{
    using Answer = decltype(read(api_, RawAnswer{}));
    Answer answer;
    if (auto judgement = find_api(); !judgement.stored()) {
        set_judgement(answer, std::move(judgement));
        return answer;
    }
    for (int attempt = 0; attempt < 2; ++attempt) {
        auto reply = exchange(make(api_));
        if (!reply.answer) {
            set_judgement(answer, std::move(reply.judgement));
            return answer;
        }
        answer = read(api_, std::move(*reply.answer));
        // A server that was changed under us lacks the method: the other interface may have it.
        if (server_.api || !judgement_of(answer).unknown_method || attempt > 0) break;
        api_ = api_ == PandaApi::classic ? PandaApi::v1 : PandaApi::classic;
        log_.info("panda_interface_changed", {{"to", api_ == PandaApi::v1 ? "v1" : "classic"}});
    }
    return answer;
}

PandaJudgement PandaClient::find_api()
{
    if (api_known_) return {PandaOutcome::stored, {}};
    // The classic one first: where both are there it is the one whose range updates answer properly.
    PandaJudgement judgement;
    for (auto const api : {PandaApi::classic, PandaApi::v1}) {
        auto const reply = exchange(make_alive(api));
        judgement = reply.answer ? read_alive(api, *reply.answer) : reply.judgement;
        if (judgement.stored()) {
            api_ = api;
            api_known_ = true;
            log_.info("panda_interface_found", {{"interface", api == PandaApi::v1 ? "v1" : "classic"}});
            break;
        }
        if (!judgement.unknown_method) break;
    }
    return judgement;
}

// ---- calls
// -----------------------------------------------------------------------------------------------------

JobsAnswer PandaClient::get_jobs(JobQuery const& query)
{
    return ask([&](PandaApi api) { return make_get_jobs(api, query); },
               [](PandaApi api, RawAnswer const& answer) { return read_jobs(api, answer); });
}

JobUpdateAnswer PandaClient::update_job(JobUpdate const& update)
{
    return ask([&](PandaApi api) { return make_update_job(api, update); },
               [](PandaApi api, RawAnswer const& answer) { return read_job_update(api, answer); });
}

BulkUpdateAnswer PandaClient::update_jobs(std::vector<JobUpdate> const& updates,
                                          std::string const& harvester_id)
{
    return ask(
        [&](PandaApi api) { return make_update_jobs_bulk(api, updates, harvester_id); },
        [&](PandaApi api, RawAnswer const& answer) { return read_bulk_update(api, updates.size(), answer); });
}

JobStatesAnswer PandaClient::get_job_states(std::vector<std::int64_t> const& panda_ids)
{
    // v1 takes a list only when the name comes more than once.
    auto asked = panda_ids;
    if (asked.size() == 1) asked.push_back(asked[0]);
    auto answer = ask([&](PandaApi api) { return make_job_states(api, asked); },
                      [&](PandaApi api, RawAnswer const& raw) { return read_job_states(api, asked, raw); });
    if (answer.states.size() > panda_ids.size()) answer.states.resize(panda_ids.size());
    return answer;
}

RangesAnswer PandaClient::get_ranges(RangeQuery const& query)
{
    return ask([&](PandaApi api) { return make_get_ranges(api, query); },
               [](PandaApi api, RawAnswer answer) { return read_ranges(api, std::move(answer)); });
}

CountAnswer PandaClient::count_ranges(std::int64_t panda_id, std::int64_t jobset_id, std::int64_t task_id)
{
    return ask([&](PandaApi api) { return make_count_ranges(api, panda_id, jobset_id, task_id); },
               [](PandaApi api, RawAnswer const& answer) { return read_range_count(api, answer); });
}

RangeUpdatesAnswer PandaClient::update_ranges(int version, std::size_t count, std::string const& list)
{
    return ask([&](PandaApi api) { return make_update_ranges(api, version, list); },
               [&](PandaApi api, RawAnswer const& answer) { return read_range_updates(api, count, answer); });
}

PandaJudgement PandaClient::get_range_statuses(std::vector<TaskAndJob> const& jobs,
                                               TakeRangeStatus const& take)
{
    return ask([&](PandaApi api) { return make_range_statuses(api, jobs); },
               [&](PandaApi api, RawAnswer const& answer) { return read_range_statuses(api, answer, take); });
}

KeyPairAnswer PandaClient::get_key_pair(std::string const& public_name, std::string const& private_name)
{
    return ask([&](PandaApi api) { return make_key_pair(api, public_name, private_name); },
               [](PandaApi api, RawAnswer const& answer) { return read_key_pair(api, answer); });
}

PandaJudgement PandaClient::is_alive()
{
    return ask([](PandaApi api) { return make_alive(api); },
               [](PandaApi api, RawAnswer const& answer) { return read_alive(api, answer); });
}

}  // namespace yoda
