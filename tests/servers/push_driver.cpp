// SPDX-License-Identifier: Apache-2.0
// `harvest push` without its command line, for tests and benchmarks that need a process: reads a JSON file,
// pushes, prints the summary as JSON. SIGTERM asks it to stop.
#include <signal.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>

#include "harvest/stage_out/push_command.hpp"
#include "sys/base/files.hpp"

namespace {

std::atomic<bool> stop{false};

yoda::StoreConfig read_store(nlohmann::json const& json)
{
    yoda::StoreConfig store;
    store.url = json.at("url");
    store.key_file = json.value("key_file", "");
    store.create_bucket = json.value("create_bucket", false);
    store.rucio_paths = json.value("rucio_paths", false);
    store.token_file = json.value("token_file", "");
    store.tls.ca_file = json.value("ca_file", "");
    store.bind_by = json.value("bind_by", "md5") == "md5" ? yoda::BindBy::md5 : yoda::BindBy::sha256;
    return store;
}

/// The peak of this program: getrusage() also counts what its parent held before exec.
std::uint64_t peak_rss_kib()
{
    auto const status = yoda::read_file("/proc/self/status");
    auto const at = status ? status->find("VmHWM:") : std::string::npos;
    return at == std::string::npos ? 0 : std::strtoull(status->c_str() + at + 6, nullptr, 10);
}

}  // namespace

int main(int argc, char** argv)
{
    if (argc != 2) return 2;
    ::signal(SIGTERM, [](int) { stop = true; });
    yoda::keep_secrets_in();
    auto const text = yoda::read_file(argv[1]);
    if (!text) return 2;
    auto const json = nlohmann::json::parse(*text);
    yoda::PushOptions options;
    options.folders = json.at("folders");
    for (auto const& [activity, store] : json.at("stores").items())
        options.stores[activity] = read_store(store);
    options.stage.report = json.value("report", false);
    options.stage.clean = json.value("clean", true);
    options.stage.keep_s = json.value("keep_s", 0);
    options.stage.first_wait_s = json.value("first_wait_s", 0);
    options.stage.longest_wait_s = json.value("longest_wait_s", 0);
    options.parallel = json.value("parallel", 8u);
    options.one_object_per_output = json.value("one_object_per_output", false);
    options.transfer.part_bytes = json.value("part_bytes", options.transfer.part_bytes);
    options.transfer.parts_at_once = json.value("parts_at_once", options.transfer.parts_at_once);
    options.transfer.hash_threads = json.value("hash_threads", options.transfer.hash_threads);
    options.stop = &stop;
    yoda::Log log(json.value("debug", false) ? yoda::LogLevel::debug : yoda::LogLevel::warning);
    yoda::SystemClock const clock;
    auto const summary = yoda::push(options, log, clock);
    if (!summary) {
        std::cerr << summary.error().text() << "\n";
        return 2;
    }
    auto out = nlohmann::json::parse(summary->json());
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    out["max_rss_kib"] = peak_rss_kib();
    out["cpu_s"] = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                   static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
    std::cout << out.dump(1) << "\n";
    return summary->exit_code();
}
