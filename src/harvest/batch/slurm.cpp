// Slurm by its commands. What they print is read by slurm_text.
#include <fmt/format.h>

#include <algorithm>

#include "core/units.hpp"
#include "harvest/batch/batch_system.hpp"
#include "harvest/batch/run_program.hpp"
#include "harvest/batch/slurm_text.hpp"

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
            auto id = parse_sbatch(end->out);
            if (id)
                outcome.job_id = *std::move(id);
            else
                outcome.why = id.error().text();
            return outcome;
        }
        outcome.why = end->why();
        outcome.refused = !end->timed_out && end->signal == 0 && !may_have_submitted(end->err);
        return outcome;
    }

    Result<std::optional<BatchJob>> find(std::string const& name, std::string const& job_id) override
    {
        auto const listed = run_program({"squeue", "--noheader", "--states=all", "--name=" + name,
                                         "--format=" + std::string(squeue_format)},
                                        limit_, clock_);
        if (!listed) return listed.error();
        if (!listed->well()) return no_answer("squeue", *listed);
        auto found = choose(listed->out, name, job_id);
        if (!found || *found) return found;
        // squeue forgets ended jobs after minutes; the accounting, where there is one, does not.
        if (!is_in_path("sacct")) return found;
        auto const accounted =
            run_program({"sacct", "--noheader", "--allocations", "--parsable2", "--starttime=now-30days",
                         "--name=" + name, "--format=" + std::string(sacct_format)},
                        limit_, clock_);
        if (!accounted) return accounted.error();
        if (!accounted->well()) {
            if (accounted->err.find("disabled") != std::string::npos) return found;
            return no_answer("sacct", *accounted);
        }
        return choose(accounted->out, name, job_id);
    }

    Status cancel(std::string const& job_id) override
    {
        auto const end = run_program({"scancel", job_id}, limit_, clock_);
        if (!end) return end.error();
        if (end->well() || end->err.find("nvalid job id") != std::string::npos ||
            end->err.find("already completing or completed") != std::string::npos)
            return {};
        return no_answer("scancel", *end);
    }

    std::uint64_t idle_node_count(std::string const& partition) override
    {
        std::vector<std::string> words{"sinfo", "--noheader", "--states=idle", "--format=%D"};
        if (!partition.empty()) words.push_back("--partition=" + partition);
        auto const end = run_program(words, limit_, clock_);
        if (!end || !end->well()) return 0;
        std::uint64_t most = 0;  // One line a partition.
        for (auto const line : split_lines(end->out)) {
            if (auto const number = parse_count(trim(line))) most = std::max(most, *number);
        }
        return most;
    }

  private:
    static Result<std::optional<BatchJob>> choose(std::string_view text, std::string const& name,
                                                  std::string const& job_id)
    {
        auto jobs = parse_slurm_jobs(text);
        if (!jobs) return jobs.error();
        std::optional<BatchJob> best;
        for (auto& job : *jobs) {
            if (job.name != name && job.id != job_id) continue;
            // Of several (there should be one) a job that lives counts.
            if (!best || best->state == BatchState::ended) best = std::move(job);
        }
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
