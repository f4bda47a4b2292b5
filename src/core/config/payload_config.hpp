// SPDX-License-Identifier: Apache-2.0
// payload.cfg: which program makes an event range's output, and how to talk to it (docs/payloads.md).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/job/job_pars.hpp"

namespace yoda {

enum class ChannelKind {
    worker,    ///< worker protocol over inherited sockets
    command,   ///< one process per range
    athenamp,  ///< AthenaMP's dialogue over yampl
    null,      ///< no payload: ranges finish as they come
};

enum class OutputKind {
    hdf5,     ///< merge concatenates the datasets
    opaque,   ///< merge makes a tar
    nothing,  ///< no output file
};

/// `output.NAME = LFN pattern`: which of a job's outFiles the payload's output NAME is. `*` and `?` in the
/// pattern stand for any text and any character.
struct OutputRule {
    std::string name;  ///< letters, digits, underscores
    std::string pattern;
    bool operator==(OutputRule const&) const = default;
};

struct PayloadConfig {
    std::string name;
    ChannelKind channel = ChannelKind::worker;
    std::string executable;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;  ///< NAME=value
    OutputKind output = OutputKind::opaque;
    std::vector<OutputRule> outputs;  ///< several outputs; empty: there is but one
    bool deterministic = true;        ///< the same range gives the same bytes; no: no second copies
    /// The executable is a path inside of the job's container: it is not looked for here.
    bool in_container = false;
    // Of channel athenamp only (docs/athenamp.md).
    std::vector<std::string> prefix;           ///< words before the command: a container's
    std::vector<std::string> token_extractor;  ///< words of its command; empty: as the originals start it
    std::vector<std::string> prefetcher;       ///< the same
    JobParsChanges job_pars;
    double finalisation_s = 60;  ///< of one worker; they finalise one after another
    bool stage_in = false;       ///< copy inputs to the node first
};

/// Errors name `source` and the line: unknown key or value, no executable, NAME=value without a name, an
/// output that has no name or is there twice, or whose file no argument of a command can name.
Result<PayloadConfig> parse_payload_config(std::string_view text, std::string_view source);
std::string print_payload_config(PayloadConfig const& config);

/// Replaces {name} by its value in `text`; "{{" stands for "{". Error: an unknown or unclosed placeholder.
struct Placeholder {
    std::string_view name;
    std::string_view value;
};
Result<std::string> fill_placeholders(std::string_view text, std::vector<Placeholder> const& values);

}  // namespace yoda
