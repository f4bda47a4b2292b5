#include "harvest/stores/xrootd_store.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <XrdCl/XrdClCopyProcess.hh>
#include <XrdCl/XrdClDefaultEnv.hh>
#include <XrdCl/XrdClFileSystem.hh>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <mutex>

#include "core/checksum.hpp"
#include "harvest/stores/file_sums.hpp"
#include "harvest/stores/object_key.hpp"
#include "harvest/stores/part_file.hpp"

namespace yoda {

namespace {

constexpr std::uint16_t query_timeout_s = 60;
/// A query for a checksum makes the server read the whole file.
constexpr std::uint16_t checksum_timeout_s = 1800;

Error make_error(std::string what, XrdCl::XRootDStatus const& status)
{
    Error error{ErrorKind::unavailable, std::move(what), status.ToStr(), {}};
    if (!status.IsFatal() && status.code != XrdCl::errErrorResponse) return error;
    switch (status.errNo) {
        case kXR_NotAuthorized:
        case kXR_AuthFailed:
            error.kind = ErrorKind::refused;
            error.fix = "check the proxy certificate or the token, and what they allow there";
            break;
        case kXR_NoSpace:
        case kXR_overQuota:
            error.kind = ErrorKind::no_space;
            error.fix = "free space or raise the quota there";
            break;
        case kXR_ArgInvalid:
        case kXR_ArgTooLong:
        case kXR_isDirectory:
        case kXR_Unsupported:
            error.kind = ErrorKind::refused;
            break;
        case kXR_ChkSumErr:
            error.why += "; the bytes changed on the way";
            break;
        default:
            break;
    }
    if (status.code == XrdCl::errAuthFailed || status.code == XrdCl::errTlsError)
        error.kind = ErrorKind::refused;
    return error;
}

/// The library's defaults wait for minutes; ours are the other stores'. Once: they are the whole process's.
void set_patience_once(TransferPolicy const& policy)
{
    static std::once_flag once;
    std::call_once(once, [&] {
        auto* const environment = XrdCl::DefaultEnv::GetEnv();
        auto const put = [&](char const* name, Duration value) {
            environment->PutInt(name, std::max(1, static_cast<int>(value.s())));
        };
        put("ConnectionWindow", policy.connect_timeout);
        put("StreamTimeout", policy.stall_window);
        put("RequestTimeout", policy.stall_window * 4);
        environment->PutInt("ConnectionRetry", 2);
        environment->PutInt("StreamErrorWindow", 30);
    });
}

class Progress final : public XrdCl::CopyProgressHandler {
  public:
    Progress(PutHooks const& hooks, std::atomic<bool> const* stop) : hooks_(hooks), stop_(stop) {}
    void JobProgress(std::uint16_t, std::uint64_t done, std::uint64_t) override
    {
        if (hooks_.moved && done > seen_) hooks_.moved(done - seen_);
        seen_ = std::max(seen_, done);
    }
    bool ShouldCancel(std::uint16_t) override { return stop_ && stop_->load(std::memory_order_relaxed); }

