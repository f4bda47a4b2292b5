// SPDX-License-Identifier: Apache-2.0
#include "harvest/stores/xrootd/xrootd_store.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>

#include "core/base/checksum.hpp"
#include "harvest/stores/base/file_sums.hpp"
#include "harvest/stores/base/object_key.hpp"
#include "harvest/stores/base/part_file.hpp"
#include "sys/base/files.hpp"

namespace yoda {

XrootdStore::XrootdStore(StoreUrl url, XrootdClient& client, StoreContext context)
    : url_(std::move(url)),
      client_(client),
      context_(std::move(context)),
      breaker_(context_.breakers->of(url_.endpoint()))
{
    client_.set_patience({static_cast<int>(context_.policy.connect_timeout.s()),
                          static_cast<int>(context_.policy.stall_window.s())});
}

std::string XrootdStore::path_of(std::string const& key) const
{
    return fmt::format("/{}{}{}", url_.path, url_.path.empty() ? "" : "/", key);
}

std::string XrootdStore::url(std::string const& key) const
{
    return fmt::format("{}/{}", url_.endpoint(), path_of(key));
}

bool XrootdStore::stopping() const
{
    return context_.stop && context_.stop->load(std::memory_order_relaxed);
}

Status XrootdStore::enter()
{
    TimePoint const until = context_.clock->now() + context_.policy.deadline_base;
    for (;;) {
        if (auto const stopped = breaker_->stopped()) return *stopped;
        TimePoint const now = context_.clock->now();
        if (breaker_->try_enter(now)) return {};
        if (now >= until || stopping())
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
    if (Status const status = check_path_key(spec.key); !status) return status.error();
    auto fd = open_file(spec.path, O_RDONLY);
    if (!fd) return fd.error();
    auto const sums = sum_part(fd->get(), spec.offset, spec.bytes, false);
    if (!sums) return sums.error();
    if (sums->adler32 != spec.adler32)
        return Error{ErrorKind::bad_input,
                     spec.path + " is damaged",
                     fmt::format("its adler32 is {}, {} was promised", print_adler32(sums->adler32),
                                 print_adler32(spec.adler32)),
                     {}};
    XrootdClient::Flow flow;
    if (context_.send_limit)
        flow.allow = [this](std::uint64_t wanted) {
            return context_.send_limit->take(context_.clock->now(), wanted);
        };
    flow.moved = hooks.moved;
    flow.stop = context_.stop;
    // Beside the name and renamed when it is proven: an overwrite that is cut would lose what was there.
    ObjectSpec part = spec;
    part.key = part_key(spec.key, spec.token);
    Status status;
    for (unsigned try_number = 1;; ++try_number) {
        if (status = enter(); !status) return status.error();
        status = client_.put(url(part.key), {fd->get(), spec.offset, spec.bytes}, flow);
        leave(status);
        if (status) {
            auto const presence = check(part);
            if (!presence) return presence.error();
            if (*presence == Presence::same || *presence == Presence::unproven) break;
            status = Error{ErrorKind::unavailable,
                           url(part.key) + " arrived changed",
                           "its size or checksum is not ours",
                           {}};
        }
        if (status.error().kind != ErrorKind::unavailable || stopping() ||
            try_number >= context_.policy.try_limit)
            return status.error();
        ::poll(nullptr, 0, static_cast<int>((context_.policy.first_back_off * try_number).ms()));
    }
    if (status = client_.rename(url_.endpoint(), path_of(part.key), path_of(spec.key)); !status) {
        auto const presence = check(spec);  // the answer may have been lost
        if (!presence || *presence != Presence::same) return status.error();
    }
    return PutResult{"adler32:" + print_adler32(spec.adler32), false};
}

Result<std::optional<StoredObject>> XrootdStore::head(std::string const& key)
{
    if (Status const status = check_path_key(key); !status) return status.error();
    if (Status const status = enter(); !status) return status.error();
    auto const found = client_.look(url_.endpoint(), path_of(key));
    leave(found ? Status{} : Status(found.error()));
    if (!found) return found.error();
    if (!*found) return std::optional<StoredObject>{};
    StoredObject object;
    object.bytes = (*found)->bytes;
    if ((*found)->adler32) object.adler32 = parse_adler32(*(*found)->adler32);
    return std::optional(object);
}

Result<Presence> XrootdStore::check(ObjectSpec const& spec)
{
    auto found = head(spec.key);
    if (!found) return found.error();
    return compare_with_spec(*found, spec);
}

void XrootdStore::remove_leftovers(ObjectSpec const& spec)
{
    if (auto const removed = remove(part_key(spec.key, spec.token)); !removed)
        context_.log->warning("leftover_stays", removed.error());
}

Status XrootdStore::get(std::string const& key, std::string const& path)
{
    if (Status const status = check_path_key(key); !status) return status;
    auto part = PartFile::create(path);
    if (!part) return part.error();
    if (Status const status = enter(); !status) return status;
    Status const status = client_.get(url(key), part->fd(), context_.stop);
    leave(status);
    return status ? part->keep() : status;
}

Status XrootdStore::remove(std::string const& key)
{
    if (Status const status = check_path_key(key); !status) return status;
    if (Status const status = enter(); !status) return status;
    Status const status = client_.remove(url_.endpoint(), path_of(key));
    leave(status);
    return status;
}

}  // namespace yoda
