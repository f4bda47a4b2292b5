// SPDX-License-Identifier: Apache-2.0
#include "sys/http/http.hpp"

#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <unordered_map>

#include "core/base/check.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/files.hpp"
#include "sys/http/http_errors.hpp"

namespace yoda {

namespace {

constexpr long buffer_bytes = 512 * 1024;
constexpr long small_buffer_bytes = 16 * 1024;
/// Stalls and the stop flag are looked at this often.
constexpr Duration longest_wait = Duration::from_ms(200);
constexpr Duration throttled_wait = Duration::from_ms(20);

void init_curl_once()
{
    static std::once_flag once;
    std::call_once(
        once, [] { YODA_CHECK(curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK, "libcurl does not start"); });
}

struct Slist {
    curl_slist* list = nullptr;
    ~Slist() { curl_slist_free_all(list); }
    void add(std::string const& line) { list = curl_slist_append(list, line.c_str()); }
};

/// One request while it runs. Its address is libcurl's callback argument, so it never moves.
struct Transfer {
    HttpClient::Id id = 0;
    CURL* easy = nullptr;
    HttpRequest request;
    HttpClient::Done done;
    HttpResponse response;
    Slist headers;
    Slist connect_to;
    char detail[CURL_ERROR_SIZE] = {};
    std::optional<Error> own_error;  ///< why one of our callbacks stopped it
    std::uint64_t sent_bytes = 0;
    bool paused = false;
    TimePoint started{};
    TimePoint window_start{};
    std::uint64_t moved_bytes = 0;
    std::uint64_t moved_at_window_start = 0;
    RateLimit* limit = nullptr;
    Clock const* clock = nullptr;

    bool stalled(TimePoint now)
    {
        if (request.stall_window <= Duration{} || now - window_start < request.stall_window) return false;
        bool const too_few = moved_bytes - moved_at_window_start < request.stall_bytes;
        // A paused upload waits for our own budget, not for the server.
        if (too_few && !paused) return true;
        window_start = now;
        moved_at_window_start = moved_bytes;
        return false;
    }
};

std::size_t read_body(char* buffer, std::size_t size, std::size_t count, void* user)
{
    auto& transfer = *static_cast<Transfer*>(user);
    auto const& body = *transfer.request.file_body;
    auto wanted = std::min<std::uint64_t>(size * count, body.bytes - transfer.sent_bytes);
    if (wanted == 0) return 0;
    if (transfer.limit) {
        wanted = transfer.limit->take(transfer.clock->now(), wanted);
        if (wanted == 0) {
            transfer.paused = true;
            return CURL_READFUNC_PAUSE;
        }
    }
    auto const at = static_cast<off_t>(body.offset + transfer.sent_bytes);
    ssize_t n = 0;
    do n = ::pread(body.fd, buffer, wanted, at);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        transfer.own_error = n < 0 ? os_error("read", "the file being sent", errno)
                                   : Error{ErrorKind::io, "the file being sent became shorter", {}, {}};
        return CURL_READFUNC_ABORT;
    }
    transfer.sent_bytes += static_cast<std::uint64_t>(n);
    return static_cast<std::size_t>(n);
}

int seek_body(void* user, curl_off_t offset, int origin)
{
    auto& transfer = *static_cast<Transfer*>(user);
    if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_FAIL;
    transfer.sent_bytes = static_cast<std::uint64_t>(offset);
    return CURL_SEEKFUNC_OK;
}

std::size_t take_header(char* text, std::size_t size, std::size_t count, void* user)
{
    auto& transfer = *static_cast<Transfer*>(user);
    std::string_view line(text, size * count);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (line.starts_with("HTTP/")) {  // a new answer: after 100 Continue or a redirect
        transfer.response.headers = {};
        transfer.response.body.clear();
        transfer.response.body_bytes = 0;
    } else if (auto const colon = line.find(':'); colon != std::string_view::npos) {
        auto value = line.substr(colon + 1);
        while (!value.empty() && (value.front() == ' ' || value.front() == '\t')) value.remove_prefix(1);
        while (!value.empty() && (value.back() == ' ' || value.back() == '\t')) value.remove_suffix(1);
        transfer.response.headers.add(std::string(line.substr(0, colon)), std::string(value));
    }
    return size * count;
}

std::size_t take_body(char* bytes, std::size_t size, std::size_t count, void* user)
{
    auto& transfer = *static_cast<Transfer*>(user);
    std::string_view const part(bytes, size * count);
    transfer.response.body_bytes += part.size();
    long status = 0;
    curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    if (transfer.request.sink_fd >= 0 && status >= 200 && status < 300) {
        Status const written = write_all(transfer.request.sink_fd, part, "the file being received");
        if (written) return part.size();
        transfer.own_error = written.error();
        return 0;
    }
    if (transfer.response.body.size() + part.size() > transfer.request.body_limit_bytes) {
        transfer.own_error = Error{ErrorKind::bad_input,
                                   "answer from " + printable_url(transfer.request.url) + " is too long",
                                   fmt::format("over {} bytes", transfer.request.body_limit_bytes),
                                   {}};
        return 0;
    }
    transfer.response.body.append(part);
    return part.size();
}

int note_progress(void* user, curl_off_t, curl_off_t down, curl_off_t, curl_off_t up)
{
    static_cast<Transfer*>(user)->moved_bytes = static_cast<std::uint64_t>(down + up);
    return 0;
}

template <class T>
void set(CURL* easy, CURLoption option, T value)
{
    YODA_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK, "libcurl lacks an option");
}

