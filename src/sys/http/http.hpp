// SPDX-License-Identifier: Apache-2.0
// HTTP by libcurl's multi interface: many requests at once on kept-alive connections, one thread, bodies
// streamed from files. An answer of any status is a response; only what never became an answer is an Error:
//   unavailable   no name, no connection, reset, timed out, stalled, cut short, not HTTP: again may help
//   refused       the server's certificate or ours does not hold; there is no switch that ignores this
//   usage         the URL or a TLS file cannot be used
//   io, no_space  a file of ours failed
//     HttpClient client(clock);
//     auto const answer = client.perform({.method = "GET", .url = "https://..."});  // one request
//     client.start(request, take_answer); client.run(longest_wait);                 // many requests
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "sys/base/clock.hpp"
#include "sys/http/rate_limit.hpp"

namespace yoda {

/// In order; names compare without case, but are sent as written (XrdHttp 5 reads them case-sensitively).
class HttpHeaders {
  public:
    HttpHeaders() = default;
    HttpHeaders(std::initializer_list<std::pair<std::string, std::string>> items) : items_(items) {}
    void add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }
    /// The first of that name; empty when there is none.
    std::string_view find(std::string_view name) const;
    bool has(std::string_view name) const;
    auto begin() const { return items_.begin(); }
    auto end() const { return items_.end(); }

  private:
    std::vector<std::pair<std::string, std::string>> items_;
};

/// Whom we trust and who we are. Empty fields: the system's certificates, no client certificate.
struct HttpTls {
    std::string ca_file;    ///< PEM
    std::string ca_folder;  ///< hashed, such as /etc/grid-security/certificates
    std::string cert_file;  ///< PEM; an X.509 proxy holds its key and chain too
    std::string key_file;   ///< empty: the key is in cert_file
};

/// Bytes [offset, offset + bytes) of an open file, read by pread: one descriptor serves several requests.
/// The descriptor must stay open until the request ends.
struct HttpFileBody {
    int fd = -1;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

struct HttpRequest {
    std::string method = "GET";
    std::string url;
    HttpHeaders headers;
    std::string body;  ///< sent unless file_body is there
    std::optional<HttpFileBody> file_body;
    int sink_fd = -1;  ///< the body of a 2xx answer is written here instead of kept
    std::uint64_t body_limit_bytes = 64ull << 20;  ///< a longer kept body is an error
    HttpTls tls;
    Duration connect_timeout = Duration::from_s(30);
    Duration timeout{};                            ///< for the whole request; none when zero
    Duration stall_window = Duration::from_s(60);  ///< given up when ...
    std::uint64_t stall_bytes = 1;  ///< ... fewer bytes than this moved within it; zero window: never
    bool expect_continue = false;   ///< ask before sending the body
    unsigned redirect_limit = 0;
    bool use_environment_proxy = true;  ///< https_proxy and so on
    /// Where to connect instead of what the URL's host resolves to: an address, with brackets if IPv6. Who
    /// the server is, is still checked by the URL's name.
    std::string connect_to;
    /// On a connection of its own. libcurl repeats a request by itself when a kept-alive connection turns out
    /// to be dead, which is wrong for what must not happen twice.
    bool fresh_connection = false;
    /// Set to true before `done` when bytes of the request have left: a failure then proves nothing.
    bool* left = nullptr;
};

struct HttpResponse {
    int status = 0;
    HttpHeaders headers;
    std::string body;
    std::uint64_t body_bytes = 0;  ///< also of what went to sink_fd
    Duration took{};
    bool ok() const { return status >= 200 && status < 300; }
};

/// The URL as logs and messages may show it: signatures, tokens, key names and passwords in it are masked.
std::string printable_url(std::string_view url);
/// Percent-encodes all but A-Z a-z 0-9 - _ . ~ and, if `keep_slash`, '/';
/// upper-case hex (RFC 3986, as SigV4 wants).
std::string percent_encode(std::string_view text, bool keep_slash = false);
/// nullopt when a '%' is not followed by two hex digits.
std::optional<std::string> percent_decode(std::string_view text);

class HttpClient {
  public:
    using Id = std::uint64_t;
    using Done = std::function<void(Result<HttpResponse>)>;

    /// `clock` must outlive the client; `connection_limit` is per host.
    explicit HttpClient(Clock const& clock, unsigned connection_limit = 16);
    ~HttpClient();
    HttpClient(HttpClient const&) = delete;
    HttpClient& operator=(HttpClient const&) = delete;

    /// `done` is called once, from within run(); it may start and cancel others.
    Id start(HttpRequest request, Done done);
    /// Its `done` is then never called. Unknown ids are ignored.
    void cancel(Id id);
    std::size_t active_count() const;
    /// Moves what can move and waits up to `wait` for more; returns early after a `done` or wake().
    void run(Duration wait);
    /// From any thread.
    void wake();

    /// One request, waiting for its end.
    Result<HttpResponse> perform(HttpRequest request);

    /// Uploads from files share this budget (also with other clients); null: no limit.
    void set_send_limit(std::shared_ptr<RateLimit> limit);
    /// perform() and everything running ends as unavailable soon after this turns true.
    void set_stop_flag(std::atomic<bool> const* stop);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace yoda
