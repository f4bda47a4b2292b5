// SPDX-License-Identifier: Apache-2.0
#include "harvest/panda/wire/settings.hpp"

#include <cerrno>
#include <cstdio>

#include "sys/base/files.hpp"

namespace yoda {

std::vector<std::string> missing_fetch_settings(PandaSettings const& settings)
{
    std::vector<std::string> missing;
    if (settings.server.urls.empty()) missing.emplace_back("panda.url");
    if (settings.site.empty()) missing.emplace_back("panda.site");
    return missing;
}

std::map<std::string, std::string> common_job_fields(PandaSettings const& settings)
{
    std::map<std::string, std::string> fields;
    auto const put = [&fields](char const* name, std::string const& value) {
        if (!value.empty()) fields[name] = value;
    };
    put("node", settings.node);
    put("siteName", settings.site);
    put("computingElement", settings.computing_element);
    put("schedulerID", settings.scheduler_id);
    put("pilotID", settings.pilot_id);
    return fields;
}

Status PandaFolder::adopt_workplace() const
{
    auto const from = workplace(run_);
    if (!path_exists(from) || !path_exists(run_ + "/job.json")) return {};
    // A workplace without it belongs to a fetch that did not get that far: its run
    // was made by somebody else.
    if (!path_exists(from + "/harvest.cfg")) return {};
    if (::rename(from.c_str(), path_.c_str()) != 0) {
        if (errno == EEXIST || errno == ENOTEMPTY)
            return Error{ErrorKind::io, from + " cannot become " + path_, "there is one already",
                         "look at both and remove one"};
        return os_error("rename", from, errno);
    }
    return sync_folder(run_);
}

bool PandaFolder::is_there() const
{
    return path_exists(config());
}

}  // namespace yoda
