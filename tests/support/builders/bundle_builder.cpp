// SPDX-License-Identifier: Apache-2.0
#include "support/builders/bundle_builder.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <filesystem>
#include <stdexcept>

#include "core/base/checksum.hpp"
#include "support/scratch_folder.hpp"

namespace yoda::test {

namespace {

constexpr std::size_t tar_end_bytes = 1024;

la_ssize_t append_bytes(archive* /*writer*/, void* out, void const* bytes, std::size_t size)
{
    static_cast<std::string*>(out)->append(static_cast<char const*>(bytes), size);
    return static_cast<la_ssize_t>(size);
}

/// The bytes of one member, with the offset of its content among them.
std::string make_member(std::string const& name, std::string const& content, std::uint64_t& data_offset)
{
    std::string bytes;
    archive* const writer = ::archive_write_new();
    ::archive_write_set_format_pax_restricted(writer);
    ::archive_write_set_bytes_per_block(writer, 0);
    ::archive_write_open(writer, &bytes, nullptr, append_bytes, nullptr);
    archive_entry* const entry = ::archive_entry_new();
    ::archive_entry_set_pathname(entry, name.c_str());
    ::archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    ::archive_entry_set_filetype(entry, AE_IFREG);
    ::archive_entry_set_perm(entry, 0644);
    bool good = ::archive_write_header(writer, entry) == ARCHIVE_OK;
    data_offset = bytes.size();
    good = good && ::archive_write_data(writer, content.data(), content.size()) >= 0 &&
           ::archive_write_finish_entry(writer) == ARCHIVE_OK;
    ::archive_entry_free(entry);
    std::string member = bytes;  // Without what ends a tar.
    ::archive_write_free(writer);
    if (!good) throw std::runtime_error("libarchive cannot make member " + name);
    return member;
}

}  // namespace

void BundleBuilder::add(RangeIndex range, Epoch epoch, std::string const& range_id,
                        std::vector<BundleFileContent> const& files, std::uint32_t cpu_ms,
                        std::uint32_t wall_ms)
{
    BundleEntry entry;
    entry.range = range;
    entry.epoch = epoch.value;
    entry.begin = tar_.size();
    entry.cpu_ms = cpu_ms;
    entry.wall_ms = wall_ms;
    entry.range_id = range_id;
    for (auto const& [name, content] : files) {
        BundleMember member;
        member.name = name + "." + range_id;
        std::uint64_t offset = 0;
        auto const bytes = make_member(member.name, content, offset);
        member.data_offset = tar_.size() + offset;
        member.bytes = content.size();
        member.adler32 = adler32(content);
        tar_ += bytes;
        entry.members.push_back(std::move(member));
    }
    entry.end = tar_.size();
    entries_.push_back(std::move(entry));
}

std::string BundleBuilder::index() const
{
    std::string bytes = encode_index_header(origin_);
    for (auto const& entry : entries_) encode_index_entry(entry, bytes);
    return bytes;
}

BundleManifest BundleBuilder::manifest() const
{
    BundleManifest manifest;
    manifest.origin = origin_;
    manifest.bundle = bundle_name(origin_) + ".tar";
    auto const tar = tar_ + std::string(tar_end_bytes, '\0');
    manifest.bytes = tar.size();
    manifest.adler32 = adler32(tar);
    manifest.entry_count = entries_.size();
    manifest.index_bytes = index().size();
    return manifest;
}

void BundleBuilder::write_sealed(std::string const& folder) const
{
    std::filesystem::create_directories(folder);
    std::string const path = folder + "/" + bundle_name(origin_);
    write_text(path + ".tar", tar_ + std::string(tar_end_bytes, '\0'));
    write_text(path + ".index", index());
    write_text(path + ".manifest.json", print_manifest(manifest()));
}

void BundleBuilder::write_open(std::string const& folder) const
{
    std::filesystem::create_directories(folder);
    std::string const path = folder + "/" + bundle_name(origin_);
    write_text(path + ".tar.part", tar_);
    write_text(path + ".index.part", index());
}

}  // namespace yoda::test
