// A small number for each eventRangeID of one job: a million take 50 MB, as texts they would take 150.
// An id that is not five integers, or of another job, is kept as a text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/event_range.hpp"

namespace yoda {

class RangeMap {
  public:
    /// False if the id is there already; its value then stays.
    bool insert(std::string_view id, std::uint8_t value);
    std::optional<std::uint8_t> find(std::string_view id) const;
    std::size_t size() const { return used_ + texts_.size(); }
    void clear();

  private:
    struct Slot {
        std::int64_t file_id = -1;  ///< -1: free
        std::int64_t process_id = 0;
        std::int32_t attempt = 0;
        std::uint8_t value = 0;
    };
    std::optional<Slot> pack(std::string_view id) const;
    std::size_t place(Slot const& key) const;
    void grow();

    std::int64_t task_id_ = -1;  ///< of the first id
    std::int64_t panda_id_ = -1;
    std::vector<Slot> slots_;
    std::size_t used_ = 0;
    std::unordered_map<std::string, std::uint8_t> texts_;
};

}  // namespace yoda
