#include "droid/worker_channel.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace yoda {

namespace {

constexpr Duration judge_delay = Duration::from_ms(100);
constexpr Duration look_interval = Duration::from_ms(500);
constexpr std::size_t max_line_bytes = 1 << 16;
constexpr int control_fd_number = 3;
/// Workers in a row that end before they ask for a range: then it is the payload that cannot work.
constexpr unsigned stillborn_limit = 8;

bool send_with_fd(int socket, std::string_view text, int fd)
{
    iovec part{const_cast<char*>(text.data()), text.size()};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    auto* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
    return ::sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(text.size());
}

}  // namespace

WorkerChannel::WorkerChannel(PayloadSetup setup, Spawner& spawner, Poller& poller, ChannelEvents& events)
    : setup_(std::move(setup)), spawner_(spawner), poller_(poller), events_(events)
{}

WorkerChannel::~WorkerChannel()
{
    close_all();
}

std::vector<std::string> WorkerChannel::log_paths() const
{
    return {setup_.log_prefix + ".out", setup_.log_prefix + ".err"};
}

void WorkerChannel::start(TimePoint now, std::uint32_t worker_count)
{
    now_ = now;
    wanted_workers_ = worker_count;
    up_ = stopping_ = said_end_ = false;
    trouble_.clear();
    trouble_code_ = code::setup_failure;
    next_silence_look_ = now;
    init_silence_.begin(now);
    stillborn_count_ = unmade_count_ = 0;
    kill_at_ = TimePoint::never();
    start_folder_ = fmt::format("{}/start_{}", setup_.work_folder, start_count_++);
    auto const fail = [&](Error const& error) {
        events_.payload_ended(setup_.job, code::setup_failure, error.text());
    };

    if (auto made = make_folders(start_folder_); !made) return fail(made.error());
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return fail(os_error("make", "a control socket", errno));
    control_.reset(ends[0]);
    SpawnRequest request;
    request.extra_fd.reset(ends[1]);
    request.extra_fd_number = control_fd_number;
    request.arguments.push_back(setup_.payload.executable);
    std::string all_inputs;
    for (auto const& input : setup_.definition.inputs())
        all_inputs += (all_inputs.empty() ? "" : ",") + input.pfn;
    std::string const first_input =
        setup_.definition.inputs().empty() ? "" : setup_.definition.inputs()[0].pfn;
    auto const threads = std::to_string(worker_count);
    for (auto const& argument : setup_.payload.arguments) {
        auto filled = fill_placeholders(
            argument,
            {{"input", first_input}, {"inputs", all_inputs}, {"work", start_folder_}, {"threads", threads}});
        if (!filled) return fail(filled.error());
        request.arguments.push_back(*std::move(filled));
    }
    request.environment = setup_.environment;
    request.environment.push_back(fmt::format("YODA_CONTROL_FD={}", control_fd_number));
    request.folder = start_folder_;
    request.stdout_path = setup_.log_prefix + ".out";
    request.stderr_path = setup_.log_prefix + ".err";
    if (setup_.bind) {
        for (auto const& core : setup_.cores)
            request.cores.insert(request.cores.end(), core.begin(), core.end());
    }
    auto const id = spawner_.spawn(std::move(request));
    if (!id) return fail(id.error());
    payload_ = *id;
    poller_.add(control_.get(), [this] { read_control(); });
}

void WorkerChannel::read_control()
{
    char text[4096];
    for (;;) {
        ssize_t const n = ::recv(control_.get(), text, sizeof text, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) {  // The parent is gone, or going; the spawner will tell.
            poller_.remove(control_.get());
            control_.reset();
            return;
        }
        std::string_view const message(text, static_cast<std::size_t>(n));
        if (message == "Ready for workers") {
            up_ = true;
            events_.payload_up(setup_.job);
            add_workers(now_, wanted_workers_);
            wanted_workers_ = 0;
        } else if (message.starts_with("ERR_PAYLOAD_INIT")) {
            trouble_ = message;
        } else {
            events_.note("payload_says_nonsense", setup_.job, message);
        }
    }
}

