// SPDX-License-Identifier: Apache-2.0
#include "harvest/merge/bundles.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "core/base/checksum.hpp"
#include "harvest/merge/order.hpp"
#include "sys/base/run_folder.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t nowhere = UINT64_MAX;
constexpr std::size_t max_open_bundles = 200;
constexpr std::size_t max_named = 5;
constexpr std::size_t block_bytes = 1u << 20;
constexpr std::size_t likely_frame_bytes = 512;
constexpr std::uint64_t max_index_bytes = 16ull << 30;
constexpr std::uint64_t max_manifest_bytes = 1u << 20;
constexpr std::uint64_t tar_block_bytes = 512;
constexpr std::string_view repair =
    "run harvest recover --data, which finds all that is damaged, and then yoda, which does it again";

std::optional<std::uint64_t> file_bytes(std::string const& path)
{
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
    return static_cast<std::uint64_t>(info.st_size);
}

/// Reads exactly `size` bytes, or fewer at the end of the file.
Result<std::size_t> read_at(int fd, std::string const& path, std::uint64_t offset, char* to, std::size_t size)
{
    std::size_t done = 0;
    while (done < size) {
        ssize_t const n = ::pread(fd, to + done, size - done, static_cast<off_t>(offset + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("read", path, errno);
        if (n == 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

/// Whether a tar header of a file of this size stands there. Larger sizes than octal digits can tell are in a
/// header before it, and not looked at.
bool is_tar_header(std::string_view header, std::uint64_t bytes)
{
    auto const size = header.substr(124, 12);
    bool const octal = std::all_of(size.begin(), size.end(),
                                   [](char c) { return (c >= '0' && c <= '7') || c == ' ' || c == '\0'; });
    std::uint64_t value = 0;
    for (char const c : size) {
        if (c >= '0' && c <= '7') value = value * 8 + static_cast<std::uint64_t>(c - '0');
    }
    return header.substr(257, 5) == "ustar" && (!octal || value == bytes);
}

}  // namespace

MergeBundles::MergeBundles(EventTable const& table, std::string const& run, std::string const& fetched_folder)
    : table_(table), bundles_(table.bundles().size())
{
    for (RangeIndex i = 0; i < table.size(); ++i) {
        bool const has_output = table.progress(i).holder != none;
        if (table.state(i) == RangeState::finished && has_output)
            ++bundles_[table.progress(i).holder].range_count;
    }
    std::string const folder = RunFolder(run).bundles();
    for (BundleNumber number = 0; number < bundles_.size(); ++number) {
        if (bundles_[number].range_count > 0) choose_paths(number, folder, fetched_folder);
    }
}

void MergeBundles::choose_paths(BundleNumber number, std::string const& folder,
                                std::string const& fetched_folder)
{
    auto& bundle = bundles_[number];
    auto const paths = bundle_paths(folder, table_.bundles()[number].origin);
    bundle.tar_path = paths.tar;
    bundle.index_path = paths.index;
    if (path_exists(paths.manifest)) {
        bundle.manifest_path = paths.manifest;
        if (!path_exists(paths.tar) && !fetched_folder.empty())
            bundle.tar_path = bundle_paths(fetched_folder, table_.bundles()[number].origin).tar;
    } else {  // Not sealed: what has not got its final name yet counts.
        if (path_exists(paths.open_tar)) bundle.tar_path = paths.open_tar;
        if (path_exists(paths.open_index)) bundle.index_path = paths.open_index;
    }
    auto const tar_bytes = file_bytes(bundle.tar_path);
    if (!tar_bytes || !path_exists(bundle.index_path))
        missing_.push_back({table_.bundles()[number].origin, bundle.range_count});
    bundle.tar_bytes = tar_bytes.value_or(0);
}

Status MergeBundles::locate()
{
    if (!missing_.empty()) {
        std::string names;
        std::uint64_t ranges = 0;
        for (std::size_t i = 0; i < missing_.size(); ++i) {
            ranges += missing_[i].range_count;
            if (i < max_named)
                names += fmt::format("{}{}.tar with {}", i ? ", " : "", bundle_name(missing_[i].origin),
                                     missing_[i].range_count);
        }
        if (missing_.size() > max_named) names += fmt::format(" and {} more", missing_.size() - max_named);
        return Error{ErrorKind::unavailable,
                     fmt::format("the data of {} finished ranges are not here", ranges),
                     fmt::format("{} bundles lack: {}", missing_.size(), names),
                     "harvest merge --fetch brings them back from their store; else harvest recover"};
    }
    frames_.assign(table_.size(), nowhere);
    for (BundleNumber number = 0; number < bundles_.size(); ++number) {
        if (bundles_[number].range_count == 0) continue;
        if (auto status = locate_in(number); !status) return status;
    }
    std::string names;
    std::uint64_t lost = 0;
    for (RangeIndex i = 0; i < table_.size(); ++i) {
        if (table_.state(i) != RangeState::finished || frames_[i] != nowhere) continue;
        if (lost++ < max_named)
            names += fmt::format("{}{} in {}", names.empty() ? "" : ", ", describe_range(table_, i),
                                 table_.progress(i).holder == none ? "none, as it finished without an output"
                                                                   : bundle_of(i).index_path);
    }
    if (lost == 0) return {};
    return Error{ErrorKind::bad_input, fmt::format("{} finished ranges have no entry in their bundle", lost),
                 names + (lost > max_named ? fmt::format(" and {} more", lost - max_named) : ""),
                 std::string(repair)};
}

Status MergeBundles::check_manifest(BundleNumber number, BundleIndex const& index,
                                    std::uint64_t index_bytes) const
{
    auto const& bundle = bundles_[number];
    auto const refuse = [&](std::string why) {
        return Error{ErrorKind::bad_input, fmt::format("bundle {} cannot be used", bundle.tar_path),
                     std::move(why), std::string(repair)};
    };
    if (index.origin != table_.bundles()[number].origin) return refuse("its index belongs to another bundle");
    if (bundle.manifest_path.empty()) return {};
    auto const text = read_file(bundle.manifest_path, max_manifest_bytes);
    if (!text) return text.error();
    auto const manifest = parse_manifest(*text);
    if (!manifest) return refuse(manifest.error().why);
    if (manifest->origin != index.origin) return refuse("its manifest belongs to another bundle");
    if (manifest->bytes != bundle.tar_bytes)
        return refuse(
            fmt::format("it has {} bytes, its manifest says {}", bundle.tar_bytes, manifest->bytes));
    if (index.torn || manifest->index_bytes != index_bytes || manifest->entry_count != index.entries.size())
        return refuse(fmt::format("its index has {} good entries in {} bytes, its manifest says {} in {}",
                                  index.entries.size(), index_bytes, manifest->entry_count,
                                  manifest->index_bytes));
    return {};
}

Status MergeBundles::locate_in(BundleNumber number)
{
    auto const& bundle = bundles_[number];
    auto const bytes = read_file(bundle.index_path, max_index_bytes);
    if (!bytes) return bytes.error();
    auto const index = decode_index(*bytes);
    if (!index)
        return Error{index.error().kind, fmt::format("index {} cannot be used", bundle.index_path),
                     index.error().what + ": " + index.error().why, std::string(repair)};
    if (auto status = check_manifest(number, *index, bytes->size()); !status) return status;
    for (std::size_t i = 0; i < index->entries.size(); ++i) {
        auto const& entry = index->entries[i];
        bool const wanted = entry.range < table_.size() &&
                            table_.state(entry.range) == RangeState::finished &&
                            table_.progress(entry.range).holder == number &&
                            table_.winning_epoch(entry.range).value == entry.epoch;
        if (!wanted) continue;  // A hand-out that did not win.
        if (frames_[entry.range] != nowhere)
            return damaged(entry.range, fmt::format("{} names it twice", bundle.index_path));
        if (entry.range_id != table_.range_id(entry.range))
            return damaged(entry.range,
                           fmt::format("{} has '{}' in its place", bundle.index_path, entry.range_id));
        if (auto status = check_entry(entry.range, bundle, entry); !status) return status;
        frames_[entry.range] = index->frames[i];
    }
    return {};
}

Status MergeBundles::check_entry(RangeIndex range, Bundle const& bundle, BundleEntry const& entry) const
{
    if (entry.end > bundle.tar_bytes)
        return damaged(range, fmt::format("{} is shorter than its index says: {} of {} bytes",
                                          bundle.tar_path, bundle.tar_bytes, entry.end));
    for (auto const& member : entry.members) {
        bool const inside = member.data_offset >= entry.begin + tar_block_bytes &&
                            member.data_offset <= entry.end && member.bytes <= entry.end - member.data_offset;
        if (!inside)
            return damaged(range, fmt::format("{} has member {} outside of the range's entry",
                                              bundle.index_path, member.name));
    }
    return {};
}

Error MergeBundles::damaged(RangeIndex range, std::string why) const
{
    return {ErrorKind::bad_input,
            fmt::format("the output of {} cannot be used", describe_range(table_, range)), std::move(why),
            std::string(repair)};
}

Result<MergeBundles::Bundle*> MergeBundles::open(RangeIndex range)
{
    BundleNumber const number = table_.progress(range).holder;
    auto& bundle = bundles_[number];
    if (bundle.open) {
        if (open_.front() != number) {
            open_.remove(number);
            open_.push_front(number);
        }
        return &bundle;
    }
    if (open_.size() >= max_open_bundles) {
        auto& last = bundles_[open_.back()];
        last.tar.reset();
        last.index.reset();
        last.open = false;
        open_.pop_back();
    }
    auto tar = open_file(bundle.tar_path, O_RDONLY);
    if (!tar) return tar.error();
    auto index = open_file(bundle.index_path, O_RDONLY);
    if (!index) return index.error();
    bundle.tar = std::move(*tar);
    bundle.index = std::move(*index);
    bundle.open = true;
    open_.push_front(number);
    return &bundle;
}

Result<int> MergeBundles::tar_fd(RangeIndex range)
{
    auto const bundle = open(range);
    if (!bundle) return bundle.error();
    return (*bundle)->tar.get();
}

Result<BundleEntry> MergeBundles::find(RangeIndex range)
{
    auto const bundle = open(range);
    if (!bundle) return bundle.error();
    auto const& path = (*bundle)->index_path;
    int const fd = (*bundle)->index.get();
    std::string frame(likely_frame_bytes, '\0');
    auto got = read_at(fd, path, frames_[range], frame.data(), frame.size());
    if (!got) return got.error();
    std::uint64_t const wanted = index_frame_bytes(std::string_view(frame).substr(0, *got));
    if (wanted > frame.size() && wanted < max_manifest_bytes * 64) {
        frame.resize(wanted);
        got = read_at(fd, path, frames_[range], frame.data(), frame.size());
        if (!got) return got.error();
    }
    auto entry = decode_index_entry(std::string_view(frame).substr(0, *got));
    if (!entry || entry->range != range)
        return damaged(range, fmt::format("its entry in {} changed while it was read", path));
    return std::move(*entry);
}

Status MergeBundles::copy(RangeIndex range, BundleMember const& member,
                          std::function<Status(std::string_view)> const& sink)
{
    auto const bundle = open(range);
    if (!bundle) return bundle.error();
    auto const& path = (*bundle)->tar_path;
    int const fd = (*bundle)->tar.get();
    std::array<char, tar_block_bytes> header{};
    auto const head = read_at(fd, path, member.data_offset - header.size(), header.data(), header.size());
    if (!head) return head.error();
    if (*head < header.size() || !is_tar_header({header.data(), header.size()}, member.bytes))
        return damaged(range,
                       fmt::format("{} does not hold member {} where its index says", path, member.name));

    std::string block(std::min<std::uint64_t>(block_bytes, member.bytes), '\0');
    std::uint32_t sum = 1;
    for (std::uint64_t done = 0; done < member.bytes;) {
        std::size_t const size = std::min<std::uint64_t>(block.size(), member.bytes - done);
        auto const got = read_at(fd, path, member.data_offset + done, block.data(), size);
        if (!got) return got.error();
        if (*got < size) return damaged(range, fmt::format("{} is cut off in member {}", path, member.name));
        std::string_view const piece(block.data(), size);
        sum = adler32(piece, sum);
        if (auto status = sink(piece); !status) return status;
        done += size;
    }
    if (sum != member.adler32)
        return damaged(range, fmt::format("member {} of {} has adler32 {}, its index says {}", member.name,
                                          path, print_adler32(sum), print_adler32(member.adler32)));
    return {};
}

Result<std::string_view> MergeBundles::read(RangeIndex range, BundleMember const& member)
{
    content_.clear();
    content_.reserve(member.bytes);
    auto const status = copy(range, member, [&](std::string_view piece) {
        content_.append(piece);
        return Status();
    });
    if (!status) return status.error();
    return std::string_view(content_);
}

}  // namespace yoda
