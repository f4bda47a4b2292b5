// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/push_command.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <filesystem>
#include <thread>

#include "harvest/stage_out/job_store.hpp"
#include "harvest/stage_out/push_bundle.hpp"
#include "harvest/stage_out/push_cleanup.hpp"
#include "harvest/stage_out/push_worker.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr Duration beat_interval = Duration::from_s(10);

struct Task {
    std::string name;
    bool is_new = false;
};

/// What the main thread hands out.
class TaskQueue {
  public:
    explicit TaskQueue(std::deque<Task> tasks) : tasks_(std::move(tasks)) {}
    std::optional<Task> take()
    {
        std::scoped_lock const lock(mutex_);
        if (tasks_.empty()) return std::nullopt;
        Task task = std::move(tasks_.front());
        tasks_.pop_front();
        ++taken_;
        return task;
    }
    /// Nothing more is begun.
    std::size_t drop()
    {
        std::scoped_lock const lock(mutex_);
        std::size_t const left = tasks_.size();
        tasks_.clear();
        return left;
    }
    std::size_t taken() const
    {
        std::scoped_lock const lock(mutex_);
        return taken_;
    }

  private:
    mutable std::mutex mutex_;
    std::deque<Task> tasks_;
    std::size_t taken_ = 0;
};

/// In the order of their names; those known first, since they are older.
std::deque<Task> make_tasks(StageFolder::Names const& names, std::vector<std::string> sealed)
{
    std::deque<Task> tasks;
    std::vector<std::string> open(names.open.begin(), names.open.end());
    std::sort(open.begin(), open.end());
    for (auto& name : open) tasks.push_back({std::move(name), false});
    std::erase_if(sealed, [&](std::string const& name) { return names.knows(name); });
    std::sort(sealed.begin(), sealed.end());
    for (auto& name : sealed) tasks.push_back({std::move(name), true});
    return tasks;
}

class RunPush {
  public:
    RunPush(std::string run_folder, PushShared& shared)
        : run_(std::move(run_folder)), shared_(shared), folder_(run_, *shared.clock)
    {}

    Status plan()
    {
        auto const names = folder_.look();
        if (!names) return names.error();
        auto sealed = list_sealed_bundles(run_, names->done);
        if (!sealed) return sealed.error();
        for (auto const& log : find_new_logs(*names)) {
            shared_.summary.plan.push_back(fmt::format("{}/{}: make and upload", run_, log.name));
            ++shared_.summary.found_count;
        }
        for (auto const& task : make_tasks(*names, *std::move(sealed))) {
            auto const record = task.is_new ? Result<StageRecord>(StageRecord{}) : folder_.read(task.name);
            shared_.summary.plan.push_back(fmt::format("{}/{}: {}", run_, task.name,
                                                       task.is_new ? "upload"
                                                       : record    ? plan_of(*record)
                                                                   : "unreadable"));
            ++shared_.summary.found_count;
        }
        return {};
    }

    Status run()
    {
        // A tick that has nothing to do writes nothing, not even its name.
        auto names = folder_.look();
        if (!names) return names.error();
        auto logs = find_new_logs(*names);
        auto sealed = list_sealed_bundles(run_, names->done);
        if (!sealed) return sealed.error();
        bool const has_later = path_exists(run_ + "/stage/later");
        if (logs.empty() && names->open.empty() && names->held.empty() &&
            !(has_later && !names->later.empty()) && sealed->empty())
            return {};
        if (Status const status = folder_.join(); !status) return status;
        for (auto const& log : logs)
            if (auto const added = folder_.add(log); !added) return added.error();
        if (names = folder_.scan(std::move(names->done)); !names) return names.error();
        // In this order: what was finished meanwhile must not look new.
        bool const split_first = shared_.options->one_object_per_output;
        auto tasks = make_tasks(*names, *std::move(sealed));
        {
            std::scoped_lock const lock(shared_.mutex);
            shared_.summary.found_count += tasks.size();
            shared_.summary.busy_count += names->held.size();
        }
        if (Status const status = work_on(std::move(tasks)); !status) return status;
        // Outputs that the first pass found are sent by a second, and their bundles end in a third.
        for (int pass = 0; split_first && pass < 2 && !shared_.stopping(); ++pass) {
            auto again = folder_.look();
            if (!again) return again.error();
            if (Status const status = work_on(make_tasks(*again, {})); !status) return status;
        }
        return {};
    }

  private:
    /// A run whose logs cannot be found has bundles all the same.
    std::vector<StageRecord> find_new_logs(StageFolder::Names const& names)
    {
        if (!shared_.options->find_logs) return {};
        auto logs = shared_.options->find_logs(run_);
        if (!logs) {
            shared_.log->warning("logs_not_found", logs.error());
            shared_.note_failure(run_, logs.error().text());
            return {};
        }
        std::erase_if(*logs, [&](StageRecord const& log) { return names.knows(log.name); });
        return *std::move(logs);
    }

    std::string plan_of(StageRecord const& record) const
    {
        switch (next_step(record, shared_.options->stage, shared_.unix_s())) {
            case Step::upload:
                return "upload";
            case Step::check:
                return "check";
            case Step::clean:
                return "remove local data";
            case Step::wait:
                return record.stage == Stage::verified
                           ? "wait to be reported"
                           : fmt::format("wait until {}: {}", record.next_try_unix_s, record.reason);
            case Step::nothing:
                break;
        }
        return std::string(print_stage(record.stage));
    }

