// SPDX-License-Identifier: Apache-2.0
// What a program was built from, for --version. The definition is written at build time
// (cmake/write_build_version.cmake), so that a new commit compiles one small file only.
#pragma once

#include <string>

namespace yoda {

struct BuildVersion {
    char const* version;  ///< "0.2.0"
    char const* commit;   ///< twelve hex digits, with "-dirty" if files were changed; "unknown" without git
};
extern BuildVersion const build_version;

/// "yoda 0.2.0 (commit 0123456789ab, Open MPI v4.1.4)"
inline std::string version_line(std::string const& program, std::string const& mpi)
{
    return program + " " + build_version.version + " (commit " + build_version.commit + ", " + mpi + ")";
}

}  // namespace yoda
