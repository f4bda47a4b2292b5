// SPDX-License-Identifier: Apache-2.0
#include "sys/bundle/bundle_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>

#include "core/base/checksum.hpp"
#include "core/config/output_names.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::size_t chunk_bytes = 1u << 18;
constexpr std::size_t max_members = 4096;

/// "<base>.<id>"; base names that end so already stay as they are. Two of one range, as records and stores
/// name them, are made distinct by a number before the id.
std::string member_name(std::string_view base, std::string_view range_id,
                        std::unordered_set<std::string> const& taken_records)
{
    auto const ending = fmt::format(".{}", range_id);
    if (base.ends_with(ending)) base.remove_suffix(ending.size());
    auto name = fmt::format("{}{}", base, ending);
    for (unsigned number = 2; taken_records.contains(record_name(name)); ++number)
        name = fmt::format("{}_{}{}", base, number, ending);
    return name;
}

}  // namespace

Result<std::unique_ptr<BundleFile>> BundleFile::create(std::string const& folder, BundleOrigin const& origin)
{
    auto const paths = bundle_paths(folder, origin);
    constexpr int flags = O_RDWR | O_CREAT | O_EXCL;
    auto tar = open_file(paths.open_tar, flags, 0644);
    if (!tar) return tar.error();
    auto index = open_file(paths.open_index, flags, 0644);
    if (!index) {
        ::unlink(paths.open_tar.c_str());
        return index.error();
    }
    std::unique_ptr<BundleFile> bundle(new BundleFile(folder, origin, std::move(*tar), std::move(*index)));
    bundle->new_entries_ = encode_index_header(origin);
    auto status = bundle->append_index();
    if (status) status = sync_folder(folder);
    if (!status) {
        auto const ignored = bundle->remove_files();
        static_cast<void>(ignored);
        return status.error();
    }
    return bundle;
}

BundleFile::BundleFile(std::string folder, BundleOrigin const& origin, FileDescriptor tar,
                       FileDescriptor index)
    : folder_(std::move(folder)),
      origin_(origin),
      paths_(bundle_paths(folder_, origin)),
      tar_(std::move(tar), paths_.open_tar),
      index_(std::move(index))
{}

Error BundleFile::refuse_more() const
{
    return Error{ErrorKind::io,
                 fmt::format("bundle {} takes no more", paths_.open_tar),
                 "an earlier write failed",
                 {}};
}

Result<std::optional<OutputFault>> BundleFile::append(EntryFacts const& facts, std::span<OutputFile> outputs)
{
    if (full_ || failed_) return refuse_more();
    BundleEntry entry;
    auto const before = tar_.mark();
    entry.range = facts.range;
    entry.epoch = facts.epoch.value;
    entry.begin = before.bytes;
    entry.cpu_ms = facts.cpu_ms;
    entry.wall_ms = facts.wall_ms;
    entry.range_id = facts.range_id;
    auto appended = append_members(outputs, entry);
    if (!appended || *appended) {
        full_ = !appended;
        if (auto status = tar_.cut_back(before); !status) {
            failed_ = true;
            return status.error();
        }
        return appended;
    }
    entry.end = tar_.bytes();
    encode_index_entry(entry, new_entries_);
    ++entry_count_;
    return appended;
}

Result<std::optional<OutputFault>> BundleFile::append_members(std::span<OutputFile> outputs,
                                                              BundleEntry& entry)
{
    if (outputs.size() > max_members)
        return std::optional(
            OutputFault{code::payload_failure,
                        fmt::format("{} output files for one range are too many", outputs.size())});
    std::unordered_set<std::string> taken_records;
    for (auto& output : outputs) {
        BundleMember member;
        member.name = member_name(output.name, entry.range_id, taken_records);
        auto const& record = *taken_records.insert(record_name(member.name)).first;
        if (record.size() > max_record_name_bytes)
            return std::optional(OutputFault{
                code::es_fatal,
                fmt::format("output {} cannot be taken: its name in stores would have more than {} "
                            "bytes; the payload must give it a shorter name",
                            output.path, max_record_name_bytes)});
        member.bytes = output.bytes;
        if (auto status = tar_.begin_member(member.name, member.bytes); !status) return status.error();
        member.data_offset = tar_.bytes();
        auto copied = copy_content(output, member);
        if (!copied || *copied) return copied;
        if (auto status = tar_.end_member(); !status) return status.error();
        entry.members.push_back(std::move(member));
    }
    return std::optional<OutputFault>{};
}

