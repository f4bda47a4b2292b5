// SPDX-License-Identifier: Apache-2.0
// A sealed bundle on this side: read from its manifest, checked before
// anything is sent, put aside when it is damaged.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/table/bundle_index.hpp"
#include "harvest/stage_out/name_set.hpp"
#include "harvest/stage_out/stager.hpp"
#include "sys/base/clock.hpp"

namespace yoda {

/// Names of the sealed bundles ("NAME.tar") of a run, by the names of their manifests alone, but for those
/// that are in `known`.
Result<std::vector<std::string>> list_sealed_bundles(std::string const& run_folder,
                                                     NameSet const& known = {});

/// Error kinds: bad_input (damaged: quarantine it), refused (another version wrote it: leave it alone), io.
Result<BundleManifest> read_manifest(std::string const& run_folder, std::string const& tar_name);
/// A new record for it.
StageRecord make_bundle_record(BundleManifest const& manifest);

/// The bundle's index, whole, and what the manifest says. bad_input: damaged or gone; io.
Result<BundleIndex> read_index(std::string const& run_folder, BundleManifest const& manifest);

/// Size and index against the manifest; the content itself is summed while it is sent.
/// bad_input: damaged or gone.
Result<BundleIndex> check_bundle(std::string const& run_folder, BundleManifest const& manifest);

/// Moves tar, index and manifest into RUN/quarantine and drops a note of type bundle_lost
/// into RUN/inbox, so that yoda hands its unreported ranges out again (docs/architecture.md).
/// The note is first: better twice than never.
Status quarantine_bundle(std::string const& run_folder, std::string const& tar_name, Clock const& clock);

/// Whether RUN/path is reached without a symbolic link, so that removing it removes something of this run.
bool is_really_inside(std::string const& run_folder, std::string const& path);

}  // namespace yoda
