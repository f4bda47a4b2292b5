// SPDX-License-Identifier: Apache-2.0
// What was asked of PanDA and what came back, written down before anything is done with it: PanDA hands a job
// or a range out once, so an answer that is lost must be known as lost.
//
//   FOLDER/000007-ranges.asked.json     written and synced before the request leaves
//   FOLDER/000007-ranges.answer.json    the list as it came, written and synced before anybody uses it
//   FOLDER/000007-ranges.ended.json     instead: why there is none
//   FOLDER/000007-ranges.used           what the answer held has been passed on (feed only)
// An ask with none of the others behind it is lost. One for jobs to which PanDA had nothing to give is removed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "harvest/panda/wire/outcome.hpp"

namespace yoda {

enum class AskKind { jobs, ranges };

struct Ask {
    std::uint32_t number = 0;
    AskKind kind = AskKind::jobs;
    std::int64_t panda_id = 0;  ///< ranges: of the job
    std::int64_t count = 0;     ///< how many were asked for
    std::int64_t unix_s = 0;
    std::string note;  ///< feed: name of the inbox note that will carry the ranges
    enum class State { lost, answered, used, ended } state = State::lost;
    PandaOutcome outcome = PandaOutcome::unknown;  ///< of an ended one
};

/// PanDA may have answered, but the answer is not here.
bool is_lost(Ask const& ask);

class FetchJournal {
  public:
    /// Reads what is there; makes the folder. Errors: io; a file that is none of ours.
    static Result<FetchJournal> open(std::string folder);

    std::vector<Ask> const& asks() const { return asks_; }
    /// Durable when it returns. busy: another process wrote this number at the same
    /// time; open the journal again.
    Result<Ask> begin(AskKind kind, std::int64_t panda_id, std::int64_t count, std::int64_t unix_s,
                      std::string note = {});
    Status keep_answer(Ask const& ask, std::string_view list);
    Status keep_end(Ask const& ask, PandaJudgement const& judgement);
    Status keep_used(Ask const& ask);
    /// The newest one, for which PanDA had nothing: callers who ask every few minutes leave no trace.
    Status forget(Ask const& ask);
    Result<std::string> read_answer(Ask const& ask) const;
    Status read_answer_into(std::string& list, Ask const& ask) const;

    /// Ranges that PanDA may believe we have, because an answer was lost: at most so many.
    std::int64_t lost_range_count() const;
    std::int64_t lost_job_count() const;
    std::string const& folder() const { return folder_; }

  private:
    explicit FetchJournal(std::string folder) : folder_(std::move(folder)) {}
    std::string path_of(Ask const& ask, std::string_view suffix) const;
    void set_state(Ask const& ask, Ask::State state, PandaOutcome outcome);

    std::string folder_;
    std::vector<Ask> asks_;
};

}  // namespace yoda
