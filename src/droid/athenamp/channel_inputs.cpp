// SPDX-License-Identifier: Apache-2.0
// The channel's part that brings inputs to the payload: copies on the node, catalogues.
#include <fmt/format.h>

#include <algorithm>

#include "droid/athenamp/channel.hpp"
#include "droid/athenamp/pool_catalogue.hpp"

namespace yoda::athenamp {

Status Channel::open_stage()
{
    if (!setup_.payload.stage_in || stage_) return {};
    auto opened = StageIn::open(setup_.stage_folder);
    if (!opened) return opened.error();
    stage_ = *std::move(opened);
    poller_.add(stage_->event_fd(), [this] {
        stage_->clear_event();
        for (auto const& path : stage_->take_copied()) events_.inform("input_copied", setup_.job, path);
        start_when_staged();
        give_held();
    });
    return {};
}

/// Brings what the command line names: all files where event numbers run over all of them, else the first
/// that can be had. False: it waits for one, or none can be had, which has been told.
bool Channel::stage_first_inputs()
{
    bool const one_is_enough = setup_.definition.positions_in_file();
    std::string bad;
    for (auto& input : places_) {
        if (StageIn::is_copied(input)) {
            stage_->ask(input);
            auto const state = stage_->state(input.pfn);
            if (state == StageIn::State::waiting) return false;
            if (state == StageIn::State::failed) {
                bad = std::exchange(input.pfn, {});  // Its ranges fail with the reason.
                if (one_is_enough) continue;
                break;
            }
            input.pfn = stage_->local_path(input);
        }
        if (one_is_enough) return true;
    }
    if (bad.empty()) return true;
    waits_for_files_ = false;
    auto const fault = stage_->fault(bad);
    events_.payload_ended(setup_.job, fault.error_code, fault.error.text());
    return false;
}

void Channel::start_when_staged()
{
    if (!waits_for_files_) return;
    places_ = setup_.definition.inputs();
    if (stage_ && !stage_first_inputs()) return;
    waits_for_files_ = false;
    if (auto opened = open_router(); !opened)
        return events_.payload_ended(setup_.job, code::message_server, opened.error().text());
    if (auto started = try_start(); !started) {
        close_channel();
        events_.payload_ended(setup_.job, yoda::code::setup_failure, started.error().text());
    }
}

/// Puts the copy's place into `item`; false: it waits for the file, or the file cannot be had.
bool Channel::fetch_file(std::string const& peer, WorkItem& item)
{
    if (!stage_) return true;
    auto const input = input_of(item);
    if (!StageIn::is_copied(input)) return true;
    stage_->ask(input);
    switch (stage_->state(input.pfn)) {
        case StageIn::State::here:
            item.pfn = stage_->local_path(input);
            return true;
        case StageIn::State::failed: {
            auto const fault = stage_->fault(input.pfn);
            refuse(peer, item.what, FailKind::failed, fault.error_code, fault.error.text(), true);
            return false;
        }
        case StageIn::State::unknown:
        case StageIn::State::waiting:
            break;
    }
    held_.push_back({peer, std::move(item)});
    return false;
}

void Channel::give_held()
{
    for (auto& held : std::exchange(held_, {})) give(held.peer, std::move(held.item));
}

InputFile Channel::input_of(WorkItem const& item) const
{
    auto const& inputs = setup_.definition.inputs();
    auto const found = std::find_if(inputs.begin(), inputs.end(), [&](InputFile const& input) {
        return input.lfn == item.range.lfn && input.guid == item.range.guid;
    });
    InputFile file = found != inputs.end() ? *found : InputFile{};
    file.lfn = item.range.lfn;
    file.guid = item.range.guid;
    file.pfn = item.pfn;
    return file;
}

/// A file that no catalogue of this start names yet, or at another place: a
/// new catalogue, under a new name, names all.
Status Channel::list_place(WorkItem const& item)
{
    if (item.range.guid.empty() || item.pfn.empty()) return {};
    auto const known = std::find_if(places_.begin(), places_.end(),
                                    [&](InputFile const& place) { return place.guid == item.range.guid; });
    if (known != places_.end() && known->pfn == item.pfn) return {};
    if (known != places_.end())
        known->pfn = item.pfn;
    else
        places_.push_back(input_of(item));
    auto const path = fmt::format("{}/PoolFileCatalog_{}.xml", start_folder_, ++catalogue_count_);
    return replace_file(path, print_pool_catalogue(places_), 0644, false);
}

}  // namespace yoda::athenamp
