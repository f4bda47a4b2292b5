#include "droid/droid_core.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

namespace {

constexpr unsigned bundle_failures_allowed = 3;
/// How long a request that holds back outputs may wait while ranges cannot be started for want of disk.
constexpr Duration request_patience = Duration::from_s(60);

}  // namespace

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

void DroidCore::count_busy(TimePoint now)
{
    auto const elapsed_ns = (now - counted_).ns;
    busy_ns_ += elapsed_ns * std::min(running_count_, policy_.worker_count);
    alive_ns_ += elapsed_ns * policy_.worker_count;
    counted_ = now;
}

// ---- From rank 0

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

void DroidCore::handle(TimePoint now, Grant const& message, DroidEffects& effects)
{
    auto& job = jobs_[files_[message.run.file].job];
    asked_idle_ = 0;
    if (job.policy.null_payload) {
        finish_null_run(message.run, files_[message.run.file].job, effects);
        return;
    }
    job.queue.push_back({message.run, std::string(message.text_id)});
    job.queued_count += message.run.count;
    job.done = false;
    if (job.given_up || draining_ || no_more_) {
        give_back_queue(job, job.queued_count, effects);
        return;
    }
    work(now, effects);
}

void DroidCore::finish_null_run(RangeRun const& run, JobIndex job, DroidEffects& effects)
{
    for (std::uint32_t done = 0; done < run.count;) {
        auto const part = std::min<std::uint32_t>(run.count - done, max_finished_entries);
        entries_.clear();
        for (std::uint32_t i = 0; i < part; ++i)
            entries_.push_back({run.begin + done + i, run.hand_out, 0, 0});
        effects.send(Finished{next_report_++, none, job, entries_});
        done += part;
    }
}

void DroidCore::handle(TimePoint now, Accepted const& message, DroidEffects& effects)
{
    while (!reports_.empty() && reports_.front().sequence <= message.sequence) {
        auto const& report = reports_.front();
        for (auto const& what : report.entries) {
            auto const flight = flights_.find(what.range);
            if (flight == flights_.end() || flight->second.hand_out != what.hand_out) continue;
            effects.discard(flight->second.output);
            flights_.erase(flight);
        }
        auto const number = report.bundle;
        auto const count = static_cast<std::uint32_t>(report.entries.size());
        reports_.pop_front();
        if (auto const bundle = bundles_.find(number); bundle != bundles_.end()) {
            bundle->second.reported -= count;
            seal_if_settled(number, effects);
        }
    }
    check_leaving(now, effects);
}

void DroidCore::handle(TimePoint, Rejected const& message, DroidEffects&)
{
    for (auto const& what : message.entries) {
        auto const flight = flights_.find(what.range);
        if (flight == flights_.end() || flight->second.hand_out != what.hand_out) continue;
        if (auto const bundle = bundles_.find(flight->second.bundle); bundle != bundles_.end())
            bundle->second.rejected.push_back(what);
    }
}

void DroidCore::handle(TimePoint now, Revoke const& message, DroidEffects& effects)
{
    for (auto const& what : message.entries) {
        if (find_flight(what, FlightState::running)) {
            effects.kill_range(flights_.at(what.range).job, what);
            count_busy(now);
            end_flight(flights_.find(what.range));
            continue;
        }
        for (auto& job : jobs_) {
            auto const found = std::find_if(job.queue.begin(), job.queue.end(), [&](QueuedRun const& queued) {
                return queued.run.hand_out == what.hand_out &&
                       what.range - queued.run.begin < queued.run.count;
            });
            if (found == job.queue.end()) continue;
            RangeRun const whole = found->run;
            std::uint32_t const before = what.range - whole.begin;
            auto const after = found->run.count - before - 1;
            --job.queued_count;
            RangeRun rest = whole;
            rest.begin += before + 1;
            rest.first = whole.first_event(before + 1);
            rest.process_id = whole.process(before + 1);
            rest.count = after;
            found->run.count = before;
            auto next = found + 1;
            if (after > 0) next = job.queue.insert(next, {rest, {}});
            if (before == 0) job.queue.erase(next - 1);
            break;
        }
    }
    work(now, effects);
    check_leaving(now, effects);
}

