#include "harvest/panda/range_map.hpp"

namespace yoda {

namespace {

std::uint64_t mix(std::uint64_t value)
{
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdull;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53ull;
    return value ^ value >> 33;
}

}  // namespace

std::optional<RangeMap::Slot> RangeMap::pack(std::string_view id) const
{
    auto const parsed = RangeId::parse(id);
    if (!parsed || parsed->attempt > INT32_MAX) return std::nullopt;
    if (task_id_ >= 0 && (parsed->task_id != task_id_ || parsed->panda_id != panda_id_)) return std::nullopt;
    return Slot{parsed->file_id, parsed->process_id, static_cast<std::int32_t>(parsed->attempt), 0};
}

/// Of this key, or the free slot where it belongs.
std::size_t RangeMap::place(Slot const& key) const
{
    std::size_t const mask = slots_.size() - 1;
    auto const hash =
        mix(static_cast<std::uint64_t>(key.file_id) * 31 + static_cast<std::uint64_t>(key.attempt)) ^
        mix(static_cast<std::uint64_t>(key.process_id));
    for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
        auto const& slot = slots_[at];
        if (slot.file_id < 0 ||
            (slot.file_id == key.file_id && slot.process_id == key.process_id && slot.attempt == key.attempt))
            return at;
    }
}

void RangeMap::grow()
{
    auto old = std::move(slots_);
    slots_.assign(old.empty() ? 1024 : old.size() * 2, Slot{});
    for (auto const& slot : old)
        if (slot.file_id >= 0) slots_[place(slot)] = slot;
}

bool RangeMap::insert(std::string_view id, std::uint8_t value)
{
    auto slot = pack(id);
    if (!slot) return texts_.emplace(id, value).second;
    if (task_id_ < 0) {
        auto const parsed = RangeId::parse(id);
        task_id_ = parsed->task_id;
        panda_id_ = parsed->panda_id;
    }
    if (used_ * 3 >= slots_.size() * 2) grow();
    auto const at = place(*slot);
    if (slots_[at].file_id >= 0) return false;
    slot->value = value;
    slots_[at] = *slot;
    ++used_;
    return true;
}

std::optional<std::uint8_t> RangeMap::find(std::string_view id) const
{
    if (auto const slot = pack(id)) {
        if (slots_.empty()) return std::nullopt;
        auto const& found = slots_[place(*slot)];
        if (found.file_id < 0) return std::nullopt;
        return found.value;
    }
    auto const found = texts_.find(std::string(id));
    if (found == texts_.end()) return std::nullopt;
    return found->second;
}

void RangeMap::clear()
{
    *this = RangeMap{};
}

}  // namespace yoda
