#include "droid/command_channel.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda {

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
        if (auto made = make_folders(worker.folder); !made) {
            events_.note("no_worker_folder", setup_.job, made.error().text());
            end_worker(number);
            continue;
        }
        ask(number);
    }
}

void CommandChannel::ask(std::uint32_t number)
{
    RequestId const request = next_request_++;
    requests_[request] = number;
    events_.request(setup_.job, request);
}

void CommandChannel::answer(TimePoint now, RequestId request, WorkItem const& item)
{
    now_ = now;
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto& worker = workers_.at(found->second);
    requests_.erase(found);
    worker.range = item.what;
    worker.range_id = item.range.id;
    worker.begun = now;
    worker.output = fmt::format("{}/output.{}", worker.folder, item.range.id);

    auto const first = std::to_string(item.range.start_event);
    auto const last = std::to_string(item.range.last_event);
    std::vector<Placeholder> const values{
        {"id", item.range.id},       {"first", first},          {"last", last},
        {"pfn", item.pfn},           {"lfn", item.range.lfn},   {"guid", item.range.guid},
        {"scope", item.range.scope}, {"output", worker.output}, {"work", worker.folder},
        {"input", item.pfn}};
    SpawnRequest process;
    process.arguments.push_back(setup_.payload.executable);
    std::optional<Error> trouble;
    for (auto const& argument : setup_.payload.arguments) {
        auto filled = fill_placeholders(argument, values);
        if (!filled) {
            trouble = filled.error();
            break;
        }
        process.arguments.push_back(*std::move(filled));
    }
    process.environment = setup_.environment;
    process.folder = worker.folder;
    process.stdout_path = setup_.log_prefix + ".out";
    process.stderr_path = setup_.log_prefix + ".err";
    if (setup_.bind && !setup_.cores.empty())
        process.cores = setup_.cores[worker.number % setup_.cores.size()];
    if (!trouble) {
        auto id = spawner_.spawn(std::move(process));
        if (id) {
            processes_[*id] = worker.number;
            return;
        }
        trouble = id.error();
    }
    worker.range.reset();
    auto const number = worker.number;
    events_.failure(item.what, FailKind::failed, code::setup_failure, trouble->text());
    ask(number);
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
    for (auto& [number, worker] : workers_) {
        if (worker.range != what) continue;
        worker.range.reset();  // Its exit is of no interest; the worker asks again after it.
        for (auto const& [id, its] : processes_) {
            if (its == number) spawner_.kill_tree(id);
        }
        return;
    }
}

void CommandChannel::stop(TimePoint now, bool at_once)
{
    now_ = now;
    stopping_ = true;
    if (at_once) {
        for (auto& [number, worker] : workers_) worker.range.reset();
        for (auto const& [id, number] : processes_) spawner_.kill_tree(id);
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
    auto const number = found->second;
    auto& worker = workers_.at(number);
    if (auto const* started = std::get_if<PayloadStarted>(&event)) {
        worker.pid = started->pid;
        return true;
    }
    processes_.erase(found);
    worker.pid = 0;
    if (auto const* failed = std::get_if<PayloadStartFailed>(&event)) {
        // A program that cannot be started fails for every range: that is the payload's end, not this
        // range's.
        worker.range.reset();
        for (auto const& [other, its] : processes_) spawner_.kill_tree(other);
        processes_.clear();
        workers_.clear();
        requests_.clear();
        running_ = false;
        events_.payload_ended(setup_.job, code::setup_failure, failed->error.text());
        return true;
    }
    on_exit(worker, std::get<PayloadExited>(event));
    if (!workers_.contains(number)) return true;
    if (stopping_)
        end_worker(number);
    else
        ask(number);
    return true;
}

void CommandChannel::on_exit(Worker& worker, PayloadExited const& exited)
{
    if (!worker.range) return;
    HandOut const what = *worker.range;
    worker.range.reset();
    if (exited.signal != 0 || exited.exit_code != 0) {
        events_.failure(what, FailKind::failed, code::payload_failure,
                        fmt::format("the command {}; see {}.err", print_exit(exited), setup_.log_prefix));
        return;
    }
    RangeOutput output;
    output.what = what;
    output.job = setup_.job;
    output.range_id = worker.range_id;
    output.folder = worker.folder;
    if (setup_.payload.output != OutputKind::nothing) output.paths.push_back(worker.output);
    output.cpu_ms = static_cast<std::uint32_t>(
        std::min<std::int64_t>((exited.user_us + exited.system_us + 999) / 1000, UINT32_MAX));
    output.wall_ms =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>((now_ - worker.begun).ms() + 1, 0, UINT32_MAX));
    events_.output(std::move(output));
}

void CommandChannel::on_tick(TimePoint now)
{
    now_ = now;
}

void CommandChannel::list_busy(std::vector<BusyWorker>& busy) const
{
    for (auto const& [number, worker] : workers_) {
        if (worker.range)
            busy.push_back({*worker.range, setup_.job, worker.pid, worker.folder, worker.begun});
    }
}

}  // namespace yoda
