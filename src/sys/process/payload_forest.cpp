// SPDX-License-Identifier: Apache-2.0
#include "sys/process/payload_forest.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <unordered_set>

namespace yoda {

namespace {

constexpr SpawnId nobody = 0;
/// A process that is just running a new program has no environment for a moment.
constexpr int looks_at_unknown = 4;
/// Each pass meets what the one before was too late to stop; more than two are rare.
constexpr int pass_limit = 16;

}  // namespace

void signal_process(ProcessInfo const& process, int signal_number)
{
    FileDescriptor const handle(static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0)));
    auto const now = read_process(process.pid);
    if (!now || now->start_ticks != process.start_ticks) return;
    if (handle)
        ::syscall(SYS_pidfd_send_signal, handle.get(), signal_number, nullptr, 0);
    else
        ::kill(process.pid, signal_number);  // kernels before 5.3
}

PayloadForest::PayloadForest(std::string token) : token_(std::move(token))
{
    if (auto file = open_file("/proc/thread-self/children", O_RDONLY)) children_ = std::move(file).value();
}

void PayloadForest::add(SpawnId id, pid_t leader)
{
    leaders_[id] = leader;
    owners_[leader] = id;
}

void PayloadForest::forget(pid_t pid)
{
    orphans_.erase(pid);
    doomed_.erase(pid);
    auto const owner = owners_.find(pid);
    if (owner == owners_.end()) return;
    auto const leader = leaders_.find(owner->second);
    if (leader != leaders_.end() && leader->second == pid) leader->second = 0;
}

void PayloadForest::remove(SpawnId id)
{
    leaders_.erase(id);
    std::erase_if(owners_, [&](auto const& entry) { return entry.second == id; });
    std::erase_if(doomed_, [&](auto const& entry) { return entry.second.owner == id; });
    for (auto& [pid, orphan] : orphans_) std::erase(orphan.candidates, id);
}

std::vector<pid_t> PayloadForest::read_children() const
{
    std::vector<pid_t> pids;
    if (!children_) {
        auto const all = list_processes();
        if (!all) return pids;
        for (ProcessInfo const& process : *all)
            if (process.parent == ::getpid()) pids.push_back(process.pid);
        return pids;
    }
    std::string text;
    char buffer[4096];
    for (;;) {
        ssize_t const n = ::pread(children_.get(), buffer, sizeof buffer, static_cast<off_t>(text.size()));
        if (n <= 0) break;
        text.append(buffer, static_cast<std::size_t>(n));
    }
    char const* const end = text.data() + text.size();
    for (char const* at = text.data(); at != end;) {
        pid_t pid = 0;
        auto const [after, code] = std::from_chars(at, end, pid);
        if (code != std::errc{}) break;
        pids.push_back(pid);
        at = after;
        while (at != end && *at == ' ') ++at;
    }
    return pids;
}

std::optional<SpawnId> PayloadForest::identify(ProcessInfo const& process) const
{
    auto const known = [this](SpawnId id) { return leaders_.contains(id) ? id : nobody; };
    auto const doomed = doomed_.find(process.pid);
    if (doomed != doomed_.end() && doomed->second.start_ticks == process.start_ticks)
        return known(doomed->second.owner);
    auto const marker = read_process_variable(process.pid, spawn_marker);
    if (marker && marker->starts_with(token_ + ":")) {
        SpawnId id = 0;
        char const* const end = marker->data() + marker->size();
        auto const [after, code] = std::from_chars(marker->data() + token_.size() + 1, end, id);
        if (code == std::errc{} && after == end) return known(id);
    }
    auto const owner = owners_.find(process.session);
    if (owner != owners_.end()) return owner->second;
    return std::nullopt;
}

std::vector<SpawnId> PayloadForest::everybody() const
{
    std::vector<SpawnId> ids;
    for (auto const& [id, leader] : leaders_) ids.push_back(id);
    return ids;
}

