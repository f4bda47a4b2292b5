// SPDX-License-Identifier: Apache-2.0
// RUN/panda/reported-<PandaID>.log: what PanDA has taken of one job, one JSON line each, appended and synced
// before anything else is done with it. A torn last line is left out: its ranges are sent once more.
//
//   {"bundle":"NAME.tar","accepted":12,"failed":0,"refused":0}
//   {"rows":[[17,19],[40,41]],"accepted":0,"failed":3,"refused":0}   rows [first, second) of the event table
//   {"listed":[[0,2]],"accepted":0,"failed":2,"refused":0}           places in refused-<PandaID>.json
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

#include "core/base/result.hpp"
#include "harvest/panda/run/range_ledger.hpp"

namespace yoda {

class ReportedLog {
  public:
    struct Counts {
        std::uint64_t accepted = 0;  ///< finished ones that PanDA has as finished
        std::uint64_t failed = 0;    ///< failed ones that PanDA has as failed
        std::uint64_t refused = 0;   ///< what PanDA will not have from us
    };
    /// An absent file is an empty log. Errors: io.
    static Result<ReportedLog> open(std::string path);

    bool has_bundle(std::string const& name) const { return bundles_.contains(name); }
    RangeSpans const& rows() const { return rows_; }
    RangeSpans const& listed() const { return listed_; }
    /// Over all; what was written down twice counts once.
    Counts totals() const;

    // Durable when they return.
    Status add_bundle(std::string const& name, Counts counts);
    Status add_rows(RangeSpans const& rows, Counts counts);
    Status add_listed(RangeSpans const& places, Counts counts);

  private:
    explicit ReportedLog(std::string path) : path_(std::move(path)) {}
    void take_line(std::string_view line);
    Status append(std::string const& line);

    std::string path_;
    std::unordered_map<std::string, Counts> bundles_;
    RangeSpans rows_;
    RangeSpans listed_;
    Counts span_counts_;  ///< of rows_ and listed_
};

/// All places of both.
void add_spans(RangeSpans& spans, RangeSpans const& more);

}  // namespace yoda
