// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/stage_folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/base/checksum.hpp"
#include "harvest/stores/base/digest.hpp"
#include "sys/base/files.hpp"
#include "sys/lease/lease.hpp"
#include "sys/lease/sighting.hpp"

namespace yoda {

namespace {

constexpr std::string_view suffix = ".json";
constexpr std::uint64_t record_limit_bytes = 1 << 20;

std::int64_t unix_s(Clock const& clock)
{
    return clock.unix_ns() / 1'000'000'000;
}

Error no_longer_ours(std::string const& name)
{
    return Error{ErrorKind::busy,
                 "the claim on " + name + " is gone",
                 "another harvest took over because this one was silent for too long",
                 {}};
}

/// "<host>-<pid>-<random>": no other holder ever has it.
std::string make_holder_name(LeaseHolder const& holder)
{
    std::string host = holder.host;
    std::replace_if(
        host.begin(), host.end(), [](unsigned char c) { return !std::isalnum(c) && c != '-'; }, '-');
    return fmt::format("{}-{}-{}", host, holder.pid, random_hex(6));
}

/// Calls `take` with each name of the folder but hidden ones; an absent folder is empty. No stat, no order.
template <class Take>
Status for_each_name(std::string const& folder, Take take)
{
    std::unique_ptr<DIR, int (*)(DIR*)> const dir(::opendir(folder.c_str()), ::closedir);
    if (!dir) {
        if (errno == ENOENT) return {};
        return os_error("list", folder, errno);
    }
    while (dirent const* const entry = ::readdir(dir.get()))
        if (entry->d_name[0] != '.') take(std::string(entry->d_name));
    return {};
}

template <class Set>
Status collect_records(std::string const& folder, Set& names)
{
    return for_each_name(folder, [&](std::string name) {
        if (!name.ends_with(suffix)) return;
        name.resize(name.size() - suffix.size());
        names.insert(name);
    });
}

Result<std::vector<std::string>> list(std::string const& folder)
{
    std::vector<std::string> names;
    if (Status const status =
            for_each_name(folder, [&](std::string name) { names.push_back(std::move(name)); });
        !status)
        return status.error();
    return names;
}

/// Moves all records of one folder into another and removes the first.
Status move_records(std::string const& from, std::string const& to)
{
    auto const names = list(from);
    if (!names) return names.error();
    for (auto const& name : *names) {
        std::string const old_path = from + "/" + name;
        if (!name.ends_with(suffix))
            ::unlink(old_path.c_str());  // what a killed write left
        else if (::rename(old_path.c_str(), (to + "/" + name).c_str()) != 0 && errno != ENOENT)
            return os_error("rename", old_path, errno);
    }
    if (::rmdir(from.c_str()) != 0 && errno != ENOENT && errno != ENOTEMPTY && errno != EEXIST)
        return os_error("remove", from, errno);
    return {};
}

/// Readers see the old record or the new one. Not synced: a record that a power failure
/// takes is made anew from the manifest, and what it says is asked from the store again.
/// ENOENT (busy): the folder was taken from us.
Status write_record(std::string const& folder, std::string const& name, std::string const& text)
{
    std::string const part = fmt::format("{}/{}.part", folder, name);
    int const raw = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (raw < 0) return errno == ENOENT ? no_longer_ours(name) : os_error("write", part, errno);
    FileDescriptor const fd(raw);
    Status status = write_all(fd.get(), text, part);
    if (status && ::rename(part.c_str(), fmt::format("{}/{}{}", folder, name, suffix).c_str()) != 0)
        status = errno == ENOENT ? no_longer_ours(name) : os_error("rename", part, errno);
    if (!status) ::unlink(part.c_str());
    return status;
}

/// As write_record(), but the old record's file becomes the next spare: on local file systems
/// making and removing thousands of small files is what a push would wait for. Where two names
/// cannot be exchanged (NFS) it is replaced.
Status exchange_record(std::string const& spare, std::string const& path, std::string const& text)
{
    int const raw = ::open(spare.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (raw < 0) return errno == ENOENT ? no_longer_ours(path) : os_error("write", spare, errno);
    FileDescriptor const fd(raw);
    if (Status const status = write_all(fd.get(), text, spare); !status) return status;
    if (::renameat2(AT_FDCWD, spare.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) == 0) return {};
    if (errno == ENOENT) return no_longer_ours(path);
    if (::rename(spare.c_str(), path.c_str()) == 0) return {};
    return errno == ENOENT ? no_longer_ours(path) : os_error("rename", spare, errno);
}

}  // namespace

Claim::Claim(Claim&& other) noexcept : record(std::move(other.record)), folder_(other.folder_)
{
    other.folder_ = nullptr;
}

Claim& Claim::operator=(Claim&& other) noexcept
{
    std::swap(record, other.record);
    std::swap(folder_, other.folder_);
    return *this;
}

Claim::~Claim()
{
    if (folder_) folder_->give_back(record.name);
}

Status Claim::save()
{
    return folder_->save(record);
}

Status Claim::release(StagePolicy const& policy)
{
    if (Status const status = save(); !status) return status;
    Status const status = folder_->move_to(place_of(record, policy), record.name);
    if (status) folder_ = nullptr;
    return status;
}

Status Claim::put_away()
{
    Status const status = folder_->move_to({StagePlace::Kind::done, 0}, record.name);
    if (status) folder_ = nullptr;
    return status;
}

StageFolder::StageFolder(std::string run_folder, Clock const& clock)
    : run_folder_(std::move(run_folder)), root_(run_folder_ + "/stage"), clock_(clock)
{}

StageFolder::~StageFolder()
{
    if (holder_.empty()) return;
    (void)move_records(root_ + "/held/" + holder_, root_ + "/open");
    ::unlink(fmt::format("{}/holders/{}{}", root_, holder_, suffix).c_str());
}

Status StageFolder::join()
{
    if (!holder_.empty()) return {};
    for (std::string_view const part : {"open", "held", "later", "done", "holders", "seen"})
        if (Status const status = make_folders(fmt::format("{}/{}", root_, part)); !status) return status;
    identity_ = {random_hex(16), describe_holder("harvest push", "", clock_), 0, false};
    std::string const name = make_holder_name(identity_.holder);
    if (Status const status = write_record(root_ + "/holders", name, print_lease(identity_)); !status)
        return status;
    if (Status const status = make_folders(root_ + "/held/" + name); !status) return status;
    holder_ = name;
    return {};
}

Status StageFolder::beat()
{
    ++identity_.beat;
    if (!path_exists(root_ + "/held/" + holder_)) return no_longer_ours(run_folder_);
    return write_record(root_ + "/holders", holder_, print_lease(identity_));
}

bool StageFolder::is_dead(std::string const& holder, std::string_view identity)
{
    // A file that is none of ours (an older program's) can only be judged by its silence.
    auto const record = parse_lease(identity);
    auto const sight = record ? look_for_holder(record->holder) : HolderSight::elsewhere;
    if (sight != HolderSight::elsewhere) return sight == HolderSight::gone;
    // What harvests before us saw from this machine counts, so that short cron runs add up to the 60 s.
    auto const& own = identity_.holder;
    std::string const name = fmt::format("{}.{}", own.host, holder);
    std::optional<HolderSighting> sighting;
    if (auto const text = read_file(fmt::format("{}/seen/{}{}", root_, name, suffix), record_limit_bytes)) {
        auto const json = nlohmann::json::parse(*text, nullptr, false);
        if (json.is_object())
            sighting =
                HolderSighting{json.value("content", std::uint64_t{0}),
                               json.value("since_ns", std::int64_t{0}), json.value("boot_id", std::string{})};
    }
    bool const dead = is_silent(sighting, crc32c(identity), own.boot_id, clock_.now());
    nlohmann::json const json{
        {"content", sighting->content}, {"since_ns", sighting->since_ns}, {"boot_id", sighting->boot_id}};
    (void)write_record(root_ + "/seen", name, json.dump() + "\n");
    return dead;
}

Status StageFolder::bury_dead_holders()
{
    auto const holders = list(root_ + "/held");
    if (!holders) return holders.error();
    for (auto const& folder : *holders) {
        // "<holder>" or "<dead holder>.<who takes it away>": the last one is responsible.
        std::string const holder =
            folder.substr(folder.rfind('.') == std::string::npos ? 0 : folder.rfind('.') + 1);
        if (holder == holder_) continue;
        std::string const identity_path = fmt::format("{}/holders/{}{}", root_, holder, suffix);
        auto const text = read_file(identity_path, record_limit_bytes);
        // Without an identity: it ended, and left this by a kill between the two removals.
        if (text && !is_dead(holder, *text)) continue;
        std::string const old_path = root_ + "/held/" + folder;
        std::string const new_path = fmt::format("{}/held/{}.{}", root_, holder, holder_);
        // One rename takes all its claims; whoever loses this race finds nothing.
        if (::rename(old_path.c_str(), new_path.c_str()) != 0) {
            if (errno == ENOENT) continue;
            return os_error("rename", old_path, errno);
        }
        if (Status const status = move_records(new_path, root_ + "/open"); !status) return status;
        ::unlink(identity_path.c_str());
        ::unlink(fmt::format("{}/seen/{}.{}{}", root_, identity_.holder.host, holder, suffix).c_str());
    }
    return {};
}

Status StageFolder::open_due(std::int64_t now_unix_h)
{
    auto const hours = list(root_ + "/later");
    if (!hours) return hours.error();
    for (auto const& hour : *hours) {
        std::int64_t due = 0;
        std::from_chars(hour.data(), hour.data() + hour.size(), due);
        if (due > now_unix_h) continue;
        if (Status const status = move_records(root_ + "/later/" + hour, root_ + "/open"); !status)
            return status;
    }
    return {};
}

Result<StageFolder::Names> StageFolder::scan(std::optional<NameSet> done)
{
    if (Status const status = bury_dead_holders(); !status) return status.error();
    if (Status const status = open_due(unix_s(clock_) / 3600); !status) return status.error();
    if (!done) return look();
    auto names = look_at_unfinished();
    if (names) names->done = *std::move(done);
    return names;
}

Result<StageFolder::Names> StageFolder::look() const
{
    auto names = look_at_unfinished();
    if (!names) return names;
    if (Status const status = collect_records(root_ + "/done", names->done); !status) return status.error();
    names->done.sort();
    return names;
}

Result<StageFolder::Names> StageFolder::look_at_unfinished() const
{
    // In the order in which records move on, so that one that moves meanwhile is seen at least once.
    Names names;
    if (Status const status = collect_records(root_ + "/open", names.open); !status) return status.error();
    auto const holders = list(root_ + "/held");
    if (!holders) return holders.error();
    for (auto const& holder : *holders)
        if (Status const status = collect_records(root_ + "/held/" + holder, names.held); !status)
            return status.error();
    auto const hours = list(root_ + "/later");
    if (!hours) return hours.error();
    for (auto const& hour : *hours)
        if (Status const status = collect_records(root_ + "/later/" + hour, names.later); !status)
            return status.error();
    return names;
}

std::string StageFolder::own_path(std::string const& name) const
{
    return fmt::format("{}/held/{}/{}{}", root_, holder_, name, suffix);
}

bool StageFolder::is_known_elsewhere(std::string const& name, std::string const& but_holder) const
{
    for (std::string_view const part : {"held", "later"}) {
        auto const folders = list(fmt::format("{}/{}", root_, part));
        if (!folders) continue;
        for (auto const& folder : *folders)
            if (folder != but_holder &&
                path_exists(fmt::format("{}/{}/{}/{}{}", root_, part, folder, name, suffix)))
                return true;
    }
    return path_exists(fmt::format("{}/done/{}{}", root_, name, suffix));
}

Result<bool> StageFolder::add(StageRecord const& record)
{
    std::string const target = fmt::format("{}/open/{}{}", root_, record.name, suffix);
    // A name for each call: two threads of this harvest may add the same record. The record's name is not
    // part of it, so that a long one has room.
    static std::atomic<std::uint64_t> calls{0};
    std::string const made = fmt::format("{}/open/.{}.{}", root_, holder_, ++calls);
    auto fd = open_file(made, O_WRONLY | O_CREAT | O_EXCL);
    if (!fd) return fd.error();
    if (Status const status = write_all(fd->get(), print_stage_record(record), made); !status)
        return status.error();
    int const code = ::link(made.c_str(), target.c_str()) == 0 ? 0 : errno;
    // Over NFS an answer can be lost; the number of links tells.
    struct stat info {};
    bool const linked = code == 0 || (::fstat(fd->get(), &info) == 0 && info.st_nlink == 2);
    ::unlink(made.c_str());
    if (!linked && code != EEXIST) return os_error("create", target, code);
    if (!linked) return false;
    // It may have been made, claimed and moved on since we looked: then ours is one too many.
    if (is_known_elsewhere(record.name, {})) {
        ::unlink(target.c_str());
        return false;
    }
    return true;
}

Result<std::optional<Claim>> StageFolder::claim(std::string const& name)
{
    std::string const from = fmt::format("{}/open/{}{}", root_, name, suffix);
    // Never over a record that another thread of ours holds; file systems without
    // that flag have plain rename.
    std::string const own = own_path(name);
    int code = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, own.c_str(), RENAME_NOREPLACE) == 0 ? 0 : errno;
    if (code == EINVAL || code == ENOSYS) code = ::rename(from.c_str(), own.c_str()) == 0 ? 0 : errno;
    if (code == ENOENT || code == EEXIST) return std::optional<Claim>{};
    if (code != 0) return os_error("rename", from, code);
    // What we took may be one that another harvest's add() made too many and is about to remove.
    if (is_known_elsewhere(name, holder_)) {
        ::unlink(own.c_str());
        return std::optional<Claim>{};
    }
    auto text = read_file(own_path(name), record_limit_bytes);
    if (!text) return text.error();
    auto record = parse_stage_record(*text);
    if (!record) {
        // Bytes that a power failure took: without the record the file is new again, which costs one check at
        // the store. A record that another version wrote is left as it is.
        if (nlohmann::json::parse(*text, nullptr, false).is_object())
            give_back(name);
        else
            ::unlink(own_path(name).c_str());
        return record.error();
    }
    if (record->name != name) {
        // Made before names that are not UTF-8 had a form for records: its output has another record now.
        ::unlink(own_path(name).c_str());
        return std::optional<Claim>{};
    }
    return std::optional<Claim>(Claim(*this, *std::move(record)));
}

Result<StageRecord> StageFolder::read(std::string const& name) const
{
    std::vector<std::string> places{"open", "done"};
    for (std::string_view const part : {"held", "later"}) {
        auto const folders = list(fmt::format("{}/{}", root_, part));
        if (!folders) return folders.error();
        for (auto const& folder : *folders) places.push_back(fmt::format("{}/{}", part, folder));
    }
    for (auto const& place : places) {
        auto const text =
            read_file(fmt::format("{}/{}/{}{}", root_, place, name, suffix), record_limit_bytes);
        if (text) return parse_stage_record(*text);
    }
    return Error{ErrorKind::io, "no record of " + name, "it is not there, or moves just now", {}};
}

Status StageFolder::save(StageRecord const& record)
{
    std::string const folder = root_ + "/held/" + holder_;
    std::string spare;
    {
        std::scoped_lock const lock(mutex_);
        if (spares_.empty()) spares_.push_back(fmt::format("{}/{}.spare", folder, ++spare_count_));
        spare = std::move(spares_.back());
        spares_.pop_back();
    }
    Status const status = exchange_record(spare, own_path(record.name), print_stage_record(record));
    std::scoped_lock const lock(mutex_);
    spares_.push_back(std::move(spare));
    return status;
}

Status StageFolder::move_to(StagePlace const& place, std::string const& name)
{
    std::string folder = root_ + "/open";
    if (place.kind == StagePlace::Kind::done) folder = root_ + "/done";
    if (place.kind == StagePlace::Kind::later) {
        folder = fmt::format("{}/later/{}", root_, place.due_unix_h);
        std::scoped_lock const lock(mutex_);
        if (made_hours_.insert(place.due_unix_h).second)
            if (Status const status = make_folders(folder); !status) return status;
    }
    std::string const target = fmt::format("{}/{}{}", folder, name, suffix);
    if (::rename(own_path(name).c_str(), target.c_str()) == 0) return {};
    if (place.kind == StagePlace::Kind::later && errno == ENOENT && make_folders(folder) &&
        ::rename(own_path(name).c_str(), target.c_str()) == 0)
        return {};  // a due hour's folder had been removed
    return errno == ENOENT ? no_longer_ours(name) : os_error("rename", own_path(name), errno);
}

void StageFolder::give_back(std::string const& name)
{
    ::rename(own_path(name).c_str(), fmt::format("{}/open/{}{}", root_, name, suffix).c_str());
}

}  // namespace yoda
