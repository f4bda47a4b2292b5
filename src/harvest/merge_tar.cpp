#include "harvest/merge_tar.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "sys/files.hpp"
#include "sys/tar_file.hpp"

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

}  // namespace

Status merge_tar(EventTable const& table, std::vector<RangeIndex> const& order, MergeBundles& bundles,
                 std::string const& output, MergeOptions const& /*options*/, MergeAdvance const& advance,
                 MergeSummary& summary)
{
    std::string const part = fmt::format("{}.{}.part", output, ::getpid());
    auto file = open_file(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    if (!file) return file.error();
    TarFile tar(std::move(*file), part);
    Status status;
    std::uint64_t done = 0;
    for (RangeIndex const range : order) {
        advance(done++, range);
        status = append_range(range, bundles, tar);
        if (!status) break;
        auto const& row = table.row(range);
        summary.event_count += row.last - row.first + 1;
    }
    summary.events_checked = false;
    if (status) status = tar.finish();
    if (status && ::rename(part.c_str(), output.c_str()) != 0) status = os_error("rename", part, errno);
    if (!status) {
        ::unlink(part.c_str());
        return status;
    }
    return sync_folder(std::filesystem::path(output).parent_path().string());
}

}  // namespace yoda
