// SPDX-License-Identifier: Apache-2.0
#include "droid/athenamp/pool_catalogue.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

namespace yoda::athenamp {

namespace {

bool fits_xml(std::string_view value)
{
    return std::none_of(value.begin(), value.end(),
                        [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

std::string escape(std::string_view value)
{
    std::string text;
    for (char const c : value) {
        switch (c) {
            case '&':
                text += "&#038;";
                break;  // As the originals write it.
            case '<':
                text += "&lt;";
                break;
            case '>':
                text += "&gt;";
                break;
            case '"':
                text += "&quot;";
                break;
            case '\'':
                text += "&#039;";
                break;
            default:
                text += c;
        }
    }
    return text;
}

}  // namespace

std::string print_pool_catalogue(std::vector<InputFile> const& inputs)
{
    std::string text =
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"no\" ?>\n"
        "<!DOCTYPE POOLFILECATALOG SYSTEM \"InMemory\">\n"
        "<POOLFILECATALOG>\n";
    std::set<std::string_view> seen;
    for (auto const& input : inputs) {
        if (input.guid.empty() || input.pfn.empty() || !fits_xml(input.guid) || !fits_xml(input.pfn))
            continue;
        if (!seen.insert(input.guid).second) continue;
        text += fmt::format(
            "  <File ID=\"{}\">\n    <physical>\n      <pfn filetype=\"ROOT_All\" name=\"{}\"/>\n    "
            "</physical>\n"
            "    <logical/>\n  </File>\n",
            escape(input.guid), escape(input.pfn));
    }
    return text + "</POOLFILECATALOG>\n";
}

}  // namespace yoda::athenamp