void set_text(CURL* easy, CURLoption option, std::string const& value)
{
    if (!value.empty()) set(easy, option, value.c_str());
}

void set_tls(CURL* easy, HttpTls const& tls)
{
    set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    set_text(easy, CURLOPT_CAINFO, tls.ca_file);
    set_text(easy, CURLOPT_CAPATH, tls.ca_folder);
    set_text(easy, CURLOPT_SSLCERT, tls.cert_file);
    set_text(easy, CURLOPT_SSLKEY, tls.key_file.empty() ? tls.cert_file : tls.key_file);
}

void set_method_and_body(Transfer& transfer)
{
    CURL* const easy = transfer.easy;
    auto const& request = transfer.request;
    if (request.file_body) {
        set(easy, CURLOPT_UPLOAD, 1L);
        set(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.file_body->bytes));
        set(easy, CURLOPT_READFUNCTION, read_body);
        set(easy, CURLOPT_READDATA, &transfer);
        set(easy, CURLOPT_SEEKFUNCTION, seek_body);
        set(easy, CURLOPT_SEEKDATA, &transfer);
    } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        set(easy, CURLOPT_POST, 1L);
        set(easy, CURLOPT_POSTFIELDS, request.body.data());
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        if (!request.headers.has("Content-Type"))
            transfer.headers.add("Content-Type:");  // libcurl's guess, off
    } else if (request.method == "HEAD") {
        set(easy, CURLOPT_NOBODY, 1L);
        return;
    }
    set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

/// What would reach the server as something else than it is here.
std::optional<Error> find_problem(HttpRequest const& request)
{
    auto const breaks_line = [](std::string_view text) {
        return text.find_first_of(std::string_view("\r\n\0", 3)) != text.npos;
    };
    bool bad = request.url.size() > 65536 || breaks_line(request.url) || breaks_line(request.method);
    for (auto const& [name, value] : request.headers) bad = bad || breaks_line(name) || breaks_line(value);
    if (!bad) return std::nullopt;
    return Error{ErrorKind::usage,
                 "cannot ask " + printable_url(request.url).substr(0, 200),
                 "its URL or a header is too long or has a line break in it",
                 {}};
}

