// SPDX-License-Identifier: Apache-2.0
// One real Ceph gateway for all S3 tests of a test program, a fault proxy before it, and
// stores that talk to them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "harvest/stores/s3/s3_store.hpp"
#include "support/builders/run_builder.hpp"
#include "support/scratch_folder.hpp"
#include "support/servers/server_process.hpp"
#include "support/skip.hpp"

namespace yoda::test {

inline ServerProcess& radosgw()
{
    static ServerProcess server("servers/radosgw.py");
    return server;
}

inline bool have_radosgw(std::string& missing)
{
    return have_programs(
        {"radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph", "monmaptool", "openssl"}, missing);
}

/// Clock, log, breakers and short pauses, as a store wants them.
struct StoreSurroundings {
    SystemClock clock;
    Log log{LogLevel::error};
    TransferPolicy policy;
    std::unique_ptr<Breakers> breakers;
    std::atomic<bool> stop{false};

    StoreSurroundings()
    {
        policy.first_back_off = Duration::from_ms(20);
        policy.longest_back_off = Duration::from_ms(500);
        policy.breaker.first_pause = Duration::from_ms(50);
        policy.breaker.longest_pause = Duration::from_ms(500);
        // Longer than a loaded machine lets a good server wait; tests of stalls have a shorter one.
        policy.stall_window = Duration::from_s(20);
        policy.connect_timeout = Duration::from_s(20);
        policy.part_bytes = 5u << 20;
        policy.breaker_patience = Duration::from_s(15);
        breakers = std::make_unique<Breakers>(policy.breaker);
    }
    StoreContext context() { return {&clock, &log, breakers.get(), &stop, nullptr, policy}; }
};

inline KeySource keys_of(std::string access, std::string secret)
{
    return [access, secret]() -> Result<S3Keys> { return S3Keys{access, secret, {}}; };
}

inline StoreUrl s3_url(std::string const& endpoint, std::string const& bucket_and_path, bool tls = false)
{
    return parse_store_url((tls ? "s3://" : "s3+http://") + endpoint + "/" + bucket_and_path).value();
}

inline S3Options s3_options()
{
    S3Options options;
    options.create_bucket = true;
    options.keys = keys_of(radosgw().text("access"), radosgw().text("secret"));
    return options;
}

/// Writes `bytes` into a file of the folder and describes it as an object.
ObjectSpec make_object(ScratchFolder const& folder, std::string const& key, std::string const& bytes);

ServerProcess& s3_reader();
/// The object as boto3, an independent client, reads it; throws when it cannot.
std::string read_by_boto(std::string const& bucket, std::string const& key);
/// Keys, sizes and numbers of versions; and of unfinished uploads.
nlohmann::json list_by_boto(std::string const& bucket);

}  // namespace yoda::test

#define YODA_NEEDS_RADOSGW()                                \
    do {                                                    \
        std::string yoda_missing;                           \
        if (!::yoda::test::have_radosgw(yoda_missing)) {    \
            YODA_SKIP(yoda_missing << " is not installed"); \
        }                                                   \
    } while (false)
