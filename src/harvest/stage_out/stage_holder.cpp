// SPDX-License-Identifier: Apache-2.0
#include "harvest/stage_out/stage_holder.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <sstream>

#include "harvest/stores/base/digest.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

/// Field 22 of /proc/PID/stat; nullopt when there is no such process or it is a zombie.
std::optional<std::int64_t> started_ticks(std::int64_t pid)
{
    auto const text = read_file(fmt::format("/proc/{}/stat", pid), 1 << 16);
    if (!text) return std::nullopt;
    // The command's name may hold blanks and brackets: fields are counted from its last bracket.
    auto const bracket = text->rfind(')');
    if (bracket == std::string::npos) return std::nullopt;
    std::istringstream fields(text->substr(bracket + 1));
    std::string word;
    for (int field = 3; field <= 22 && fields >> word; ++field) {
        if (field == 3 && (word == "Z" || word == "X")) return std::nullopt;
        if (field == 22) return std::stoll(word);
    }
    return std::nullopt;
}

std::string first_line(std::string const& path)
{
    auto const text = read_file(path, 1 << 12);
    return text ? text->substr(0, text->find('\n')) : std::string{};
}

}  // namespace

std::string print_holder(HolderIdentity const& holder)
{
    return nlohmann::ordered_json{{"host", holder.host},
                                  {"pid", holder.pid},
                                  {"since_unix_s", holder.since_unix_s},
                                  {"beat", holder.beat},
                                  {"boot_id", holder.boot_id},
                                  {"pid_space", holder.pid_space},
                                  {"started_ticks", holder.started_ticks}}
               .dump() +
           "\n";
}

std::optional<HolderIdentity> parse_holder(std::string_view text)
{
    auto const json = nlohmann::json::parse(text, nullptr, false);
    if (!json.is_object()) return std::nullopt;
    try {
        HolderIdentity holder;
        json.at("host").get_to(holder.host);
        json.at("pid").get_to(holder.pid);
        json.at("since_unix_s").get_to(holder.since_unix_s);
        json.at("beat").get_to(holder.beat);
        json.at("boot_id").get_to(holder.boot_id);
        json.at("pid_space").get_to(holder.pid_space);
        json.at("started_ticks").get_to(holder.started_ticks);
        return holder;
    } catch (nlohmann::json::exception const&) {
        return std::nullopt;
    }
}

HolderIdentity own_identity(std::int64_t now_unix_s)
{
    HolderIdentity own;
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    own.host = name;
    own.boot_id = first_line("/proc/sys/kernel/random/boot_id");
    char link[64] = {};
    if (ssize_t const n = ::readlink("/proc/self/ns/pid", link, sizeof link - 1); n > 0)
        own.pid_space.assign(link, static_cast<std::size_t>(n));
    own.pid = ::getpid();
    own.started_ticks = started_ticks(own.pid).value_or(0);
    own.since_unix_s = now_unix_s;
    return own;
}

std::string make_holder_name(HolderIdentity const& holder)
{
    std::string host = holder.host;
    std::replace_if(
        host.begin(), host.end(), [](unsigned char c) { return !std::isalnum(c) && c != '-'; }, '-');
    return fmt::format("{}-{}-{}", host, holder.pid, random_hex(6));
}

bool is_gone_here(HolderIdentity const& holder, HolderIdentity const& own)
{
    // Another boot of this machine, or another machine of the same name: only its silence can tell.
    if (holder.host != own.host || holder.boot_id != own.boot_id || own.boot_id.empty()) return false;
    if (holder.pid_space != own.pid_space) return false;
    return started_ticks(holder.pid) != holder.started_ticks;
}

bool is_silent(std::optional<HolderSighting>& sighting, std::uint64_t beat, std::string const& boot_id,
               TimePoint now)
{
    if (!sighting || sighting->beat != beat || sighting->boot_id != boot_id || sighting->since_ns > now.ns)
        sighting = HolderSighting{beat, now.ns, boot_id};
    return now - TimePoint{sighting->since_ns} >= holder_silence;
}

}  // namespace yoda
