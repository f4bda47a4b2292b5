// SPDX-License-Identifier: Apache-2.0
// Programs that run beside AthenaMP when a job asks for them (docs/reference/athenamp.md §8): the Token
// Extractor of old releases, and the prefetcher. What is started and how. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/config/payload_config.hpp"
#include "core/job/job.hpp"
#include "core/job/job_pars.hpp"

namespace yoda::athenamp {

struct TokenExtractorPlan {
    Words arguments;
    std::string list;  ///< what its list of TAG files says; empty: it asks the Event Index
};
constexpr auto tag_list_name = "tag_files.txt";

/// nullopt: the job does not ask for a Token Extractor (`UseTokenExtractor = True` in jobPars). The extractor
/// reads TAG files when the job has some and says --createTAGFileForES. Otherwise the extractor asks the
/// Event Index at `event_index_url` or, when this is empty, at its public address.
/// Error: the job asks for TAG files and has none.
Result<std::optional<TokenExtractorPlan>> plan_token_extractor(Job const& job, PayloadConfig const& payload,
                                                               std::string const& event_index_url);

/// `usePrefetcher`.
bool wants_prefetcher(Job const& job);
/// The prefetcher's command with its own channel in it: the configured one, or
/// EVNTMerge_tf.py over the first input.
Words plan_prefetcher(std::vector<InputFile> const& inputs, PayloadConfig const& payload,
                      std::string_view channel);

}  // namespace yoda::athenamp