void set_request(Transfer& transfer)
{
    CURL* const easy = transfer.easy;
    auto const& request = transfer.request;
    set(easy, CURLOPT_URL, request.url.c_str());
    set(easy, CURLOPT_PATH_AS_IS, 1L);  // a signed path must arrive as it was signed
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_ERRORBUFFER, transfer.detail);
    set(easy, CURLOPT_PRIVATE, &transfer);
    // Large buffers for large bodies only: they are taken and given back with every request.
    bool const sends_much = request.file_body && request.file_body->bytes > 4 * small_buffer_bytes;
    set(easy, CURLOPT_BUFFERSIZE, request.sink_fd >= 0 ? buffer_bytes : small_buffer_bytes);
    set(easy, CURLOPT_UPLOAD_BUFFERSIZE, sends_much ? buffer_bytes : 4 * small_buffer_bytes);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.ms()));
    set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.ms()));
    set(easy, CURLOPT_FOLLOWLOCATION, request.redirect_limit > 0 ? 1L : 0L);
    set(easy, CURLOPT_MAXREDIRS, static_cast<long>(request.redirect_limit));
    if (!request.use_environment_proxy) set(easy, CURLOPT_PROXY, "");
    if (request.fresh_connection) set(easy, CURLOPT_FRESH_CONNECT, 1L);
    if (!request.connect_to.empty()) {
        transfer.connect_to.add("::" + request.connect_to + ":");
        set(easy, CURLOPT_CONNECT_TO, transfer.connect_to.list);
    }
    set_tls(easy, request.tls);
    for (auto const& [name, value] : request.headers)
        transfer.headers.add(value.empty() ? name + ";" : name + ": " + value);
    transfer.headers.add(request.expect_continue ? "Expect: 100-continue" : "Expect:");
    set_method_and_body(transfer);
    set(easy, CURLOPT_HTTPHEADER, transfer.headers.list);
    set(easy, CURLOPT_HEADERFUNCTION, take_header);
    set(easy, CURLOPT_HEADERDATA, &transfer);
    set(easy, CURLOPT_WRITEFUNCTION, take_body);
    set(easy, CURLOPT_WRITEDATA, &transfer);
    set(easy, CURLOPT_NOPROGRESS, 0L);
    set(easy, CURLOPT_XFERINFOFUNCTION, note_progress);
    set(easy, CURLOPT_XFERINFODATA, &transfer);
}

}  // namespace

struct HttpClient::Impl {
    Clock const& clock;
    CURLM* multi = nullptr;
    std::unordered_map<Id, std::unique_ptr<Transfer>> transfers;
    std::vector<CURL*> idle;
    std::shared_ptr<RateLimit> limit;
    std::atomic<bool> const* stop = nullptr;
    Id last_id = 0;

    explicit Impl(Clock const& used) : clock(used) {}

    bool stopping() const { return stop && stop->load(std::memory_order_relaxed); }

    void release(Transfer& transfer)
    {
        curl_multi_remove_handle(multi, transfer.easy);
        curl_easy_reset(transfer.easy);
        idle.push_back(transfer.easy);
        transfer.easy = nullptr;
    }

    /// Takes it out of the table first: `done` may start and cancel others.
    void finish(Id id, Result<HttpResponse> result)
    {
        auto const at = transfers.find(id);
        auto const transfer = std::move(at->second);
        transfers.erase(at);
        long sent_bytes = 0;
        curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent_bytes);
        if (transfer->request.left && sent_bytes > 0) *transfer->request.left = true;
        release(*transfer);
        transfer->done(std::move(result));
    }

    Result<HttpResponse> outcome(Transfer& transfer, CURLcode code)
    {
        if (transfer.own_error) return *transfer.own_error;
        if (code != CURLE_OK)
            return curl_error(static_cast<int>(code), transfer.detail, transfer.request.method,
                              transfer.request.url);
        long status = 0;
        curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
        transfer.response.status = static_cast<int>(status);
        transfer.response.took = clock.now() - transfer.started;
        return std::move(transfer.response);
    }

    bool finish_completed()
    {
        bool any = false;
        int left = 0;
        while (CURLMsg* const message = curl_multi_info_read(multi, &left)) {
            if (message->msg != CURLMSG_DONE) continue;
            CURLcode const code = message->data.result;
            void* user = nullptr;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &user);
            auto& transfer = *static_cast<Transfer*>(user);
            finish(transfer.id, outcome(transfer, code));
            any = true;
        }
        return any;
    }

    /// Ends what stalls or must stop; wakes what waited for its budget.
    bool look_after()
    {
        TimePoint const now = clock.now();
        std::vector<std::pair<Id, Error>> ended;
        for (auto const& [id, transfer] : transfers) {
            auto const& request = transfer->request;
            if (stopping())
                ended.emplace_back(
                    id, Error{ErrorKind::unavailable,
                              fmt::format("{} {} was given up", request.method, printable_url(request.url)),
                              "we were asked to stop",
                              {}});
            else if (transfer->stalled(now))
                ended.emplace_back(
                    id, Error{ErrorKind::unavailable,
                              fmt::format("{} {} stalled", request.method, printable_url(request.url)),
                              fmt::format("fewer than {} bytes moved in {:.1f} s", request.stall_bytes,
                                          request.stall_window.s()),
                              {}});
        }
        for (auto& [id, error] : ended) finish(id, std::move(error));
        for (auto const& [id, transfer] : transfers) {
            if (!transfer->paused) continue;
            transfer->paused = false;
            curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
        }
        return !ended.empty();
    }

    Duration next_wait(Duration wanted) const
    {
        Duration wait = std::min(wanted, longest_wait);
        for (auto const& [id, transfer] : transfers) {
            if (transfer->paused) wait = std::min(wait, throttled_wait);
            if (transfer->request.stall_window > Duration{})
                wait = std::min(wait, std::max(transfer->request.stall_window * 0.25, Duration::from_ms(5)));
        }
        return wait;
    }
};

