// SPDX-License-Identifier: Apache-2.0
// PanDA's answers become a run: RANGES ranges as JSON lists of CHUNK, as `harvest fetch` keeps them on disk,
// are read, checked and written into a run folder's events.h5. Time of each step and ranges a second.
//   bench_range_stream [RANGES] [CHUNK] [FOLDER]        (1,000,000, 10,000, /tmp)
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "harvest/new/new_run_builder.hpp"
#include "harvest/panda/fetch/range_check.hpp"
#include "harvest/panda/wire/range_scanner.hpp"
#include "sys/base/files.hpp"

namespace {

using namespace yoda;

constexpr std::int64_t panda_id = 6900000001;
constexpr std::uint64_t events_of_file = 10'000;

double now_s()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// Of this process: what a crowded machine does not change.
double cpu_s()
{
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string lfn_of(std::uint64_t file)
{
    return fmt::format("EVNT.40000001._{:06}.pool.root.1", file + 1);
}

std::string guid_of(std::uint64_t file)
{
    return fmt::format("BEA4C016-E37E-0841-A448-{:012X}", file);
}

Job make_job(std::uint64_t file_count)
{
    nlohmann::json fields{
        {"PandaID", panda_id}, {"taskID", 40000001}, {"jobsetID", panda_id + 1}, {"attemptNr", 1}};
    std::string lfns, guids, scopes;
    for (std::uint64_t file = 0; file < file_count; ++file) {
        auto const comma = file > 0 ? "," : "";
        lfns += comma + lfn_of(file);
        guids += comma + guid_of(file);
        scopes += std::string(comma) + "mc16_13TeV";
    }
    fields["inFiles"] = lfns;
    fields["GUID"] = guids;
    fields["scopeIn"] = scopes;
    auto job = Job::from_json(std::move(fields));
    if (!job) std::fprintf(stderr, "%s\n", job.error().text().c_str()), std::exit(1);
    return *std::move(job);
}

/// As the server prints them, and in its order: by file, any order within a chunk. Gives the bytes written.
std::uint64_t write_answers(std::string const& folder, std::uint64_t ranges, std::uint64_t chunk)
{
    std::mt19937 random(1);
    std::uint64_t bytes = 0;
    for (std::uint64_t begin = 0; begin < ranges; begin += chunk) {
        std::vector<std::uint64_t> order(std::min(chunk, ranges - begin));
        for (std::uint64_t i = 0; i < order.size(); ++i) order[i] = begin + i;
        std::shuffle(order.begin(), order.end(), random);
        std::string text = "[";
        for (auto const range : order) {
            auto const file = range / events_of_file;
            auto const event = range % events_of_file + 1;
            if (text.size() > 1) text += ", ";
            fmt::format_to(
                std::back_inserter(text),
                R"({{"eventRangeID": "40000001-{}-{}-{}-9", "startEvent": {}, "lastEvent": {}, "LFN": "{}", )"
                R"("GUID": "{}", "scope": "mc16_13TeV"}})",
                panda_id, 5000001 + file, event, event, event, lfn_of(file), guid_of(file));
        }
        text += "]";
        bytes += text.size();
        if (!replace_file(fmt::format("{}/{:06}.json", folder, begin / chunk), text)) std::exit(1);
    }
    return bytes;
}

template <class Take>
std::uint64_t scan_all(std::string const& folder, std::uint64_t chunk_count, Take take)
{
    std::uint64_t count = 0;
    std::string text;
    for (std::uint64_t i = 0; i < chunk_count; ++i) {
        auto const read = read_file_into(text, fmt::format("{}/{:06}.json", folder, i));
        auto const scanned = read ? scan_ranges(text, take) : Result<std::size_t>(read.error());
        if (!scanned) std::fprintf(stderr, "%s\n", scanned.error().text().c_str()), std::exit(1);
        count += *scanned;
    }
    return count;
}

}  // namespace

int main(int argc, char** argv)
{
    std::uint64_t const ranges = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    std::uint64_t const chunk = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10'000;
    auto const folder = fmt::format("{}/yoda_range_stream_{}", argc > 3 ? argv[3] : "/tmp", ::getpid());
    if (!make_folders(folder)) return 1;
    struct Removed {
        std::string path;
        ~Removed()
        {
            std::error_code ignored;
            std::filesystem::remove_all(path, ignored);
        }
    } const removed{folder};
    auto const bytes = write_answers(folder, ranges, chunk);
    auto const chunk_count = (ranges + chunk - 1) / chunk;

    double const begin_s = now_s();
    std::uint64_t events = 0;
    scan_all(folder, chunk_count, [&events](RangeView const& range) -> Status {
        events += static_cast<std::uint64_t>(range.last_event - range.start_event + 1);
        return {};
    });
    double const scanned_s = now_s();

    auto job = make_job((ranges + events_of_file - 1) / events_of_file);
    RangeChecker checker(job);
    auto builder = RunBuilder::create(folder + "/run");
    if (!builder) return 1;
    auto const index = builder->add_job(job);
    PayloadConfig payload;
    payload.name = "null";
    payload.channel = ChannelKind::null;
    payload.executable = "/bin/true";
    payload.output = OutputKind::nothing;
    builder->set_payload(payload);
    RefusedRange refused;
    double const stream_begin_s = now_s();
    double const cpu_begin_s = cpu_s();
    std::uint64_t good = 0;
    scan_all(folder, chunk_count, [&](RangeView const& range) -> Status {
        if (checker.check(range, refused) != RangeChecker::Verdict::good) return {};
        ++good;
        return builder->add_range(index, range, "/inputs/file");
    });
    double const added_s = now_s();
    auto const made = builder->commit();
    double const end_s = now_s();
    double const cpu_end_s = cpu_s();
    if (!made || good != ranges || events != ranges) {
        std::fprintf(stderr, "only %llu of %llu ranges arrived: %s\n", static_cast<unsigned long long>(good),
                     static_cast<unsigned long long>(ranges), made ? "" : made.error().text().c_str());
        return 1;
    }
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    auto const rate = [ranges](double seconds) { return static_cast<double>(ranges) / seconds / 1e6; };
    std::printf(
        "%llu ranges, %.1f MB of JSON: scan %.2f M/s; scan, check and add %.2f M/s; commit %.3f s; JSON to "
        "events.h5 "
        "%.2f M/s (%.2f s of CPU); %.0f MB resident\n",
        static_cast<unsigned long long>(ranges), static_cast<double>(bytes) / 1e6, rate(scanned_s - begin_s),
        rate(added_s - stream_begin_s), end_s - added_s, rate(end_s - stream_begin_s),
        cpu_end_s - cpu_begin_s, static_cast<double>(usage.ru_maxrss) / 1024);
    return 0;
}