  private:
    PutHooks const& hooks_;
    std::atomic<bool> const* stop_;
    std::uint64_t seen_ = 0;
};

Status copy(std::string const& from, std::string const& to, bool checked, PutHooks const& hooks,
            std::atomic<bool> const* stop)
{
    XrdCl::CopyProcess process;
    XrdCl::PropertyList job, result;
    job.Set("source", from);
    job.Set("target", to);
    job.Set("force", true);
    job.Set("posc", true);  // nothing stays of a copy that is cut
    job.Set("makeDir", true);
    if (checked) {
        job.Set("checkSumMode", "end2end");
        job.Set("checkSumType", "adler32");
    }
    process.AddJob(job, &result);
    auto status = process.Prepare();
    Progress progress(hooks, stop);
    if (status.IsOK()) status = process.Run(&progress);
    if (!status.IsOK()) return make_error(fmt::format("copy to {} failed", to), status);
    return {};
}

}  // namespace

XrootdStore::XrootdStore(StoreUrl url, StoreContext context)
    : url_(std::move(url)), context_(std::move(context)), breaker_(context_.breakers->of(url_.endpoint()))
{
    set_patience_once(context_.policy);
}

std::string XrootdStore::path_of(std::string const& key) const
{
    return fmt::format("/{}{}{}", url_.path, url_.path.empty() ? "" : "/", key);
}

std::string XrootdStore::url(std::string const& key) const
{
    return fmt::format("{}/{}", url_.endpoint(), path_of(key));
}

Status XrootdStore::enter()
{
    TimePoint const until = context_.clock->now() + context_.policy.deadline_base;
    for (;;) {
        if (auto const stopped = breaker_->stopped()) return *stopped;
        TimePoint const now = context_.clock->now();
        if (breaker_->try_enter(now)) return {};
        bool const stopping = context_.stop && context_.stop->load(std::memory_order_relaxed);
        if (now >= until || stopping)
            return Error{ErrorKind::unavailable, url_.endpoint() + " was not asked", "it is failing", {}};
        ::poll(nullptr, 0, 50);
    }
}

void XrootdStore::leave(Status const& status)
{
    if (status) return breaker_->on_success();
    switch (status.error().kind) {
        case ErrorKind::unavailable:
            breaker_->on_failure(context_.clock->now());
            break;
        case ErrorKind::refused:
        case ErrorKind::no_space:
            breaker_->stop(status.error());
            break;
        case ErrorKind::usage:
        case ErrorKind::bad_input:
        case ErrorKind::io:
        case ErrorKind::busy:
            breaker_->on_no_verdict();
            break;
    }
}

Result<PutResult> XrootdStore::put(ObjectSpec const& spec, PutHooks const& hooks)
{
    if (Status const status = check_object_key(spec.key); !status) return status.error();
    if (spec.offset != 0)
        return Error{ErrorKind::refused, "no single outputs to root:// stores",
                     "the client copies whole files only",
                     "use the door's https:// URL for outputs that are not bundled"};
    auto sums = sum_file(spec.path, 0, PartPlan::make(spec.bytes, std::max<std::uint64_t>(spec.bytes, 1)), 1);
    if (!sums) return sums.error();
    if (sums->front().adler32 != spec.adler32)
        return Error{ErrorKind::bad_input,
                     spec.path + " is damaged",
                     fmt::format("its adler32 is {}, {} was promised", print_adler32(sums->front().adler32),
                                 print_adler32(spec.adler32)),
                     {}};
    // Beside the name and renamed when it is proven: an overwrite that is cut would lose what was there.
    std::string const part_key = spec.key + "." + spec.token + ".part";
    Status status;
    for (unsigned try_number = 1;; ++try_number) {
        if (status = enter(); !status) return status.error();
        status =
            copy(std::filesystem::absolute(spec.path).string(), url(part_key), true, hooks, context_.stop);
        leave(status);
        bool const stopping = context_.stop && context_.stop->load(std::memory_order_relaxed);
        if (status || status.error().kind != ErrorKind::unavailable || stopping ||
            try_number >= context_.policy.try_limit)
            break;
        ::poll(nullptr, 0, static_cast<int>((context_.policy.first_back_off * try_number).ms()));
    }
    if (!status) return status.error();
    XrdCl::FileSystem files(XrdCl::URL(url_.endpoint()));
    // rename() there refuses to replace on some servers; what lies there is not ours or is of an older try.
    [[maybe_unused]] auto const removed = files.Rm(path_of(spec.key), query_timeout_s);
    auto const moved = files.Mv(path_of(part_key), path_of(spec.key), query_timeout_s);
    if (!moved.IsOK()) {
        auto const presence = check(spec);  // the answer may have been lost
        if (!presence || *presence != Presence::same)
            return make_error("rename to " + url(spec.key) + " failed", moved);
    }
    return PutResult{"adler32:" + print_adler32(spec.adler32), false};
}

Result<std::optional<StoredObject>> XrootdStore::head(std::string const& key)
{
    if (Status const status = check_object_key(key); !status) return status.error();
    if (Status const status = enter(); !status) return status.error();
    XrdCl::FileSystem files(XrdCl::URL(url_.endpoint()));
    XrdCl::StatInfo* raw_info = nullptr;
    auto const found = files.Stat(path_of(key), raw_info, query_timeout_s);
    std::unique_ptr<XrdCl::StatInfo> const info(raw_info);
    bool const absent = !found.IsOK() && found.code == XrdCl::errErrorResponse && found.errNo == kXR_NotFound;
    Status const status =
        found.IsOK() || absent ? Status{} : make_error("stat of " + url(key) + " failed", found);
    leave(status);
    if (!status) return status.error();
    if (absent) return std::optional<StoredObject>{};
    StoredObject object;
    object.bytes = info->GetSize();
    XrdCl::Buffer query;
    query.FromString(path_of(key) + "?cks.type=adler32");
    XrdCl::Buffer* raw_answer = nullptr;
    auto const asked = files.Query(XrdCl::QueryCode::Checksum, query, raw_answer, checksum_timeout_s);
    std::unique_ptr<XrdCl::Buffer> const answer(raw_answer);
    if (asked.IsOK() && answer) {  // "adler32 0a1b2c3d"; a server without checksums proves nothing
        std::string text(answer->GetBuffer(), answer->GetSize());
        text.resize(std::min(text.find('\0'), text.size()));
        if (text.starts_with("adler32 ")) object.adler32 = parse_adler32(text.substr(8));
    }
    return std::optional(object);
}

Result<Presence> XrootdStore::check(ObjectSpec const& spec)
{
    auto found = head(spec.key);
    if (!found) return found.error();
    return compare_with_spec(*found, spec);
}

Status XrootdStore::get(std::string const& key, std::string const& path)
{
    if (Status const status = check_object_key(key); !status) return status;
    if (Status const status = enter(); !status) return status;
    std::filesystem::path const target(path);
    std::string const part = (target.parent_path() / ("." + target.filename().string() + ".part")).string();
    Status const status = copy(url(key), std::filesystem::absolute(part).string(), false, {}, context_.stop);
    leave(status);
    std::error_code code;
    if (status) std::filesystem::rename(part, path, code);
    if (!status || code) std::filesystem::remove(part, code);
    return status;
}

Status XrootdStore::remove(std::string const& key)
{
    if (Status const status = check_object_key(key); !status) return status;
    if (Status const status = enter(); !status) return status;
    XrdCl::FileSystem files(XrdCl::URL(url_.endpoint()));
    auto const removed = files.Rm(path_of(key), query_timeout_s);
    bool const absent = removed.code == XrdCl::errErrorResponse && removed.errNo == kXR_NotFound;
    Status const status =
        removed.IsOK() || absent ? Status{} : make_error("remove " + url(key) + " failed", removed);
    leave(status);
    return status;
}

}  // namespace yoda