Result<std::optional<OutputFault>> BundleFile::copy_content(OutputFile& output, BundleMember& member)
{
    auto const bad = [&](std::uint16_t error_code, std::string_view why) {
        return std::optional(
            OutputFault{error_code, fmt::format("output {} cannot be taken: {}", output.path, why)});
    };
    member.adler32 = 1;
    std::uint64_t left = member.bytes;
    // Asks for one byte more than there should be: a file that grows is seen too.
    scratch_.resize(static_cast<std::size_t>(std::min<std::uint64_t>(chunk_bytes, left + 1)));
    for (;;) {
        ssize_t const n = ::read(output.fd.get(), scratch_.data(), scratch_.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return bad(code::missing_output, std::strerror(errno));
        auto const count = static_cast<std::size_t>(n);
        if (count > left) return bad(code::payload_failure, "it grew while it was stored");
        if (n == 0 && left > 0) return bad(code::payload_failure, "it shrank while it was stored");
        if (n == 0) return std::optional<OutputFault>{};
        std::string_view const content(scratch_.data(), count);
        member.adler32 = adler32(content, member.adler32);
        if (auto status = tar_.write(content); !status) return status.error();
        left -= count;
    }
}

Status BundleFile::append_index()
{
    std::uint64_t at = index_bytes_;
    std::string_view rest = new_entries_;
    while (!rest.empty()) {
        ssize_t const n = ::pwrite(index_.get(), rest.data(), rest.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("write", paths_.open_index, errno);
        rest.remove_prefix(static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
    if (::fdatasync(index_.get()) != 0) return os_error("sync", paths_.open_index, errno);
    index_bytes_ = at;
    new_entries_.clear();
    return {};
}

Status BundleFile::sync()
{
    if (failed_) return refuse_more();
    if (new_entries_.empty()) return {};
    auto status = tar_.sync();
    if (status) status = append_index();
    if (!status) failed_ = true;  // What the kernel could not write it may have forgotten: no second try.
    return status;
}

Result<BundleManifest> BundleFile::seal(SealFacts const& facts, std::span<EntryKey const> rejected)
{
    if (auto status = sync(); !status) return status.error();
    full_ = true;
    if (entry_count_ == 0) {
        if (auto status = remove_files(); !status) return status.error();
        return BundleManifest{};
    }
    auto sealed = rejected.empty() ? seal_all(facts) : seal_without(facts, rejected);
    if (!sealed) failed_ = true;
    return sealed;
}

Result<BundleManifest> BundleFile::seal_all(SealFacts const& facts)
{
    if (auto status = tar_.finish(); !status) return status.error();
    if (auto status = rename_file(paths_.open_index, paths_.index); !status) return status.error();
    if (auto status = rename_file(paths_.open_tar, paths_.tar); !status) return status.error();
    if (auto status = sync_folder(folder_); !status) return status.error();
    BundleManifest manifest;
    manifest.origin = origin_;
    manifest.task_id = facts.task_id;
    manifest.jobset_id = facts.jobset_id;
    manifest.bundle = bundle_name(origin_) + ".tar";
    manifest.bytes = tar_.bytes();
    manifest.adler32 = tar_.adler32();
    manifest.entry_count = entry_count_;
    manifest.index_bytes = index_bytes_;
    manifest.sealed_unix_s = facts.unix_s;
    if (auto status = write_manifest(paths_.manifest, manifest); !status) return status.error();
    return manifest;
}

Result<BundleManifest> BundleFile::seal_without(SealFacts const& facts, std::span<EntryKey const> rejected)
{
    auto const bytes = read_file(paths_.open_index, UINT64_MAX);
    if (!bytes) return bytes.error();
    auto index = decode_index(*bytes);
    if (!index) return index.error();
    auto const less = [](EntryKey const& a, EntryKey const& b) {
        return a.range != b.range ? a.range < b.range : a.epoch.value < b.epoch.value;
    };
    std::vector<EntryKey> sorted(rejected.begin(), rejected.end());
    std::sort(sorted.begin(), sorted.end(), less);
    std::erase_if(index->entries, [&](BundleEntry const& entry) {
        return std::binary_search(sorted.begin(), sorted.end(), EntryKey{entry.range, Epoch{entry.epoch}},
                                  less);
    });
    auto copy = write_sealed_copy(paths_.open_tar, index->entries, folder_, origin_, facts);
    if (!copy) return copy.error();
    if (!copy->damaged.empty())
        return Error{
            ErrorKind::io, fmt::format("bundle {} cannot be sealed", paths_.open_tar),
            fmt::format("{} of its entries do not read back as they were written", copy->damaged.size()),
            "check the file system"};
    auto const removed = remove_files();
    if (!removed && copy->manifest.entry_count == 0) return removed.error();
    return copy->manifest;  // It is sealed, even if the old files could not be removed.
}

/// The index first: a tar without index holds nothing, an index without tar would name what is not there.
Status BundleFile::remove_files()
{
    for (auto const& path : {paths_.open_index, paths_.open_tar}) {
        if (::unlink(path.c_str()) != 0 && errno != ENOENT) return os_error("remove", path, errno);
    }
    return sync_folder(folder_);
}

}  // namespace yoda
