// SPDX-License-Identifier: Apache-2.0
// What one request to PanDA came to. Every answer, however ugly, is one of
// four outcomes (docs/panda.md, "Outcomes").
#pragma once

#include <string>
#include <string_view>

namespace yoda {

/// The two interfaces of a PanDA server.
enum class PandaApi {
    classic,  ///< /server/panda/<method>, form bodies
    v1,       ///< /api/v1/<module>/<method>, JSON bodies
};

enum class PandaOutcome {
    stored,   ///< the server did it (for questions: it answered)
    refused,  ///< the server understood and said no: repeating the same does not help
    later,    ///< nothing was done: the same request may be sent again later
    unknown,  ///< it may or may not have been done: ask, or repeat only what is harmless to repeat
};

std::string_view print_outcome(PandaOutcome outcome);

/// An outcome and the reason, in one line for people and logs (never a secret).
struct PandaJudgement {
    PandaOutcome outcome = PandaOutcome::unknown;
    std::string why;
    bool credentials = false;     ///< refused because of who we are, not of what we asked
    bool unknown_method = false;  ///< this server has no such method: it may speak the other interface

    bool stored() const { return outcome == PandaOutcome::stored; }
};

/// An HTTP answer as it came; the transport's own failures never become one.
struct RawAnswer {
    int status = 0;
    std::string content_type;
    std::string body;
};

}  // namespace yoda
