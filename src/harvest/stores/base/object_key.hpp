// SPDX-License-Identifier: Apache-2.0
// Names of objects: what a store may be asked for, and where conventions of the grid put a file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"

namespace yoda {

/// Refuses what would leave the store's base or mean something else on the way: empty, longer than 1,024
/// bytes (S3's limit), a leading or trailing '/', a part that is empty, "." or "..", control characters,
/// bytes that are not UTF-8.
Status check_object_key(std::string_view key);
/// For stores whose names are paths of XRootD, also behind an HTTP door: refuses '?' too, which begins
/// options there, so that the file would lie under another name.
Status check_path_key(std::string_view key);

/// The hidden name beside `key` under which an upload of this token is written until it is whole.
std::string part_key(std::string_view key, std::string_view token);

/// `<scope, '.' as '/'>/<md5(scope:lfn)[0:2]>/<[2:4]>/<lfn>` (Rucio's deterministic path,
/// docs/reference/panda.md §8).
std::string rucio_path(std::string_view scope, std::string_view lfn);

/// The bucket that PanDA's pathConvention means (docs/reference/panda.md §8): 1..99 buckets by PandaID, +100
/// with the task id in the name, +1000 for the scope "transient"; plain 1000, or 0: `base` itself.
Result<std::string> convention_bucket(std::string_view base, int path_convention, std::int64_t panda_id,
                                      std::int64_t task_id);
/// The scope that it implies; empty for the job's own.
std::string_view convention_scope(int path_convention);

}  // namespace yoda
