#include "node.hpp"

#include "ledger.hpp"

namespace yoda::sim {

namespace {

constexpr unsigned frames_a_round = 256;

DroidPolicy make_policy(Plan const& plan)
{
    DroidPolicy policy;
    policy.worker_count = plan.worker_count;
    policy.bundle_limit_bytes = plan.bundle_bytes;
    policy.bundle_limit_age = plan.bundle_age;
    policy.heartbeat = plan.heartbeat;
    policy.silence = plan.silence;
    policy.payload_starts = plan.payload_starts;
    return policy;
}

std::vector<JobPolicy> make_job_policies(Plan const& plan)
{
    std::vector<JobPolicy> policies;
    for (auto const& payload : plan.payloads) {
        JobPolicy policy;
        policy.null_payload = payload.null_payload;
        policy.has_output = payload.has_output;
        policy.requests_wait = payload.requests_wait;
        policy.fixed_workers = payload.fixed_workers;
        policy.range_limit = payload.range_limit;
        policies.push_back(policy);
    }
    return policies;
}

}  // namespace

Node::Node(Sim& sim, Ledger& ledger, ProcessId self, Life life, Rank rank, Link& to_yoda, Link& from_yoda,
           ProcessId yoda)
    : sim_(sim),
      ledger_(ledger),
      self_(self),
      life_(life),
      rank_(rank),
      to_yoda_(to_yoda),
      from_yoda_(from_yoda),
      yoda_(yoda),
      host_(fmt::format("node{}", rank)),
      bundles_(sim, ledger, self, life, rank, *this),
      heard_(sim.now)
{
    for (JobIndex job = 0; job < sim.plan.job_count; ++job)
        payloads_.push_back(std::make_unique<Payload>(sim, ledger, self, life, job));
}

void Node::begin()
{
    heard_ = sim_.now;
    core_ = std::make_unique<DroidCore>(make_policy(sim_.plan), make_job_policies(sim_.plan), sim_.now);
    frames_.set_header({life_, core_->generation()});
    core_->say_hello(host_, self_, *this);
    wake();
    sim_.at(sim_.now + sim_.plan.tick * sim_.machine.unit(), self_, EventKind::tick);
}

void Node::on_event(Event const& event)
{
    if (over_) return;
    if (is_frozen()) {
        // What has arrived in the meantime is read before the clock is looked at.
        auto const late = event.kind == EventKind::tick ? Duration::from_ms(1) : Duration{};
        sim_.at(frozen_until_ + late, self_, event.kind, event.data, event.detail);
        return;
    }
    if (event.kind == EventKind::round) return round();
    if (event.kind == EventKind::tick) return core_ ? tick() : begin();
    if (event.kind == EventKind::frame) ++arrived_;
    if (event.kind == EventKind::writer) bundles_.step();
    if (event.kind == EventKind::payload) payload(event.detail).on_event(event.data, *core_, *this);
    if (core_) wake();  // Before its first words it does not listen.
}

void Node::die()
{
    over_ = true;
    sim_.tell("droid {}.{} is gone", life_, rank_);
}

void Node::wake()
{
    if (round_coming_) return;
    round_coming_ = true;
    sim_.at(sim_.now + sim_.loop_time(), self_, EventKind::round);
}

void Node::round()
{
    round_coming_ = false;
    for (unsigned i = 0; i < frames_a_round && arrived_ > 0; ++i) {
        --arrived_;
        if (!from_yoda_.take(frame_)) continue;
        heard_ = sim_.now;
        auto const opened = reader_.open(frame_);
        if (!opened) throw Violation{"codec", opened.error().text()};
        while (auto const message = reader_.next()) {
            // As src/droid/droid.cpp: rank 0's last word to a Droid that is not done.
            if (std::holds_alternative<Stop>(*message)) return die();
            if (auto const taken = core_->on_message(sim_.now, *message, *this); !taken)
                throw Violation{"codec", taken.error().text()};
        }
        if (!reader_.error()) throw Violation{"codec", reader_.error().error().text()};
    }
    send_frames();
    if (arrived_ > 0) wake();
    if (!core_->gone()) return;
    over_ = true;
    sim_.tell("droid {}.{} has said goodbye", life_, rank_);
    if (bundles_.busy()) throw Violation{"goodbye", fmt::format("Droid {} left while it wrote", rank_)};
}

void Node::tick()
{
    sim_.at(sim_.now + sim_.plan.tick, self_, EventKind::tick);
    if (arrived_ > 0) round();
    if (over_) return;
    if (sim_.now - heard_ > sim_.plan.silence) return die();
    // As src/droid/droid.cpp looks at its disk.
    bool const stuck = sim_.now - bundles_.busy_since() > sim_.plan.silence * 0.5;
    core_->set_paused(bundles_.full() || stuck);
    core_->set_stuck(stuck);
    if (stuck) heard_ = sim_.now;
    core_->on_tick(sim_.now, 1ull << 40, *this);
    hurry_if_idle();
    check_queues();
    wake();
}

void Node::send_frames()
{
    for (std::size_t i = 0; i < frames_.count(); ++i)
        to_yoda_.send(sim_, yoda_, 2ull * self_, frames_.frame(i));
    frames_.clear();
}

void Node::check_queues() const
{
    std::uint32_t busy = 0;
    for (auto const& each : payloads_) busy += each->busy_count();
    if (busy > sim_.plan.worker_count)
        throw Violation{"queues", fmt::format("Droid {} has {} busy workers", rank_, busy)};
}

// ---- Effects

void Node::send(Message const& message)
{
    frames_.set_header({life_, core_ ? core_->generation() : 0});
    frames_.put(message);
}

void Node::start_payload(JobIndex job, std::uint32_t worker_count)
{
    sim_.tell("droid {}.{} starts payload {} with {} workers", life_, rank_, job, worker_count);
    payload(job).start(worker_count);
}

void Node::add_workers(JobIndex job, std::uint32_t count)
{
    sim_.tell("droid {}.{} adds {} workers to payload {}", life_, rank_, count, job);
    payload(job).add_workers(count);
}

void Node::answer(RequestId request, WorkItem const& item)
{
    sim_.tell("droid {}.{} runs {}:{}", life_, rank_, item.what.range, item.what.hand_out);
    payload(item.job).answer(request, item);
}

void Node::end(JobIndex job, RequestId request)
{
    sim_.tell("droid {}.{} says the end word to payload {}", life_, rank_, job);
    payload(job).end(request);
}

void Node::kill_range(JobIndex job, HandOut what, bool)
{
    sim_.tell("droid {}.{} stops {}:{}", life_, rank_, what.range, what.hand_out);
    payload(job).kill_range(what);
}

void Node::stop_payload(JobIndex job, bool at_once)
{
    sim_.tell("droid {}.{} stops payload {}{}", life_, rank_, job, at_once ? " at once" : "");
    payload(job).stop(at_once);
}

void Node::store(std::uint32_t sequence, RangeOutput const& output)
{
    bundles_.store(sequence, output, sim_.plan.payloads[output.job].output_bytes,
                   payload(output.job).is_bad_output(output.what));
    hurry_if_idle();
}

void Node::hurry_if_idle()
{
    if (core_->running_count() == 0 && core_->queued_count() == 0) bundles_.hurry();
}

void Node::discard(RangeOutput const&) {}

void Node::seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected)
{
    bundles_.seal(job, sequence, rejected);
}

void Node::note(std::string_view event, JobIndex job, std::uint64_t count, std::string_view why)
{
    sim_.tell("droid {}.{} {} job {} count {} {}", life_, rank_, event, job, count, why);
}

// ---- Bundles

void Node::stored(JobIndex job, std::uint32_t sequence, std::vector<DroidCore::Stored> const& entries)
{
    core_->on_stored(sim_.now, job, sequence, entries, *this);
}

void Node::output_bad(HandOut what)
{
    core_->on_output_bad(sim_.now, what, code::zero_file_size, "the output is empty", *this);
}

void Node::sealed(JobIndex job, std::uint32_t sequence, std::uint64_t bytes, std::uint32_t entry_count)
{
    core_->on_sealed(sim_.now, job, sequence, bytes, entry_count, *this);
}

void Node::bundle_failed(JobIndex job, std::uint32_t sequence, std::string const& why)
{
    core_->on_bundle_failed(sim_.now, job, sequence, why, *this);
}

}  // namespace yoda::sim
