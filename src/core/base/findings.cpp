// SPDX-License-Identifier: Apache-2.0
#include "core/base/findings.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace yoda {

namespace {

std::string_view print_kind(FindingKind kind)
{
    return kind == FindingKind::damage ? "damage" : "leftover";
}

}  // namespace

void Findings::add(FindingKind kind, std::string what, std::string where, std::string consequence)
{
    ++count_;
    if (kind == FindingKind::damage) ++damage_count_;
    if (list_.size() < limit)
        list_.push_back({kind, std::move(what), std::move(where), std::move(consequence)});
}

void Findings::append(Findings const& others)
{
    for (auto const& finding : others.list_) {
        if (list_.size() == limit) break;
        list_.push_back(finding);
    }
    count_ += others.count_;
    damage_count_ += others.damage_count_;
}

std::string Findings::print() const
{
    std::string text;
    for (auto const& finding : list_)
        text += fmt::format("{}: {}: {}; {}\n", print_kind(finding.kind), finding.where, finding.what,
                            finding.consequence);
    if (count_ > list_.size()) text += fmt::format("and {} more\n", count_ - list_.size());
    return text;
}

std::string Findings::print_json() const
{
    nlohmann::ordered_json json;
    json["count"] = count_;
    json["damage"] = any_damage();
    json["findings"] = nlohmann::ordered_json::array();
    for (auto const& finding : list_)
        json["findings"].push_back({{"kind", print_kind(finding.kind)},
                                    {"what", finding.what},
                                    {"where", finding.where},
                                    {"consequence", finding.consequence}});
    return json.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace yoda
