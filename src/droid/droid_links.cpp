// SPDX-License-Identifier: Apache-2.0
// The Droid as the link between its core and the rest: what the core asks for is done, and what channels, the
// spawner and the bundle writer say is passed on to it.
#include "droid/athenamp/factory.hpp"
#include "droid/channel/command_channel.hpp"
#include "droid/channel/worker_channel.hpp"
#include "droid/droid.hpp"

namespace yoda {

namespace {

/// Full frames leave while the Droid makes more: rank 0 has something to do meanwhile.
constexpr std::size_t frames_at_once = 2;

}  // namespace

// ---- Effects of the core

void Droid::send(Message const& message)
{
    frames_.set_header({life_, core_ ? core_->generation() : 0});
    frames_.put(message);
    if (frames_.count() > frames_at_once) send_frames();
}

void Droid::send_frames()
{
    for (std::size_t i = 0; i < frames_.count(); ++i) transport_.send(0, frames_.frame(i));
    frames_.clear();
}

std::unique_ptr<PayloadChannel> Droid::make_channel(PayloadSetup setup)
{
    ChannelEvents& events = *this;
    if (setup.payload.channel == ChannelKind::command)
        return std::make_unique<CommandChannel>(std::move(setup), spawner_, events);
    if (setup.payload.channel == ChannelKind::athenamp)
        return athenamp::make_channel(std::move(setup), spawner_, poller_, events);
    return std::make_unique<WorkerChannel>(std::move(setup), spawner_, poller_, events);
}

void Droid::start_payload(JobIndex job, std::uint32_t worker_count)
{
    if (!channels_[job]) channels_[job] = make_channel(setups_[job]);
    log_.info("payload_starts",
              {{"job", job}, {"workers", worker_count}, {"executable", payload_.executable}});
    channels_[job]->start(now_, worker_count);
}

void Droid::add_workers(JobIndex job, std::uint32_t count)
{
    channels_[job]->add_workers(now_, count);
}

void Droid::answer(RequestId request, WorkItem const& item)
{
    channels_[item.job]->answer(now_, request, inputs_ ? with_own_copy(item) : item);
}

void Droid::end(JobIndex job, RequestId request)
{
    channels_[job]->end(request);
}

void Droid::kill_range(JobIndex job, HandOut what, bool must_stop)
{
    channels_[job]->kill_range(what, must_stop);
}

void Droid::stop_payload(JobIndex job, bool at_once)
{
    channels_[job]->stop(now_, at_once);
}

void Droid::store(std::uint32_t sequence, RangeOutput const& output)
{
    writer_->store(sequence, output);
    hurry_if_idle();
}

/// Nothing is coming that could share a sync with what is stored, and the run may be waiting for that.
void Droid::hurry_if_idle()
{
    if (core_->running_count() == 0 && core_->queued_count() == 0) writer_->hurry();
}

void Droid::discard(RangeOutput const& output)
{
    writer_->discard(output);
}

void Droid::seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected)
{
    writer_->seal(job, sequence, rejected);
}

void Droid::note(std::string_view event, JobIndex job, std::uint64_t count, std::string_view why)
{
    log_.info(event, {{"job", job}, {"count", count}, {"why", why}});
}

// ---- Payloads

void Droid::payload_up(JobIndex job)
{
    core_->on_payload_up(now_, job, *this);
}
void Droid::request(JobIndex job, RequestId request)
{
    core_->on_request(now_, job, request, *this);
}
bool Droid::request_ahead(JobIndex job, RequestId request)
{
    return core_->on_request_ahead(now_, job, request, *this);
}
void Droid::request_gone(JobIndex job, RequestId request)
{
    core_->on_request_gone(job, request);
}
void Droid::output(RangeOutput output)
{
    core_->on_output(now_, std::move(output), *this);
}
void Droid::failure(HandOut what, FailKind kind, std::uint16_t error_code, std::string_view reason)
{
    core_->on_failure(now_, what, kind, error_code, reason, *this);
}
void Droid::worker_ended(JobIndex job)
{
    core_->on_worker_ended(now_, job, *this);
}
void Droid::payload_ended(JobIndex job, std::uint16_t error_code, std::string_view reason)
{
    log_.info("payload_ended", {{"job", job}, {"error_code", error_code}, {"why", reason}});
    core_->on_payload_ended(now_, job, error_code, reason, *this);
}
void Droid::do_aside(std::function<void()> errand)
{
    writer_->do_aside(std::move(errand));
}
void Droid::folder_left(std::string const& folder)
{
    writer_->discard_folder(folder);
}
void Droid::note(std::string_view event, JobIndex job, std::string_view why)
{
    log_.warning(event, {{"job", job}, {"why", why}});
}
void Droid::inform(std::string_view event, JobIndex job, std::string_view what)
{
    log_.info(event, {{"job", job}, {"what", what}});
}

void Droid::take_spawn_events()
{
    now_ = clock_.now();
    if (auto polled = spawner_.poll(); !polled) return give_up(polled.error().text());
    while (auto const event = spawner_.take_event()) {
        for (auto& channel : channels_) {
            if (channel && channel->on_spawn_event(now_, *event)) break;
        }
    }
}

// ---- Bundles

void Droid::take_news()
{
    now_ = clock_.now();
    for (auto& news : writer_->take()) {
        if (auto* stored = std::get_if<BundleWriter::Stored>(&news))
            core_->on_stored(now_, stored->job, stored->sequence, stored->entries, *this);
        else if (auto* bad = std::get_if<BundleWriter::OutputBad>(&news))
            core_->on_output_bad(now_, bad->what, bad->error_code, bad->reason, *this);
        else if (auto* sealed = std::get_if<BundleWriter::Sealed>(&news))
            core_->on_sealed(now_, sealed->job, sealed->sequence, sealed->bytes, sealed->entry_count, *this);
        else if (auto* failed = std::get_if<BundleWriter::BundleFailed>(&news))
            core_->on_bundle_failed(now_, failed->job, failed->sequence, failed->reason, *this);
        else if (auto* left = std::get_if<BundleWriter::DiscardFailed>(&news))
            log_.warning("not_removed", {{"files", left->file_count}, {"why", left->reason}});
    }
}

}  // namespace yoda
