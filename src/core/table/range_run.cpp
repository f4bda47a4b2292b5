// SPDX-License-Identifier: Apache-2.0
#include "core/table/range_run.hpp"

namespace yoda {

void append_run(RangeRun const& next, std::vector<RangeRun>& runs, std::size_t fixed_count,
                std::uint32_t max_count)
{
    if (runs.size() > fixed_count) {
        RangeRun& run = runs.back();
        bool const alike = next.begin == run.begin + run.count && next.file == run.file &&
                           next.events == run.events && next.attempt == run.attempt &&
                           next.hand_out == run.hand_out && run.count < max_count;
        if (alike && run.count == 1) {
            run.stride = next.first - run.first;
            run.process_stride = next.process_id - run.process_id;
            run.count = 2;
            return;
        }
        if (alike && next.first == run.first_event(run.count) && next.process_id == run.process(run.count)) {
            ++run.count;
            return;
        }
    }
    runs.push_back(next);
}

}  // namespace yoda
