// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/range_map.hpp"

#include <algorithm>

namespace yoda {

namespace {

constexpr std::uint32_t free_place = UINT32_MAX;

std::uint64_t mix(std::uint64_t value)
{
    value ^= value >> 33;
    value *= 0xff51afd7ed558ccdull;
    value ^= value >> 33;
    value *= 0xc4ceb9fe1a85ec53ull;
    return value ^ value >> 33;
}

}  // namespace

std::size_t RangeMap::place(Key const& key) const
{
    std::size_t const mask = places_.size() - 1;
    auto const hash =
        mix(static_cast<std::uint64_t>(key.file_id) * 31 + static_cast<std::uint64_t>(key.attempt)) ^
        mix(static_cast<std::uint64_t>(key.page));
    for (std::size_t at = hash & mask;; at = (at + 1) & mask)
        if (places_[at] == free_place || pages_[places_[at]].key == key) return at;
}

void RangeMap::grow()
{
    places_.assign(std::max<std::size_t>(64, places_.size() * 2), free_place);
    for (std::uint32_t number = 0; number < pages_.size(); ++number)
        places_[place(pages_[number].key)] = number;
}

RangeMap::Page& RangeMap::page(Key const& key)
{
    if (last_page_ < pages_.size() && pages_[last_page_].key == key) return pages_[last_page_];
    if (pages_.size() * 3 >= places_.size() * 2) grow();
    auto& number = places_[place(key)];
    if (number == free_place) {
        number = static_cast<std::uint32_t>(pages_.size());
        pages_.push_back({key, 0, {}});
    }
    last_page_ = number;
    return pages_[number];
}

bool RangeMap::insert(std::string_view id, std::optional<RangeId> const& parsed, std::uint8_t value)
{
    if (parsed && task_id_ < 0) {
        task_id_ = parsed->task_id;
        panda_id_ = parsed->panda_id;
    }
    if (!parsed || !is_of_this_job(*parsed)) return texts_.emplace(id, value).second;
    auto& page = this->page(key_of(*parsed));
    auto const at = static_cast<std::size_t>(parsed->process_id % page_ids);
    if ((page.known >> at & 1u) != 0) return false;
    page.known |= 1u << at;
    page.values[at] = value;
    ++used_;
    return true;
}

std::optional<std::uint8_t> RangeMap::find(std::string_view id) const
{
    if (auto const parsed = RangeId::parse(id); parsed && is_of_this_job(*parsed)) {
        auto const number = places_[place(key_of(*parsed))];
        auto const at = static_cast<std::size_t>(parsed->process_id % page_ids);
        if (number == free_place || (pages_[number].known >> at & 1u) == 0) return std::nullopt;
        return pages_[number].values[at];
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
