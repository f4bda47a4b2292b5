// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/push_bundle.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

constexpr std::string_view manifest_suffix = ".manifest.json";
constexpr std::string_view tar_suffix = ".tar";

std::string stem_of(std::string_view tar_name)
{
    return std::string(
        tar_name.ends_with(tar_suffix) ? tar_name.substr(0, tar_name.size() - tar_suffix.size()) : tar_name);
}

Error damaged(std::string const& name, std::string why)
{
    return Error{ErrorKind::bad_input, "bundle " + name + " is damaged", std::move(why), {}};
}

Status write_note(std::string const& run_folder, std::string const& bundle, Clock const& clock)
{
    std::string const inbox = run_folder + "/inbox";
    if (Status const status = make_folders(inbox); !status) return status;
    std::string const name = fmt::format("{:020}-{}-bundle_lost.json", clock.unix_ns(), ::getpid());
    std::string const part = fmt::format("{}/.{}", inbox, name);
    nlohmann::ordered_json const note{{"version", 1}, {"type", "bundle_lost"}, {"bundle", bundle}};
    auto fd = open_file(part, O_WRONLY | O_CREAT | O_EXCL);
    if (!fd) return fd.error();
    if (Status const status = write_all(fd->get(), note.dump() + "\n", part); !status) return status;
    if (::fsync(fd->get()) != 0) return os_error("sync", part, errno);
    if (::rename(part.c_str(), (inbox + "/" + name).c_str()) != 0) return os_error("rename", part, errno);
    return sync_folder(inbox);
}

}  // namespace

bool is_really_inside(std::string const& run_folder, std::string const& path)
{
    for (auto slash = path.find('/');; slash = path.find('/', slash + 1)) {
        struct stat info {};
        if (::lstat((run_folder + "/" + path.substr(0, slash)).c_str(), &info) != 0) return false;
        if (slash == std::string::npos) return S_ISREG(info.st_mode);
        if (!S_ISDIR(info.st_mode)) return false;
    }
}

Result<std::vector<std::string>> list_sealed_bundles(std::string const& run_folder, NameSet const& known)
{
    std::string const folder = run_folder + "/bundles";
    std::unique_ptr<DIR, int (*)(DIR*)> const dir(::opendir(folder.c_str()), ::closedir);
    std::vector<std::string> names;
    if (!dir) {
        if (errno == ENOENT) return names;
        return os_error("list", folder, errno);
    }
    while (dirent const* const entry = ::readdir(dir.get())) {
        std::string_view const name = entry->d_name;
        if (!name.ends_with(manifest_suffix) || name.starts_with('.')) continue;
        auto tar =
            std::string(name.substr(0, name.size() - manifest_suffix.size())) + std::string(tar_suffix);
        if (!known.contains(tar)) names.push_back(std::move(tar));
    }
    return names;
}

Result<BundleManifest> read_manifest(std::string const& run_folder, std::string const& tar_name)
{
    auto const text =
        read_file(fmt::format("{}/bundles/{}{}", run_folder, stem_of(tar_name), manifest_suffix), 1 << 20);
    if (!text) return text.error();
    auto const json = nlohmann::json::parse(*text, nullptr, false);
    if (json.is_object() && json.contains("version") && json["version"].is_number_integer() &&
        json["version"] != 1 && json["version"] != 2)
        return Error{
            ErrorKind::refused, "bundle " + tar_name + " is left alone",
            fmt::format("its manifest has version {}, this program reads 1 and 2", json["version"].dump()),
            "use the harvest of that yoda"};
    auto manifest = parse_manifest(*text);
    if (!manifest) return damaged(tar_name, manifest.error().text());
    if (manifest->bundle != tar_name) return damaged(tar_name, "its manifest is of " + manifest->bundle);
    return manifest;
}

StageRecord make_bundle_record(BundleManifest const& manifest)
{
    StageRecord record;
    record.name = manifest.bundle;
    record.path = "bundles/" + manifest.bundle;
    record.bytes = manifest.bytes;
    record.adler32 = manifest.adler32;
    record.panda_id = manifest.origin.panda_id;
    record.task_id = manifest.task_id;
    record.sealed_unix_s = manifest.sealed_unix_s;
    return record;
}

Result<BundleIndex> read_index(std::string const& run_folder, BundleManifest const& manifest)
{
    std::string const& name = manifest.bundle;
    std::string const index_path = fmt::format("{}/bundles/{}.index", run_folder, stem_of(name));
    if (!path_exists(index_path)) return damaged(name, "its index is gone");
    auto const bytes = read_file(index_path);
    if (!bytes) return bytes.error();
    auto index = decode_index(*bytes);
    if (!index) return damaged(name, index.error().text());
    if (index->torn || bytes->size() != manifest.index_bytes)
        return damaged(name, fmt::format("its index has {} good bytes of {}, the manifest says {}",
                                         index->good_bytes, bytes->size(), manifest.index_bytes));
    if (index->entries.size() != manifest.entry_count || index->origin != manifest.origin)
        return damaged(name, "its index is not the manifest's");
    for (auto const& entry : index->entries) {
        if (entry.end > manifest.bytes) return damaged(name, "its index goes beyond its tar");
        for (auto const& member : entry.members)
            if (member.data_offset < entry.begin || member.bytes > entry.end - member.data_offset ||
                member.data_offset > entry.end)
                return damaged(name, "a member in its index lies outside of its entry");
    }
    return index;
}

Result<BundleIndex> check_bundle(std::string const& run_folder, BundleManifest const& manifest)
{
    std::string const& name = manifest.bundle;
    std::string const tar = run_folder + "/bundles/" + name;
    struct stat info {};
    if (::lstat(tar.c_str(), &info) != 0) {
        if (errno == ENOENT) return damaged(name, "its tar is gone");
        return os_error("look at", tar, errno);
    }
    if (!is_really_inside(run_folder, "bundles/" + name))
        return damaged(name, "its tar is no plain file of this run");
    if (static_cast<std::uint64_t>(info.st_size) != manifest.bytes)
        return damaged(
            name, fmt::format("its tar has {} bytes, the manifest says {}", info.st_size, manifest.bytes));
    return read_index(run_folder, manifest);
}

Status quarantine_bundle(std::string const& run_folder, std::string const& tar_name, Clock const& clock)
{
    std::string const stem = stem_of(tar_name);
    if (Status const status = write_note(run_folder, tar_name, clock); !status) return status;
    std::string const folder = run_folder + "/quarantine";
    if (Status const status = make_folders(folder); !status) return status;
    // The manifest last: until it is gone the bundle is sealed, and a kill in between repeats all this.
    for (std::string_view const suffix : {tar_suffix, std::string_view(".index"), manifest_suffix}) {
        std::string const from = fmt::format("{}/bundles/{}{}", run_folder, stem, suffix);
        std::string const to = fmt::format("{}/{}{}", folder, stem, suffix);
        if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT)
            return os_error("put aside", from, errno);
    }
    return sync_folder(folder);
}

}  // namespace yoda
