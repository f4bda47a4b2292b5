// SPDX-License-Identifier: Apache-2.0
// harvest's configuration: every key with its default and meaning in one table, and for each value where it
// came from. Layers, each over those before it: defaults, PanDA's queue description, files in order, a job's
// own --overwriteQueuedata, the command line. Holds no secret, only the paths of files that hold some.
//
//   panda.*            the PanDA server and who we are for it
//   fetch.*  input.*   jobs, ranges and input files
//   push.*             transfers
//   store.NAME.*       one store: es_events, es_failover, pl, logs by activity; input... for stage-in
//   yoda.*             goes into RUN/yoda.cfg (config/yoda.cfg names those keys)
//   batch.*            batch systems; checked by those who use them
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"

namespace yoda {

/// Of two values of one key the one of the later layer counts, within a layer the one that was set last.
/// A queue's stores go before the configuration's: PanDA looks for the outputs there.
enum class ConfigLayer { builtin, queue, file, queue_store, job, command_line };

class HarvestConfig {
  public:
    HarvestConfig();

    /// Error (usage): an unknown key (with the nearest one), or a value that does not fit.
    Status set(ConfigLayer layer, std::string_view key, std::string_view value, std::string_view origin);
    /// `key = value` lines; errors name `source` and the line.
    Status read(std::string_view text, std::string_view source, ConfigLayer layer = ConfigLayer::file);
    /// A file; an absent one is an error.
    Status read_from(std::string const& path, ConfigLayer layer = ConfigLayer::file);

    /// Of a known key; batch and yoda keys: empty when nobody set them.
    std::string text(std::string_view key) const;
    bool yes(std::string_view key) const;
    std::uint64_t count(std::string_view key) const;
    double seconds(std::string_view key) const;
    std::uint64_t bytes(std::string_view key) const;
    /// "a, b" -> {"a", "b"}
    std::vector<std::string> list(std::string_view key) const;
    bool is_set(std::string_view key) const;
    /// Where its value came from: "site.cfg:3", "built in", "the command line", ...
    std::string origin(std::string_view key) const;
    /// Names of all stores that were given a URL, in order.
    std::vector<std::string> store_names() const;
    /// "dispatch.batch" -> "5" for all keys "yoda.dispatch.batch" that were set.
    std::vector<std::pair<std::string, std::string>> below(std::string_view prefix) const;

    /// "key = value" lines with comments that say where each value came from; for `harvest config show`.
    std::string print() const;
    /// Only what is not built in, for RUN/harvest.cfg: later commands on the run need nothing else.
    std::string print_for_run() const;
    /// {"key": {"value", "from", "meaning"}, ...}
    std::string print_json() const;

    struct Key {
        std::string_view name;  ///< of a store's key: behind "store.NAME."
        enum class Kind { text, list, count, seconds, bytes, yes_no, choice } kind;
        std::string_view standard;
        std::string_view meaning;
    };
    static std::vector<Key> const& keys();
    static std::vector<Key> const& store_keys();

  private:
    struct Value {
        std::string text;
        std::string origin;
        ConfigLayer layer = ConfigLayer::builtin;
    };
    std::map<std::string, Value, std::less<>> values_;
};

/// Where the files are: --config (in order), else $YODA_HARVEST_CONFIG, else ~/.config/yoda/harvest.cfg and
/// /etc/yoda/harvest.cfg, whichever is there.
std::vector<std::string> find_config_files(std::vector<std::string> const& named);

}  // namespace yoda
