// SPDX-License-Identifier: Apache-2.0
// yoda_xrootd.so: XRootD's client library behind XrootdClient.
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <XrdCl/XrdClDefaultEnv.hh>
#include <XrdCl/XrdClFile.hh>
#include <XrdCl/XrdClFileSystem.hh>
#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <vector>

#include "harvest/stores/xrootd/xrootd_client.hpp"

namespace yoda {

namespace {

constexpr std::uint16_t query_timeout_s = 60;
/// A query for a checksum makes the server read the whole file.
constexpr std::uint16_t checksum_timeout_s = 1800;
// The library's own copies keep 32 MiB and more on the way: too much for a login node with many of them.
constexpr std::uint32_t chunk_bytes = 1u << 20;
constexpr char const* check_credentials =
    "check the proxy certificate (X509_USER_PROXY), the token (BEARER_TOKEN_FILE) or the shared secret "
    "(XrdSecSSSKT), and what it allows there";
constexpr unsigned chunks_on_the_wire = 6;

Error make_error(std::string what, XrdCl::XRootDStatus const& status)
{
    Error error{ErrorKind::unavailable, std::move(what), status.ToStr(), {}};
    if (!status.IsFatal() && status.code != XrdCl::errErrorResponse) return error;
    switch (status.errNo) {
        case kXR_NotAuthorized:
        case kXR_AuthFailed:
            error.kind = ErrorKind::refused;
            error.fix = check_credentials;
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
    if (status.code == XrdCl::errAuthFailed || status.code == XrdCl::errTlsError) {
        error.kind = ErrorKind::refused;
        error.fix =
            status.code == XrdCl::errAuthFailed ? check_credentials : "check the server's certificate";
    }
    return error;
}

bool is_absent(XrdCl::XRootDStatus const& status)
{
    return !status.IsOK() && status.code == XrdCl::errErrorResponse && status.errNo == kXR_NotFound;
}

/// Chunks on their way to one file: a bounded number, each with its own memory.
class Window {
  public:
    struct Chunk final : XrdCl::ResponseHandler {
        explicit Chunk(Window& owner) : window(owner), memory(chunk_bytes) {}
        void HandleResponse(XrdCl::XRootDStatus* status, XrdCl::AnyObject* answer) override
        {
            window.on_written(*this, *status);
            delete status;
            delete answer;
        }
        Window& window;
        std::vector<char> memory;
        std::uint32_t bytes = 0;
    };

    explicit Window(XrootdClient::Flow const& flow) : flow_(flow)
    {
        for (unsigned i = 0; i < chunks_on_the_wire; ++i) {
            chunks_.push_back(std::make_unique<Chunk>(*this));
            free_.push_back(chunks_.back().get());
        }
    }
    /// Waits for one that is free; nullptr after a failure.
    Chunk* take()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !free_.empty() || !failure_.IsOK(); });
        if (!failure_.IsOK()) return nullptr;
        Chunk* const chunk = free_.back();
        free_.pop_back();
        return chunk;
    }
    void give_back(Chunk& chunk)
    {
        std::scoped_lock const lock(mutex_);
        free_.push_back(&chunk);
        changed_.notify_all();
    }
    /// Until nothing is on the wire any more: the library writes from our memory.
    XrdCl::XRootDStatus drain()
    {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return free_.size() == chunks_.size(); });
        return failure_;
    }

  private:
    void on_written(Chunk& chunk, XrdCl::XRootDStatus const& status)
    {
        std::scoped_lock const lock(mutex_);
        if (status.IsOK() && flow_.moved)
            flow_.moved(chunk.bytes);
        else if (!status.IsOK() && failure_.IsOK())
            failure_ = status;
        free_.push_back(&chunk);
        // Under the lock: who waits may end this window as soon as it sees the last chunk.
        changed_.notify_all();
    }

    XrootdClient::Flow const& flow_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::unique_ptr<Chunk>> chunks_;
    std::vector<Chunk*> free_;
    XrdCl::XRootDStatus failure_;
};

class Client final : public XrootdClient {
  public:
    void set_patience(Patience patience) override
    {
        std::call_once(patience_set_, [&] {
            auto* const environment = XrdCl::DefaultEnv::GetEnv();
            environment->PutInt("ConnectionWindow", std::max(1, patience.connect_s));
            environment->PutInt("StreamTimeout", std::max(1, patience.stall_s));
            environment->PutInt("RequestTimeout", std::max(1, patience.stall_s * 4));
            environment->PutInt("ConnectionRetry", 2);
            environment->PutInt("StreamErrorWindow", 30);
        });
    }

    Status put(std::string const& url, Source const& source, Flow const& flow) override
    {
        using XrdCl::OpenFlags;
        XrdCl::File file;
        auto const flags = OpenFlags::Delete | OpenFlags::MakePath | OpenFlags::POSC | OpenFlags::Write;
        auto const mode = XrdCl::Access::UR | XrdCl::Access::UW | XrdCl::Access::GR | XrdCl::Access::OR;
        auto status = file.Open(url, flags, mode);
        if (!status.IsOK()) return make_error(fmt::format("copy to {} failed", url), status);
        Window window(flow);
        auto const sent = send(file, source, flow, window);
        if (status = window.drain(); status.IsOK() && sent) {
            if (status = file.Close(); status.IsOK()) return {};
        } else {
            abandon(file, url);
        }
        if (!sent) return sent;
        return make_error(fmt::format("copy to {} failed", url), status);
    }

