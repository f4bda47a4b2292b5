// SPDX-License-Identifier: Apache-2.0
#include "disk.hpp"

#include <algorithm>

#include "core/base/check.hpp"

namespace yoda::sim {

namespace {

constexpr std::uint64_t block_bytes = 512;

}  // namespace

void Disk::begin_operation(ProcessId who)
{
    if (interrupted != who || interrupted_in-- > 0) return;
    interrupted = no_process;
    throw Interrupted{};
}

bool Disk::may_write(ProcessId who)
{
    begin_operation(who);
    if (full) return false;
    if (broken_for != who) return true;
    broken_for = no_process;
    return false;
}

void Disk::set_name(ProcessId who, Folder folder, std::string const& name, bool is_there, FileId id)
{
    auto& names = names_[index(folder)];
    auto const found = names.find(name);
    bool const was_there = found != names.end();
    unsynced_names_.push_back({who, folder, name, was_there, was_there ? found->second : 0});
    if (is_there)
        names[name] = id;
    else if (was_there)
        names.erase(found);
}

bool Disk::create(ProcessId who, Folder folder, std::string const& name, bool is_tar, FileId& id)
{
    if (names_[index(folder)].contains(name) || !may_write(who)) return false;
    id = static_cast<FileId>(files_.size());
    File file;
    file.writer = who;
    file.is_tar = is_tar;
    files_.push_back(std::move(file));
    written_[who].push_back(id);
    set_name(who, folder, name, true, id);
    return true;
}

bool Disk::append(ProcessId who, FileId id, std::string_view bytes)
{
    auto& file = files_[id];
    if (!may_write(who)) {
        file.bytes.append(bytes.substr(0, bytes.size() / 2));
        return false;
    }
    file.bytes.append(bytes);
    return true;
}

bool Disk::append_extent(ProcessId who, FileId id, Extent const& extent)
{
    auto& file = files_[id];
    YODA_CHECK(extent.begin == file.tar_bytes, "a tar is written from begin to end");
    if (!may_write(who)) return false;
    file.extents.push_back(extent);
    file.tar_bytes = extent.end;
    return true;
}

bool Disk::sync(ProcessId who, FileId id)
{
    auto& file = files_[id];
    if (file.is_dirty() && !may_write(who)) return false;
    file.synced = file.size();
    return true;
}

bool Disk::rename(ProcessId who, Folder folder, std::string const& from, std::string const& to)
{
    return move(who, folder, from, folder, to);
}

bool Disk::move(ProcessId who, Folder from_folder, std::string const& from, Folder to_folder,
                std::string const& to)
{
    auto const found = names_[index(from_folder)].find(from);
    if (found == names_[index(from_folder)].end()) return false;
    FileId const id = found->second;
    begin_operation(who);
    set_name(who, to_folder, to, true, id);
    set_name(who, from_folder, from, false, id);
    return true;
}

bool Disk::remove(ProcessId who, Folder folder, std::string const& name)
{
    if (!names_[index(folder)].contains(name)) return false;
    begin_operation(who);
    set_name(who, folder, name, false, 0);
    return true;
}

bool Disk::sync_folder(ProcessId who, Folder folder)
{
    begin_operation(who);
    if (broken_for == who) {
        broken_for = no_process;
        return false;
    }
    std::erase_if(unsynced_names_, [&](NameChange const& change) { return change.folder == folder; });
    return true;
}

File const* Disk::find(Folder folder, std::string const& name) const
{
    auto const found = names_[index(folder)].find(name);
    return found == names_[index(folder)].end() ? nullptr : &files_[found->second];
}

void Disk::tear(File& file, Random& random)
{
    auto const old_size = file.size();
    auto const size = random.pick(file.synced, old_size);
    if (file.is_tar) {
        while (!file.extents.empty() && file.extents.back().begin >= size) file.extents.pop_back();
        if (!file.extents.empty() && file.extents.back().end > size) {
            file.extents.back().good = false;
            file.extents.back().end = size;
        }
        file.tar_bytes = size;
        for (auto& extent : file.extents) {
            if (extent.end > file.synced && random.chance(0.2)) extent.good = false;
        }
    } else {
        file.bytes.resize(size);
        for (std::uint64_t begin = file.synced; begin < size;) {
            auto const end = std::min(size, (begin / block_bytes + 1) * block_bytes);
            if (random.chance(0.15))
                std::fill(file.bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                          file.bytes.begin() + static_cast<std::ptrdiff_t>(end), '\0');
            begin = end;
        }
        // Sometimes the length was written and the data was not.
        if (random.chance(0.2)) file.bytes.resize(old_size, '\0');
    }
    file.synced = file.size();
}

void Disk::crash(ProcessId who, Random& random)
{
    if (auto const found = written_.find(who); found != written_.end()) {
        for (FileId const id : found->second) {
            if (files_[id].is_dirty()) tear(files_[id], random);
        }
        written_.erase(found);
    }
    // Of its changes to names some number is durable, oldest first.
    std::size_t count = 0;
    for (auto const& change : unsynced_names_) count += change.who == who;
    std::size_t const kept = random.pick(0, count);
    std::size_t to_undo = count - kept;
    for (std::size_t i = unsynced_names_.size(); i-- > 0 && to_undo > 0;) {
        auto const& change = unsynced_names_[i];
        if (change.who != who) continue;
        auto& names = names_[index(change.folder)];
        if (change.was_there)
            names[change.name] = change.old;
        else
            names.erase(change.name);
        --to_undo;
    }
    std::erase_if(unsynced_names_, [&](NameChange const& change) { return change.who == who; });
}

}  // namespace yoda::sim
