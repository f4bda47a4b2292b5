// SPDX-License-Identifier: Apache-2.0
#include "droid/inputs/input_stage_core.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/messages/codec.hpp"

namespace yoda {

InputStageCore::InputStageCore(InputStagePolicy policy, std::size_t file_count)
    : policy_(policy), files_(file_count)
{
    summary_.file_count = static_cast<std::uint32_t>(file_count);
}

InputsStaged InputStageCore::summary() const
{
    return summary_;
}

void InputStageCore::begin(TimePoint now, std::vector<Rank> ancestors, bool same_node,
                           InputStageEffects& effects)
{
    ancestors_ = std::move(ancestors);
    same_node_ = same_node && !ancestors_.empty();
    begun_ = true;
    start(now, effects);
}

/// The current file from its beginning, or the end of all.
void InputStageCore::start(TimePoint now, InputStageEffects& effects)
{
    if (over()) return;
    have_bytes_ = received_bytes_ = 0;
    crc_is_expected_ = was_passed_on_ = false;
    coming_ = same_node_ && asks() ? Coming::word_of_the_node : Coming::bytes;
    ask(now, true, effects);
}

void InputStageCore::ask(TimePoint now, bool anew, InputStageEffects& effects)
{
    asked_at_ = now;
    if (anew) heard_at_ = now;
    if (!asks()) {
        coming_ = Coming::bytes;
        effects.copy_piece(current_, received_bytes_);
        return;
    }
    bool const only_the_word = coming_ == Coming::word_of_the_node;
    asked_upto_ = have_bytes_ + policy_.window_bytes;
    effects.send(asked(), InputPull{current_, anew, only_the_word ? input_end_only : received_bytes_,
                                    only_the_word ? input_end_only : asked_upto_});
}

void InputStageCore::go_to_next_ancestor(TimePoint now, std::string_view why, InputStageEffects& effects)
{
    effects.note("stage_source_lost", asked(), why);
    ++nearest_;
    same_node_ = false;
    if (coming_ == Coming::word_of_the_node) coming_ = Coming::bytes;
    ask(now, true, effects);
}

void InputStageCore::begin_again(TimePoint now, InputStageEffects& effects)
{
    effects.restart(current_);
    start(now, effects);
}

void InputStageCore::settle(TimePoint now, FileState state, std::string_view why, InputStageEffects& effects)
{
    files_[current_].state = state;
    if (state != FileState::here) {
        ++summary_.failed_count;
        effects.note("input_not_staged", current_, why);
        effects.restart(current_);
    }
    while (!over() && is_settled(current_)) ++current_;
    have_bytes_ = 0;
    serve_all(effects);
    start(now, effects);
}

void InputStageCore::check(InputStageEffects& effects)
{
    coming_ = Coming::checking;
    effects.finish(current_);
}

void InputStageCore::on_tick(TimePoint now, InputStageEffects& effects)
{
    if (!begun_ || over() || !asks() || coming_ == Coming::checking) return;
    if (now - heard_at_ > policy_.patience) return go_to_next_ancestor(now, "it is silent", effects);
    if (now - std::max(asked_at_, heard_at_) > policy_.again) ask(now, false, effects);
}

// ---- From other Droids

void InputStageCore::on_message(TimePoint now, Rank from, Message const& message, InputStageEffects& effects)
{
    if (auto const* pull = std::get_if<InputPull>(&message))
        handle(now, from, *pull, effects);
    else if (auto const* part = std::get_if<InputPart>(&message))
        handle(now, from, *part, effects);
    else if (auto const* end = std::get_if<InputEnd>(&message))
        handle(now, from, *end, effects);
}

void InputStageCore::handle(TimePoint, Rank from, InputPull const& pull, InputStageEffects& effects)
{
    if (pull.file >= files_.size()) return;
    if (!askers_.contains(from) && askers_.size() >= policy_.askers_max) {
        effects.send(from, InputEnd{pull.file, InputWord::lacking, 0, 0});
        return;
    }
    auto& asker = askers_[from];
    if (pull.anew || asker.file != pull.file) {
        asker.rank = from;
        asker.file = pull.file;
        asker.next = pull.from;
        asker.upto = 0;
    }
    asker.upto = std::max(asker.upto, pull.upto);
    if (!serve(asker, effects)) effects.send(from, InputPart{pull.file, asker.next, {}});
}

void InputStageCore::handle(TimePoint now, Rank from, InputPart const& part, InputStageEffects& effects)
{
    // One that was given up may speak again: what it sends comes from its successor by now.
    if (!begun_ || over() || !asks() || from != asked()) return;
    heard_at_ = now;
    if (part.file != current_ || coming_ != Coming::bytes || part.offset != received_bytes_ ||
        part.bytes.empty() || received_bytes_ + part.bytes.size() > asked_upto_)
        return;
    was_passed_on_ = true;
    received_bytes_ += part.bytes.size();
    summary_.passed_bytes += part.bytes.size();
    effects.append(current_, part.bytes);
}

void InputStageCore::handle(TimePoint now, Rank from, InputEnd const& end, InputStageEffects& effects)
{
    if (!begun_ || over() || !asks() || from != asked() || end.file != current_ ||
        coming_ == Coming::checking)
        return;
    heard_at_ = now;
    if (end.word == InputWord::bad) return settle(now, FileState::bad, "the file is bad", effects);
    if (end.word == InputWord::lacking) return go_to_next_ancestor(now, "it lacks the file", effects);
    expected_bytes_ = end.total_bytes;
    expected_crc32c_ = end.crc32c;
    crc_is_expected_ = true;
    if (coming_ == Coming::word_of_the_node) {
        coming_ = Coming::checking;
        effects.adopt(current_, end.total_bytes);
    } else if (received_bytes_ == end.total_bytes) {
        check(effects);
    } else {
        // It has got it anew since, and perhaps otherwise.
        begin_again(now, effects);
    }
}

// ---- For other Droids

/// False: there is nothing for it now.
bool InputStageCore::serve(Asker& asker, InputStageEffects& effects)
{
    auto const& file = files_[asker.file];
    switch (file.state) {
        case FileState::lacking:
            effects.send(asker.rank, InputEnd{asker.file, InputWord::lacking, 0, 0});
            return true;
        case FileState::bad:
            effects.send(asker.rank, InputEnd{asker.file, InputWord::bad, 0, 0});
            return true;
        case FileState::here:
            if (asker.next < file.total_bytes) break;
            effects.send(asker.rank, InputEnd{asker.file, InputWord::here, file.total_bytes, file.crc32c});
            return true;
        case FileState::open:
            break;
    }
    if (asker.reading) return true;
    auto const available = file.state == FileState::here ? file.total_bytes
                           : asker.file == current_      ? have_bytes_
                                                         : 0;
    auto const end = std::min({asker.upto, available, asker.next + input_block_bytes});
    if (asker.next >= end) return false;
    asker.reading = true;
    effects.read_block(asker.rank, asker.file, asker.next, static_cast<std::uint32_t>(end - asker.next));
    return true;
}

void InputStageCore::serve_all(InputStageEffects& effects)
{
    for (auto& [rank, asker] : askers_) {
        // A word that ends a file is said once, when it becomes true; later whoever asks again hears it.
        bool const waits = asker.file != none && (asker.file == current_ || is_settled(asker.file));
        if (!waits || asker.upto == 0) continue;
        bool const ended =
            is_settled(asker.file) && (!is_here(asker.file) || asker.next >= files_[asker.file].total_bytes);
        serve(asker, effects);
        if (ended) asker.upto = 0;
    }
}

void InputStageCore::on_block(Rank to, std::uint32_t file, std::uint64_t offset, std::string_view bytes,
                              InputStageEffects& effects)
{
    auto const found = askers_.find(to);
    if (found == askers_.end()) return;
    auto& asker = found->second;
    asker.reading = false;
    if (bytes.empty()) {
        // Our own copy cannot be read any more.
        effects.send(to, InputEnd{file, InputWord::lacking, 0, 0});
        return;
    }
    if (asker.file == file && asker.next == offset) {
        for (std::size_t at = 0; at < bytes.size(); at += max_input_part_bytes)
            effects.send(to, InputPart{file, offset + at, bytes.substr(at, max_input_part_bytes)});
        asker.next += bytes.size();
    }
    serve(asker, effects);
}

// ---- From the disk

void InputStageCore::on_copied(TimePoint, std::uint32_t file, std::uint64_t have_bytes, bool at_end,
                               InputStageEffects& effects)
{
    if (file != current_ || over()) return;
    summary_.shared_bytes += have_bytes - have_bytes_;
    have_bytes_ = received_bytes_ = have_bytes;
    serve_all(effects);
    if (at_end)
        check(effects);
    else
        effects.copy_piece(file, have_bytes);
}

void InputStageCore::on_appended(TimePoint now, std::uint32_t file, std::uint64_t have_bytes,
                                 InputStageEffects& effects)
{
    if (file != current_ || over()) return;
    have_bytes_ = have_bytes;
    serve_all(effects);
    if (asks() && coming_ == Coming::bytes && asked_upto_ - have_bytes_ <= policy_.window_bytes / 2)
        ask(now, false, effects);
}

void InputStageCore::on_finished(TimePoint now, std::uint32_t file, std::uint64_t total_bytes,
                                 std::uint32_t crc32c, InputStageEffects& effects)
{
    if (file != current_ || over()) return;
    if (crc_is_expected_ && crc32c != expected_crc32c_)
        return on_mismatch(now, file, "its bytes changed on the way", effects);
    files_[file].total_bytes = total_bytes;
    files_[file].crc32c = crc32c;
    settle(now, FileState::here, {}, effects);
}

void InputStageCore::on_mismatch(TimePoint now, std::uint32_t file, std::string_view why,
                                 InputStageEffects& effects)
{
    if (file != current_ || over()) return;
    if (!was_passed_on_) return settle(now, FileState::bad, why, effects);
    effects.note("stage_source_lost", asks() ? asked() : 0, why);
    if (asks()) ++nearest_;
    same_node_ = false;
    begin_again(now, effects);
}

void InputStageCore::on_failed(TimePoint now, std::uint32_t file, std::string_view why,
                               InputStageEffects& effects)
{
    if (file != current_ || over()) return;
    settle(now, FileState::lacking, why, effects);
}

void InputStageCore::on_adopted(TimePoint now, std::uint32_t file, bool is_there, InputStageEffects& effects)
{
    if (file != current_ || over()) return;
    if (is_there) return on_finished(now, file, expected_bytes_, expected_crc32c_, effects);
    // Its work folder is elsewhere: then by messages, as from another node.
    same_node_ = false;
    coming_ = Coming::bytes;
    crc_is_expected_ = false;
    ask(now, true, effects);
}

}  // namespace yoda