void PayloadForest::adopt()
{
    // The newest first: a process that forks and ends all the time is there, and soon no more.
    auto const children = read_children();
    for (auto at = children.rbegin(); at != children.rend(); ++at) {
        pid_t const pid = *at;
        auto const owner = owners_.find(pid);
        if (owner != owners_.end() && leaders_.at(owner->second) == pid) continue;
        auto const [entry, is_new] = orphans_.try_emplace(pid);
        Orphan& orphan = entry->second;
        if (!is_new && (orphan.candidates.size() <= 1 || orphan.looks_left == 0)) continue;
        auto const process = read_process(pid);
        if (!process || process->is_dead()) {
            orphans_.erase(entry);
            continue;
        }
        if (is_new) {
            orphan.candidates = everybody();
            orphan.looks_left = looks_at_unknown;
        } else {
            --orphan.looks_left;
        }
        auto const found = identify(*process);
        if (found && found == hunted_) signal_process(*process, SIGSTOP);
        if (found && *found == nobody) orphan.candidates.clear();
        if (found && *found != nobody) orphan.candidates = {*found};
    }
}

bool PayloadForest::has_strays(SpawnId id) const
{
    return std::any_of(orphans_.begin(), orphans_.end(), [&](auto const& entry) {
        auto const& candidates = entry.second.candidates;
        if (candidates.size() > 1 && entry.second.looks_left == 0) return false;
        return std::find(candidates.begin(), candidates.end(), id) != candidates.end();
    });
}

bool PayloadForest::has_unowned() const
{
    return std::any_of(orphans_.begin(), orphans_.end(),
                       [](auto const& entry) { return entry.second.candidates.empty(); });
}

std::vector<pid_t> PayloadForest::roots_of(SpawnId id) const
{
    std::vector<pid_t> roots;
    auto const leader = leaders_.find(id);
    if (leader != leaders_.end() && leader->second != 0) roots.push_back(leader->second);
    for (auto const& [pid, orphan] : orphans_) {
        bool const sure = orphan.candidates.size() <= 1;
        SpawnId const owner = orphan.candidates.empty() ? nobody : orphan.candidates.front();
        if (sure && owner == id) roots.push_back(pid);
    }
    return roots;
}

std::uint32_t PayloadForest::destroy(SpawnId owner, Roots const& roots)
{
    std::uint32_t met_count = 0;
    std::unordered_set<pid_t> stopped;
    std::vector<ProcessInfo> members;
    hunted_ = owner;
    // Stopped processes do not fork, and keep their parents, by which the next pass finds what forked before.
    for (int pass = 0; pass < pass_limit; ++pass) {
        std::size_t const before = members.size();
        for (pid_t root : roots()) {
            for (ProcessInfo const& process : process_tree(root)) {
                if (process.pid == ::getpid() || process.is_dead() || !stopped.insert(process.pid).second)
                    continue;
                signal_process(process, SIGSTOP);
                Doomed& doomed = doomed_[process.pid];
                if (doomed.start_ticks != process.start_ticks && !owners_.contains(process.pid)) ++met_count;
                doomed = {owner, process.start_ticks};
                members.push_back(process);
            }
        }
        if (members.size() == before) break;
    }
    hunted_.reset();
    for (ProcessInfo const& process : members) signal_process(process, SIGKILL);
    return met_count;
}

std::uint32_t PayloadForest::kill(SpawnId id)
{
    return destroy(id, [this, id] {
        adopt();
        return roots_of(id);
    });
}

void PayloadForest::kill_member(SpawnId id, pid_t member)
{
    adopt();
    for (pid_t root : roots_of(id)) {
        auto const tree = process_tree(root);
        if (std::none_of(tree.begin(), tree.end(),
                         [&](auto const& process) { return process.pid == member; }))
            continue;
        destroy(id, [&] { return std::vector{member}; });
        return;
    }
}

void PayloadForest::kill_unowned()
{
    kill(nobody);
}

void PayloadForest::kill_all()
{
    destroy(nobody, [] { return std::vector{::getpid()}; });
}

std::uint32_t PayloadForest::count(SpawnId id) const
{
    std::uint32_t alive_count = 0;
    for (pid_t root : roots_of(id))
        for (ProcessInfo const& process : process_tree(root))
            if (!process.is_dead()) ++alive_count;
    return alive_count;
}

}  // namespace yoda
