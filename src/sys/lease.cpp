#include "sys/lease.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

#include "sys/lease_chain.hpp"
#include "sys/process_tree.hpp"

namespace yoda {

namespace {

constexpr int attempt_limit = 20;

std::string first_line(std::string const& path)
{
    auto text = read_file(path, 4096);
    if (!text) return {};
    return text->substr(0, text->find('\n'));
}

std::string read_link(char const* path)
{
    char target[256];
    ssize_t const n = ::readlink(path, target, sizeof target);
    return n < 0 ? std::string() : std::string(target, static_cast<std::size_t>(n));
}

LeaseHolder describe_place()
{
    LeaseHolder holder;
    char name[256] = {};
    if (::gethostname(name, sizeof name - 1) == 0) holder.host = name;
    holder.boot_id = first_line("/proc/sys/kernel/random/boot_id");
    holder.pid_space = read_link("/proc/self/ns/pid");
    return holder;
}

HolderSight look_for(LeaseHolder const& holder, LeaseHolder const& here)
{
    bool const same_table = !here.boot_id.empty() && holder.host == here.host &&
                            holder.boot_id == here.boot_id && holder.pid_space == here.pid_space;
    if (!same_table || !path_exists("/proc/self/stat")) return HolderSight::elsewhere;
    auto const process = read_process(holder.pid);
    if (process)
        return !process->is_dead() && process->start_ticks == holder.pid_start_ticks ? HolderSight::present
                                                                                     : HolderSight::gone;
    // Another user's processes may be hidden from /proc (hidepid), but not from kill().
    return ::kill(holder.pid, 0) == 0 || errno != ESRCH ? HolderSight::present : HolderSight::gone;
}

Error explain_loss(std::string const& path, std::vector<LeaseLink> const& chain)
{
    Error error{ErrorKind::busy, fmt::format("the lock {} is lost", path), "the file was removed",
                "this run has stopped; nothing is lost, start it again"};
    if (chain.empty()) return error;
    auto const& record = chain.back().record;
    error.why = record
                    ? fmt::format("taken over by {} on host {}, pid {}, which saw no sign of life from here",
                                  record->holder.program, record->holder.host, record->holder.pid)
                    : "something else is in its place";
    return error;
}

}  // namespace

LeaseHolder describe_holder(std::string program, std::string batch_job, Clock const& clock)
{
    LeaseHolder holder = describe_place();
    holder.program = std::move(program);
    holder.batch_job = std::move(batch_job);
    holder.pid = ::getpid();
    if (auto const self = read_process(holder.pid)) holder.pid_start_ticks = self->start_ticks;
    holder.since_unix_s = clock.unix_ns() / 1'000'000'000;
    return holder;
}

HolderSight look_for_holder(LeaseHolder const& holder)
{
    return look_for(holder, describe_place());
}

std::string Lease::folder() const
{
    return lease_folder(path_);
}

// ---- taking ----

LeaseTaker::LeaseTaker(std::string path, LeaseHolder holder, LeasePolicy policy)
    : path_(std::move(path)), holder_(std::move(holder)), policy_(policy)
{}

LeaseVerdict LeaseTaker::judge(std::string const& content, std::optional<LeaseRecord> record, TimePoint now)
{
    if (!has_seen_ || content != seen_content_) {
        has_changed_ = has_seen_;
        has_seen_ = true;
        seen_since_ = now;
        seen_content_ = content;
        seen_record_ = std::move(record);
    }
    LeaseSight sight;
    sight.record = seen_record_;
    sight.has_changed = has_changed_;
    sight.unchanged_for = now - seen_since_;
    if (seen_record_) sight.holder = look_for(seen_record_->holder, holder_);
    return judge_lease(sight, policy_.silence_limit);
}

Result<std::optional<Lease>> LeaseTaker::step(TimePoint now)
{
    for (int attempt = 0; attempt < attempt_limit; ++attempt) {
        auto const chain = walk_lease_chain(path_);
        if (!chain) return chain.error();
        std::string name = path_;
        if (!chain->empty()) {
            LeaseLink const& last = chain->back();
            switch (judge(last.content, last.record, now)) {
                case LeaseVerdict::alive:
                    return explain_busy(path_, seen_record_, policy_.silence_limit);
                case LeaseVerdict::unsure:
                    return std::optional<Lease>();
                case LeaseVerdict::dead:
                    name = next_lease_path(path_, last.token);
                    break;
            }
        }
        auto lease = claim(name);
        if (!lease || *lease) return lease;
    }
    return std::optional<Lease>();
}

/// Takes this place in the chain; nothing if another was faster or the chain leads elsewhere by now.
Result<std::optional<Lease>> LeaseTaker::claim(std::string const& name)
{
    auto token = make_lease_token();
    if (!token) return token.error();
    LeaseRecord record;
    record.token = *std::move(token);
    record.holder = holder_;
    auto draft = LeaseDraft::make(path_, record);
    if (!draft) return draft.error();
    Status const linked = draft->link_as(name);
    // Whatever link() says (NFS repeats requests, and the second one fails): the chain tells.
    auto const chain = walk_lease_chain(path_);
    bool const is_ours = chain && !chain->empty() && chain->back().token == record.token;
    bool const is_first = is_ours && chain->size() == 1;
    if (is_ours && (is_first || ::rename(name.c_str(), path_.c_str()) == 0)) {
        remove_loose_links(path_, record.token);
        return std::optional<Lease>(Lease(path_, record, draft->take_file()));
    }
    int const rename_errno = errno;
    std::string content;
    if (auto const placed = read_file(name, lease_file_bytes); placed && parse_lease(*placed)) {
        if (parse_lease(*placed)->token == record.token) ::unlink(name.c_str());
    }
    if (!linked) return linked.error();
    if (!chain) return chain.error();
    if (is_ours) return os_error("rename", name, rename_errno);
    return std::optional<Lease>();
}

Result<Lease> acquire_lease(std::string const& path, LeaseHolder holder, LeasePolicy policy,
                            Clock const& clock,
                            std::function<void(std::optional<LeaseRecord> const&)> const& waiting)
{
    LeaseTaker taker(path, std::move(holder), policy);
    for (bool has_told = false;;) {
        auto lease = taker.step(clock.now());
        if (!lease) return lease.error();
        if (*lease) return **std::move(lease);
        if (waiting && !has_told) waiting(taker.seen());
        has_told = true;
        std::this_thread::sleep_for(std::chrono::nanoseconds(policy.look_interval.ns));
    }
}

Result<std::optional<LeaseRecord>> read_lease(std::string const& path)
{
    auto const chain = walk_lease_chain(path);
    if (!chain) return chain.error();
    if (chain->empty()) return std::optional<LeaseRecord>();
    auto const& last = chain->back();
    if (!last.record)
        return Error{ErrorKind::bad_input, fmt::format("{} is not a lock file", last.path), {}, {}};
    return last.record->is_released ? std::optional<LeaseRecord>() : last.record;
}

// ---- holding ----

Lease::~Lease()
{
    if (file_) (void)bool(release());
}

Status Lease::write_record()
{
    auto const text = print_lease(record_);
    ssize_t const n = ::pwrite(file_.get(), text.data(), text.size(), 0);
    if (n != static_cast<ssize_t>(text.size())) return os_error("write", path_, n < 0 ? errno : EIO);
    if (::fdatasync(file_.get()) != 0) return os_error("sync", path_, errno);
    return {};
}

Status Lease::beat()
{
    folder_is_gone_ = false;
    auto const chain = walk_lease_chain(path_);
    if (!chain) return chain.error();
    if (chain->empty()) {
        auto const place = folder();
        struct stat info {};
        if (::stat(place.c_str(), &info) != 0) {
            folder_is_gone_ = errno == ENOENT;
            return os_error("find the folder", place, errno);
        }
    }
    if (chain->empty() || chain->back().token != record_.token) return explain_loss(path_, *chain);
    ++record_.beat;
    return write_record();
}

Status Lease::release()
{
    if (!file_) return {};
    auto const chain = walk_lease_chain(path_);
    if (!chain) return chain.error();
    if (chain->empty() || chain->back().token != record_.token) {
        file_.reset();
        return explain_loss(path_, *chain);
    }
    // By following ourselves first we keep everybody else from following us while the file is removed.
    auto token = make_lease_token();
    if (!token) return token.error();
    LeaseRecord last = record_;
    last.token = *std::move(token);
    auto const name = next_lease_path(path_, record_.token);
    auto const draft = LeaseDraft::make(path_, last);
    if (!draft || !draft->link_as(name)) {
        // A full disk: say in place that we are done; the next one takes it from there.
        record_.is_released = true;
        Status const written = write_record();
        file_.reset();
        return written;
    }
    file_.reset();
    auto const after = walk_lease_chain(path_);
    if (!after) return after.error();
    if (after->empty() || after->back().token != last.token) return explain_loss(path_, *after);
    ::unlink(path_.c_str());
    ::unlink(name.c_str());
    return {};
}

}  // namespace yoda
