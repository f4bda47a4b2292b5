// The composition of the MPI job: spawner before MPI, then rank 0 or Droid, or both in one process.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace yoda {

struct YodaOptions {
    std::string run;
    std::string config_file;
    std::vector<std::pair<std::string, std::string>> settings;
    bool quiet = false;
    bool debug = false;
    bool single = false;  ///< one process, whatever a launcher says
};

/// Runs this rank to its end; returns its exit code. May end the process itself (_exit) when a rank has died,
/// as MPI_Finalize would wait for it.
int run_yoda_job(YodaOptions const& options, int& argc, char**& argv);

}  // namespace yoda
