// SPDX-License-Identifier: Apache-2.0
#include "harvest/batch/job_file.hpp"

#include <fmt/format.h>

namespace yoda {

namespace {

void add_slurm_options(std::string& out, SiteConfig const& site, JobSize const& size,
                       JobFileFacts const& facts)
{
    auto const option = [&](std::string const& text) { out += "#SBATCH " + text + "\n"; };
    option("--nodes=" + std::to_string(size.node_count));
    option("--time=" + print_walltime(size.walltime_s));
    option("--ntasks-per-node=1");
    option(site.exclusive ? "--exclusive" : fmt::format("--cpus-per-task={}", site.size.cores_per_node));
    if (site.time_min_s > 0)
        option("--time-min=" + print_walltime(static_cast<std::int64_t>(site.time_min_s)));
    if (!site.account.empty()) option("--account=" + site.account);
    if (!site.partition.empty()) option("--partition=" + site.partition);
    if (!site.qos.empty()) option("--qos=" + site.qos);
    if (!site.constraint.empty()) option("--constraint=" + site.constraint);
    if (!site.reservation.empty()) option("--reservation=" + site.reservation);
    option("--no-kill");
    option("--requeue");
    option("--open-mode=append");
    option(fmt::format("--signal=B:USR1@{:.0f}", site.signal_lead_s));
    option("--output=" + facts.run + "/logs/" + facts.name + ".log");
    for (auto const& more : site.options) option(more);
}

void add_pbs_options(std::string& out, SiteConfig const& site, JobSize const& size, JobFileFacts const& facts)
{
    auto const option = [&](std::string const& text) { out += "#PBS " + text + "\n"; };
    auto const chunk =
        site.pbs_select.empty() ? fmt::format("ncpus={}", site.size.cores_per_node) : site.pbs_select;
    option(fmt::format("-l select={}:{}:mpiprocs=1", size.node_count, chunk));
    option(site.exclusive ? "-l place=scatter:excl" : "-l place=scatter");
    option("-l walltime=" + print_walltime(size.walltime_s));
    if (!site.account.empty()) option("-A " + site.account);
    if (!site.queue.empty()) option("-q " + site.queue);
    option("-r y");
    option("-j oe");
    option("-o " + facts.run + "/logs/" + facts.name + ".log");
    for (auto const& more : site.options) option(more);
}

}  // namespace

std::string quote_for_shell(std::string_view text)
{
    std::string quoted = "'";
    for (char const c : text) {
        if (c == '\'')
            quoted += "'\\''";
        else
            quoted += c;
    }
    return quoted + "'";
}

std::string print_job_file(BatchKind kind, SiteConfig const& site, JobSize const& size,
                           JobFileFacts const& facts)
{
    std::string out = "#!/bin/bash\n# Made by harvest submit for " + facts.run + ".\n";
    if (kind == BatchKind::slurm) add_slurm_options(out, site, size, facts);
    if (kind == BatchKind::pbs) add_pbs_options(out, site, size, facts);
    auto const variable = [&](std::string_view name, std::string_view value) {
        if (!value.empty()) out += fmt::format("export {}={}\n", name, quote_for_shell(value));
    };
    for (auto const& entry : site.exports) {
        auto const equals = entry.find('=');
        variable(std::string_view(entry).substr(0, equals), std::string_view(entry).substr(equals + 1));
    }
    variable("YODA_JOB_NAME", facts.name);
    variable("YODA_RUN", facts.run);
    variable("YODA_JOBSCRIPTS", facts.jobscripts);
    variable("YODA", site.wrap.empty() || !site.yoda.empty() ? facts.yoda : "yoda");
    variable("YODA_LAUNCHER", site.launcher);
    variable("YODA_MPI_TYPE", site.mpi_type);
    variable("YODA_MPI_ARGUMENTS", site.mpi_arguments);
    variable("YODA_ARGUMENTS", site.yoda_arguments);
    variable("YODA_WRAP", site.wrap);
    variable("YODA_SETUP", site.setup);
    variable("YODA_SCRATCH", site.scratch);
    variable("YODA_MARGIN_S", fmt::format("{:.0f}", site.margin_s));
    if (size.walltime_s > 0) variable("YODA_WALLTIME_S", std::to_string(size.walltime_s));
    out +=
        ". " + quote_for_shell(fmt::format("{}/{}/yoda.sh", facts.jobscripts, print_batch_kind(kind))) + "\n";
    return out;
}

}  // namespace yoda
