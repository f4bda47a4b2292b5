// SPDX-License-Identifier: Apache-2.0
#include "droid/node/node.hpp"

#include <fmt/format.h>
#include <hwloc.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <memory>

#include "core/config/key_values.hpp"
#include "core/config/units.hpp"
#include "sys/base/files.hpp"

namespace yoda {

namespace {

struct Topology {
    hwloc_topology_t handle = nullptr;
    ~Topology()
    {
        if (handle) hwloc_topology_destroy(handle);
    }
};

using Bitmap =
    std::unique_ptr<hwloc_bitmap_s, decltype([](hwloc_bitmap_s* bitmap) { hwloc_bitmap_free(bitmap); })>;

double number_in(std::string const& path)
{
    auto const text = read_file(path, 4096);
    if (!text) return -1;
    auto const number = trim(*text);
    return number == "max" || number.empty() ? -1 : std::atof(std::string(number).c_str());
}

}  // namespace

double read_cpu_quota(std::string const& root, std::string const& self_cgroup)
{
    double quota = 0;
    auto const lower = [&](double cpus) {
        if (cpus > 0 && (quota == 0 || cpus < quota)) quota = cpus;
    };
    auto const text = read_file(self_cgroup, 1 << 16);
    if (!text) return 0;
    std::string_view rest = *text;
    while (!rest.empty()) {
        auto const end = std::min(rest.find('\n'), rest.size());
        std::string_view const line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        auto const first = line.find(':');
        auto const second = line.find(':', first + 1);
        if (second == std::string_view::npos) continue;
        auto const controllers = line.substr(first + 1, second - first - 1);
        std::string path(line.substr(second + 1));
        bool const v2 = controllers.empty();
        bool const v1 =
            controllers == "cpu" || controllers.starts_with("cpu,") || controllers.ends_with(",cpu");
        if (!v2 && !v1) continue;
        // A limit of any ancestor counts too.
        for (;;) {
            if (v2) {
                if (auto const limit = read_file(root + path + "/cpu.max", 4096)) {
                    double allowed = 0, period = 0;
                    if (std::sscanf(limit->c_str(), "%lf %lf", &allowed, &period) == 2)
                        lower(allowed / period);
                }
            } else {
                for (auto const* mount : {"/cpu", "/cpu,cpuacct"}) {
                    double const allowed = number_in(root + mount + path + "/cpu.cfs_quota_us");
                    double const period = number_in(root + mount + path + "/cpu.cfs_period_us");
                    if (allowed > 0 && period > 0) lower(allowed / period);
                }
            }
            if (path.empty() || path == "/") break;
            path.resize(path.rfind('/'));
        }
    }
    return quota;
}

Result<NodeCores> find_cores()
{
    Topology topology;
    if (hwloc_topology_init(&topology.handle) != 0 || hwloc_topology_load(topology.handle) != 0)
        return Error{ErrorKind::io, "hwloc cannot read this machine's topology", {}, {}};
    Bitmap const bound(hwloc_bitmap_alloc());
    bool const is_bound = hwloc_get_cpubind(topology.handle, bound.get(), HWLOC_CPUBIND_PROCESS) == 0;

    NodeCores node;
    int const count = hwloc_get_nbobjs_by_type(topology.handle, HWLOC_OBJ_CORE);
    for (int i = 0; i < count; ++i) {
        auto const* core = hwloc_get_obj_by_type(topology.handle, HWLOC_OBJ_CORE, static_cast<unsigned>(i));
        ++node.machine_core_count;
        std::vector<unsigned> units;
        for (int unit = hwloc_bitmap_first(core->cpuset); unit >= 0;
             unit = hwloc_bitmap_next(core->cpuset, unit)) {
            auto const number = static_cast<unsigned>(unit);
            if (!is_bound || hwloc_bitmap_isset(bound.get(), number)) units.push_back(number);
        }
        if (!units.empty()) node.cores.push_back(std::move(units));
    }
    if (node.cores.empty()) return Error{ErrorKind::io, "hwloc shows no core that we may use", {}, {}};
    if (node.cores.size() < node.machine_core_count)
        node.remark =
            fmt::format("the launcher bound this rank to {} of {} cores: start it with --bind-to none",
                        node.cores.size(), node.machine_core_count);
    double const quota = read_cpu_quota("/sys/fs/cgroup", "/proc/self/cgroup");
    if (quota > 0 && quota < static_cast<double>(node.cores.size())) {
        node.cores.resize(static_cast<std::size_t>(std::max(1.0, std::floor(quota))));
        node.remark = fmt::format("the cgroup's CPU quota allows {:.2f} CPUs", quota);
    }
    return node;
}

std::vector<std::vector<unsigned>> share_cores(std::vector<std::vector<unsigned>> const& cores,
                                               unsigned index, unsigned count)
{
    if (count <= 1 || cores.empty()) return cores;
    if (cores.size() < count) return {cores[index % cores.size()]};
    auto const begin = cores.size() * index / count;
    auto const end = cores.size() * (index + 1) / count;
    return {cores.begin() + static_cast<std::ptrdiff_t>(begin),
            cores.begin() + static_cast<std::ptrdiff_t>(end)};
}

namespace {

std::string work_folder_prefix(std::string const& host)
{
    return fmt::format("yoda_droid_{}_", host);
}

}  // namespace

std::string work_folder_path(std::string const& parent, std::string const& host, Rank rank, pid_t pid)
{
    return fmt::format("{}/{}{}_{}", parent, work_folder_prefix(host), rank, pid);
}

std::vector<std::string> remove_stale_work_folders(std::string const& parent, std::string const& host)
{
    std::vector<std::string> removed;
    auto const prefix = work_folder_prefix(host);
    auto const names = list_folder(parent);
    if (!names) return removed;
    for (auto const& name : *names) {
        if (!name.starts_with(prefix)) continue;
        if (name.find('_', prefix.size()) != name.rfind('_')) continue;  // A host whose name is longer.
        auto const path = fmt::format("{}/{}", parent, name);
        std::error_code code;
        if (std::filesystem::symlink_status(path, code).type() != std::filesystem::file_type::directory)
            continue;
        std::string_view const text = std::string_view(name).substr(name.rfind('_') + 1);
        pid_t pid = 0;
        auto const [end, problem] = std::from_chars(text.data(), text.data() + text.size(), pid);
        if (problem != std::errc{} || end != text.data() + text.size() || pid <= 1) continue;
        if (::kill(pid, 0) == 0 || errno != ESRCH) continue;
        std::filesystem::remove_all(path, code);
        removed.push_back(path);
    }
    return removed;
}

}  // namespace yoda
