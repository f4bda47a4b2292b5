// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/channel.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "droid/athenamp/kept_logs.hpp"
#include "droid/athenamp/launch.hpp"
#include "droid/athenamp/pool_catalogue.hpp"

namespace yoda::athenamp {

namespace {

/// How long an ended payload's connections are read for what they still hold.
constexpr Duration last_words_limit = Duration::from_s(10);
constexpr Duration account_interval = Duration::from_s(10);
constexpr double longest_margin = 1.5;

}  // namespace

Channel::Channel(PayloadSetup setup, Spawner& spawner, Poller& poller, ChannelEvents& events)
    : setup_(std::move(setup)),
      spawner_(spawner),
      poller_(poller),
      events_(events),
      positions_in_file_(setup_.definition.positions_in_file())
{
    wake_.reset(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    YODA_CHECK(wake_, "there is a descriptor for an eventfd");
    poller_.add(wake_.get(), [this] {
        std::uint64_t count = 0;
        [[maybe_unused]] ssize_t const n = ::read(wake_.get(), &count, sizeof count);
        settle_refused();
        read();
        if (prefetcher_) prefetcher_->read();
    });
}

Channel::~Channel()
{
    close_channel();
    poller_.remove(wake_.get());
    if (stage_) poller_.remove(stage_->event_fd());
}

std::vector<std::string> Channel::log_paths() const
{
    std::vector<std::string> paths{setup_.log_prefix + ".out", setup_.log_prefix + ".err"};
    for (auto const name : running_companions()) {
        for (auto const* const end : {"out", "err"})
            paths.push_back(fmt::format("{}.{}.{}", setup_.log_prefix, name, end));
    }
    return paths;
}

// ---- Start

void Channel::start(TimePoint now, std::uint32_t worker_count)
{
    now_ = next_look_ = next_account_ = now;
    silence_.begin(now);
    account_.clear();
    worker_count_ = worker_count;
    up_ = stopping_ = ended_ = killed_late_ = blame_flights_ = false;
    trouble_code_ = 0;
    trouble_.clear();
    exited_.reset();
    kill_at_ = heard_all_by_ = TimePoint::never();
    if (auto opened = open_stage(); !opened)
        return events_.payload_ended(setup_.job, yoda::code::setup_failure, opened.error().text());
    waits_for_files_ = true;
    start_when_staged();
}

Status Channel::open_router()
{
    auto const number = start_count_++;
    start_folder_ = fmt::format("{}/start_{}", setup_.work_folder, number);
    auto const ids = ChannelId{"EventRanges", setup_.definition.panda_id(), setup_.rank,
                               static_cast<int>(::getpid()), number};
    auto router = Router::bind(make_channel_name(ids));
    if (!router) return router.error();
    router_.emplace(*std::move(router));
    poller_.add(router_->fd(), [this] { read(); });
    return {};
}

Status Channel::try_start()
{
    if (auto made = make_folders(start_folder_); !made) return made;
    LaunchInput input;
    input.job = &setup_.definition;
    input.payload = &setup_.payload;
    input.environment = setup_.environment;
    input.channel = router_->name();
    input.folder = start_folder_;
    input.stage_folder = setup_.stage_folder;
    input.worker_count = worker_count_;
    input.inputs = places_;
    auto launch = plan_launch(std::move(input));
    if (!launch) return launch.error();
    multithreaded_ = launch->multithreaded;
    if (auto written = write_lists(*launch, start_folder_); !written) return written;
    auto const catalogue = start_folder_ + "/PoolFileCatalog.xml";
    if (auto written = replace_file(catalogue, print_pool_catalogue(places_), 0644, false); !written)
        return written;
    catalogue_count_ = 0;

    if (auto started = start_companions(*launch); !started) return started;

    SpawnRequest request;
    request.arguments = std::move(launch->arguments);
    request.environment = std::move(launch->environment);
    request.folder = start_folder_;
    request.stdout_path = setup_.log_prefix + ".out";
    request.stderr_path = setup_.log_prefix + ".err";
    if (setup_.bind) {
        for (auto const& core : setup_.cores)
            request.cores.insert(request.cores.end(), core.begin(), core.end());
    }
    auto const id = spawner_.spawn(std::move(request));
    if (!id) return id.error();
    payload_ = *id;
    return {};
}

// ---- The dialogue

/// Sending takes the change that the poller waits for; while reading all is read anyway.
void Channel::look_again()
{
    if (!reading_ && router_->readable()) wake();
}

void Channel::wake()
{
    std::uint64_t const one = 1;
    [[maybe_unused]] ssize_t const n = ::write(wake_.get(), &one, sizeof one);
}

void Channel::read()
{
    reading_ = true;
    while (router_ && router_->receive(peer_, body_)) {
        silence_.heard(now_);
        hear(peer_, body_);
    }
    reading_ = false;
    finish_if_all_heard();
}

void Channel::hear(std::string const& peer, std::string_view body)
{
    auto message = read_message(body);
    if (std::holds_alternative<Ready>(message))
        hear_request(peer);
    else if (auto* const result = std::get_if<ResultLine>(&message))
        hear_result(std::move(*result));
    else if (auto const* const failure = std::get_if<Failure>(&message))
        hear_failure(*failure);
    else
        events_.note("payload_says_nonsense", setup_.job, std::get<Unknown>(message).text);
}

void Channel::hear_request(std::string const& peer)
{
    if (trouble_code_ != 0) return send_end_word(peer);
    up_ = true;
    auto const request = next_request_++;
    requests_[request] = peer;
    events_.request(setup_.job, request);
}

void Channel::answer(TimePoint now, RequestId request, WorkItem const& item)
{
    now_ = now;
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto const peer = std::move(found->second);
    requests_.erase(found);
    give(peer, item);
}

void Channel::refuse(std::string const& peer, HandOut what, FailKind kind, std::uint16_t error_code,
                     std::string reason, bool asks_again)
{
    refused_.push_back({what, kind, error_code, peer, std::move(reason), asks_again});
    wake();
}

void Channel::give(std::string const& peer, WorkItem item)
{
    if (!fetch_file(peer, item)) return;
    if (prefetcher_) return prefetcher_->ask({peer, std::move(item)});
    if (auto listed = list_place(item); !listed)
        return refuse(peer, item.what, FailKind::failed, yoda::code::no_local_space, listed.error().text(),
                      true);
    hand_over(peer, item);
}

void Channel::hand_over(std::string const& peer, WorkItem const& item)
{
    // Numbers that run over all of the job's files count from the first of them: the
    // payload has them in order.
    bool const own_file = prefetcher_ || positions_in_file_ || setup_.definition.inputs().size() <= 1;
    auto const text = print_for_athena(item.range, own_file ? item.pfn : std::string(), multithreaded_);
    if (!text)
        return refuse(peer, item.what, FailKind::fatal, yoda::code::es_fatal, text.error().text(), true);
    auto const sent = router_->send(peer, *text);
    look_again();
    if (sent == Router::Sent::full) {
        unsent_.push_back({peer, item});
        return;
    }
    if (sent == Router::Sent::peer_gone)
        return refuse(peer, item.what, FailKind::given_back, 0,
                      "the payload's connection was gone before it had its range", false);
    flights_.emplace(item.range.id, Flight{item.what, now_});
}

/// Peers that read again: they still wait for their answers.
void Channel::give_unsent()
{
    for (auto const& peer : std::exchange(unsent_ends_, {})) send_end_word(peer);
    for (auto const& unsent : std::exchange(unsent_, {})) hand_over(unsent.peer, unsent.item);
}

/// What answer() could not pass on: told from the loop, since answer() is called out
/// of the midst of the core.
void Channel::settle_refused()
{
    while (!refused_.empty()) {
        Refused const refused = std::move(refused_.front());
        refused_.pop_front();
        events_.failure(refused.what, refused.kind, refused.error_code, refused.reason);
        if (refused.asks_again && router_) hear_request(refused.peer);
    }
}

void Channel::send_end_word(std::string const& peer)
{
    if (!std::exchange(ended_, true)) account_.look(pid_);  // Its workers begin to go.
    auto const sent = router_->send(peer, end_word);
    look_again();
    if (sent == Router::Sent::full) unsent_ends_.push_back(peer);
    if (sent == Router::Sent::peer_gone)
        events_.note("end_word_not_sent", setup_.job, "the payload's connection is gone");
}

void Channel::end(RequestId request)
{
    auto const found = requests_.find(request);
    if (found == requests_.end()) return;
    auto const peer = std::move(found->second);
    requests_.erase(found);
    if (router_) send_end_word(peer);
}

/// The hand-out that a message speaks of. A range that was revoked and came again is here twice: what comes
/// first is taken for the one that nobody wants.
Channel::Flights::iterator Channel::find_flight(std::string_view id)
{
    auto const [begin, end] = flights_.equal_range(id);
    auto const unwanted = std::find_if(begin, end, [](auto const& entry) { return !entry.second.wanted; });
    if (unwanted != end) return unwanted;
    return begin != end ? begin : flights_.end();
}

void Channel::hear_result(ResultLine&& result)
{
    auto const found = find_flight(result.range_id);
    if (found == flights_.end()) return discard(std::move(result));
    Flight const flight = found->second;
    flights_.erase(found);
    drop_prefetched(result.range_id);
    auto const taken = now_ - flight.begun;
    longest_ = std::max({longest_, result.wall_ms > 0 ? Duration::from_ms(result.wall_ms) : taken});
    RangeOutput output;
    output.what = flight.what;
    output.job = setup_.job;
    output.folder = start_folder_;
    output.names = setup_.outputs.name(result.paths, result.range_id).names;
    output.paths = std::move(result.paths);
    output.cpu_ms = result.cpu_ms;
    output.wall_ms = result.wall_ms > 0
                         ? result.wall_ms
                         : static_cast<std::uint32_t>(std::clamp<std::int64_t>(taken.ms(), 0, UINT32_MAX));
    output.range_id = std::move(result.range_id);
    events_.output(std::move(output));
}

/// Of a range that it was not given, or that has ended: told as nobody's output, which is removed. A path
/// that is not in its folder is not its to remove.
void Channel::discard(ResultLine&& result)
{
    events_.note("result_of_no_range", setup_.job,
                 fmt::format("range {} was not given to it, or has ended", result.range_id));
    RangeOutput output;
    output.what = {none, 0};
    output.job = setup_.job;
    output.folder = start_folder_;
    output.paths = std::move(result.paths);
    std::erase_if(output.paths, [&](auto const& path) { return !path.starts_with(start_folder_ + "/"); });
    output.range_id = std::move(result.range_id);
    if (!output.paths.empty()) events_.output(std::move(output));
}

void Channel::hear_failure(Failure const& failure)
{
    auto const found = find_flight(failure.range_id);
    if (found != flights_.end()) {
        HandOut const what = found->second.what;
        flights_.erase(found);
        drop_prefetched(failure.range_id);
        events_.failure(what, failure.kind, failure.error_code, failure.text);
    } else {
        events_.note("payload_error", setup_.job, failure.text);
    }
    if (failure.ends_payload) stop_for(failure.error_code, failure.text, setup_.stop_grace);
}

// ---- The end

/// The longest range, and then the workers' finalisations one after another.
Duration Channel::finish_limit() const
{
    auto const longest = longest_.ns > 0 ? longest_ * longest_margin : setup_.range_limit;
    return std::min(longest, setup_.range_limit) +
           Duration::from_s(setup_.payload.finalisation_s) * worker_count_ + setup_.stop_grace;
}

void Channel::stop(TimePoint now, bool at_once)
{
    now_ = now;
    stopping_ = true;
    if (waits_for_files_) {
        waits_for_files_ = false;
        return events_.payload_ended(setup_.job, 0, "it was not started");
    }
    if (!payload_) return;
    if (at_once) return kill_payload();
    // Before its first request it has nothing to lose.
    kill_at_ = std::min(kill_at_, now + (up_ ? finish_limit() : setup_.stop_grace));
}

/// It cannot go on: no more ranges, and it is killed if it does not end by itself.
void Channel::fail(TimePoint now, std::uint16_t error_code, std::string reason)
{
    now_ = now;
    // It is being stopped already, and for that its ranges are not to blame: only its time is up.
    if (trouble_code_ != 0) return kill_payload();
    blame_flights_ = true;
    stop_for(error_code, std::move(reason), {});
}

void Channel::stop_for(std::uint16_t error_code, std::string reason, Duration grace)
{
    if (trouble_code_ != 0) return;
    trouble_code_ = error_code;
    trouble_ = std::move(reason);
    while (!requests_.empty()) {
        auto const request = requests_.begin()->first;
        events_.request_gone(setup_.job, request);
        end(request);
    }
    for (auto const& waiting : take_all_waiting()) {
        refuse(waiting.peer, waiting.item.what, FailKind::given_back, 0, trouble_, false);
        if (router_) send_end_word(waiting.peer);
    }
    if (grace.ns == 0)
        kill_payload();
    else
        kill_at_ = std::min(kill_at_, now_ + grace);
}

void Channel::kill_payload()
{
    kill_at_ = TimePoint::never();
    if (payload_) spawner_.kill_tree(*payload_);
}

/// Ranges that the payload was not to blame for: nothing is burnt.
void Channel::give_back_flights(std::string_view reason)
{
    for (auto const& [id, flight] : std::exchange(flights_, {}))
        events_.failure(flight.what, FailKind::given_back, 0, reason);
}

bool Channel::on_spawn_event(TimePoint now, SpawnEvent const& event)
{
    now_ = now;
    auto const id = std::visit([](auto const& e) { return e.id; }, event);
    if (on_companion_event(event)) return true;
    if (!payload_ || id != *payload_) return false;
    if (auto const* started = std::get_if<PayloadStarted>(&event)) {
        pid_ = started->pid;
    } else if (auto const* failed = std::get_if<PayloadStartFailed>(&event)) {
        payload_.reset();
        close_channel();
        events_.payload_ended(setup_.job, yoda::code::setup_failure, failed->error.text());
    } else if (auto const* exited = std::get_if<PayloadExited>(&event)) {
        payload_.reset();
        exited_ = *exited;
        heard_all_by_ = now + last_words_limit;
        read();
    }
    return true;
}

/// What the payload said before it ended may still be on its way through the library.
void Channel::finish_if_all_heard()
{
    if (!exited_ || !router_) return;
    bool const all = router_->all_gone() && !router_->readable();
    if (!all && now_ < heard_all_by_) return;
    end_payload(*std::exchange(exited_, std::nullopt));
}

void Channel::end_payload(PayloadExited const& exited)
{
    settle_refused();
    auto const used = fmt::format("{:.1f} s CPU, {} MB in its largest process",
                                  static_cast<double>(exited.user_us + exited.system_us) * 1e-6,
                                  exited.max_memory_bytes / 1'000'000);
    auto const how = print_exit(exited);
    auto const logs = fmt::format("see {}.err", setup_.log_prefix);
    auto const left = flights_.size();
    events_.inform("payload_used", setup_.job, used);
    auto const kept = fmt::format("{}.start_{}", setup_.log_prefix, start_count_ - 1);
    events_.do_aside([from = start_folder_, kept] { keep_logs(from, kept); });
    auto status = make_folders(kept);
    if (status) status = replace_file(kept + "/processes.json", account_.print(exited), 0644, false);
    if (!status) events_.note("processes_not_kept", setup_.job, status.error().text());
    events_.folder_left(start_folder_);
    auto const tell = [&](std::uint16_t error_code, std::string_view why) {
        // What never reached the payload.
        for (auto const& waiting : take_all_waiting())
            events_.failure(waiting.item.what, FailKind::given_back, 0, why);
        close_channel();
        flights_.clear();
        events_.payload_ended(setup_.job, error_code, why);
    };
    if (trouble_code_ != 0) {
        if (!blame_flights_) give_back_flights(trouble_);
        return tell(trouble_code_, trouble_);
    }
    if (!ended_ && !stopping_) {
        auto const why = up_ ? "before the end word" : "before it asked for a range";
        return tell(up_ ? yoda::code::athenamp_died : yoda::code::setup_failure,
                    fmt::format("the payload {} {}; {}", how, why, logs));
    }
    if (left == 0) return tell(0, how);
    auto const why = fmt::format("the payload {} without a word about {} ranges; {}", how, left, logs);
    // What we killed was not done yet: nothing is burnt, and the next time it is given as
    // long as a range may take. What ended by itself is to blame: at no cost a range that
    // kills its worker would come back for ever.
    if (killed_late_) give_back_flights(why);
    tell(yoda::code::athenamp_died, why);
}

void Channel::close_channel()
{
    end_companions();
    if (router_) poller_.remove(router_->fd());
    router_.reset();
    requests_.clear();
    refused_.clear();
    unsent_ends_.clear();
}

void Channel::on_tick(TimePoint now)
{
    now_ = now;
    if (router_ && (exited_ || router_->readable())) read();
    if (prefetcher_) prefetcher_->read();
    if (router_) give_unsent();
    watch_silence();
    if (now >= next_account_ && payload_ && pid_ > 1) {
        next_account_ = now + account_interval;
        account_.look(pid_);
    }
    if (now > kill_at_ && payload_) {
        auto const why =
            trouble_code_ != 0 ? trouble_ : std::string("it did not end in time after the end word");
        events_.note("payload_killed", setup_.job, why);
        if (trouble_code_ == 0) {
            killed_late_ = true;
            longest_ = setup_.range_limit;
        }
        kill_payload();
    }
}

}  // namespace yoda::athenamp
