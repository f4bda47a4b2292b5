// PBS by its commands: OpenPBS and PBS Pro (qselect, qstat -x, JSON), Torque and Slurm's wrappers (qstat -f).
// What they print is read by pbs_text.
#include <fmt/format.h>

#include "harvest/batch/batch_system.hpp"
#include "harvest/batch/pbs_text.hpp"
#include "harvest/batch/run_program.hpp"

namespace yoda {

namespace {

class Pbs final : public BatchSystem {
  public:
    Pbs(Duration limit, Clock const& clock) : limit_(limit), clock_(clock) {}

    Result<SubmitOutcome> submit(std::string const& job_file, std::string const& name) override
    {
        // On the command line too: Slurm's wrapper overrides what the file says of output by names of its
        // own.
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

    Result<std::optional<BatchJob>> find(std::string const& name, std::string const& job_id) override
    {
        if (!job_id.empty()) return ask({job_id}, name);
        if (is_in_path("qselect")) {
            auto const ids = run_program({"qselect", "-x", "-N", name}, limit_, clock_);
            if (!ids) return ids.error();
            if (!ids->well()) return no_answer("qselect", *ids);
            if (last_line(ids->out).empty()) return std::optional<BatchJob>{};
            return ask({std::string(last_line(ids->out))}, name);
        }
        return ask({}, name);
    }

    Status cancel(std::string const& job_id) override
    {
        auto const end = run_program({"qdel", job_id}, limit_, clock_);
        if (!end) return end.error();
        if (end->well() || is_unknown_pbs_job(end->err) || is_unknown_pbs_job(end->out)) return {};
        return no_answer("qdel", *end);
    }

    std::uint64_t idle_node_count(std::string const&) override
    {
        auto const end = run_program({"pbsnodes", "-a"}, limit_, clock_);
        return end && end->well() ? count_idle_pbs_nodes(end->out) : 0;
    }

  private:
    static Error no_answer(std::string_view program, ProgramEnd const& end)
    {
        return {ErrorKind::unavailable, fmt::format("{} does not answer", program), end.why(), {}};
    }

    /// One job, or all; first as PBS Pro lists it with its history, else as every qstat does.
    Result<std::optional<BatchJob>> ask(std::vector<std::string> const& ids, std::string const& name)
    {
        bool const has_history = is_in_path("qselect");  // Of OpenPBS and PBS Pro only.
        if (has_history) {
            std::vector<std::string> words{"qstat", "-x", "-f", "-F", "json"};
            words.insert(words.end(), ids.begin(), ids.end());
            auto const end = run_program(words, limit_, clock_);
            if (!end) return end.error();
            if (is_unknown_pbs_job(end->err)) return std::optional<BatchJob>{};
            if (!end->well()) return no_answer("qstat", *end);
            if (auto const jobs = parse_qstat_json(end->out)) return choose(*jobs, name, ids);
        }
        std::vector<std::string> words{"qstat", "-f"};
        if (has_history) words.emplace_back("-x");
        words.insert(words.end(), ids.begin(), ids.end());
        auto const end = run_program(words, limit_, clock_);
        if (!end) return end.error();
        if (is_unknown_pbs_job(end->err) || is_unknown_pbs_job(end->out)) return std::optional<BatchJob>{};
        if (!end->well()) return no_answer("qstat", *end);
        auto const jobs = parse_qstat_text(end->out);
        if (!jobs) return jobs.error();
        return choose(*jobs, name, ids);
    }

    static std::optional<BatchJob> choose(std::vector<BatchJob> const& jobs, std::string const& name,
                                          std::vector<std::string> const& ids)
    {
        std::optional<BatchJob> best;
        for (auto const& job : jobs) {
            if (job.name != name && (ids.empty() || job.id != ids.front())) continue;
            if (!best || best->state == BatchState::ended) best = job;
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
