// The Droid's part that brings inputs to the node's disk before payloads start.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "core/checksum.hpp"
#include "droid/droid.hpp"

namespace yoda {

namespace {

constexpr std::string_view stage_prefix = "yoda_staged_";

}  // namespace

void Droid::keep_place(InputPlace const& place)
{
    ancestors_.assign(place.ancestors.begin(), place.ancestors.end());
    same_node_ = place.same_node;
}

/// Without room for copies the run goes on all the same: inputs are used where they are.
void Droid::open_inputs()
{
    if (!config_.work_stage_inputs || payload_.channel == ChannelKind::null) return;
    auto const parent = std::filesystem::path(work_folder_).parent_path().string();
    do_in_set_up([parent, &log = log_] {
        if (auto const count = NodeFolder::remove_unused(parent, stage_prefix); count > 0)
            log.info("stale_inputs_removed", {{"count", count}});
    });
    auto const stage =
        fmt::format("{}/{}{}_{:08x}_{}", parent, stage_prefix, ::geteuid(), crc32c(folder_.path()), life_);
    auto opened = InputStage::open(stage, jobs_, config_.disk_free_running_bytes, life_, transport_, log_);
    if (!opened) {
        log_.warning("inputs_not_staged", opened.error());
        return;
    }
    inputs_ = *std::move(opened);
    // There is one copy on the node now: no channel makes another one, and containers look there.
    for (auto& setup : setups_) {
        setup.payload.stage_in = false;
        setup.stage_folder = stage;
    }
}

void Droid::begin_inputs()
{
    if (!inputs_) return;
    waits_for_inputs_.assign(jobs_.size(), true);
    for (JobIndex job = 0; job < jobs_.size(); ++job) core_->hold_job(job);
    poller_.add(inputs_->event_fd(), [this] {
        now_ = clock_.now();
        inputs_->take_news(now_);
        release_jobs();
    });
    inputs_->begin(now_, {same_node_, ancestors_});
    release_jobs();
}

/// Jobs whose inputs are all here may start.
void Droid::release_jobs()
{
    for (JobIndex job = 0; job < jobs_.size(); ++job) {
        if (!waits_for_inputs_[job] || !inputs_->is_settled(job)) continue;
        waits_for_inputs_[job] = false;
        auto& definition = setups_[job].definition;
        for (std::size_t i = 0; i < definition.inputs().size(); ++i)
            definition.set_pfn(i, inputs_->place_of(definition.inputs()[i].pfn));
        core_->release_job(now_, job, *this);
    }
    if (!inputs_->over() || inputs_told_) return;
    inputs_told_ = true;
    auto const staged = inputs_->summary();
    log_.info("inputs_staged", {{"files", staged.file_count},
                                {"failed", staged.failed_count},
                                {"shared_bytes", staged.shared_bytes},
                                {"passed_bytes", staged.passed_bytes}});
    send(staged);
}

/// Where a worker finds the range's file.
WorkItem Droid::with_own_copy(WorkItem const& item) const
{
    auto own = item;
    if (inputs_) own.pfn = inputs_->place_of(item.pfn);
    return own;
}

}  // namespace yoda
