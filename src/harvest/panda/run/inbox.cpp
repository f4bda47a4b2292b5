// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/run/inbox.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "sys/base/files.hpp"

namespace yoda {

std::string make_note_name(Clock const& clock, std::string_view type)
{
    return fmt::format("{:020}-{}-{}.json", clock.unix_ns(), ::getpid(), type);
}

Status write_note(std::string const& run, std::string const& name, std::string_view text)
{
    auto const inbox = run + "/inbox";
    if (auto const status = make_folders(inbox); !status) return status;
    auto const hidden = fmt::format("{}/.{}", inbox, name);
    auto fd = open_file(hidden, O_WRONLY | O_CREAT | O_TRUNC);
    if (!fd) return fd.error();
    if (auto const status = write_all(fd->get(), text, hidden); !status) return status;
    if (::fsync(fd->get()) != 0) return os_error("sync", hidden, errno);
    if (::rename(hidden.c_str(), (inbox + "/" + name).c_str()) != 0) return os_error("rename", hidden, errno);
    return sync_folder(inbox);
}

std::string print_closed_note()
{
    return "{\"version\":1,\"type\":\"closed\"}\n";
}
std::string print_drain_note()
{
    return "{\"version\":1,\"type\":\"drain\"}\n";
}
std::string print_job_killed_note(std::int64_t panda_id)
{
    return fmt::format("{{\"version\":1,\"type\":\"job_killed\",\"PandaID\":{}}}\n", panda_id);
}

}  // namespace yoda
