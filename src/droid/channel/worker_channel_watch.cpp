// SPDX-License-Identifier: Apache-2.0
// The worker channel: workers and payloads that are dead, late or silent without anybody having said so.
#include <fmt/format.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "droid/channel/worker_channel.hpp"

namespace yoda {

namespace {

constexpr Duration silence_look_interval = Duration::from_s(10);

}  // namespace

/// A child that a worker left behind may hold its socket open: then no end of file tells
/// that the worker is dead.
void WorkerChannel::lose_ended_workers()
{
    std::vector<std::uint32_t> ended;
    for (auto const& [number, worker] : workers_) {
        if (worker.pid > 1 && ::kill(worker.pid, 0) != 0 && errno == ESRCH) ended.push_back(number);
    }
    for (auto const number : ended) {
        read_worker(number);  // Its last words may still be unread.
        if (workers_.contains(number)) lose_worker(number);
    }
}

/// The end waits for all workers: one that hangs in its finalisation must not hold the node.
void WorkerChannel::end_late_workers()
{
    for (auto& [number, worker] : workers_) {
        if (now_ > worker.end_by && !worker.killed)
            fail_and_kill(worker, "the worker did not end in time after the end word");
    }
}

/// Whoever has a range in hand is watched elsewhere (droid/channel/watch.hpp), and who has asked waits for
/// us. What is left: the parent while it initialises, a worker before its first word and between two ranges.
void WorkerChannel::watch_silence()
{
    if (!payload_ || setup_.silence == Duration::max() || now_ < next_silence_look_) return;
    next_silence_look_ = now_ + std::min(silence_look_interval, setup_.silence * 0.25);
    auto const told = [](Duration silence) {
        return fmt::format("neither spoke nor wrote for {:.0f} s", silence.s());
    };
    if (!up_ && !stopping_) {
        std::uint64_t sign = 0;
        for (auto const& log : log_paths()) {
            auto const use = measure_file(log);
            sign = sign * 31 + use.bytes * 31 + static_cast<std::uint64_t>(use.newest_ns);
        }
        if (sign != std::exchange(init_logs_, sign)) init_silence_.heard(now_);
        init_silence_.look(*setup_.meter, start_folder_, now_);
        if (auto const silence = init_silence_.proven(); silence > setup_.silence)
            fail(now_, code::looping_job,
                 fmt::format("the payload {} while it initialised; see {}.err", told(silence),
                             setup_.log_prefix));
    }
    for (auto& [number, worker] : workers_) {
        if (worker.range || worker.asked || worker.killed) continue;
        worker.silence.heard(worker.heard);
        worker.silence.look(*setup_.meter, worker.folder, now_);
        if (auto const silence = worker.silence.proven(); silence > setup_.silence)
            fail_and_kill(worker, fmt::format("a worker without a range {}", told(silence)));
    }
}

void WorkerChannel::list_busy(std::vector<BusyWorker>& busy) const
{
    for (auto const& [number, worker] : workers_) {
        if (worker.range)
            busy.push_back({*worker.range, setup_.job, worker.pid, worker.folder, worker.heard});
    }
}

}  // namespace yoda
