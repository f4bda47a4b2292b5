// SPDX-License-Identifier: Apache-2.0
// A transform's command line (jobPars, docs/reference/panda.md §3) as words: parsed as a shell would without
// running one, changed for the Event Service, printed back. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job.hpp"

namespace yoda {

using Words = std::vector<std::string>;

/// The value of an environment variable; nullopt counts as empty.
using VariableLookup = std::function<std::optional<std::string>(std::string_view)>;

/// Splits a text into words as sh does: quotes, backslashes, $NAME and ${NAME} are understood, but the value
/// of a variable is never split into words. Patterns stay as they are, as in a folder where nothing matches.
/// Errors: a quote is left open; the text holds what only a running shell could do (`;`, `|`, `&`, `<`, `>`,
/// brackets, a backquote, `$(`, a new line, a comment).
Result<Words> split_words(std::string_view text, VariableLookup const& variable);
/// Text that sh splits into the same words.
std::string print_words(Words const& words);

/// Tells the payload the name of its channel, by the rules of docs/reference/athenamp.md §6:
///  - The word PILOT_EVENTRANGECHANNEL_CHANGE_ME is replaced. Nothing else is changed in a line that holds
///    PILOT_EVENTRANGECHANNEL (the payload reads the environment) or the channel's name.
///  - Otherwise the name goes into `--athenaopts` with `--CA` and `--multithreaded=true`, into
///    `--preExec ConfigFlags...` with `--CA`, else into `--preExec from AthenaMP...`. In an option that is
///    there already, the name goes behind its scope (`all:`, `EVNTtoHITS:`) and after an import of its own.
///  - Where no value reaches the step of the Event Service, a value with that step's scope is added. While
///    the step is not known, the scope is `all:`, except in `--athenaopts`, where `all:` would turn the Event
///    Service on.
///  - A channel that is set already, by whatever name of the flags, is set to this one.
void inject_channel(Words& words, std::string_view channel);
/// AthenaMT (`--CA --multithreaded=true`): threads, no worker processes.
bool is_multithreaded(Words const& words);

/// What the originals change in every job (docs/reference/athenamp.md §6).
struct JobParsChanges {
    bool no_file_validation = true;  ///< adds --fileValidation=FALSE unless something is said about it
    /// Keeps the first file of a list in --inputEVNTFile and its like: the others come with their ranges.
    bool first_file_only = true;
    bool no_db_release = true;  ///< removes --DBRelease
    bool no_frontier = false;   ///< removes UseFrontier.py from --postInclude
};
/// Where the input of this LFN is; the LFN itself while that is not known.
std::string place_of(std::vector<InputFile> const& inputs, std::string const& lfn);
/// Also makes the job's inputs absolute: an LFN in an --input... option becomes its PFN, where that is known.
void change_job_pars(Words& words, JobParsChanges const& changes, std::vector<InputFile> const& inputs);

}  // namespace yoda
