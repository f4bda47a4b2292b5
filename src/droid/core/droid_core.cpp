// SPDX-License-Identifier: Apache-2.0
// The Droid core's inputs from rank 0 and the clock, and what it says of itself.
#include "droid/core/droid_core.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

DroidCore::DroidCore(DroidPolicy policy, std::vector<JobPolicy> jobs, TimePoint now)
    : policy_(policy),
      last_heard_(now),
      last_heartbeat_(now),
      unpaused_(now),
      free_workers_(policy.worker_count),
      counted_(now)
{
    jobs_.resize(jobs.size());
    for (std::size_t i = 0; i < jobs.size(); ++i) jobs_[i].policy = jobs[i];
}

void DroidCore::say_hello(std::string_view host, std::uint32_t pid, DroidEffects& effects)
{
    host_ = host;
    pid_ = pid;
    effects.send(Hello{host_, pid_, policy_.worker_count});
}

std::uint64_t DroidCore::queued_count() const
{
    std::uint64_t count = 0;
    for (auto const& job : jobs_) count += job.queued_count;
    return count;
}

DroidFile const* DroidCore::file(FileIndex file) const
{
    return file < files_.size() ? &files_[file] : nullptr;
}

Status DroidCore::on_message(TimePoint now, Message const& message, DroidEffects& effects)
{
    last_heard_ = now;
    if (auto const* info = std::get_if<FileInfo>(&message); info && info->job >= jobs_.size())
        return Error{ErrorKind::bad_input, "file of an unknown job", fmt::format("job {}", info->job), {}};
    if (auto const* grant = std::get_if<Grant>(&message)) {
        bool const known = grant->run.file < files_.size() && !files_[grant->run.file].lfn.empty();
        if (!known || grant->run.count == 0 || grant->run.events == 0)
            return Error{ErrorKind::bad_input,
                         "grant that makes no sense",
                         fmt::format("{} ranges of file {}", grant->run.count, grant->run.file),
                         {}};
    }
    std::visit(
        [&](auto const& m) {
            if constexpr (requires { this->handle(now, m, effects); }) this->handle(now, m, effects);
        },
        message);
    return {};
}

void DroidCore::handle(TimePoint, FileInfo const& message, DroidEffects&)
{
    if (message.file >= files_.size()) files_.resize(message.file + 1);
    files_[message.file] = {message.job,
                            message.task_id,
                            message.panda_id,
                            message.file_id,
                            std::string(message.lfn),
                            std::string(message.guid),
                            std::string(message.scope),
                            std::string(message.pfn)};
}

void DroidCore::handle(TimePoint now, AskRunning const&, DroidEffects& effects)
{
    if (stuck_) return;
    constexpr std::size_t most = 64;
    std::vector<RunningEntry> running;
    visit_running([&](HandOut what, JobIndex, TimePoint since) {
        running.push_back({what, static_cast<std::uint32_t>(std::max<std::int64_t>(0, (now - since).ms()))});
    });
    std::sort(running.begin(), running.end(), [](RunningEntry const& a, RunningEntry const& b) {
        return a.age_ms != b.age_ms ? a.age_ms > b.age_ms : a.what.range < b.what.range;
    });
    if (running.size() > most) running.resize(most);
    effects.send(Running{running});
}

void DroidCore::handle(TimePoint now, Reset const&, DroidEffects& effects)
{
    ++generation_;
    effects.note("reset", 0, flights_.size(), "rank 0 had given this Droid up");
    count_busy(now);
    std::vector<RangeIndex> running;
    visit_running([&](HandOut what, JobIndex, TimePoint) { running.push_back(what.range); });
    for (auto const range : running) drop_flight(range, false, effects);
    for (auto& job : jobs_) {
        job.queue.clear();
        job.queued_count = 0;
    }
    asked_idle_ = 0;
    hello_due_ = true;
    greet_again(effects);
}

/// Not while the disk does not answer: ranges would come that cannot be finished.
void DroidCore::greet_again(DroidEffects& effects)
{
    if (!hello_due_ || stuck_) return;
    hello_due_ = false;
    effects.send(Hello{host_, pid_, policy_.worker_count});
    ask_if_idle(effects);
}

void DroidCore::on_tick(TimePoint now, std::uint64_t free_bytes, DroidEffects& effects)
{
    count_busy(now);
    if (!paused_) unpaused_ = now;
    if (!stuck_ && now - unpaused_ > policy_.pause_limit) give_up_paused(now, effects);
    fail_slow_ranges(now, effects);
    close_old_bundles(now, effects);
    free_bytes_ = free_bytes;
    // Told when it is over: the log may lie on that disk.
    if (std::exchange(was_stuck_, stuck_) && !stuck_)
        effects.note("disk_was_stuck", 0, flights_.size(), "a bundle could not be written for long");
    greet_again(effects);
    if (now - last_heartbeat_ >= policy_.heartbeat && !stuck_) send_heartbeat(now, effects);
    if (draining_ && !killed_rest_ && now >= worker_deadline_) kill_rest(effects);
    work(now, effects);
    check_leaving(now, effects);
}

void DroidCore::count_busy(TimePoint now)
{
    auto const elapsed_ns = (now - counted_).ns;
    busy_ns_ += elapsed_ns * std::min(running_count_, policy_.worker_count);
    alive_ns_ += elapsed_ns * policy_.worker_count;
    counted_ = now;
}

void DroidCore::send_heartbeat(TimePoint now, DroidEffects& effects)
{
    last_heartbeat_ = now;
    Heartbeat heartbeat;
    heartbeat.queued_count = static_cast<std::uint32_t>(queued_count());
    heartbeat.running_count = running_count_;
    heartbeat.worker_count = policy_.worker_count;
    heartbeat.busy_ms = static_cast<std::uint64_t>(busy_ns_ / 1'000'000);
    heartbeat.alive_ms = static_cast<std::uint64_t>(alive_ns_ / 1'000'000);
    heartbeat.cpu_ms = cpu_ms_;
    heartbeat.free_bytes = free_bytes_;
    effects.send(heartbeat);
}

}  // namespace yoda
