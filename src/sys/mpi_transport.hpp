// The transport over MPI point-to-point, by the rules of environment.md §2: after MPI_Init no collective,
// only eager messages, errors returned.
#pragma once

#include <memory>
#include <string>

#include "core/result.hpp"
#include "sys/transport.hpp"

namespace yoda {

class MpiTransport : public Transport {
  public:
    /// MPI_Init and the receives. Once per process.
    static Result<std::unique_ptr<MpiTransport>> start(int& argc, char**& argv);
    /// Name and version of the MPI that this program was built with; before MPI_Init too.
    static std::string library();
    /// MPI_Finalize. Only when every rank is alive and does the same: it waits for the dead.
    virtual void finalize() = 0;
};

}  // namespace yoda
