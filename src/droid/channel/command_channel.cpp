// SPDX-License-Identifier: Apache-2.0
#include "droid/channel/command_channel.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

namespace yoda {

namespace {

/// The next process is ordered ahead where the last one took no longer.
constexpr Duration look_ahead_limit = Duration::from_ms(20);
/// How long an order waits for a process that takes longer than its predecessors.
constexpr Duration patience = Duration::from_ms(200);

}  // namespace

CommandChannel::CommandChannel(PayloadSetup setup, Spawner& spawner, ChannelEvents& events)
    : setup_(std::move(setup)), spawner_(spawner), events_(events)
{}

std::vector<std::string> CommandChannel::log_paths() const
{
    return {setup_.log_prefix + ".out", setup_.log_prefix + ".err"};
}

void CommandChannel::start(TimePoint now, std::uint32_t worker_count)
{
    running_ = true;
    stopping_ = false;
    trouble_code_ = 0;
    trouble_.clear();
    events_.payload_up(setup_.job);
    add_workers(now, worker_count);
}

void CommandChannel::add_workers(TimePoint now, std::uint32_t count)
{
    now_ = now;
    for (std::uint32_t i = 0; i < count; ++i) {
        auto const number = next_worker_++;
        auto& worker = workers_[number];
        worker.number = number;
        worker.folder = fmt::format("{}/worker_{}", setup_.work_folder, number);
        if (auto made = make_folders(own_folder(worker)); !made) {
            events_.note("no_worker_folder", setup_.job, made.error().text());
            end_worker(number);
            continue;
        }
        ask(number);
    }
}

/// Where its processes stand. Not where outputs lie: a script may clear its folder, and the output of the
/// process before it may not have been read yet.
std::string CommandChannel::own_folder(Worker const& worker)
{
    return worker.folder + "/work";
}

void CommandChannel::ask(std::uint32_t number)
{
    RequestId const request = next_request_++;
    requests_[request] = number;
    events_.request(setup_.job, request);
}

void CommandChannel::ask_ahead(Worker const& worker)
{
    RequestId const request = next_request_++;
    requests_[request] = worker.number;
    if (!events_.request_ahead(setup_.job, request)) requests_.erase(request);
}

void CommandChannel::answer(TimePoint now, RequestId request, WorkItem const& item)
{
    now_ = now;
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto& worker = workers_.at(found->second);
    requests_.erase(found);
    Process process;
    process.worker = worker.number;
    process.range = item.what;
    process.range_id = item.range.id;
    for (auto const& rule : setup_.payload.outputs)
        process.outputs.push_back(fmt::format("{}/{}.{}", worker.folder, rule.name, item.range.id));
    if (process.outputs.empty())
        process.outputs.push_back(fmt::format("{}/output.{}", worker.folder, item.range.id));
    process.begun = now;

    // What an earlier try left there must not pass for this one's.
    for (auto const& output : process.outputs) ::unlink(output.c_str());
    auto order = make_request(worker, item, process.outputs);
    auto id = order ? spawner_.spawn(*std::move(order)) : order.error();
    if (id) {
        (worker.running == 0 ? worker.running : worker.waiting) = *id;
        processes_.emplace(*id, std::move(process));
        return;
    }
    auto const number = worker.number;
    bool const is_idle = worker.running == 0;
    events_.failure(item.what, FailKind::failed, code::setup_failure, id.error().text());
    if (is_idle) ask(number);
}

Result<SpawnRequest> CommandChannel::make_request(Worker const& worker, WorkItem const& item,
                                                  std::vector<std::string> const& outputs) const
{
    auto const first = std::to_string(item.range.start_event);
    auto const last = std::to_string(item.range.last_event);
    std::vector<Placeholder> values{
        {"id", item.range.id},       {"first", first},        {"last", last},
        {"pfn", item.pfn},           {"lfn", item.range.lfn}, {"guid", item.range.guid},
        {"scope", item.range.scope}, {"work", worker.folder}, {"input", item.pfn}};
    if (outputs.size() == 1) values.push_back({"output", outputs[0]});
    std::vector<std::string> names;
    for (auto const& rule : setup_.payload.outputs) names.push_back("output." + rule.name);
    for (std::size_t i = 0; i < names.size(); ++i) values.push_back({names[i], outputs[i]});
    OutputPlaceholders const lfns(setup_);
    lfns.add_to(values);
    SpawnRequest request;
    request.arguments.push_back(setup_.payload.executable);
    for (auto const& argument : setup_.payload.arguments) {
        auto filled = fill_placeholders(argument, values);
        if (!filled) return filled.error();
        request.arguments.push_back(*std::move(filled));
    }
    request.environment = setup_.environment;
    request.folder = own_folder(worker);
    request.stdout_path = setup_.log_prefix + ".out";
    request.stderr_path = setup_.log_prefix + ".err";
    request.after = worker.running;
    if (setup_.bind && !setup_.cores.empty())
        request.cores = setup_.cores[worker.number % setup_.cores.size()];
    return request;
}

void CommandChannel::end(RequestId request)
{
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto const number = found->second;
    requests_.erase(found);
    end_worker(number);
}

void CommandChannel::end_worker(std::uint32_t number)
{
    workers_.erase(number);
    // In trouble the end of the whole sets them free: told one by one, others would be asked for at once.
    if (trouble_code_ == 0) events_.worker_ended(setup_.job);
    finish_if_idle();
}

void CommandChannel::kill_range(HandOut what, bool)
{
    for (auto& [id, process] : processes_) {
        if (process.range != what) continue;
        process.range.reset();
        spawner_.kill_tree(id);
        return;
    }
}

void CommandChannel::stop(TimePoint now, bool at_once)
{
    now_ = now;
    stopping_ = true;
    if (at_once) {
        for (auto& [id, process] : processes_) {
            process.range.reset();
            spawner_.kill_tree(id);
        }
        std::vector<std::uint32_t> idle;
        for (auto const& [request, number] : requests_) idle.push_back(number);
        requests_.clear();
        for (auto const number : idle) end_worker(number);
    }
    finish_if_idle();
}

void CommandChannel::fail(TimePoint now, std::uint16_t error_code, std::string reason)
{
    if (!running_ || trouble_code_ != 0) return;
    trouble_code_ = error_code;
    trouble_ = std::move(reason);
    for (auto const& [request, number] : requests_) events_.request_gone(setup_.job, request);
    stop(now, true);
}

void CommandChannel::finish_if_idle()
{
    if (!stopping_ || !running_ || !workers_.empty()) return;
    running_ = false;
    events_.payload_ended(setup_.job, trouble_code_, trouble_);
}

bool CommandChannel::on_spawn_event(TimePoint now, SpawnEvent const& event)
{
    now_ = now;
    auto const id = std::visit([](auto const& e) { return e.id; }, event);
    auto const found = processes_.find(id);
    if (found == processes_.end()) return false;
    if (auto const* started = std::get_if<PayloadStarted>(&event)) {
        found->second.pid = started->pid;
        found->second.begun = now;
        auto const& worker = workers_.at(found->second.worker);
        if (worker.last <= look_ahead_limit && worker.waiting == 0 && !stopping_) ask_ahead(worker);
        return true;
    }
    Process const process = std::move(found->second);
    processes_.erase(found);
    if (auto const* failed = std::get_if<PayloadStartFailed>(&event)) {
        on_start_failed(failed->error);
        return true;
    }
    auto const number = process.worker;
    auto& worker = workers_.at(number);
    if (worker.running == id) {
        worker.running = worker.waiting;
        worker.last = now - process.begun;
    }
    worker.waiting = 0;
    on_exit(process, std::get<PayloadExited>(event));
    auto const still = workers_.find(number);
    if (still == workers_.end() || still->second.running != 0) return true;
    if (stopping_)
        end_worker(number);
    else
        ask(number);
    return true;
}

/// A program that cannot be started fails for every range: that is the payload's end, not this range's.
void CommandChannel::on_start_failed(Error const& error)
{
    for (auto const& [id, process] : processes_) spawner_.kill_tree(id);
    processes_.clear();
    workers_.clear();
    requests_.clear();
    running_ = false;
    events_.payload_ended(setup_.job, code::setup_failure, error.text());
}

void CommandChannel::on_exit(Process const& process, PayloadExited const& exited)
{
    if (!process.range) return;
    HandOut const what = *process.range;
    if (exited.signal != 0 || exited.exit_code != 0) {
        events_.failure(what, FailKind::failed, code::payload_failure,
                        fmt::format("the command {}; see {}.err", print_exit(exited), setup_.log_prefix));
        return;
    }
    RangeOutput output;
    output.what = what;
    output.job = setup_.job;
    output.range_id = process.range_id;
    output.folder = workers_.at(process.worker).folder;
    if (setup_.payload.output != OutputKind::nothing) output.paths = process.outputs;
    output.names = setup_.outputs.name(output.paths, output.range_id).names;
    output.cpu_ms = static_cast<std::uint32_t>(
        std::min<std::int64_t>((exited.user_us + exited.system_us + 999) / 1000, UINT32_MAX));
    output.wall_ms =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>((now_ - process.begun).ms() + 1, 0, UINT32_MAX));
    events_.output(std::move(output));
}

void CommandChannel::on_tick(TimePoint now)
{
    now_ = now;
    std::vector<Worker> slow;
    for (auto const& [number, worker] : workers_) {
        if (worker.waiting != 0 && now - processes_.at(worker.running).begun > patience)
            slow.push_back(worker);
    }
    for (auto const& worker : slow) take_back_waiting(worker);
}

/// The slot was not freed as soon as was expected; the range goes to another one.
void CommandChannel::take_back_waiting(Worker const& worker)
{
    auto& process = processes_.at(worker.waiting);
    if (!process.range) return;
    HandOut const what = *process.range;
    process.range.reset();
    spawner_.kill_tree(worker.waiting);
    events_.failure(what, FailKind::given_back, 0, "it waited for a place that did not come free");
}

void CommandChannel::list_busy(std::vector<BusyWorker>& busy) const
{
    for (auto const& [number, worker] : workers_) {
        if (worker.running == 0) continue;
        auto const& process = processes_.at(worker.running);
        if (process.range)
            busy.push_back({*process.range, setup_.job, process.pid, worker.folder, process.begun});
    }
}

}  // namespace yoda
