# SPDX-License-Identifier: Apache-2.0
# Run at each build (cmake -P): writes FILE, which says what the programs are built from, if that has changed.
#   SOURCE   folder of the sources     VERSION   the project's version
# The commit is that of the repository whose top is SOURCE: sources unpacked inside of another repository have none.
set(commit unknown)
execute_process(COMMAND git -C ${SOURCE} rev-parse --show-toplevel
  OUTPUT_VARIABLE top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(NOT failed)
  file(REAL_PATH ${SOURCE} real_source)
  if(top STREQUAL real_source)
    execute_process(COMMAND git -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
      OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(described)
      set(commit ${described})
    endif()
  endif()
endif()
# CONFIGURE leaves a file alone whose text would be the same, so that nothing is compiled or linked again.
file(CONFIGURE OUTPUT ${FILE} CONTENT [[
// Written by cmake/write_build_version.cmake.
#include "app/build_version.hpp"

namespace yoda {

BuildVersion const build_version{"@VERSION@", "@commit@"};

}  // namespace yoda
]] @ONLY)
