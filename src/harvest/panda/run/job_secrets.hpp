// SPDX-License-Identifier: Apache-2.0
// Credentials of users and of the pilot that come with a job definition. Everybody who can read the run reads
// the job definition, so the credentials go into a file of their own, mode 0600. They are needed later to ask
// PandaProxy for signed URLs of the job, and may be needed at once for its inputs.
#pragma once

#include <string>

#include "core/job/job.hpp"

namespace yoda {

/// The job as it may lie in a file that is open to others.
Job without_secrets(Job const& job);

/// What without_secrets() leaves out, as a JSON object: content of secrets_path(). Empty if there is nothing.
std::string print_secrets(Job const& job);

}  // namespace yoda
