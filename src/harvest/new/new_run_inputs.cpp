// SPDX-License-Identifier: Apache-2.0
#include "harvest/new/new_run_inputs.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <map>

#include "core/base/checksum.hpp"
#include "core/table/event_range.hpp"
#include "harvest/new/event_counter.hpp"

namespace yoda {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t max_events = UINT32_MAX - 1;

std::string make_guid(std::string const& lfn, InputSurvey const& survey)
{
    return fmt::format("{:08X}-{:04X}-{:04X}-{:04X}-{:04X}{:08X}", survey.crc32c, survey.adler32 >> 16,
                       survey.adler32 & 0xffffu, (survey.bytes >> 16) & 0xffffu, survey.bytes & 0xffffu,
                       crc32c(lfn));
}

}  // namespace

Result<std::vector<NewRunInput>> survey_inputs(std::vector<std::string> const& paths,
                                               std::vector<std::uint64_t> const& event_counts, CutEvents cut)
{
    if (paths.empty())
        return Error{ErrorKind::usage, "a run needs at least one input file", {}, "add --input FILE"};
    if (event_counts.size() > 1 && event_counts.size() != paths.size())
        return Error{ErrorKind::usage,
                     fmt::format("{} numbers of events for {} inputs", event_counts.size(), paths.size()),
                     {},
                     "give --events once for all inputs, or once for each"};
    std::vector<NewRunInput> inputs;
    std::map<std::string, std::string> seen;
    for (std::size_t i = 0; i < paths.size(); ++i) {
        auto const refuse = [&](ErrorKind kind, std::string why, std::string fix) {
            return Error{kind, fmt::format("input {} cannot be used", paths[i]), std::move(why),
                         std::move(fix)};
        };
        NewRunInput input;
        auto const path = fs::absolute(paths[i]).lexically_normal();
        input.pfn = path.string();
        input.lfn = path.filename().string();
        // Names first: no use in reading a large file to refuse it afterwards.
        if (!is_plain_file_name(input.lfn) || !fits_range_text(input.pfn))
            return refuse(ErrorKind::bad_input,
                          "its path has a comma, quote, backslash, control or non-ASCII character, which "
                          "payloads misread",
                          "rename the file, or give a link to it");
        if (auto const [other, fresh] = seen.try_emplace(input.lfn, input.pfn); !fresh)
            return refuse(ErrorKind::usage,
                          other->second == input.pfn
                              ? "it is there twice"
                              : fmt::format("{} has the same logical file name", other->second),
                          "give every file once, under a name of its own");
        auto survey = survey_input(input.pfn, cut);
        if (!survey) return survey.error();
        input.bytes = survey->bytes;
        input.adler32 = survey->adler32;
        input.guid = make_guid(input.lfn, *survey);

        std::uint64_t const asked = event_counts.empty()       ? 0
                                    : event_counts.size() == 1 ? event_counts[0]
                                                               : event_counts[i];
        if (!event_counts.empty() && asked == 0)
            return refuse(ErrorKind::usage, "none of its events are asked for",
                          "give --events 1 or more, or leave the input out");
        if (survey->event_count && asked > *survey->event_count)
            return refuse(ErrorKind::usage,
                          fmt::format("{} events are asked for, it holds {}", asked, *survey->event_count),
                          "give a smaller --events, or none to take all");
        if (!survey->event_count && asked == 0)
            return refuse(ErrorKind::usage,
                          fmt::format("its events cannot be counted ({})", print_format(survey->format)),
                          "tell their number with --events N");
        input.event_count = asked ? asked : *survey->event_count;
        if (input.event_count > max_events)
            return refuse(ErrorKind::bad_input, fmt::format("{} events are too many", input.event_count),
                          "split the file");
        if (input.event_count < survey->joined.size() && survey->joined[input.event_count])
            return refuse(ErrorKind::usage,
                          fmt::format("its event {} is within an <eventgroup>", input.event_count),
                          "give an --events that ends with a group, or none to take all");
        input.joined = std::move(survey->joined);
        inputs.push_back(std::move(input));
    }
    return inputs;
}

}  // namespace yoda
