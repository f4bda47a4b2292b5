// SPDX-License-Identifier: Apache-2.0
#include "plan.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda::sim {

namespace {

constexpr std::size_t time_count = 1024;

std::string print_time(Duration time)
{
    return time >= Duration::max() ? "-" : fmt::format("{:.3f}s", time.s());
}

void draw_times(PayloadPlan& payload, Random& random, Duration typical)
{
    double const sigma = random.chance(0.2) ? 0 : random.between(0.1, 1.2);
    bool const heavy = random.chance(0.15);
    for (std::size_t i = 0; i < time_count; ++i) {
        double factor = std::exp(sigma * random.normal());
        if (heavy) factor = 0.5 * std::pow(1 - random.unit(), -1 / 1.5);  // Pareto, infinite variance.
        payload.times.push_back(std::max(Duration::from_ms(1), typical * std::min(factor, 60.0)));
    }
}

PayloadPlan draw_payload(Random& random, Scale scale, Duration typical)
{
    PayloadPlan payload;
    draw_times(payload, random, typical);
    payload.null_payload = random.chance(scale == Scale::big ? 1 : scale == Scale::large ? 0.5 : 0.05);
    payload.has_output = !random.chance(0.1);
    payload.requests_wait = !random.chance(0.25);
    payload.fixed_workers = !payload.requests_wait;
    if (random.chance(0.3)) {
        payload.straggler_share = random.between(0.001, 0.03);
        payload.straggler_factor = random.between(3.0, 20.0);
    }
    auto const share = [&](double chance, double most) {
        return random.chance(chance) ? random.log_between(0.0005, most) : 0;
    };
    payload.failure_share = share(0.4, 0.2);
    payload.worker_death_share = share(0.25, 0.1);
    payload.payload_death_share = share(0.2, 0.01);
    payload.hang_share = share(0.15, 0.02);
    payload.bad_output_share = share(0.15, 0.05);
    payload.start_failure_share = share(0.1, 0.2);
    if (random.chance(0.35)) {
        payload.poison = static_cast<Poison>(random.pick(1, 5));
        payload.poison_share = random.log_between(0.001, 0.05);
    }
    payload.start_time = typical * random.between(0.0, 5.0);
    auto const longest = *std::max_element(payload.times.begin(), payload.times.end());
    payload.range_limit = longest * payload.straggler_factor * 1.5 + Duration::from_s(1);
    payload.output_bytes = random.log_pick(std::uint64_t{1}, std::uint64_t{100'000});
    return payload;
}

Fault draw_fault(Random& random, Plan const& plan)
{
    Fault fault;
    fault.kind = static_cast<FaultKind>(random.pick(0, static_cast<std::uint64_t>(FaultKind::drain)));
    // The dull ones get their turn less often.
    if (fault.kind == FaultKind::journal_error || fault.kind == FaultKind::drain ||
        fault.kind == FaultKind::bad_block) {
        if (random.chance(0.5)) fault.kind = FaultKind::lose_node;
    }
    fault.at = plan.expected * random.between(0.0, 1.2);
    fault.length = Duration::from_s(random.log_between(0.01, 3 * plan.silence.s()));
    if (fault.kind == FaultKind::slow_network || fault.kind == FaultKind::slow_disk)
        fault.length = std::min(fault.length, plan.silence * 0.6);
    fault.target = static_cast<std::uint32_t>(random.pick(0, 1'000'000));
    fault.told = random.chance(0.3);
    return fault;
}

void draw_faults(Random& random, Plan& plan)
{
    if (random.chance(0.1)) return;
    auto const count = random.log_pick(std::uint64_t{1}, std::uint64_t{12});
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const fault = draw_fault(random, plan);
        plan.faults.push_back(fault);
        // Troubles come together.
        if (random.chance(0.2)) {
            auto next = draw_fault(random, plan);
            next.at = fault.at + Duration::from_s(random.log_between(0.001, 10.0));
            plan.faults.push_back(next);
        }
    }
    std::sort(plan.faults.begin(), plan.faults.end(),
              [](auto const& a, auto const& b) { return a.at < b.at; });
}

/// Drawn apart from all others, so that worlds without it are as they were before there was such a fault.
void draw_frozen_disk(Plan& plan)
{
    Random random(mix(plan.seed, 0xD15C));
    if (!random.chance(0.1)) return;
    auto fault = draw_fault(random, plan);
    fault.kind = FaultKind::freeze_disk;
    fault.length = Duration::from_s(random.log_between(0.1, 4 * plan.silence.s()));
    plan.faults.push_back(fault);
    std::sort(plan.faults.begin(), plan.faults.end(),
              [](auto const& a, auto const& b) { return a.at < b.at; });
}

void draw_notes(Random& random, Plan& plan)
{
    if (plan.open) {
        for (std::uint64_t i = random.pick(0, 3); i > 0; --i) {
            Note note{NoteKind::more_ranges, plan.expected * random.between(0.0, 1.5), 0, 0};
            note.job = static_cast<JobIndex>(random.pick(0, plan.job_count - 1));
            note.count = static_cast<std::uint32_t>(random.log_pick(std::uint64_t{1}, plan.range_count()));
            plan.notes.push_back(note);
        }
    }
    if (plan.job_count > 1 && random.chance(0.25)) {
        Note note{NoteKind::kill_job, plan.expected * random.between(0.0, 1.0), 0, 0};
        note.job = static_cast<JobIndex>(random.pick(0, plan.job_count - 1));
        plan.notes.push_back(note);
    }
    if (random.chance(0.3)) {
        for (std::uint64_t i = random.pick(1, 4); i > 0; --i)
            plan.notes.push_back({NoteKind::lose_bundle, plan.expected * random.between(0.1, 1.2), 0, 0});
    }
    std::sort(plan.notes.begin(), plan.notes.end(), [](auto const& a, auto const& b) { return a.at < b.at; });
    if (plan.open) {
        auto const last = plan.notes.empty() ? Duration{} : plan.notes.back().at;
        plan.notes.push_back({NoteKind::closed, last + plan.expected * random.between(0.0, 0.5), 0, 0});
    }
}

void draw_size(Random& random, Plan& plan, Scale scale)
{
    auto const pick = [&](std::uint64_t lo, std::uint64_t hi) {
        return static_cast<std::uint32_t>(random.log_pick(lo, hi));
    };
    if (scale == Scale::small) {
        plan.droid_count = pick(1, 6);
        plan.worker_count = pick(1, 8);
        plan.file_count = pick(1, 4);
        plan.file_ranges = pick(3, 400);
    } else if (scale == Scale::mixed) {
        plan.droid_count = pick(2, 20);
        plan.worker_count = pick(1, 32);
        plan.file_count = pick(1, 40);
        plan.file_ranges = pick(20, 1000);
    } else if (scale == Scale::big) {
        plan.droid_count = pick(8, 64);
        plan.worker_count = pick(8, 128);
        plan.file_count = pick(40, 200);
        plan.file_ranges = pick(5'000, 40'000);
    } else {
        plan.droid_count = pick(4, 60);
        plan.worker_count = pick(8, 64);
        plan.file_count = pick(10, 100);
        plan.file_ranges = pick(1000, 4000);
    }
    plan.job_count = random.chance(0.3) ? pick(2, 4) : 1;
    plan.file_count = std::max(1u, plan.file_count / plan.job_count);
}

void draw_policies(Random& random, Plan& plan)
{
    plan.tries = static_cast<unsigned>(random.pick(1, 4));
    plan.payload_deaths = static_cast<unsigned>(random.pick(1, 6));
    plan.payload_starts = static_cast<unsigned>(random.pick(2, 6));
    if (random.chance(0.2)) {
        plan.batch = static_cast<std::uint32_t>(random.log_pick(std::uint64_t{1}, std::uint64_t{256}));
        plan.window = static_cast<std::uint32_t>(random.pick(1, 3));
    }
    plan.ask_interval = Duration::from_s(random.log_between(0.1, 10.0));
    plan.silence = Duration::from_s(random.log_between(2.0, 120.0));
    plan.heartbeat = plan.silence * random.between(0.04, 0.2);
    plan.second_copies = !random.chance(0.2);
    plan.open = random.chance(0.25);
    plan.bundle_bytes = random.log_pick(std::uint64_t{2'000}, std::uint64_t{1} << 28);
    plan.bundle_age = Duration::from_s(random.log_between(1.0, 3600.0));
}

void draw_machine(Random& random, Plan& plan)
{
    plan.frame_time = Duration::from_s(random.log_between(2e-6, 0.02));
    plan.frame_spread = random.between(0.0, 1.5);
    plan.loop_time = Duration::from_s(random.log_between(1e-6, 0.01));
    plan.sync_time = Duration::from_s(random.log_between(1e-4, 0.1));
    plan.sync_spread = random.between(0.0, 1.5);
    plan.commit_interval = Duration::from_s(random.chance(0.1) ? 0 : random.log_between(0.001, 0.1));
    plan.checkpoint_interval = Duration::from_s(random.log_between(0.05, 1.0) * plan.expected.s() + 0.05);
    plan.life_gap = Duration::from_s(random.log_between(0.01, 2 * plan.silence.s()));
    plan.zombies_speak = random.chance(0.1);
}

}  // namespace

std::string_view print_fault(FaultKind kind)
{
    switch (kind) {
        case FaultKind::kill_droid:
            return "kill_droid";
        case FaultKind::lose_node:
            return "lose_node";
        case FaultKind::freeze_droid:
            return "freeze_droid";
        case FaultKind::kill_rank_zero:
            return "kill_rank_zero";
        case FaultKind::freeze_rank_zero:
            return "freeze_rank_zero";
        case FaultKind::slow_network:
            return "slow_network";
        case FaultKind::slow_disk:
            return "slow_disk";
        case FaultKind::full_disk:
            return "full_disk";
        case FaultKind::bundle_error:
            return "bundle_error";
        case FaultKind::journal_error:
            return "journal_error";
        case FaultKind::bad_block:
            return "bad_block";
        case FaultKind::drain:
            return "drain";
        case FaultKind::freeze_disk:
            return "freeze_disk";
    }
    return "unknown";
}

Plan make_plan(std::uint64_t seed, Scale scale)
{
    Random random(seed);
    Plan plan;
    plan.seed = seed;
    draw_size(random, plan, scale);
    plan.range_events = static_cast<std::uint32_t>(random.log_pick(std::uint64_t{1}, std::uint64_t{100}));
    plan.uneven = random.chance(0.2);
    plan.text_ids = random.chance(0.1);

    auto const typical = Duration::from_s(random.log_between(0.02, 20.0));
    double mean_s = 0;
    for (JobIndex job = 0; job < plan.job_count; ++job) {
        plan.payloads.push_back(draw_payload(random, scale, typical));
        for (auto const& time : plan.payloads.back().times) mean_s += time.s();
    }
    mean_s /= static_cast<double>(time_count) * plan.job_count;
    plan.expected = Duration::from_s(static_cast<double>(plan.range_count()) * mean_s /
                                         (plan.droid_count * plan.worker_count) +
                                     plan.payloads[0].start_time.s() + 0.5);
    if (scale == Scale::big) {
        plan.faults_by_progress = true;
        plan.expected = Duration::from_s(0.5 + 1e-6 * static_cast<double>(plan.range_count()));
    }
    draw_policies(random, plan);
    draw_machine(random, plan);
    bool const any_null = std::any_of(plan.payloads.begin(), plan.payloads.end(),
                                      [](PayloadPlan const& payload) { return payload.null_payload; });
    // AthenaMP's outputs may be held back as long as rank 0 may be silent.
    for (auto& payload : plan.payloads) {
        if (!payload.requests_wait) payload.range_limit = payload.range_limit + plan.silence * 2;
        // And, beside a job without payload (null, which measures dispatch), until that one is done.
        if (!payload.requests_wait && any_null) payload.range_limit = payload.range_limit + plan.expected * 3;
    }
    // A tick of 50 ms would cost more than all else where an event takes minutes.
    plan.tick = std::clamp(plan.expected * 0.001, Duration::from_ms(50), Duration::from_s(1));
    if (random.chance(0.35) && scale != Scale::big) {
        Duration needed;
        for (auto const& payload : plan.payloads)
            needed = std::max(needed, payload.range_limit * 2 + payload.start_time * 3);
        needed = needed + plan.sync_time * 2000 + Duration::from_s(10);
        plan.walltime = std::max(needed, plan.expected * random.between(0.2, 1.5));
    }
    draw_faults(random, plan);
    draw_frozen_disk(plan);
    draw_notes(random, plan);
    // A world's events.h5 knows feeds whole or not at all: it cannot show one of which records were lost.
    bool const fed = std::any_of(plan.notes.begin(), plan.notes.end(),
                                 [](Note const& note) { return note.kind == NoteKind::more_ranges; });
    for (auto& fault : plan.faults) {
        if (fed && fault.kind == FaultKind::bad_block) fault.kind = FaultKind::lose_node;
    }
    return plan;
}

Duration range_time(Plan const& plan, JobIndex job, RangeIndex range)
{
    auto const& times = plan.payloads[job].times;
    return times[mix(mix(plan.seed, 200 + job), range) % times.size()];
}

Duration hand_out_time(Plan const& plan, JobIndex job, RangeIndex range, Epoch epoch)
{
    auto const& payload = plan.payloads[job];
    auto const time = range_time(plan, job, range);
    if (payload.straggler_share == 0) return time;
    auto const drawn = mix(mix(plan.seed, 200 + job), epoch.value * 0x100000000ull + range);
    return to_unit(drawn) < payload.straggler_share ? time * payload.straggler_factor : time;
}

Duration Plan::patience() const
{
    Duration longest;
    for (auto const& payload : payloads)
        longest = std::max(longest, payload.range_limit + payload.start_time * payload_starts);
    Duration fault_length;
    for (auto const& fault : faults) fault_length = std::max(fault_length, fault.length);
    Duration note_at;
    for (auto const& note : notes) note_at = std::max(note_at, note.at);
    return longest * 3 + silence * 4 + fault_length * 3 + life_gap * 2 + sync_time * 1000 + note_at +
           Duration::from_s(60);
}

std::string print_fault(Fault const& fault)
{
    return fmt::format("{:.3f}s {} target {} length {}{}", fault.at.s(), print_fault(fault.kind),
                       fault.target, print_time(fault.length), fault.told ? " told" : "");
}

std::string print_plan(Plan const& plan)
{
    auto text = fmt::format(
        "{} Droids x {} workers, {} jobs x {} files x {} ranges, tries {}, deaths {}, starts {}, batch "
        "{}x{}, "
        "silence {}, walltime {}, second copies {}, open {}, bundle {} bytes {}, sync {}, frame {}, tick "
        "{}\n",
        plan.droid_count, plan.worker_count, plan.job_count, plan.file_count, plan.file_ranges, plan.tries,
        plan.payload_deaths, plan.payload_starts, plan.batch, plan.window, print_time(plan.silence),
        print_time(plan.walltime), plan.second_copies, plan.open, plan.bundle_bytes,
        print_time(plan.bundle_age), print_time(plan.sync_time), print_time(plan.frame_time),
        print_time(plan.tick));
    for (auto const& payload : plan.payloads)
        text += fmt::format(
            "  payload: null {} output {} waits {} fixed {} time {} limit {} start {} fail {:.4f} death "
            "{:.4f} "
            "payload death {:.4f} hang {:.4f} bad output {:.4f} no start {:.3f} poison {} x {:.4f}\n",
            payload.null_payload, payload.has_output, payload.requests_wait, payload.fixed_workers,
            print_time(payload.times[0]), print_time(payload.range_limit), print_time(payload.start_time),
            payload.failure_share, payload.worker_death_share, payload.payload_death_share,
            payload.hang_share, payload.bad_output_share, payload.start_failure_share,
            static_cast<int>(payload.poison), payload.poison_share);
    for (auto const& note : plan.notes)
        text += fmt::format("  note {:.3f}s kind {} job {} count {}\n", note.at.s(),
                            static_cast<int>(note.kind), note.job, note.count);
    for (auto const& fault : plan.faults) text += "  fault " + print_fault(fault) + "\n";
    return text;
}

}  // namespace yoda::sim
