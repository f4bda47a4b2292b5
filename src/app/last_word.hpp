// SPDX-License-Identifier: Apache-2.0
// The exit code of rank 0 for the job script that started it: a launcher told to survive lost ranks hides
// exit codes, and a refusal that comes before a life begins leaves no result.
#pragma once

namespace yoda {

/// Writes it to the file that $YODA_LAST_WORD names, if that is set and this is rank 0 or no MPI job.
void leave_last_word(int exit_code);

}  // namespace yoda
