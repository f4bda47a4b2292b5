// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/tar.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "sys/base/named_output.hpp"
#include "sys/bundle/tar_file.hpp"

namespace yoda {

namespace {

Status append_range(RangeIndex range, MergeBundles& bundles, TarFile& tar)
{
    auto entry = bundles.find(range);
    if (!entry) return entry.error();
    auto by_name = [](BundleMember const& a, BundleMember const& b) { return a.name < b.name; };
    std::sort(entry->members.begin(), entry->members.end(), by_name);
    for (auto const& member : entry->members) {
        if (auto status = tar.begin_member(member.name, member.bytes); !status) return status;
        auto status = bundles.copy(range, member, [&](std::string_view piece) { return tar.write(piece); });
        if (!status) return status;
        if (status = tar.end_member(); !status) return status;
    }
    return {};
}

Status write_ranges(EventTable const& table, std::vector<RangeIndex> const& order, MergeBundles& bundles,
                    TarFile& tar, MergeAdvance const& advance, MergeSummary& summary)
{
    std::uint64_t done = 0;
    for (RangeIndex const range : order) {
        advance(done++, range);
        if (auto status = append_range(range, bundles, tar); !status) return status;
        auto const& row = table.row(range);
        summary.event_count += row.last - row.first + 1;
    }
    summary.events_checked = false;
    auto status = tar.finish();
    summary.bytes = tar.bytes();
    return status;
}

}  // namespace

Status merge_tar(EventTable const& table, std::vector<RangeIndex> const& order, MergeBundles& bundles,
                 std::string const& output, MergeOptions const& /*options*/, MergeAdvance const& advance,
                 MergeSummary& summary)
{
    auto stream = open_stream(output);
    if (!stream) return stream.error();
    if (*stream) {
        TarFile tar(*std::move(*stream), output, TarFile::Kind::stream);
        return write_ranges(table, order, bundles, tar, advance, summary);
    }
    std::string const part = fmt::format("{}.{}.part", output, ::getpid());
    auto file = open_part(part, 0644);
    if (!file) return file.error();
    TarFile tar(std::move(*file), part);
    auto const status = write_ranges(table, order, bundles, tar, advance, summary);
    if (status) return put_in_place(part, output);
    ::unlink(part.c_str());
    return status;
}

}  // namespace yoda
