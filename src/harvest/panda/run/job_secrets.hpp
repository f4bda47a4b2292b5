// SPDX-License-Identifier: Apache-2.0
// Credentials of users and of the pilot that come with a job definition. The job definition is read by
// everybody who can read the run; these go into a file of their own, mode 0600, for whoever speaks for the
// job later: PandaProxy, which may have to sign the job's inputs first.
#pragma once

#include <string>

#include "core/job/job.hpp"

namespace yoda {

/// The job as it may lie in a file that is open to others.
Job without_secrets(Job const& job);

/// What without_secrets() leaves out, as a JSON object: content of secrets_path(). Empty if there is nothing.
std::string print_secrets(Job const& job);

}  // namespace yoda
