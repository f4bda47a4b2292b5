// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/stager.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace yoda {

namespace {

void forget_failures(StageRecord& record)
{
    record.failures = {};
    record.reason.clear();
    record.next_try_unix_s = 0;
}

}  // namespace

std::string_view print_stage(Stage stage)
{
    switch (stage) {
        case Stage::sealed:
            return "sealed";
        case Stage::uploading:
            return "uploading";
        case Stage::uploaded:
            return "uploaded";
        case Stage::verified:
            return "verified";
        case Stage::reported:
            return "reported";
        case Stage::cleaned:
            return "cleaned";
        case Stage::lost:
            return "lost";
    }
    return "";
}

Step next_step(StageRecord const& record, StagePolicy const& policy, std::int64_t now_unix_s)
{
    if (record.next_try_unix_s > now_unix_s) return Step::wait;
    switch (record.stage) {
        case Stage::sealed:
        case Stage::uploading:
            return record.split ? Step::wait : Step::upload;
        case Stage::uploaded:
            return Step::check;
        case Stage::verified:
            return Step::wait;
        case Stage::reported:
            if (!policy.clean) return Step::nothing;
            return now_unix_s >= record.reported_unix_s + policy.keep_s ? Step::clean : Step::wait;
        case Stage::cleaned:
            return Step::clean;  // it was decided; a kill may have come before the data was gone
        case Stage::lost:
            break;
    }
    return Step::nothing;
}

StagePlace place_of(StageRecord const& record, StagePolicy const& policy)
{
    if (record.stage == Stage::cleaned || record.stage == Stage::lost) return {StagePlace::Kind::done, 0};
    if (record.stage != Stage::reported) return {};
    if (!policy.clean) return {StagePlace::Kind::done, 0};
    if (policy.keep_s == 0) return {};
    // Rounded up: an hour's folder is opened when all in it may be due.
    return {StagePlace::Kind::later, (record.reported_unix_s + policy.keep_s + 3599) / 3600};
}

bool should_fail_over(StageRecord const& record, StagePolicy const& policy, bool primary_works,
                      bool have_failover, bool failover_works)
{
    if (!have_failover || !failover_works) return false;
    if (!primary_works) return true;
    // Enough of the primary; but when the other one has failed as often, both are tried in turn.
    return record.failures.primary_count >= policy.failover_after &&
           record.failures.failover_count <= record.failures.primary_count - policy.failover_after;
}

void begin_upload(StageRecord& record, std::string target, std::string key, std::string url)
{
    YODA_CHECK(record.stage == Stage::sealed || record.stage == Stage::uploading, "uploads what is uploaded");
    if (record.target != target || record.key != key) {
        record.resume.clear();
        record.proof.clear();
    }
    record.stage = Stage::uploading;
    record.target = std::move(target);
    record.key = std::move(key);
    record.url = std::move(url);
}

void on_uploaded(StageRecord& record, std::string proof)
{
    YODA_CHECK(record.stage == Stage::uploading, "was not being uploaded");
    record.stage = Stage::uploaded;
    record.proof = std::move(proof);
    record.resume.clear();
}

void on_verified(StageRecord& record, StagePolicy const& policy, std::int64_t now_unix_s)
{
    YODA_CHECK(record.stage == Stage::uploading || record.stage == Stage::uploaded, "was not uploaded");
    record.stage = Stage::verified;
    record.verified_unix_s = now_unix_s;
    record.resume.clear();
    forget_failures(record);
    if (!policy.report) on_reported(record, now_unix_s);
}

void on_not_there(StageRecord& record)
{
    YODA_CHECK(record.stage == Stage::uploaded || record.stage == Stage::uploading, "was not uploaded");
    record.stage = Stage::sealed;
    record.resume.clear();
    record.proof.clear();
}

void on_reported(StageRecord& record, std::int64_t now_unix_s)
{
    YODA_CHECK(record.stage == Stage::verified, "reports what is not verified");
    record.stage = Stage::reported;
    record.reported_unix_s = now_unix_s;
    forget_failures(record);
}

void on_split_done(StageRecord& record, std::int64_t now_unix_s)
{
    YODA_CHECK(record.split && record.stage == Stage::sealed, "no bundle that waits for its outputs");
    record.stage = Stage::verified;
    record.verified_unix_s = now_unix_s;
    on_reported(record, now_unix_s);
}

void on_cleaned(StageRecord& record, std::int64_t now_unix_s)
{
    YODA_CHECK(record.stage == Stage::reported || record.stage == Stage::cleaned,
               "cleans what is not reported");
    record.stage = Stage::cleaned;
    record.cleaned_unix_s = now_unix_s;
    forget_failures(record);
}

void on_lost(StageRecord& record, std::string reason)
{
    YODA_CHECK(record.stage != Stage::reported && record.stage != Stage::cleaned, "loses what is safe");
    record.stage = Stage::lost;
    record.reason = std::move(reason);
    record.next_try_unix_s = 0;
}

void on_failure(StageRecord& record, Error const& error, StagePolicy const& policy, std::int64_t now_unix_s,
                double jitter)
{
    bool const elsewhere = record.target == "es_failover" || record.target == "pw";
    auto& count = elsewhere ? record.failures.failover_count : record.failures.primary_count;
    ++count;
    record.reason = error.text();
    bool const hopeless = error.kind == ErrorKind::refused || error.kind == ErrorKind::usage ||
                          error.kind == ErrorKind::no_space || error.kind == ErrorKind::bad_input;
    auto wait = policy.first_wait_s;
    for (unsigned i = 1; i < count && wait < policy.longest_wait_s; ++i) wait *= 2;
    wait = hopeless ? policy.longest_wait_s : std::min(wait, policy.longest_wait_s);
    record.next_try_unix_s =
        now_unix_s + static_cast<std::int64_t>(static_cast<double>(wait) * (0.5 + 0.5 * jitter));
}

}  // namespace yoda
