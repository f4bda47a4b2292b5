// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/reported_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t log_limit_bytes = 1ull << 30;

ReportedLog::Counts sum_of(ReportedLog::Counts const& a, ReportedLog::Counts const& b)
{
    return {a.accepted + b.accepted, a.failed + b.failed, a.refused + b.refused};
}

nlohmann::json print_counts(ReportedLog::Counts const& counts)
{
    return {{"accepted", counts.accepted}, {"failed", counts.failed}, {"refused", counts.refused}};
}

}  // namespace

void add_spans(RangeSpans& spans, RangeSpans const& more)
{
    spans.insert(spans.end(), more.begin(), more.end());
    std::sort(spans.begin(), spans.end());
    RangeSpans joined;
    for (auto const& span : spans) {
        if (span.first >= span.second) continue;
        if (!joined.empty() && span.first <= joined.back().second)
            joined.back().second = std::max(joined.back().second, span.second);
        else
            joined.push_back(span);
    }
    spans = std::move(joined);
}

void ReportedLog::take_line(std::string_view line)
{
    auto const json = nlohmann::json::parse(line, nullptr, false);
    if (!json.is_object()) return;
    try {
        Counts const counts{json.at("accepted").get<std::uint64_t>(), json.at("failed").get<std::uint64_t>(),
                            json.at("refused").get<std::uint64_t>()};
        if (json.contains("bundle")) {
            bundles_[json["bundle"].get<std::string>()] = counts;
            return;
        }
        bool const is_rows = json.contains("rows");
        auto const spans = json.at(is_rows ? "rows" : "listed").get<RangeSpans>();
        auto& known = is_rows ? rows_ : listed_;
        auto const before = count_of(known);
        add_spans(known, spans);
        if (count_of(known) == before) return;
        span_counts_ = sum_of(span_counts_, counts);
    } catch (nlohmann::json::exception const&) {
        return;  // A line of nobody we know: what it stood for is sent again.
    }
}

Result<ReportedLog> ReportedLog::open(std::string path)
{
    ReportedLog log(std::move(path));
    if (!path_exists(log.path_)) return log;
    auto const text = read_file(log.path_, log_limit_bytes);
    if (!text) return text.error();
    std::string_view rest = *text;
    while (!rest.empty()) {
        auto const end = std::min(rest.find('\n'), rest.size());
        log.take_line(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return log;
}

ReportedLog::Counts ReportedLog::totals() const
{
    Counts sum = span_counts_;
    for (auto const& [name, counts] : bundles_) sum = sum_of(sum, counts);
    return sum;
}

/// One write in append mode: lines of two harvests do not mix. A torn line of an earlier life is ended first.
Status ReportedLog::append(std::string const& line)
{
    bool const is_new = !path_exists(path_);
    auto const file = open_file(path_, O_RDWR | O_CREAT | O_APPEND);
    if (!file) return file.error();
    char last = '\n';
    auto const end = ::lseek(file->get(), 0, SEEK_END);
    if (end > 0 && ::pread(file->get(), &last, 1, end - 1) != 1) return os_error("read", path_, errno);
    auto const text = (last == '\n' ? "" : "\n") + line + "\n";
    if (auto const status = write_all(file->get(), text, path_); !status) return status;
    if (::fdatasync(file->get()) != 0) return os_error("sync", path_, errno);
    if (is_new)
        if (auto const status = sync_folder(std::filesystem::path(path_).parent_path()); !status)
            return status;
    take_line(line);
    return {};
}

Status ReportedLog::add_bundle(std::string const& name, Counts counts)
{
    auto line = print_counts(counts);
    line["bundle"] = name;
    return append(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}
Status ReportedLog::add_rows(RangeSpans const& rows, Counts counts)
{
    if (rows.empty()) return {};
    auto line = print_counts(counts);
    line["rows"] = rows;
    return append(line.dump());
}
Status ReportedLog::add_listed(RangeSpans const& places, Counts counts)
{
    if (places.empty()) return {};
    auto line = print_counts(counts);
    line["listed"] = places;
    return append(line.dump());
}

}  // namespace yoda
