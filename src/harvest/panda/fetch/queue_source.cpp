// SPDX-License-Identifier: Apache-2.0
// Where queue descriptions are read from: files, or URLs with a copy beside.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>

#include "core/base/checksum.hpp"
#include "harvest/panda/fetch/queue_config.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t limit_bytes = 256ull << 20;

bool is_url(std::string const& source)
{
    return source.starts_with("https://") || source.starts_with("http://");
}

/// nullopt: no such file.
std::optional<std::int64_t> age_s(std::string const& path, Clock const& clock)
{
    struct stat about {};
    if (::stat(path.c_str(), &about) != 0) return std::nullopt;
    return clock.unix_ns() / 1'000'000'000 - about.st_mtim.tv_sec;
}

std::string cache_folder_of(HarvestConfig const& config)
{
    if (auto folder = config.text("queue.cache"); !folder.empty()) return folder;
    char const* const home = std::getenv("HOME");
    return std::string(home && *home ? home : "/tmp") + "/.cache/yoda";
}

}  // namespace

Result<std::string> read_queue_source(std::string const& source, std::string const& cache_folder,
                                      double cache_time_s, HttpTls const& tls, HttpClient& http,
                                      Clock const& clock, Log& log)
{
    if (!is_url(source)) return read_file(source, limit_bytes);
    auto const cached = fmt::format("{}/{:08x}.json", cache_folder, yoda::adler32(source));
    auto const age = age_s(cached, clock);
    // A clock that was set back must not keep a copy for ever.
    if (age && *age >= 0 && static_cast<double>(*age) < cache_time_s) return read_file(cached, limit_bytes);
    HttpRequest request;
    request.url = source;
    request.headers = {{"Accept", "application/json"}};
    request.tls = tls;
    request.timeout = Duration::from_s(120);
    request.redirect_limit = 3;
    request.body_limit_bytes = limit_bytes;
    auto const answer = http.perform(std::move(request));
    bool const good = answer && answer->ok() && !answer->body.empty() && answer->body.front() == '{';
    if (good) {
        auto status = make_folders(cache_folder);
        if (status) status = replace_file(cached, answer->body, 0644, false);
        if (!status) log.warning("queue_not_cached", status.error());
        return answer->body;
    }
    auto const why = answer ? fmt::format("HTTP {}", answer->status) : answer.error().text();
    if (!age)
        return Error{ErrorKind::unavailable, printable_url(source) + " does not answer", why,
                     "call again later, or give a file"};
    log.warning("queue_from_copy", {{"url", printable_url(source)}, {"age_s", *age}, {"why", why}});
    return read_file(cached, limit_bytes);
}

Status load_queue(HarvestConfig& config, HttpClient& http, Clock const& clock, Log& log)
{
    auto const source = config.text("queue.source");
    if (source.empty()) return {};
    HttpTls const tls{
        config.text("panda.ca_file"), config.text("panda.ca_folder"), config.text("panda.proxy_file"), {}};
    auto const folder = cache_folder_of(config);
    auto const time_s = config.seconds("queue.cache_time");
    QueueTexts texts;
    texts.queue_origin = printable_url(source);
    auto queue = read_queue_source(source, folder, time_s, tls, http, clock, log);
    if (!queue) return queue.error();
    texts.queue = *std::move(queue);
    if (auto const endpoints = config.text("queue.endpoints"); !endpoints.empty()) {
        texts.endpoints_origin = printable_url(endpoints);
        auto text = read_queue_source(endpoints, folder, time_s, tls, http, clock, log);
        if (!text) return text.error();
        texts.endpoints = *std::move(text);
    }
    auto const warnings = apply_queue(config, texts, config.text("panda.site"));
    if (!warnings) return warnings.error();
    for (auto const& warning : *warnings) log.warning("queue_description", {{"what", warning}});
    return {};
}

}  // namespace yoda
