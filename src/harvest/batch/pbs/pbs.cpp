// SPDX-License-Identifier: Apache-2.0
// PBS by its commands: OpenPBS and PBS Pro (qselect, qstat -x), Torque and Slurm's wrappers (qstat -f). What
// they print is read by pbs_text.
//
// A server without job history, as OpenPBS is installed, answers -x well and empty even for a
// job that runs ("PBS is not configured to maintain job history"): the plain words are asked
// first, and -x only adds jobs that have ended.
#include <fmt/format.h>

#include "harvest/batch/base/batch_system.hpp"
#include "harvest/batch/base/run_program.hpp"
#include "harvest/batch/pbs/text.hpp"

namespace yoda {

namespace {

class Pbs final : public BatchSystem {
  public:
    Pbs(Duration limit, Clock const& clock) : limit_(limit), clock_(clock) {}

    Result<SubmitOutcome> submit(std::string const& job_file, std::string const& name) override
    {
        // On the command line too: Slurm's wrapper overrides what the file says of
        // output by names of its own.
        auto const log = job_file.substr(0, job_file.rfind("/batch/")) + "/logs/" + name + ".log";
        auto const end = run_program({"qsub", "-N", name, "-j", "oe", "-o", log, job_file}, limit_, clock_);
        if (!end) return end.error();
        SubmitOutcome outcome;
        if (end->well()) {
            auto id = parse_qsub(end->out);
            if (id)
                outcome.job_id = *std::move(id);
            else
                outcome.why = id.error().text();
            return outcome;
        }
        outcome.why = end->why();
        // Slurm's wrapper says what went wrong on its standard output.
        outcome.refused = !end->timed_out && end->signal == 0 &&
                          !qsub_may_have_submitted(end->err.empty() ? end->out : end->err);
        return outcome;
    }

    Result<JobAnswer> find(JobRef const& ref) override
    {
        if (!ref.id.empty() || !is_in_path("qselect")) return ask(ref.id, ref.name);
        auto const plain = run_program({"qselect", "-N", ref.name}, limit_, clock_);
        if (!plain) return plain.error();
        if (!plain->well()) return no_answer("qselect", *plain);
        if (auto const id = last_line(plain->out); !id.empty()) return ask(std::string(id), ref.name);
        // Torque's qselect does not know -x.
        auto const past = run_program({"qselect", "-x", "-N", ref.name}, limit_, clock_);
        if (!past) return past.error();
        if (past->timed_out) return no_answer("qselect", *past);
        auto const id = past->well() ? last_line(past->out) : std::string_view();
        return id.empty() ? JobAnswer{} : ask(std::string(id), ref.name);
    }

    Status cancel(BatchJob const& job) override
    {
        auto const end = run_program({"qdel", job.id}, limit_, clock_);
        if (!end) return end.error();
        if (end->well() || is_unknown_pbs_job(end->err) || is_unknown_pbs_job(end->out) ||
            is_finished_pbs_job(end->err))
            return {};
        return no_answer("qdel", *end);
    }

    std::uint64_t idle_node_count(std::string const&, std::string const&) override
    {
        auto const end = run_program({"pbsnodes", "-a"}, limit_, clock_);
        return end && end->well() ? count_idle_pbs_nodes(end->out) : 0;
    }

  private:
    static Error no_answer(std::string_view program, ProgramEnd const& end)
    {
        return {ErrorKind::unavailable, fmt::format("{} does not answer", program), end.why(), {}};
    }

    /// `id` empty: among all jobs.
    Result<JobAnswer> ask(std::string const& id, std::string const& name) const
    {
        std::vector<std::string> words{"qstat", "-f"};
        if (!id.empty()) words.push_back(id);
        auto const end = run_program(words, limit_, clock_);
        if (!end) return end.error();
        if (is_finished_pbs_job(end->err)) return ask_history(id, name);
        if (is_unknown_pbs_job(end->err) || is_unknown_pbs_job(end->out))
            return JobAnswer{std::nullopt, !id.empty() && end->exit_code == pbs_unknown_job_code};
        if (!end->well()) return no_answer("qstat", *end);
        auto const jobs = parse_qstat_text(end->out);
        if (!jobs) return jobs.error();
        return JobAnswer{choose(*jobs, name)};
    }

    /// Of a job that has ended, as the server has just said.
    Result<JobAnswer> ask_history(std::string const& id, std::string const& name) const
    {
        auto const end = run_program({"qstat", "-x", "-f", id}, limit_, clock_);
        if (!end) return end.error();
        if (end->well()) {
            auto const jobs = parse_qstat_text(end->out);
            if (!jobs) return jobs.error();
            if (!jobs->empty()) return JobAnswer{choose(*jobs, name)};
        }
        return JobAnswer{BatchJob{id, name, BatchState::ended, "F", {}}};
    }

    static std::optional<BatchJob> choose(std::vector<BatchJob> const& jobs, std::string const& name)
    {
        std::optional<BatchJob> best;
        for (auto const& job : jobs) {
            if (job.name == name && (!best || best->state == BatchState::ended)) best = job;
        }
        return best;
    }

    Duration limit_;
    Clock const& clock_;
};

}  // namespace

std::unique_ptr<BatchSystem> make_pbs(Duration command_limit, Clock const& clock)
{
    return std::make_unique<Pbs>(command_limit, clock);
}

}  // namespace yoda