void WorkerChannel::add_workers(TimePoint now, std::uint32_t count)
{
    now_ = now;
    if (!control_) return;  // The parent is gone: that its workers are free again comes with its end.
    for (std::uint32_t i = 0; i < count; ++i) {
        auto const number = next_worker_++;
        auto const folder = fmt::format("{}/worker_{}", start_folder_, number);
        int ends[2];
        bool good = static_cast<bool>(make_folders(folder)) &&
                    ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0;
        if (good) {
            FileDescriptor ours(ends[0]);
            FileDescriptor const theirs(ends[1]);
            good = send_with_fd(control_.get(), fmt::format("Worker {} {}", number, folder), theirs.get());
            if (good) {
                auto& worker = workers_[number];
                worker.socket = std::move(ours);
                worker.folder = folder;
                worker.heard = now;
                poller_.add(worker.socket.get(), [this, number] { read_worker(number); });
            }
        }
        if (!good) ++unmade_count_;  // Told at the next tick: told now, another would be asked for at once.
    }
}

void WorkerChannel::read_worker(std::uint32_t number)
{
    auto& worker = workers_.at(number);
    char buffer[1 << 14];
    ssize_t const n = ::recv(worker.socket.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return lose_worker(number);
    worker.heard = now_;
    worker.unread.append(buffer, static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (std::size_t end; (end = worker.unread.find('\n', begin)) != std::string::npos; begin = end + 1) {
        on_line(number, std::string_view(worker.unread).substr(begin, end - begin));
        if (!workers_.contains(number)) return;
    }
    worker.unread.erase(0, begin);
    if (worker.unread.size() > max_line_bytes) {
        worker.unread.clear();
        fail_and_kill(worker, "the worker sent a line without end");
    }
}

void WorkerChannel::on_line(std::uint32_t number, std::string_view line)
{
    auto& worker = workers_.at(number);
    if (worker.pid == 0) {
        auto const [end, code] = std::from_chars(line.data(), line.data() + line.size(), worker.pid);
        if (code != std::errc{} || end != line.data() + line.size() || worker.pid <= 1)
            fail_and_kill(worker, "the worker's first line is not its pid");
        return;
    }
    if (worker.killed) return;
    // First, as an error's text may hold any words.
    if (on_error_line(worker, line)) return;
    if (line.find("Ready for events") != std::string_view::npos) {
        if (worker.range)
            return fail_and_kill(worker, "the worker asked for a range before it ended the one it has");
        if (worker.asked) return;
        worker.asked = true;
        worker.has_worked = true;
        stillborn_count_ = 0;
        worker.request = next_request_++;
        requests_[worker.request] = number;
        events_.request(setup_.job, worker.request);
        return;
    }
    on_result(worker, line);
}

bool WorkerChannel::on_error_line(Worker& worker, std::string_view line)
{
    if (!line.starts_with("ERR_")) return false;
    auto const blank = std::min(line.find(' '), line.size());
    auto const colon = line.find(": ", blank);
    auto id =
        colon == std::string_view::npos ? std::string_view{} : line.substr(blank + 1, colon - blank - 1);
    while (id.ends_with(' ')) id.remove_suffix(1);
    // Without an id it speaks of the only range that it has.
    if (id.empty() && !worker.range) {
        events_.note("payload_error", setup_.job, line);
        return true;
    }
    if (!worker.range || (!id.empty() && id != worker.range_id)) {
        fail_and_kill(worker,
                      fmt::format("the worker reported an error of a range that it was not given: {}", line));
        return true;
    }
    bool const fatal = line.substr(0, blank).find("FATAL") != std::string_view::npos;
    HandOut const what = *worker.range;
    worker.range.reset();
    events_.failure(what, fatal ? FailKind::fatal : FailKind::failed,
                    fatal ? code::es_fatal : code::payload_failure, line);
    return true;
}

void WorkerChannel::on_result(Worker& worker, std::string_view line)
{
    ResultLine result;
    if (!parse_result_line(line, result))
        return fail_and_kill(worker,
                             fmt::format("the worker said something unknown: {}", line.substr(0, 200)));
    if (!worker.range || result.range_id != worker.range_id)
        return fail_and_kill(
            worker, fmt::format("the worker reported range {} that it was not given", result.range_id));
    RangeOutput output;
    output.what = *worker.range;
    output.job = setup_.job;
    output.range_id = std::move(result.range_id);
    output.paths = std::move(result.paths);
    output.cpu_ms = result.cpu_ms;
    output.wall_ms = result.wall_ms;
    output.folder = worker.folder;
    worker.range.reset();
    events_.output(std::move(output));
}

/// A worker that breaks the dialogue cannot be trusted with another range.
void WorkerChannel::fail_and_kill(Worker& worker, std::string reason)
{
    worker.killed = true;
    if (worker.range) {
        HandOut const what = *worker.range;
        worker.range.reset();
        events_.failure(what, FailKind::failed, code::payload_failure, reason);
    } else {
        events_.note("worker_killed", setup_.job, reason);
    }
    if (payload_ && worker.pid > 1) spawner_.kill_member(*payload_, worker.pid);
    ::shutdown(worker.socket.get(), SHUT_RDWR);
}

void WorkerChannel::lose_worker(std::uint32_t number)
{
    auto& worker = workers_.at(number);
    if (worker.asked) {
        requests_.erase(worker.request);
        events_.request_gone(setup_.job, worker.request);
    }
    if (worker.range && !worker.killed) deaths_.push_back({now_ + judge_delay, *worker.range});
    if (!worker.has_worked && !stopping_ && ++stillborn_count_ == stillborn_limit)
        fail(now_, code::setup_failure,
             fmt::format("{} workers in a row ended before they asked for a range; see {}.err",
                         stillborn_limit, setup_.log_prefix));
    poller_.remove(worker.socket.get());
    workers_.erase(number);
    // With the parent gone the spawner will report the whole payload; its cores are free only then.
    if (control_) events_.worker_ended(setup_.job);
    finish_if_idle();
}

bool WorkerChannel::say(Worker& worker, std::string_view text)
{
    ssize_t const n = ::send(worker.socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n == static_cast<ssize_t>(text.size());
}

void WorkerChannel::answer(TimePoint now, RequestId request, WorkItem const& item)
{
    now_ = now;
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto const number = found->second;
    auto& worker = workers_.at(number);
    requests_.erase(found);
    worker.asked = false;
    worker.heard = now;
    worker.range = item.what;
    worker.range_id = item.range.id;
    auto text = print_range_text(item.range, item.pfn);
    if (!text) {
        // The worker still waits: it asks again, as it were.
        worker.range.reset();
        worker.asked = true;
        worker.request = next_request_++;
        requests_[worker.request] = number;
        events_.failure(item.what, FailKind::fatal, code::es_fatal, text.error().text());
        events_.request(setup_.job, worker.request);
        return;
    }
    *text += '\n';
    if (!say(worker, *text)) ::shutdown(worker.socket.get(), SHUT_RDWR);  // Its death will be read.
}

void WorkerChannel::end(RequestId request)
{
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto& worker = workers_.at(found->second);
    requests_.erase(found);
    worker.asked = false;
    worker.heard = now_;
    worker.end_by = now_ + setup_.stop_grace;
    say(worker, "No more events\n");
}

void WorkerChannel::kill_range(HandOut what, bool)
{
    for (auto& [number, worker] : workers_) {
        if (worker.range != what) continue;
        worker.range.reset();
        worker.killed = true;
        if (payload_ && worker.pid > 1) spawner_.kill_member(*payload_, worker.pid);
        ::shutdown(worker.socket.get(), SHUT_RDWR);
        return;
    }
}

void WorkerChannel::fail(TimePoint now, std::uint16_t error_code, std::string reason)
{
    now_ = now;
    if (!payload_ || !trouble_.empty()) return;
    trouble_ = std::move(reason);
    trouble_code_ = error_code;
    // No more ranges for workers that are about to die.
    for (auto const& [request, number] : requests_) {
        workers_.at(number).asked = false;
        events_.request_gone(setup_.job, request);
    }
    requests_.clear();
    spawner_.kill_tree(*payload_);
}

void WorkerChannel::stop(TimePoint now, bool at_once)
{
    now_ = now;
    stopping_ = true;
    if (!payload_) return;
    if (at_once) {
        spawner_.kill_tree(*payload_);
        return;
    }
    if (!up_) kill_at_ = now + setup_.stop_grace;  // It may hang in its initialisation.
    finish_if_idle();
}

/// All workers have ended and no more are wanted: the parent may end.
void WorkerChannel::finish_if_idle()
{
    if (!stopping_ || said_end_ || !control_ || !workers_.empty() || !up_) return;
    said_end_ = true;
    constexpr std::string_view text = "No more workers";
    ::send(control_.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    kill_at_ = now_ + setup_.stop_grace;
}

void WorkerChannel::close_all()
{
    for (auto& [number, worker] : workers_) poller_.remove(worker.socket.get());
    workers_.clear();
    requests_.clear();
    if (control_) poller_.remove(control_.get());
    control_.reset();
}

bool WorkerChannel::on_spawn_event(TimePoint now, SpawnEvent const& event)
{
    now_ = now;
    auto const id = std::visit([](auto const& e) { return e.id; }, event);
    if (!payload_ || id != *payload_) return false;
    if (auto const* failed = std::get_if<PayloadStartFailed>(&event)) {
        payload_.reset();
        close_all();
        events_.payload_ended(setup_.job, code::setup_failure, failed->error.text());
    } else if (auto const* exited = std::get_if<PayloadExited>(&event)) {
        payload_.reset();
        deaths_.clear();  // Their ranges end with the payload.
        bool const expected = stopping_ && workers_.empty();
        close_all();
        if (!trouble_.empty())
            events_.payload_ended(setup_.job, trouble_code_, trouble_);
        else if (!up_)
            events_.payload_ended(setup_.job, code::setup_failure,
                                  fmt::format("the payload {} before it was ready; see {}.err",
                                              print_exit(*exited), setup_.log_prefix));
        else if (expected || stopping_)
            events_.payload_ended(setup_.job, 0, print_exit(*exited));
        else
            events_.payload_ended(setup_.job, code::athenamp_died,
                                  fmt::format("the payload {} before the end word; see {}.err",
                                              print_exit(*exited), setup_.log_prefix));
    }
    return true;
}

void WorkerChannel::on_tick(TimePoint now)
{
    now_ = now;
    while (!deaths_.empty() && deaths_.front().judged_at <= now && control_) {
        auto const what = deaths_.front().what;
        deaths_.pop_front();
        events_.failure(what, FailKind::failed, code::payload_failure,
                        "the worker died with this range in hand");
    }
    for (auto left = std::exchange(unmade_count_, 0u); left > 0 && control_; --left)
        events_.worker_ended(setup_.job);
    if (now >= look_at_) {
        look_at_ = now + look_interval;
        lose_ended_workers();
        end_late_workers();
        watch_silence();
    }
    if (now > kill_at_ && payload_) {
        kill_at_ = TimePoint::never();
        events_.note("payload_killed", setup_.job, "it did not end in time after the end word");
        spawner_.kill_tree(*payload_);
    }
}

}  // namespace yoda
