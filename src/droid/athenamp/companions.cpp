// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/companions.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace yoda::athenamp {

namespace {

constexpr auto event_index = "http://wn181.ific.uv.es:8080/getIndex.jsp?format=txt2&guid=";

std::string without_blanks(std::string text)
{
    std::erase(text, ' ');
    return text;
}

bool is_yes(std::string const& value)
{
    return value == "True" || value == "true";
}

Words command_of(Words const& prefix, Words const& command, Words const& fallback)
{
    Words words = prefix;
    auto const& own = command.empty() ? fallback : command;
    words.insert(words.end(), own.begin(), own.end());
    return words;
}

}  // namespace

Result<std::optional<TokenExtractorPlan>> plan_token_extractor(Job const& job, PayloadConfig const& payload,
                                                               std::string const& event_index_url)
{
    auto const job_pars = without_blanks(job.text("jobPars"));
    if (job_pars.find("UseTokenExtractor=True") == std::string::npos)
        return std::optional<TokenExtractorPlan>{};
    TokenExtractorPlan plan;
    plan.arguments = command_of(payload.prefix, payload.token_extractor, {"TokenExtractor"});
    plan.arguments.push_back("-v");
    if (job_pars.find("--createTAGFileForES") == std::string::npos) {
        plan.arguments.insert(
            plan.arguments.end(),
            {"-e", "-s", event_index_url.empty() ? std::string(event_index) : event_index_url});
        return std::optional(std::move(plan));
    }
    for (auto const& input : job.inputs()) {
        if (input.lfn.find("TAG") != std::string::npos)
            plan.list += fmt::format("{},PFN:{}\n", input.guid, input.pfn.empty() ? input.lfn : input.pfn);
    }
    if (plan.list.empty())
        return Error{ErrorKind::bad_input,
                     "the Token Extractor cannot be started",
                     "the job asks for TAG files (--createTAGFileForES) and has none among its inputs",
                     {}};
    plan.arguments.insert(plan.arguments.end(), {"--source", tag_list_name});
    return std::optional(std::move(plan));
}

bool wants_prefetcher(Job const& job)
{
    return is_yes(job.text("usePrefetcher"));
}

Words plan_prefetcher(std::vector<InputFile> const& inputs, PayloadConfig const& payload,
                      std::string_view channel)
{
    auto const first = inputs.empty() ? std::string{} : inputs[0].pfn.empty() ? inputs[0].lfn : inputs[0].pfn;
    auto words = command_of(payload.prefix, payload.prefetcher,
                            {"EVNTMerge_tf.py", "--inputEVNTFile=" + first,
                             "--outputEVNT_MRGFile=prefetched.pool.root", "--eventService=True"});
    inject_channel(words, channel);
    return words;
}

}  // namespace yoda::athenamp