    Status work_on(std::deque<Task> tasks)
    {
        if (tasks.empty()) return {};
        auto const& options = *shared_.options;
        std::size_t const task_count = tasks.size();
        auto const thread_count = std::min<std::size_t>(std::max(options.parallel, 1u), task_count);
        TaskQueue queue(std::move(tasks));
        std::atomic<std::size_t> running{thread_count};
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < thread_count; ++i)
            threads.emplace_back([&] {
                PushWorker worker(shared_, folder_);
                while (auto const task = queue.take()) {
                    worker.work(task->name, task->is_new);
                    if (!worker.any_store_works()) note_dropped(queue.drop(), "every store keeps failing");
                }
                --running;
            });
        look_after(queue, running, task_count);
        for (auto& thread : threads) thread.join();
        clean_waiting(run_, 1, shared_);
        return {};
    }

    void note_dropped(std::size_t count, std::string_view why)
    {
        if (count == 0) return;
        shared_.log->warning("not_begun", {{"run", run_}, {"file_count", count}, {"reason", why}});
        std::scoped_lock const lock(shared_.mutex);
        shared_.summary.waiting_count += count;
    }

    /// Until the threads are done: shows that we live, cleans, stops what must stop.
    void look_after(TaskQueue& queue, std::atomic<std::size_t> const& running, std::size_t task_count)
    {
        auto const& options = *shared_.options;
        TimePoint const begin = shared_.clock->now();
        TimePoint next_beat = begin + beat_interval;
        while (running.load() > 0) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            TimePoint const now = shared_.clock->now();
            if (now >= next_beat) {
                next_beat = now + beat_interval;
                if (Status const status = folder_.beat(); !status) {
                    shared_.log->error("taken_over", status.error());
                    if (status.error().kind == ErrorKind::busy) shared_.claims_lost = true;
                }
            }
            if (shared_.stopping()) note_dropped(queue.drop(), "asked to stop");
            if (options.start_limit > Duration{} && now - begin > options.start_limit)
                note_dropped(queue.drop(), "no time left in this call");
            clean_waiting(run_, clean_batch, shared_);
            report(queue.taken(), task_count);
        }
        report(task_count, task_count);
    }

    void report(std::size_t taken, std::size_t task_count)
    {
        if (!shared_.options->progress) return;
        PushProgress progress;
        progress.file_count = task_count;
        progress.done_count = taken;
        progress.sent_bytes = shared_.sent_bytes.load();
        {
            std::scoped_lock const lock(shared_.mutex);
            progress.failed_count = shared_.summary.failed_count + shared_.summary.lost_count;
        }
        shared_.options->progress(progress);
    }

    std::string run_;
    PushShared& shared_;
    StageFolder folder_;
};

}  // namespace

Result<std::vector<std::string>> find_runs(std::vector<std::string> const& folders)
{
    namespace fs = std::filesystem;
    std::vector<std::string> runs;
    std::error_code code;
    auto const is_run = [&](fs::path const& path) {
        return fs::is_directory(path / "bundles", code) || fs::is_directory(path / "stage", code);
    };
    for (auto const& folder : folders) {
        if (!fs::is_directory(folder, code))
            return Error{ErrorKind::usage, folder + " cannot be pushed", "there is no such folder",
                         "name a run folder or a spool"};
        if (is_run(folder)) {
            runs.push_back(folder);
            continue;
        }
        std::vector<std::string> inside;
        auto const names = list_folder(folder);
        if (!names) return names.error();
        for (auto const& name : *names) {
            auto const path = (fs::path(folder) / name).string();
            if (is_run(path)) inside.push_back(path);
        }
        std::sort(inside.begin(), inside.end());
        runs.insert(runs.end(), inside.begin(), inside.end());
    }
    return runs;
}

Result<PushSummary> push(PushOptions const& options, Log& log, Clock const& clock)
{
    TimePoint const begin = clock.now();
    auto const runs = find_runs(options.folders);
    if (!runs) return runs.error();
    for (auto const& [activity, config] : options.stores) {
        auto const url = parse_store_url(config.url);
        if (!url) return url.error();
    }
    Breakers breakers(options.transfer.breaker);
    PushShared shared;
    shared.options = &options;
    shared.log = &log;
    shared.clock = &clock;
    shared.context = {&clock, &log, &breakers, options.stop, nullptr, options.transfer};
    if (options.send_limit_bytes_per_s > 0)
        shared.context.send_limit = std::make_shared<RateLimit>(options.send_limit_bytes_per_s);
    for (auto const& run : *runs) {
        ++shared.summary.run_count;
        shared.job_stores.clear();
        if (options.use_job_stores) shared.job_stores = read_job_stores(run, options.stores, log);
        RunPush pushing(run, shared);
        if (Status const status = options.dry_run ? pushing.plan() : pushing.run(); !status) {
            // One broken run must not keep the others from their stores.
            log.error("run_not_pushed", status.error());
            shared.note_failure(run, status.error().text());
        }
        if (shared.stopping()) break;
    }
    shared.summary.sent_bytes = shared.sent_bytes.load();
    shared.summary.took = clock.now() - begin;
    return std::move(shared.summary);
}

}  // namespace yoda
