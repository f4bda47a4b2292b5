// SPDX-License-Identifier: Apache-2.0
#include "app/yoda_job.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <initializer_list>
#include <thread>

#include "app/commands/command_line.hpp"
#include "app/last_word.hpp"
#include "app/progress.hpp"
#include "app/rank_zero_life.hpp"
#include "core/config/config.hpp"
#include "droid/droid.hpp"
#include "sys/base/clock.hpp"
#include "sys/base/files.hpp"
#include "sys/base/log.hpp"
#include "sys/base/run_folder.hpp"
#include "sys/process/launcher.hpp"
#include "sys/process/spawner.hpp"
#include "sys/transport/local_transport.hpp"
#include "sys/transport/mpi_transport.hpp"

namespace yoda {

namespace {

constexpr Duration last_word_wait = Duration::from_s(60);

std::string host_name()
{
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

/// mpirun and srun pass a signal on to every rank, also while it starts, and its default action would be
/// death. Rank 0 takes it when it is ready; a Droid hears from rank 0 what to do. Threads inherit this.
void hold_back(std::initializer_list<int> signals)
{
    sigset_t set;
    sigemptyset(&set);
    for (int const number : signals) sigaddset(&set, number);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

struct DroidEnd {
    bool everybody_alive = false;  ///< rank 0 says that MPI may be finalized
};

/// A Droid from hello to goodbye, then until rank 0's last word.
DroidEnd run_droid(RunFolder const& folder, Spawner& spawner, Transport& transport, Log& log)
{
    SystemClock const clock;
    auto poller = Poller::make();
    if (!poller) {
        log.error("no_poller", poller.error());
        return {};
    }
    {
        Droid droid(folder, host_name(), spawner, transport, *poller, clock, log);
        droid.begin();
        for (unsigned round = 0; !droid.over(); ++round) {
            bool const busy = droid.step();
            if (!busy) droid.rest();
            // However much rank 0 has to say, the workers are heard too.
            if (busy && round % 16 == 0) poller->wait(Duration{0});
        }
        if (!droid.why().empty()) return {droid.everybody_alive()};  // Rank 0 has no other word for it.
    }
    TimePoint const deadline = clock.now() + last_word_wait;
    FrameReader reader;
    std::string frame;
    Rank from = 0;
    Nap nap(transport, *poller);
    while (clock.now() < deadline) {
        while (transport.receive(from, frame)) {
            if (!reader.open(frame)) continue;
            while (auto const message = reader.next()) {
                if (auto const* stop = std::get_if<Stop>(&*message)) return {stop->everybody_alive};
            }
        }
        nap.rest();
    }
    return {};
}

/// Leaves without MPI_Finalize, which would wait for ranks that have died.
[[noreturn]] void leave_at_once(int code)
{
    leave_last_word(code);
    std::fflush(nullptr);
    ::_exit(code);
}

int run_alone(YodaOptions const& options, Spawner spawner, Log& log)
{
    auto ends = make_local_transports(2);
    if (!ends) return report_error(ends.error());
    hold_back({SIGTERM, SIGINT});
    auto& droid_end = *(*ends)[1];
    std::thread droid([&] { run_droid(RunFolder(options.run), spawner, droid_end, log); });
    auto const end = live_as_rank_zero(options, *(*ends)[0], log);
    // The Droid's payloads and folders go while there is time: the process may end before they have.
    if (end.ends_now) leave_last_word(end.exit_code);
    droid.join();
    return end.exit_code;
}

/// Each of the ranks would work as one process, on the same run: one of them would, the others' nodes idle.
int refuse_lost_rank(std::string const& words)
{
    return report_error(
        {ErrorKind::usage, "this process is alone to MPI, and one of several to its launcher",
         fmt::format("{}; yoda was built with {}", words, MpiTransport::library()),
         "start yoda by a launcher of that MPI (docs/operations.md, \"The launcher's MPI\"), or "
         "give --single to work in one process"});
}

}  // namespace

int run_yoda_job(YodaOptions const& options, int& argc, char**& argv)
{
    Log log(options.debug ? LogLevel::debug : LogLevel::info);
    if (!options.debug) log.quieten_terminal();
    // Whoever does not read us any more ends what we say, not us. The spawner gives
    // payloads the default back.
    std::signal(SIGPIPE, SIG_IGN);
    hold_back({SIGUSR1, SIGXCPU, SIGHUP});
    bool const is_alone = options.single || !launched_by_mpi();
    auto const lost_ranks = options.single ? std::nullopt : find_lost_ranks();
    if (is_alone && lost_ranks) return refuse_lost_rank(*lost_ranks);
    auto spawner = Spawner::start();
    if (!spawner) return report_error(spawner.error());
    if (is_alone) return run_alone(options, *std::move(spawner), log);

    auto transport = MpiTransport::start(argc, argv);
    if (!transport) return report_error(transport.error());
    if ((*transport)->rank_count() == 1) {
        int const code =
            lost_ranks ? refuse_lost_rank(*lost_ranks) : run_alone(options, *std::move(spawner), log);
        (*transport)->finalize();
        return code;
    }
    if ((*transport)->rank() == 0) {
        if (auto stopped = spawner->stop(Duration::from_s(10)); !stopped)
            log.warning("spawner_did_not_end", stopped.error());
        auto const end = live_as_rank_zero(options, **transport, log);
        if (!end.everybody_alive) leave_at_once(end.exit_code);
        (*transport)->finalize();
        return end.exit_code;
    }
    if (auto added = log.add_file(fmt::format("{}/logs/droid_{}.log", options.run, (*transport)->rank()));
        !added)
        log.warning("no_log_file", added.error());
    auto const end = run_droid(RunFolder(options.run), *spawner, **transport, log);
    if (!end.everybody_alive) leave_at_once(exit_done);
    (*transport)->finalize();
    return exit_done;
}

}  // namespace yoda
