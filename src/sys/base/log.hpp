// SPDX-License-Identifier: Apache-2.0
// The log: constant event names and fields, one line each, as text (terminal, files) or JSON.
//     log.info("bundle_sealed", {{"bundle", name}, {"range_count", 17}});
// writes 2026-01-01T12:00:00.123Z info bundle_sealed bundle=... range_count=17
#pragma once

#include <initializer_list>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/result.hpp"

namespace yoda {

enum class LogLevel { debug, info, warning, error };

using LogFields = std::initializer_list<std::pair<std::string_view, nlohmann::json>>;

/// Writes to stderr, to a file, or to both; safe from several threads. Secrets must never be given to it.
class Log {
  public:
    /// To stderr only, from `level` on.
    explicit Log(LogLevel level = LogLevel::info);
    ~Log();
    Log(Log const&) = delete;
    Log& operator=(Log const&) = delete;

    /// Also appends to this file, rotated at `limit_bytes` (two old ones are kept).
    Status add_file(std::string const& path, std::size_t limit_bytes = 64u << 20);
    /// Stops writing to stderr (the terminal shows progress instead); warnings and errors still go there.
    void quieten_terminal();

    void debug(std::string_view event, LogFields fields = {}) { write(LogLevel::debug, event, fields); }
    void info(std::string_view event, LogFields fields = {}) { write(LogLevel::info, event, fields); }
    void warning(std::string_view event, LogFields fields = {}) { write(LogLevel::warning, event, fields); }
    void error(std::string_view event, LogFields fields = {}) { write(LogLevel::error, event, fields); }
    void error(std::string_view event, Error const& error);
    void warning(std::string_view event, Error const& error);

  private:
    void write(LogLevel level, std::string_view event, LogFields fields);
    struct Sinks;
    std::unique_ptr<Sinks> sinks_;
};

}  // namespace yoda
