// SPDX-License-Identifier: Apache-2.0
// Slurm by its commands. What they print is read by slurm_text.
#include <fmt/format.h>

#include <algorithm>

#include "core/config/units.hpp"
#include "harvest/batch/base/batch_system.hpp"
#include "harvest/batch/base/run_program.hpp"
#include "harvest/batch/slurm/text.hpp"

namespace yoda {

namespace {

Error no_answer(std::string_view program, ProgramEnd const& end)
{
    return {ErrorKind::unavailable, fmt::format("{} does not answer", program), end.why(), {}};
}

class Slurm final : public BatchSystem {
  public:
    Slurm(Duration limit, Clock const& clock) : limit_(limit), clock_(clock) {}

    Result<SubmitOutcome> submit(std::string const& job_file, std::string const& name) override
    {
        auto const end =
            run_program({"sbatch", "--parsable", "--job-name=" + name, job_file}, limit_, clock_);
        if (!end) return end.error();
        SubmitOutcome outcome;
        if (end->well()) {
            if (auto const job = parse_sbatch(end->out)) {
                outcome.job_id = job->id;
                outcome.cluster = job->cluster;
            } else {
                outcome.why = job.error().text();
            }
            return outcome;
        }
        outcome.why = end->why();
        outcome.refused = !end->timed_out && end->signal == 0 && !may_have_submitted(end->err);
        return outcome;
    }

    Result<JobAnswer> find(JobRef const& ref) override
    {
        auto const clusters = list_clusters(ref.cluster);
        if (!clusters) return clusters.error();
        JobAnswer answer;
        std::optional<Error> silent;
        // One at a time: squeue -M a,b does not tell which of them has a
        // job, and answers well with one of them down.
        for (auto const& cluster : *clusters) {
            auto found = find_in(cluster, ref.name);
            if (!found)
                silent = found.error();
            else if (*found && (!answer.job || answer.job->state == BatchState::ended))
                answer.job = *std::move(found);
        }
        if (!answer.job && silent) return *silent;
        return answer;
    }

    Status cancel(BatchJob const& job) override
    {
        auto const end = ask("scancel", job.cluster, {job.id});
        if (!end) return end.error();
        if (end->well() || end->err.find("nvalid job id") != std::string::npos ||
            end->err.find("already completing or completed") != std::string::npos)
            return {};
        return no_answer("scancel", *end);
    }

    std::uint64_t idle_node_count(std::string const& partition, std::string const& clusters) override
    {
        std::vector<std::string> words{"--noheader", "--states=idle", "--format=%D"};
        if (!partition.empty()) words.push_back("--partition=" + partition);
        auto const listed = list_clusters(clusters);
        if (!listed) return 0;
        std::uint64_t most = 0;  // One line a partition.
        for (auto const& cluster : *listed) {
            auto const end = ask("sinfo", cluster, words);
            if (!end || !end->well()) continue;
            for (auto const line : split_lines(end->out)) {
                if (auto const number = parse_count(trim(line))) most = std::max(most, *number);
            }
        }
        return most;
    }

  private:
    Result<ProgramEnd> ask(std::string const& program, std::string const& cluster,
                           std::vector<std::string> const& options) const
    {
        std::vector<std::string> words{program};
        if (!cluster.empty()) words.insert(words.end(), {"-M", cluster});
        words.insert(words.end(), options.begin(), options.end());
        return run_program(words, limit_, clock_);
    }

    Result<std::vector<std::string>> list_clusters(std::string const& clusters) const
    {
        if (clusters != "all") return split_clusters(clusters);
        auto const end = run_program(
            {"sacctmgr", "--noheader", "--parsable2", "list", "cluster", "format=cluster"}, limit_, clock_);
        if (!end) return end.error();
        if (!end->well()) return no_answer("sacctmgr", *end);
        std::vector<std::string> names;
        for (auto const line : split_lines(end->out))
            if (!trim(line).empty()) names.emplace_back(trim(line));
        return names;
    }

    Result<std::optional<BatchJob>> find_in(std::string const& cluster, std::string const& name) const
    {
        auto const listed =
            ask("squeue", cluster,
                {"--noheader", "--states=all", "--name=" + name, "--format=" + std::string(squeue_format)});
        if (!listed) return listed.error();
        if (!listed->well()) return no_answer("squeue", *listed);
        auto found = choose(listed->out, name, cluster);
        if (!found || *found) return found;
        // squeue forgets ended jobs after minutes; the accounting, where there is one, does not.
        if (!is_in_path("sacct")) return found;
        auto const accounted = ask("sacct", cluster,
                                   {"--noheader", "--allocations", "--parsable2", "--starttime=now-30days",
                                    "--name=" + name, "--format=" + std::string(sacct_format)});
        if (!accounted) return accounted.error();
        if (!accounted->well()) {
            if (accounted->err.find("disabled") != std::string::npos) return found;
            return no_answer("sacct", *accounted);
        }
        return choose(accounted->out, name, cluster);
    }

    static Result<std::optional<BatchJob>> choose(std::string_view text, std::string const& name,
                                                  std::string const& cluster)
    {
        auto jobs = parse_slurm_jobs(text);
        if (!jobs) return jobs.error();
        std::optional<BatchJob> best;
        for (auto& job : *jobs) {
            if (job.name != name) continue;
            // Of several (there should be one) a job that lives counts.
            if (!best || best->state == BatchState::ended) best = std::move(job);
        }
        if (best) best->cluster = cluster;
        return best;
    }

    Duration limit_;
    Clock const& clock_;
};

}  // namespace

std::unique_ptr<BatchSystem> make_slurm(Duration command_limit, Clock const& clock)
{
    return std::make_unique<Slurm>(command_limit, clock);
}

}  // namespace yoda
