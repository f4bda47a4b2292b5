// SPDX-License-Identifier: Apache-2.0
#include "sys/process/process_tree.hpp"

#include <dirent.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <unordered_set>

#include "sys/base/files.hpp"

namespace yoda {

namespace {

/// Space-separated numbers, one after the other; anything else turns it bad.
class Fields {
  public:
    explicit Fields(std::string_view text) : rest_(text) {}

    template <class T>
    T next()
    {
        T value{};
        rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
        auto const [end, code] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        if (code != std::errc{}) ok_ = false;
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return value;
    }
    void skip(int count)
    {
        for (int i = 0; i < count; ++i) next<std::int64_t>();
    }
    bool ok() const { return ok_; }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

std::optional<std::string> read_of(pid_t pid, char const* name)
{
    auto text = read_file(fmt::format("/proc/{}/{}", pid, name), 16u << 20);
    if (!text) return std::nullopt;
    return std::move(text).value();
}

std::vector<pid_t> parse_pids(std::string_view text)
{
    std::vector<pid_t> pids;
    Fields fields(text);
    for (pid_t pid = fields.next<pid_t>(); fields.ok(); pid = fields.next<pid_t>()) pids.push_back(pid);
    return pids;
}

/// Calls `visit` with each name in the folder that is a number; false if the folder cannot be listed.
template <class Visit>
bool for_each_number(std::string const& path, Visit visit)
{
    std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(path.c_str()), ::closedir);
    if (!folder) return false;
    while (dirent const* entry = ::readdir(folder.get())) {
        std::string_view const name = entry->d_name;
        pid_t number = 0;
        auto const [end, code] = std::from_chars(name.data(), name.data() + name.size(), number);
        if (code == std::errc{} && end == name.data() + name.size()) visit(number);
    }
    return true;
}

/// The number behind `label` in a file of the process, in KiB there.
std::optional<std::uint64_t> read_labelled_bytes(pid_t pid, char const* file, std::string_view label)
{
    auto const text = read_of(pid, file);
    if (!text) return std::nullopt;
    std::size_t const at = text->find(label);
    if (at == std::string::npos) return std::nullopt;
    auto value = std::string_view(*text).substr(at + label.size());
    while (value.starts_with('\t')) value.remove_prefix(1);
    Fields fields(value);
    auto const kib = fields.next<std::uint64_t>();
    if (!fields.ok()) return std::nullopt;
    return kib * 1024;
}

}  // namespace

std::optional<ProcessInfo> parse_process_stat(std::string_view line)
{
    static auto const ticks_per_s = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
    static auto const page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));

    std::size_t const after_command = line.rfind(") ");
    if (after_command == std::string_view::npos || after_command + 3 > line.size()) return std::nullopt;
    ProcessInfo info;
    Fields id(line);
    info.pid = id.next<pid_t>();
    info.state = line[after_command + 2];
    Fields fields(line.substr(after_command + 3));
    info.parent = fields.next<pid_t>();
    info.group = fields.next<pid_t>();
    info.session = fields.next<pid_t>();
    fields.skip(7);               // terminal to major faults
    std::uint64_t ticks[2] = {};  // its own, its children's: utime, stime, cutime, cstime
    for (int i = 0; i < 4; ++i) ticks[i / 2] += fields.next<std::uint64_t>();
    info.own_cpu_ms = ticks[0] * 1000 / ticks_per_s;
    info.cpu_ms = (ticks[0] + ticks[1]) * 1000 / ticks_per_s;
    std::size_t const command = line.find('(');
    if (command < after_command) info.command = line.substr(command + 1, after_command - command - 1);
    fields.skip(4);  // priority to itrealvalue
    info.start_ticks = fields.next<std::uint64_t>();
    fields.skip(1);  // vsize
    info.memory_bytes = fields.next<std::uint64_t>() * page_bytes;
    if (!id.ok() || !fields.ok()) return std::nullopt;
    return info;
}

std::optional<ProcessInfo> read_process(pid_t pid)
{
    auto const text = read_of(pid, "stat");
    if (!text) return std::nullopt;
    return parse_process_stat(*text);
}

std::optional<std::string> read_process_variable(pid_t pid, std::string_view name)
{
    auto const text = read_of(pid, "environ");
    if (!text) return std::nullopt;
    std::string_view rest = *text;
    while (!rest.empty()) {
        std::string_view const entry = rest.substr(0, rest.find('\0'));
        if (entry.size() > name.size() && entry.starts_with(name) && entry[name.size()] == '=')
            return std::string(entry.substr(name.size() + 1));
        rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    }
    return std::nullopt;
}

Result<std::vector<ProcessInfo>> list_processes()
{
    std::vector<ProcessInfo> processes;
    bool const listed = for_each_number("/proc", [&](pid_t pid) {
        if (auto info = read_process(pid)) processes.push_back(*info);
    });
    if (!listed) return os_error("list", "/proc", errno);
    return processes;
}

std::optional<std::vector<pid_t>> list_children(pid_t pid)
{
    static bool const kept = path_exists("/proc/thread-self/children");
    if (!kept) return std::nullopt;
    std::vector<pid_t> children;
    for_each_number(fmt::format("/proc/{}/task", pid), [&](pid_t thread) {
        auto const text = read_file(fmt::format("/proc/{}/task/{}/children", pid, thread), 16u << 20);
        if (!text) return;
        auto const more = parse_pids(*text);
        children.insert(children.end(), more.begin(), more.end());
    });
    return children;
}

std::vector<ProcessInfo> process_tree(pid_t root)
{
    std::vector<ProcessInfo> members;
    std::unordered_set<pid_t> seen{root};  // who gets a new parent while we walk would be met twice
    if (auto const first = read_process(root)) members.push_back(*first);
    for (std::size_t i = 0; i < members.size(); ++i) {
        auto const children = list_children(members[i].pid);
        if (!children) {
            auto const all = list_processes();
            return all ? process_tree(*all, root) : members;
        }
        for (pid_t child : *children) {
            auto const info = read_process(child);
            // A pid that was freed and used again since its parent listed it is somebody else's.
            if (info && info->parent == members[i].pid && seen.insert(child).second) members.push_back(*info);
        }
    }
    return members;
}

std::vector<ProcessInfo> process_tree(std::vector<ProcessInfo> const& all, pid_t root)
{
    std::vector<ProcessInfo> members;
    auto const first =
        std::find_if(all.begin(), all.end(), [&](auto const& info) { return info.pid == root; });
    if (first != all.end()) members.push_back(*first);
    // Bounded: a list is not of one moment, and pids used twice meanwhile could close a ring.
    for (std::size_t i = 0; i < members.size() && members.size() <= all.size(); ++i)
        for (ProcessInfo const& info : all)
            if (info.parent == members[i].pid && info.pid != root) members.push_back(info);
    return members;
}

std::optional<std::uint64_t> read_peak_memory_bytes(pid_t pid)
{
    return read_labelled_bytes(pid, "status", "\nVmHWM:");
}

TreeUsage measure_tree(pid_t root)
{
    TreeUsage usage;
    for (ProcessInfo const& process : process_tree(root)) {
        usage.cpu_ms += process.cpu_ms;
        // Pages that n processes share count 1/n in each.
        usage.memory_bytes +=
            read_labelled_bytes(process.pid, "smaps_rollup", "\nPss:").value_or(process.memory_bytes);
        ++usage.process_count;
    }
    return usage;
}

}  // namespace yoda
