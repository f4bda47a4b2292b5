// SPDX-License-Identifier: Apache-2.0
#include "core/config/output_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "core/base/utf8.hpp"
#include "core/table/event_range.hpp"

namespace yoda {

namespace {

constexpr unsigned no_match = 4;
constexpr std::string_view stream_ending = "_000";

/// Whether `text` is the pattern, in which `*` stands for any text and `?` for any character.
bool matches(std::string_view text, std::string_view pattern)
{
    std::size_t at = 0, next = 0, star = std::string_view::npos, resume = 0;
    while (at < text.size()) {
        if (next < pattern.size() && pattern[next] == '*') {
            star = next++;
            resume = at;
        } else if (next < pattern.size() && (pattern[next] == '?' || pattern[next] == text[at])) {
            ++next;
            ++at;
        } else if (star != std::string_view::npos) {
            next = star + 1;
            at = ++resume;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', next) == std::string_view::npos;
}

Error cannot_map(Job const& job, std::string why, std::string fix)
{
    return Error{ErrorKind::bad_input,
                 fmt::format("the outputs of job {} cannot be told apart", job.panda_id()), std::move(why),
                 std::move(fix)};
}

Status check_lfns(Job const& job, std::vector<std::string> const& lfns)
{
    // No range's id is shorter.
    auto const ending = fmt::format(".{}-{}-1-1-1", job.task_id(), job.panda_id());
    for (auto const& lfn : lfns) {
        if (!is_plain_file_name(lfn))
            return cannot_map(job, fmt::format("the outFile '{}' is not a plain file name", lfn), {});
        if (record_name(lfn + ending).size() > max_record_name_bytes)
            return cannot_map(job,
                              fmt::format("the outFile '{}' and the id of a range are longer than {} bytes",
                                          lfn, max_record_name_bytes),
                              {});
    }
    if (std::set<std::string>(lfns.begin(), lfns.end()).size() != lfns.size())
        return cannot_map(job, "one outFile is there twice", {});
    return {};
}

std::string escape(std::string_view text, bool also_dot)
{
    std::string escaped;
    for (std::size_t at = 0; at < text.size();) {
        auto const length = clean_utf8_length(text.substr(at));
        if (length > 0 && !(also_dot && at == 0 && text[0] == '.')) {
            escaped += text.substr(at, length);
            at += length;
        } else {
            escaped += fmt::format("%{:02X}", static_cast<unsigned char>(text[at++]));
        }
    }
    return escaped;
}

std::string_view base_of(std::string_view path)
{
    return path.substr(path.rfind('/') + 1);
}

}  // namespace

std::string record_name(std::string_view member)
{
    return escape(member, true);
}

std::string object_name(std::string_view member)
{
    return escape(member, false);
}

std::vector<std::string> out_lfns(Job const& job)
{
    auto names = job.list("outFiles");
    for (auto const& log : job.list("logFile")) std::erase(names, log);
    return names;
}

Result<OutputNames> OutputNames::make(Job const& job, PayloadConfig const& payload)
{
    OutputNames names;
    names.of_athenamp_ = payload.channel == ChannelKind::athenamp;
    if (payload.output == OutputKind::nothing) return names;
    auto const lfns = out_lfns(job);
    if (auto status = check_lfns(job, lfns); !status) return status.error();
    names.takes_any_ = lfns.size() == 1;
    if (payload.outputs.empty()) {
        if (lfns.size() > 1 && !names.of_athenamp_)
            return cannot_map(job, fmt::format("it has {} outputs ({})", lfns.size(), fmt::join(lfns, ", ")),
                              "add output.NAME = LFN pattern to payload.cfg for each of them");
        for (auto const& lfn : lfns) names.outputs_.push_back({{}, lfn});
        return names;
    }
    for (auto const& lfn : lfns) {
        std::vector<std::string> found;
        for (auto const& rule : payload.outputs)
            if (matches(lfn, rule.pattern)) found.push_back(rule.name);
        if (found.size() != 1)
            return cannot_map(job,
                              found.empty()
                                  ? fmt::format("no output.NAME of payload.cfg matches {}", lfn)
                                  : fmt::format("output.{} match {}", fmt::join(found, " and output."), lfn),
                              "each outFile needs one output.NAME = LFN pattern in payload.cfg");
        auto const same = std::find_if(names.outputs_.begin(), names.outputs_.end(),
                                       [&](Output const& other) { return other.name == found[0]; });
        if (same != names.outputs_.end())
            return cannot_map(job, fmt::format("output.{} matches {} and {}", found[0], same->lfn, lfn),
                              "each outFile needs an output.NAME = LFN pattern of its own in payload.cfg");
        names.outputs_.push_back({found[0], lfn});
    }
    return names;
}

/// How well a file's name, without the id, fits the output: 0 is best, no_match is not at all.
unsigned OutputNames::distance(std::string_view base, Output const& output) const
{
    if (base == output.lfn) return 0;
    if (of_athenamp_ && base == output.lfn + std::string(stream_ending)) return 1;
    if (!output.name.empty() && base == output.name) return 2;
    return takes_any_ ? 3 : no_match;
}

OutputNames::Named OutputNames::name(std::vector<std::string> const& paths, std::string_view range_id) const
{
    Named named;
    if (outputs_.empty() || paths.empty()) return named;
    auto const ending = fmt::format(".{}", range_id);
    std::vector<std::size_t> order(paths.size());
    for (std::size_t i = 0; i < paths.size(); ++i) {
        order[i] = i;
        named.names.emplace_back(base_of(paths[i]));
    }
    if (of_athenamp_)
        std::stable_sort(order.begin(), order.end(),
                         [&](std::size_t a, std::size_t b) { return base_of(paths[a]) < base_of(paths[b]); });
    std::vector<bool> taken(paths.size());
    for (auto const& output : outputs_) {
        auto best = paths.size();
        auto least = no_match;
        for (auto const i : order) {
            auto base = base_of(paths[i]);
            if (base.ends_with(ending)) base.remove_suffix(ending.size());
            auto const its = distance(base, output);
            if (taken[i] || its >= least) continue;
            best = i;
            least = its;
        }
        if (best < paths.size()) {
            taken[best] = true;
            named.names[best] = output.lfn + ending;
        } else if (named.missing.empty() && !of_athenamp_) {
            named.missing =
                fmt::format("the payload made no file {}{} for {}", output.name, ending, output.lfn);
        }
    }
    return named;
}

}  // namespace yoda