HttpClient::HttpClient(Clock const& clock, unsigned connection_limit) : impl_(std::make_unique<Impl>(clock))
{
    init_curl_once();
    impl_->multi = curl_multi_init();
    YODA_CHECK(impl_->multi, "libcurl does not start");
    curl_multi_setopt(impl_->multi, CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(connection_limit));
    curl_multi_setopt(impl_->multi, CURLMOPT_PIPELINING, static_cast<long>(CURLPIPE_NOTHING));
}

HttpClient::~HttpClient()
{
    while (!impl_->transfers.empty()) cancel(impl_->transfers.begin()->first);
    for (CURL* const easy : impl_->idle) curl_easy_cleanup(easy);
    curl_multi_cleanup(impl_->multi);
}

HttpClient::Id HttpClient::start(HttpRequest request, Done done)
{
    auto transfer = std::make_unique<Transfer>();
    Id const id = ++impl_->last_id;
    transfer->id = id;
    transfer->request = std::move(request);
    transfer->done = std::move(done);
    transfer->limit = impl_->limit.get();
    transfer->clock = &impl_->clock;
    transfer->started = transfer->window_start = impl_->clock.now();
    if (impl_->idle.empty()) {
        transfer->easy = curl_easy_init();
        YODA_CHECK(transfer->easy, "libcurl has no memory");
    } else {
        transfer->easy = impl_->idle.back();
        impl_->idle.pop_back();
    }
    if (auto problem = find_problem(transfer->request)) {
        transfer->own_error = std::move(problem);
        transfer->request = HttpRequest{};  // libcurl refuses the empty URL from within run()
    }
    set_request(*transfer);
    YODA_CHECK(curl_multi_add_handle(impl_->multi, transfer->easy) == CURLM_OK,
               "libcurl takes no more requests");
    impl_->transfers.emplace(id, std::move(transfer));
    return id;
}

void HttpClient::cancel(Id id)
{
    auto const at = impl_->transfers.find(id);
    if (at == impl_->transfers.end()) return;
    impl_->release(*at->second);
    impl_->transfers.erase(at);
}

std::size_t HttpClient::active_count() const
{
    return impl_->transfers.size();
}

void HttpClient::run(Duration wait)
{
    TimePoint const until = impl_->clock.now() + wait;
    for (;;) {
        int running = 0;
        curl_multi_perform(impl_->multi, &running);
        bool const any = impl_->finish_completed();
        if (impl_->look_after() || any) return;
        Duration const left = until - impl_->clock.now();
        if (left <= Duration{}) return;
        int ready = 0;
        auto const pause_ms = std::max<std::int64_t>(1, impl_->next_wait(left).ms());
        curl_multi_poll(impl_->multi, nullptr, 0, static_cast<int>(pause_ms), &ready);
        if (impl_->transfers.empty()) return;
    }
}

void HttpClient::wake()
{
    curl_multi_wakeup(impl_->multi);
}

Result<HttpResponse> HttpClient::perform(HttpRequest request)
{
    std::optional<Result<HttpResponse>> answer;
    start(std::move(request), [&](Result<HttpResponse> result) { answer = std::move(result); });
    while (!answer) run(Duration::from_s(1));
    return *std::move(answer);
}

void HttpClient::set_send_limit(std::shared_ptr<RateLimit> limit)
{
    impl_->limit = std::move(limit);
}

void HttpClient::set_stop_flag(std::atomic<bool> const* stop)
{
    impl_->stop = stop;
}

}  // namespace yoda
