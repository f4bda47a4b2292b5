// SPDX-License-Identifier: Apache-2.0
// Keys and tokens for stores: from a file that only its owner can read, or
// from the environment; never from an argument.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.hpp"
#include "harvest/stores/base/sigv4.hpp"

namespace yoda {

/// The text of a file that must be ours, a plain file, and closed to group and others (mode 0600 or 0400).
Result<std::string> read_secret_file(std::string const& path);

/// An S3 key pair, asked for when it is needed; may ask PanDA (getKeyPair), then it lives in memory only.
using KeySource = std::function<Result<S3Keys>()>;

/// INI lines `aws_access_key_id = ...`, `aws_secret_access_key = ...`, `aws_session_token = ...` (also
/// `access_key`, `secret_key`), of section [profile] when there are sections.
Result<S3Keys> read_key_file(std::string const& path, std::string const& profile = "default");
/// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; else S3_ACCESS_KEY, S3_SECRET_KEY.
Result<S3Keys> read_environment_keys();

/// No core dump of this process and no look into its memory or environment by others of the same user.
void keep_secrets_in();

}  // namespace yoda