    Status get(std::string const& url, int sink_fd, std::atomic<bool> const* stop) override
    {
        XrdCl::File file;
        auto status = file.Open(url, XrdCl::OpenFlags::Read);
        if (!status.IsOK()) return make_error(fmt::format("copy of {} failed", url), status);
        std::vector<char> memory(4 * chunk_bytes);
        for (std::uint64_t done = 0;;) {
            if (stop && stop->load(std::memory_order_relaxed))
                return Error{ErrorKind::unavailable, "the copy was given up", "we were asked to stop", {}};
            std::uint32_t n = 0;
            status = file.Read(done, static_cast<std::uint32_t>(memory.size()), memory.data(), n);
            if (!status.IsOK()) return make_error(fmt::format("copy of {} failed", url), status);
            if (n == 0) break;
            for (std::uint32_t written = 0; written < n;) {
                ssize_t const w = ::pwrite(sink_fd, memory.data() + written, n - written,
                                           static_cast<off_t>(done + written));
                if (w < 0 && errno == EINTR) continue;
                if (w < 0)
                    return Error{ErrorKind::io, "the copy cannot be written", std::strerror(errno), {}};
                written += static_cast<std::uint32_t>(w);
            }
            done += n;
        }
        [[maybe_unused]] auto const closed = file.Close(query_timeout_s);
        return {};
    }

    Result<std::optional<Found>> look(std::string const& endpoint, std::string const& path) override
    {
        XrdCl::FileSystem files{XrdCl::URL(endpoint)};
        XrdCl::StatInfo* raw_info = nullptr;
        auto const status = files.Stat(path, raw_info, query_timeout_s);
        std::unique_ptr<XrdCl::StatInfo> const info(raw_info);
        if (is_absent(status)) return std::optional<Found>{};
        if (!status.IsOK()) return make_error(fmt::format("stat of {}/{} failed", endpoint, path), status);
        Found found;
        found.bytes = info->GetSize();
        XrdCl::Buffer query;
        query.FromString(path + "?cks.type=adler32");
        XrdCl::Buffer* raw_answer = nullptr;
        auto const asked = files.Query(XrdCl::QueryCode::Checksum, query, raw_answer, checksum_timeout_s);
        std::unique_ptr<XrdCl::Buffer> const answer(raw_answer);
        if (asked.IsOK() && answer) {  // "adler32 0a1b2c3d"; a server without checksums proves nothing
            std::string text(answer->GetBuffer(), answer->GetSize());
            text.resize(std::min(text.find('\0'), text.size()));
            if (text.starts_with("adler32 ")) found.adler32 = text.substr(8);
        }
        return std::optional(std::move(found));
    }

    Status rename(std::string const& endpoint, std::string const& from, std::string const& to) override
    {
        XrdCl::FileSystem files{XrdCl::URL(endpoint)};
        // Some servers refuse to replace; what lies there is not ours or is of an older try.
        [[maybe_unused]] auto const removed = files.Rm(to, query_timeout_s);
        auto const moved = files.Mv(from, to, query_timeout_s);
        if (!moved.IsOK()) return make_error(fmt::format("rename to {}/{} failed", endpoint, to), moved);
        return {};
    }

    Status remove(std::string const& endpoint, std::string const& path) override
    {
        XrdCl::FileSystem files{XrdCl::URL(endpoint)};
        auto const removed = files.Rm(path, query_timeout_s);
        if (removed.IsOK() || is_absent(removed)) return {};
        return make_error(fmt::format("remove {}/{} failed", endpoint, path), removed);
    }

  private:
    static Status send(XrdCl::File& file, Source const& source, Flow const& flow, Window& window)
    {
        for (std::uint64_t done = 0; done < source.bytes;) {
            if (flow.stop && flow.stop->load(std::memory_order_relaxed))
                return Error{ErrorKind::unavailable, "the copy was given up", "we were asked to stop", {}};
            std::uint64_t wanted = std::min<std::uint64_t>(chunk_bytes, source.bytes - done);
            if (flow.allow) wanted = flow.allow(wanted);
            if (wanted == 0) {
                ::poll(nullptr, 0, 10);
                continue;
            }
            auto* const chunk = window.take();
            if (!chunk) return {};  // drain() tells why
            ssize_t const n =
                ::pread(source.fd, chunk->memory.data(), wanted, static_cast<off_t>(source.offset + done));
            if (n <= 0) {
                int const code = errno;
                window.give_back(*chunk);
                if (n < 0 && code == EINTR) continue;
                return Error{ErrorKind::io,
                             "the file to send cannot be read",
                             n == 0 ? "it became shorter" : std::strerror(code),
                             {}};
            }
            chunk->bytes = static_cast<std::uint32_t>(n);
            auto const written = file.Write(done, chunk->bytes, chunk->memory.data(), chunk);
            if (!written.IsOK()) {
                window.give_back(*chunk);
                return make_error("the copy was cut", written);
            }
            done += chunk->bytes;
        }
        return {};
    }

    /// A file that is closed would stay: it is removed too, as far as the server can be reached.
    static void abandon(XrdCl::File& file, std::string const& url)
    {
        [[maybe_unused]] auto const closed = file.Close(query_timeout_s);
        XrdCl::URL const place(url);
        XrdCl::FileSystem files(place);
        [[maybe_unused]] auto const removed = files.Rm(place.GetPath(), query_timeout_s);
    }

    std::once_flag patience_set_;
};

}  // namespace

}  // namespace yoda

extern "C" yoda::XrootdClient* yoda_xrootd_client()
{
    static yoda::Client client;
    return &client;
}
