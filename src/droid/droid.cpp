// The Droid's loop: messages in, time, limits.
#include "droid/droid.hpp"

#include <unistd.h>

#include <algorithm>

namespace yoda {

namespace {

constexpr Duration tick_interval = Duration::from_ms(50);
/// Longer than this only when the process was stopped or a disk held it up.
constexpr Duration longest_step = Duration::from_s(1);
constexpr Duration log_check_interval = Duration::from_s(1);
/// Of droid.silence, after which a writer that is at one thing makes the Droid silent.
constexpr double stuck_share = 0.5;
constexpr unsigned frames_a_round = 256;
constexpr std::size_t max_document_bytes = 1u << 30;

}  // namespace

Droid::Droid(RunFolder folder, std::string host, Spawner& spawner, Transport& transport, Poller& poller,
             Clock const& clock, Log& log, std::function<void()> before_errand)
    : folder_(std::move(folder)),
      host_(std::move(host)),
      spawner_(spawner),
      transport_(transport),
      poller_(poller),
      clock_(clock),
      log_(log),
      meter_(std::make_shared<FolderMeter>(before_errand)),
      now_(clock.now()),
      heard_(now_),
      last_step_(now_),
      before_errand_(std::move(before_errand)),
      nap_(transport, poller)
{}

Droid::~Droid()
{
    end_all();
}

void Droid::begin()
{
    if (transport_.fd() >= 0) poller_.add(transport_.fd(), [] {});
    poller_.add(spawner_.fd(), [this] { take_spawn_events(); });
    frames_.put(Hello{host_, static_cast<std::uint32_t>(::getpid()), 0});
    send_frames();
    next_tick_ = now_;
}

bool Droid::step()
{
    now_ = clock_.now();
    // Whoever was stopped himself has heard nothing: what rank 0 said meanwhile is still to be read. Only the
    // time of listening counts as silence, so that it ends however often we are held up.
    if (auto const gap = now_ - last_step_; gap > longest_step) heard_ = heard_ + gap;
    last_step_ = now_;
    bool busy = false;
    Rank from = 0;
    for (unsigned i = 0; i < frames_a_round && !over_ && transport_.receive(from, frame_); ++i) {
        busy = true;
        take_frame(from, frame_);
    }
    if (now_ >= next_tick_) tick();
    send_frames();
    if (core_ && core_->gone()) over_ = true;
    if (busy) nap_.had_traffic();
    return busy;
}

void Droid::give_up(std::string why)
{
    if (over_) return;
    log_.error("droid_gives_up", {{"why", why}});
    why_ = std::move(why);
    over_ = true;
}

// ---- Messages

void Droid::take_frame(Rank from, std::string_view frame)
{
    if (from != 0) {
        if (inputs_) inputs_->take_frame(now_, from, frame);
        return;
    }
    heard_ = now_;
    if (auto opened = reader_.open(frame); !opened) {
        log_.warning("bad_frame", {{"rank", from}, {"why", opened.error().text()}});
        return;
    }
    life_ = reader_.header().life;
    while (auto const message = reader_.next()) {
        if (auto const* welcome = std::get_if<Welcome>(&*message)) {
            welcome_ = *welcome;
        } else if (auto const* part = std::get_if<Document>(&*message)) {
            take_document(*part);
        } else if (auto const* place = std::get_if<InputPlace>(&*message)) {
            keep_place(*place);
        } else if (auto const* stop = std::get_if<Stop>(&*message)) {
            be_stopped(*stop);
        } else if (core_) {
            if (auto taken = core_->on_message(now_, *message, *this); !taken)
                log_.warning("bad_message", {{"rank", from}, {"why", taken.error().text()}});
        } else if (std::holds_alternative<Reset>(*message)) {
            give_up("rank 0 had given this Droid up before it began");
        }
    }
    if (!reader_.error())
        log_.warning("bad_message", {{"rank", from}, {"why", reader_.error().error().text()}});
}

/// Nobody hears us any more, and the run may be somebody else's by now: what is on disk stays as it is, and
/// the next life goes on from there. Rank 0 has said why: one voice is enough.
void Droid::be_stopped(Stop const& stop)
{
    everybody_alive_ = stop.everybody_alive;
    why_ = core_ ? "rank 0 has ended" : "rank 0 ended before the run began";
    log_.info("droid_not_needed", {{"why", why_}});
    over_ = true;
}

void Droid::take_document(Document const& part)
{
    auto const kind = static_cast<std::size_t>(part.kind);
    auto& text = documents_[kind];
    if (core_ || part.total_bytes > max_document_bytes || part.offset != text.size()) return;
    text += part.bytes;
    document_done_[kind] = text.size() == part.total_bytes;
    if (document_done_[0] && document_done_[1] && document_done_[2]) set_up();
}

// ---- Time

void Droid::tick()
{
    next_tick_ = now_ + tick_interval;
    if (now_ - heard_ > Duration::from_s(config_.yoda_silence_s)) return give_up("rank 0 is silent");
    if (!core_) return;
    take_spawn_events();
    for (auto& channel : channels_) {
        if (channel) channel->on_tick(now_);
    }
    if (inputs_) inputs_->tick(now_);
    watch();
    bool const stuck = now_ - writer_->busy_since() > Duration::from_s(config_.droid_silence_s * stuck_share);
    core_->set_paused(watch_->disk_is_low() || writer_->full() || stuck);
    core_->set_stuck(stuck);
    if (stuck) heard_ = now_;  // Who keeps silent gets no answers.
    core_->on_tick(now_, watch_->free_bytes(), *this);
    hurry_if_idle();  // The last range may have ended without an output.
}

void Droid::watch()
{
    if (now_ < next_watch_) return;
    auto const interval = Duration::from_s(config_.disk_check_interval_s);
    next_watch_ = now_ + std::min(interval, log_check_interval);
    for (JobIndex job = 0; job < channels_.size(); ++job) {
        if (!channels_[job]) continue;
        for (auto const& breach : watch_->check_logs(job, channels_[job]->log_paths())) {
            log_.warning("limit_broken",
                         {{"job", job}, {"error_code", breach.error_code}, {"why", breach.reason}});
            // Which of its ranges wrote so much nobody knows: it counts as the payload's death.
            channels_[job]->fail(now_, breach.error_code, breach.reason);
        }
    }
    if (now_ < next_full_watch_) return;
    next_full_watch_ = now_ + interval;
    std::vector<BusyWorker> busy;
    for (auto const& channel : channels_) {
        if (channel) channel->list_busy(busy);
    }
    memory_->sample(busy);
    if (memory_->is_worth_writing()) write_memory();
    for (auto const& breach : watch_->check(now_, busy)) {
        log_.warning(
            "limit_broken",
            {{"range", breach.what.range}, {"error_code", breach.error_code}, {"why", breach.reason}});
        channels_[breach.job]->kill_range(breach.what, true);
        core_->on_failure(now_, breach.what, FailKind::failed, breach.error_code, breach.reason, *this);
    }
}

}  // namespace yoda
