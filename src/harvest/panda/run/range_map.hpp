// SPDX-License-Identifier: Apache-2.0
// A small number for each eventRangeID of one job. Ids of one file lie close together, so they are kept in
// pages of 32: a million ids take 2 MB where they are dense and 70 MB where they are sparsest (150 MB as
// texts). An id that is not five integers, or is of another job, is kept as a text.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/table/event_range.hpp"

namespace yoda {

class RangeMap {
  public:
    /// False if the id is there already; its value then stays.
    bool insert(std::string_view id, std::uint8_t value) { return insert(id, RangeId::parse(id), value); }
    /// The same, for a caller who has taken the id apart.
    bool insert(std::string_view id, std::optional<RangeId> const& parsed, std::uint8_t value);
    std::optional<std::uint8_t> find(std::string_view id) const;
    std::size_t size() const { return used_ + texts_.size(); }
    void clear();

  private:
    static constexpr unsigned page_ids = 32;
    struct Key {
        std::int64_t file_id = 0;
        std::int64_t page = 0;  ///< job_processID / page_ids
        std::int64_t attempt = 0;
        bool operator==(Key const&) const = default;
    };
    struct Page {
        Key key;
        std::uint32_t known = 0;  ///< one bit an id
        std::array<std::uint8_t, page_ids> values{};
    };
    bool is_of_this_job(RangeId const& id) const
    {
        return id.task_id == task_id_ && id.panda_id == panda_id_;
    }
    static Key key_of(RangeId const& id) { return {id.file_id, id.process_id / page_ids, id.attempt}; }
    /// Where the page's number stands in places_, or the free place where it belongs.
    std::size_t place(Key const& key) const;
    Page& page(Key const& key);
    void grow();

    std::int64_t task_id_ = -1;  ///< of the first id
    std::int64_t panda_id_ = -1;
    std::deque<Page> pages_;
    std::vector<std::uint32_t> places_;  ///< hash table of page numbers
    std::uint32_t last_page_ = 0;        ///< most ids are in the page of the id before
    std::size_t used_ = 0;
    std::unordered_map<std::string, std::uint8_t> texts_;
};

}  // namespace yoda
