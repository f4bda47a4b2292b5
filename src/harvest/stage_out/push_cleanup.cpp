// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/push_cleanup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "harvest/stage_out/push_bundle.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

/// An output inside of a bundle has no file of its own; its bundle goes when all of them are done.
bool has_own_file(StageRecord const& record)
{
    return record.offset == 0 && record.path.ends_with("/" + stored_name(record));
}

Status remove_data(std::string const& run_folder, StageRecord const& record)
{
    std::string const path = run_folder + "/" + record.path;
    if (!has_own_file(record) || !path_exists(path)) return {};
    if (!is_really_inside(run_folder, record.path))
        return Error{ErrorKind::refused, path + " is not removed",
                     "a symbolic link leads out of the run folder", "remove it by hand"};
    if (::unlink(path.c_str()) != 0 && errno != ENOENT) return os_error("remove", path, errno);
    return {};
}

void clean_reported(std::string const& run_folder, std::vector<Claim> claims, PushShared& shared)
{
    std::erase_if(claims, [&](Claim& claim) {
        on_cleaned(claim.record, shared.unix_s());
        Status const status = claim.save();
        if (!status) shared.log->warning("state_not_saved", status.error());
        return !status;
    });
    // Data must not go before its record is on the disk; one sync for all.
    auto const folder = open_file(run_folder + "/stage", O_RDONLY | O_DIRECTORY);
    if (!folder || ::syncfs(folder->get()) != 0) {
        shared.log->warning("not_cleaned", folder ? os_error("sync", run_folder, errno) : folder.error());
        return;  // the claims are given back; the next tick tries again
    }
    for (Claim& claim : claims) {
        if (Status const status = remove_data(run_folder, claim.record); !status) {
            shared.log->warning("not_cleaned", status.error());
            shared.note_failure(claim.record.name, status.error().text());
            continue;
        }
        if (Status const status = claim.put_away(); !status)
            shared.log->warning("state_not_saved", status.error());
        std::scoped_lock const lock(shared.mutex);
        ++shared.summary.cleaned_count;
    }
}

}  // namespace

void clean_waiting(std::string const& run_folder, std::size_t at_least, PushShared& shared)
{
    std::vector<Claim> claims;
    {
        std::scoped_lock const lock(shared.mutex);
        if (shared.to_clean.empty() || shared.to_clean.size() < at_least) return;
        claims.swap(shared.to_clean);
    }
    clean_reported(run_folder, std::move(claims), shared);
}

}  // namespace yoda
