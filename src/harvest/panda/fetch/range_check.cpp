// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/fetch/range_check.hpp"

#include <fmt/format.h>

#include "harvest/panda/wire/error_codes.hpp"

namespace yoda {

RangeChecker::RangeChecker(Job const& job) : panda_id_(job.panda_id())
{
    for (auto const& input : job.inputs()) lfns_.insert(input.lfn);
}

RangeChecker::Verdict RangeChecker::check(RangeView const& range, RefusedRange& refused)
{
    auto const id = RangeId::parse(range.id);
    if (!seen_.insert(range.id, id, 0)) return Verdict::repeated;
    auto const refuse = [&](bool fatal, int code, std::string why) {
        refused = {std::string(range.id), fatal, code, std::move(why), true};
        return Verdict::refused;
    };
    if (id && id->panda_id != panda_id_) {
        refuse(false, pilot_error::general,
               fmt::format("the range belongs to job {}, not to {}", id->panda_id, panda_id_));
        refused.report = false;
        return Verdict::refused;
    }
    if (!id && !fits_range_text(range.id))  // Digits and dashes fit.
        return refuse(true, pilot_error::es_fatal, "its id has characters that no payload can be given");
    if (range.start_event < 1 || range.last_event < range.start_event)
        return refuse(true, pilot_error::es_fatal,
                      fmt::format("events {} to {} are no range", range.start_event, range.last_event));
    if (range.last_event > UINT32_MAX)
        return refuse(true, pilot_error::es_fatal,
                      fmt::format("event {} is beyond 32 bits", range.last_event));
    if (range.lfn != last_lfn_ || last_lfn_.empty()) {
        if (range.lfn.empty())
            return refuse(false, pilot_error::no_such_file, "PanDA named no input file for it");
        if (!is_plain_file_name(range.lfn))
            return refuse(true, pilot_error::no_such_file, "its input is no plain file name");
        if (!lfns_.contains(std::string(range.lfn)))
            return refuse(false, pilot_error::no_such_file, "its file is not among the inputs of the job");
        last_lfn_ = range.lfn;
    }
    return Verdict::good;
}

}  // namespace yoda