void DroidCore::handle(TimePoint, Recall const& message, DroidEffects& effects)
{
    std::uint64_t left = message.count;
    for (auto& job : jobs_) {
        auto const before = job.queued_count;
        give_back_queue(job, left, effects);
        left -= before - job.queued_count;
    }
    if (left == message.count) effects.send(GivenBack{});  // Says that there was nothing to give.
}

void DroidCore::handle(TimePoint now, AskRunning const&, DroidEffects& effects)
{
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

void DroidCore::handle(TimePoint now, NothingNow const&, DroidEffects& effects)
{
    for (JobIndex i = 0; i < jobs_.size(); ++i) {
        auto& job = jobs_[i];
        // Its unanswered request would hold back the outputs of the whole node; later ranges start it anew.
        if (!job.policy.requests_wait && job.payload == PayloadState::up && !job.requests.empty() &&
            job.queued_count == 0)
            begin_ending(i, effects);
    }
    check_leaving(now, effects);
}

void DroidCore::handle(TimePoint now, NothingEver const&, DroidEffects& effects)
{
    no_more_ = true;
    leave(now, effects);
}

void DroidCore::handle(TimePoint now, SealJob const& message, DroidEffects& effects)
{
    if (message.job >= jobs_.size()) return;
    auto& job = jobs_[message.job];
    job.done = true;
    if (job.payload != PayloadState::off) begin_ending(message.job, effects);
    if (job.running == 0 && job.storing == 0 && job.bundle != none) close_bundle(job.bundle, effects);
    work(now, effects);
}

void DroidCore::handle(TimePoint now, Limits const& message, DroidEffects& effects)
{
    worker_deadline_ =
        message.time_left_ms == none ? TimePoint::never() : now + Duration::from_ms(message.time_left_ms);
    event_time_us_ = message.event_time_us;
    work(now, effects);
}

void DroidCore::handle(TimePoint now, Drain const& message, DroidEffects& effects)
{
    worker_deadline_ = now + Duration::from_ms(message.time_left_ms);
    draining_ = true;
    leave(now, effects);
}

void DroidCore::handle(TimePoint now, Reset const&, DroidEffects& effects)
{
    ++generation_;
    effects.note("reset", 0, flights_.size(), "rank 0 had given this Droid up");
    count_busy(now);
    std::vector<RangeIndex> running;
    visit_running([&](HandOut what, JobIndex, TimePoint) { running.push_back(what.range); });
    for (auto const range : running) drop_flight(range, effects);
    for (auto& job : jobs_) {
        job.queue.clear();
        job.queued_count = 0;
    }
    asked_idle_ = 0;
    effects.send(Hello{host_, pid_, policy_.worker_count});
    ask_if_idle(effects);
}

void DroidCore::handle(TimePoint now, Stop const&, DroidEffects& effects)
{
    worker_deadline_ = now;
    draining_ = true;
    leave(now, effects);
}

// ---- Work

WorkItem DroidCore::make_item(RangeRun const& run, std::string const& text_id) const
{
    auto const& file = files_[run.file];
    WorkItem item;
    item.what = {run.begin, run.hand_out};
    item.job = file.job;
    item.range.id =
        !text_id.empty()
            ? text_id
            : RangeId{file.task_id, file.panda_id, file.file_id, run.process_id, run.attempt}.text();
    item.range.start_event = run.first;
    item.range.last_event = run.last_event(0);
    item.range.lfn = file.lfn;
    item.range.guid = file.guid;
    item.range.scope = file.scope;
    item.pfn = file.pfn;
    return item;
}

/// Whether the job's next range would, started now, probably end before workers must be done.
bool DroidCore::in_time(TimePoint now, Job const& job) const
{
    auto const events = job.queue.front().run.events;
    if (worker_deadline_ == TimePoint::never()) return true;
    auto const needed_ns =
        event_time_us_ == none ? 0 : static_cast<std::int64_t>(event_time_us_) * 1000 * events;
    return (worker_deadline_ - now).ns > needed_ns + job.policy.finalisation.ns;
}

bool DroidCore::may_start(TimePoint now, Job const& job) const
{
    return !job.queue.empty() && !paused_ && in_time(now, job);
}

bool DroidCore::start_next(TimePoint now, JobIndex index, RequestId request, DroidEffects& effects)
{
    auto& job = jobs_[index];
    auto& front = job.queue.front();
    if (!may_start(now, job)) return false;
    WorkItem const item = make_item(front.run, front.text_id);
    auto& run = front.run;
    run.first += run.stride;
    run.process_id += run.process_stride;
    ++run.begin;
    --job.queued_count;
    if (--run.count == 0) job.queue.pop_front();

    count_busy(now);
    if (auto const old = flights_.find(item.what.range); old != flights_.end()) {
        // An older hand-out of the same range is still on its way to the disk: its fate is rank 0's to
        // decide.
        effects.send(GivenBack{{&item.what, 1}});
        return start_or_leave(now, index, request, effects);
    }
    Flight flight;
    flight.hand_out = item.what.hand_out;
    flight.job = index;
    flight.since = now;
    flights_.emplace(item.what.range, std::move(flight));
    ++job.running;
    ++running_count_;
    effects.answer(request, item);
    return true;
}

bool DroidCore::start_or_leave(TimePoint now, JobIndex index, RequestId request, DroidEffects& effects)
{
    return !jobs_[index].queue.empty() && start_next(now, index, request, effects);
}

void DroidCore::serve(TimePoint now, JobIndex index, DroidEffects& effects)
{
    auto& job = jobs_[index];
    while (!job.requests.empty() && !job.queue.empty() && job.payload == PayloadState::up) {
        // Off the list first: an answer that cannot be given makes the channel ask anew, from within.
        RequestId const request = job.requests.front();
        job.requests.pop_front();
        if (!start_next(now, index, request, effects)) {
            job.requests.push_front(request);
            break;
        }
    }
    // What is queued may not be started: waiting for that would hold back the outputs of the whole node.
    bool const too_late = !job.queue.empty() && !in_time(now, job);
    bool const paused_long = paused_ && now - unpaused_ > request_patience;
    if (!job.policy.requests_wait && !job.requests.empty() && job.payload == PayloadState::up &&
        (too_late || paused_long))
        begin_ending(index, effects);
    if (job.payload == PayloadState::ending) end_requests(index, effects);
}

/// Brings queues, workers and payloads together after anything has changed.
void DroidCore::work(TimePoint now, DroidEffects& effects)
{
    for (JobIndex i = 0; i < jobs_.size(); ++i) serve(now, i, effects);
    if (draining_ || no_more_) return;
    for (JobIndex i = 0; i < jobs_.size(); ++i) {
        auto& job = jobs_[i];
        if (job.queued_count == 0 || job.given_up || job.policy.null_payload) continue;
        if (free_workers_ == 0 || (job.policy.fixed_workers && free_workers_ < policy_.worker_count)) {
            // Its turn comes when workers of jobs that have nothing to do are done.
            for (JobIndex other = 0; other < jobs_.size(); ++other) {
                if (other == i || jobs_[other].queued_count > 0 || jobs_[other].payload != PayloadState::up)
                    continue;
                if (job.policy.fixed_workers || jobs_[other].policy.fixed_workers)
                    begin_ending(other, effects);
                else
                    end_requests(other, effects);
            }
            continue;
        }
        if (job.payload == PayloadState::off) {
            if (!job.policy.requests_wait && !may_start(now, job)) continue;
            job.workers = free_workers_;
            free_workers_ = 0;
            job.payload = PayloadState::starting;
            ++job.starts;
            effects.start_payload(i, job.workers);
        } else if (job.payload == PayloadState::up && !job.policy.fixed_workers) {
            auto const more =
                static_cast<std::uint32_t>(std::min<std::uint64_t>(free_workers_, job.queued_count));
            job.workers += more;
            free_workers_ -= more;
            effects.add_workers(i, more);
        }
    }
    ask_if_idle(effects);
}

/// Tells rank 0 how many workers have nothing to do, whenever they have become more.
void DroidCore::ask_if_idle(DroidEffects& effects)
{
    if (draining_ || no_more_) return;
    std::uint64_t idle = free_workers_;
    for (auto const& job : jobs_) {
        if (job.queued_count > 0) return;
        if (job.payload == PayloadState::up) idle += job.requests.size();
    }
    if (idle <= asked_idle_) return;
    asked_idle_ = static_cast<std::uint32_t>(idle);
    effects.send(Request{asked_idle_});
}

void DroidCore::end_requests(JobIndex index, DroidEffects& effects)
{
    auto& requests = jobs_[index].requests;
    while (!requests.empty()) {
        RequestId const request = requests.front();
        requests.pop_front();
        effects.end(index, request);
    }
}

void DroidCore::begin_ending(JobIndex index, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (job.payload == PayloadState::off) return;
    end_requests(index, effects);
    if (job.payload == PayloadState::ending) return;
    job.payload = PayloadState::ending;
    effects.stop_payload(index, false);
}

void DroidCore::give_back_queue(Job& job, std::uint64_t most, DroidEffects& effects)
{
    hand_outs_.clear();
    while (hand_outs_.size() < most && !job.queue.empty()) {
        auto& run = job.queue.back().run;
        hand_outs_.push_back({run.begin + run.count - 1, run.hand_out});
        --job.queued_count;
        if (--run.count == 0) job.queue.pop_back();
    }
    if (!hand_outs_.empty()) effects.send(GivenBack{hand_outs_});
}

// ---- From payloads

void DroidCore::on_payload_up(TimePoint now, JobIndex index, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (job.payload == PayloadState::starting) job.payload = PayloadState::up;
    work(now, effects);
}

void DroidCore::on_request(TimePoint now, JobIndex index, RequestId request, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (job.payload == PayloadState::starting) job.payload = PayloadState::up;
    job.requests.push_back(request);
    work(now, effects);
}

void DroidCore::on_request_gone(JobIndex index, RequestId request)
{
    auto& requests = jobs_[index].requests;
    requests.erase(std::remove(requests.begin(), requests.end(), request), requests.end());
}

DroidCore::Flight* DroidCore::find_flight(HandOut what, FlightState state)
{
    auto const found = flights_.find(what.range);
    bool const it =
        found != flights_.end() && found->second.hand_out == what.hand_out && found->second.state == state;
    return it ? &found->second : nullptr;
}

/// The range runs no more; what happens to it next is the caller's business.
void DroidCore::end_flight(std::unordered_map<RangeIndex, Flight>::iterator flight)
{
    auto& job = jobs_[flight->second.job];
    if (flight->second.state == FlightState::running) {
        --job.running;
        --running_count_;
    } else if (flight->second.state == FlightState::storing) {
        --job.storing;
    }
    flights_.erase(flight);
}

/// Stops a running range; nobody is told.
void DroidCore::drop_flight(RangeIndex range, DroidEffects& effects)
{
    auto const flight = flights_.find(range);
    effects.kill_range(flight->second.job, {range, flight->second.hand_out});
    end_flight(flight);
}

void DroidCore::on_output(TimePoint now, RangeOutput output, DroidEffects& effects)
{
    count_busy(now);
    auto* flight = find_flight(output.what, FlightState::running);
    if (!flight) {  // Revoked, or given up, in the meantime.
        effects.discard(output);
        return;
    }
    JobIndex const index = flight->job;
    auto& job = jobs_[index];
    if (job.policy.has_output && output.paths.empty()) {
        on_failure(now, output.what, FailKind::failed, code::missing_output, "the payload named no output",
                   effects);
        return;
    }
    cpu_ms_ += output.cpu_ms;
    --job.running;
    --running_count_;
    flight->output = std::move(output);
    flight->output.job = index;
    if (!job.policy.has_output) {
        flight->state = FlightState::reported;
        job.starts = 0;
        entries_.assign(1, {flight->output.what.range, flight->output.what.hand_out, flight->output.cpu_ms,
                            flight->output.wall_ms});
        reports_.push_back({next_report_, none, {flight->output.what}});
        effects.send(Finished{next_report_++, none, index, entries_});
        return;
    }
    if (job.bundle == none) {
        job.bundle = next_bundle_++;
        Bundle bundle;
        bundle.job = index;
        bundle.opened = now;
        bundles_.emplace(job.bundle, std::move(bundle));
    }
    flight->state = FlightState::storing;
    flight->bundle = job.bundle;
    ++job.storing;
    ++bundles_.at(job.bundle).pending;
    effects.store(job.bundle, flight->output);
}

void DroidCore::on_failure(TimePoint now, HandOut what, FailKind kind, std::uint16_t error_code,
                           std::string_view reason, DroidEffects& effects)
{
    count_busy(now);
    if (!find_flight(what, FlightState::running)) return;
    end_flight(flights_.find(what.range));
    effects.send(Failed{what, kind, error_code, reason});
    check_leaving(now, effects);
}

void DroidCore::on_worker_ended(TimePoint now, JobIndex index, DroidEffects& effects)
{
    auto& job = jobs_[index];
    if (job.workers > 0) {
        --job.workers;
        ++free_workers_;
    }
    work(now, effects);
    check_leaving(now, effects);
}

void DroidCore::on_payload_ended(TimePoint now, JobIndex index, std::uint16_t error_code,
                                 std::string_view reason, DroidEffects& effects)
{
    count_busy(now);
    auto& job = jobs_[index];
    job.payload = PayloadState::off;
    free_workers_ += job.workers;
    job.workers = 0;
    job.requests.clear();
    std::vector<HandOut> left;
    visit_running([&](HandOut what, JobIndex its, TimePoint) {
        if (its == index) left.push_back(what);
    });
    for (auto const& what : left) {
        end_flight(flights_.find(what.range));
        // Even if it ended well after the end word: it was given them and never spoke of them again. At no
        // cost a range that kills its worker would come back for ever.
        if (!killed_rest_)
            effects.send(Failed{what, FailKind::payload_death,
                                error_code != 0 ? error_code : code::athenamp_died, reason});
    }
    if (!left.empty() && killed_rest_) effects.send(GivenBack{left});
    if (error_code != 0) effects.note("payload_died", index, left.size(), reason);
    if (error_code != 0 && job.starts >= policy_.payload_starts && !job.given_up) {
        job.given_up = true;
        give_back_queue(job, job.queued_count, effects);
        effects.send(Trouble{index, error_code, reason});
    }
    work(now, effects);
    check_leaving(now, effects);
}

// ---- Bundles

void DroidCore::on_stored(TimePoint now, JobIndex index, std::uint32_t sequence,
                          std::vector<Stored> const& stored, DroidEffects& effects)
{
    auto const found = bundles_.find(sequence);
    if (found == bundles_.end()) return;
    auto& bundle = found->second;
    auto& job = jobs_[index];
    entries_.clear();
    Report report{next_report_, sequence, {}};
    auto const flush = [&] {
        if (entries_.empty()) return;
        report.sequence = next_report_++;
        effects.send(Finished{report.sequence, sequence, index, entries_});
        bundle.reported += static_cast<std::uint32_t>(report.entries.size());
        reports_.push_back(report);
        report.entries.clear();
        entries_.clear();
    };
    for (auto const& entry : stored) {
        auto* flight = find_flight(entry.what, FlightState::storing);
        YODA_CHECK(flight, "what the bundle writer stored was being stored");
        flight->state = FlightState::reported;
        --job.storing;
        --bundle.pending;
        bundle.bytes = entry.bundle_bytes;
        entries_.push_back(
            {entry.what.range, entry.what.hand_out, flight->output.cpu_ms, flight->output.wall_ms});
        report.entries.push_back(entry.what);
        if (entries_.size() == max_finished_entries) flush();
    }
    flush();
    job.starts = 0;
    if (bundle.bytes >= policy_.bundle_limit_bytes) close_bundle(sequence, effects);
    if (job.done && job.running == 0 && job.storing == 0 && job.bundle != none)
        close_bundle(job.bundle, effects);
    check_leaving(now, effects);
}

void DroidCore::on_output_bad(TimePoint now, HandOut what, std::uint16_t error_code, std::string_view reason,
                              DroidEffects& effects)
{
    auto* flight = find_flight(what, FlightState::storing);
    if (!flight) return;
    auto const bundle = flight->bundle;
    effects.discard(flight->output);
    end_flight(flights_.find(what.range));
    if (auto const found = bundles_.find(bundle); found != bundles_.end()) --found->second.pending;
    effects.send(Failed{what, FailKind::failed, error_code, reason});
    seal_if_settled(bundle, effects);
    check_leaving(now, effects);
}

/// No new entries from now on; it is sealed when all that it holds is accepted or rejected.
void DroidCore::close_bundle(std::uint32_t sequence, DroidEffects& effects)
{
    auto& bundle = bundles_.at(sequence);
    bundle.closing = true;
    if (jobs_[bundle.job].bundle == sequence) jobs_[bundle.job].bundle = none;
    seal_if_settled(sequence, effects);
}

void DroidCore::seal_if_settled(std::uint32_t sequence, DroidEffects& effects)
{
    auto const found = bundles_.find(sequence);
    if (found == bundles_.end()) return;
    auto& bundle = found->second;
    if (!bundle.closing || bundle.sealing || bundle.pending > 0 || bundle.reported > 0) return;
    bundle.sealing = true;
    effects.seal(bundle.job, sequence, bundle.rejected);
}

void DroidCore::on_sealed(TimePoint now, JobIndex index, std::uint32_t sequence, std::uint64_t bytes,
                          std::uint32_t entry_count, DroidEffects& effects)
{
    bundles_.erase(sequence);
    if (entry_count > 0) effects.send(Sealed{index, sequence, bytes, entry_count});
    check_leaving(now, effects);
}

void DroidCore::on_bundle_failed(TimePoint now, JobIndex index, std::uint32_t sequence,
                                 std::string_view reason, DroidEffects& effects)
{
    auto& job = jobs_[index];
    effects.note("bundle_failed", index, sequence, reason);
    if (job.bundle == sequence) job.bundle = none;
    bundles_.erase(sequence);  // What it has reported stays on disk under its .part name: recovery seals it.
    std::vector<HandOut> lost;
    for (auto const& [range, flight] : flights_) {
        if (flight.state == FlightState::storing && flight.bundle == sequence)
            lost.push_back({range, flight.hand_out});
    }
    for (auto const& what : lost) {
        auto const flight = flights_.find(what.range);
        effects.discard(flight->second.output);
        end_flight(flight);
    }
    if (!lost.empty()) effects.send(GivenBack{lost});
    if (++bundle_failures_ >= bundle_failures_allowed && !job.given_up) {
        job.given_up = true;
        give_back_queue(job, job.queued_count, effects);
        effects.send(Trouble{index, code::no_local_space, reason});
        if (job.payload != PayloadState::off) begin_ending(index, effects);
    }
    check_leaving(now, effects);
}

// ---- Time and the end

void DroidCore::on_tick(TimePoint now, std::uint64_t free_bytes, DroidEffects& effects)
{
    count_busy(now);
    if (!paused_) unpaused_ = now;
    std::vector<HandOut> slow;
    visit_running([&](HandOut what, JobIndex index, TimePoint since) {
        if (now - since > jobs_[index].policy.range_limit) slow.push_back(what);
    });
    for (auto const& what : slow) {
        auto const limit_s = jobs_[flights_.at(what.range).job].policy.range_limit.s();
        drop_flight(what.range, effects);
        effects.send(Failed{what, FailKind::failed, code::looping_job,
                            fmt::format("the range ran longer than its limit of {} s", limit_s)});
    }
    for (auto& job : jobs_) {
        if (job.bundle != none && now - bundles_.at(job.bundle).opened > policy_.bundle_limit_age)
            close_bundle(job.bundle, effects);
    }
    free_bytes_ = free_bytes;
    if (now - last_heartbeat_ >= policy_.heartbeat) send_heartbeat(now, effects);
    if (draining_ && !killed_rest_ && now >= worker_deadline_) {
        killed_rest_ = true;
        std::vector<HandOut> left;
        visit_running([&](HandOut what, JobIndex, TimePoint) { left.push_back(what); });
        for (auto const& what : left) end_flight(flights_.find(what.range));
        if (!left.empty()) effects.send(GivenBack{left});
        for (JobIndex i = 0; i < jobs_.size(); ++i) {
            if (jobs_[i].payload == PayloadState::off) continue;
            jobs_[i].payload = PayloadState::ending;
            effects.stop_payload(i, true);
        }
    }
    work(now, effects);
    check_leaving(now, effects);
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

void DroidCore::leave(TimePoint now, DroidEffects& effects)
{
    for (JobIndex i = 0; i < jobs_.size(); ++i) {
        give_back_queue(jobs_[i], jobs_[i].queued_count, effects);
        begin_ending(i, effects);
    }
    check_leaving(now, effects);
}

void DroidCore::check_leaving(TimePoint now, DroidEffects& effects)
{
    if (gone_ || !(no_more_ || draining_)) return;
    for (auto const& job : jobs_) {
        if (job.payload != PayloadState::off || job.running > 0 || job.storing > 0) return;
    }
    std::vector<std::uint32_t> open;
    for (auto const& [sequence, bundle] : bundles_) {
        if (!bundle.closing) open.push_back(sequence);
    }
    for (auto const sequence : open) close_bundle(sequence, effects);
    if (!bundles_.empty() || !reports_.empty()) return;
    gone_ = true;
    count_busy(now);
    send_heartbeat(now, effects);  // The last figures count too.
    effects.send(Goodbye{});
}

}  // namespace yoda
