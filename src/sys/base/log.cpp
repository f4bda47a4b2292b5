// SPDX-License-Identifier: Apache-2.0
#include "sys/base/log.hpp"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

namespace yoda {

namespace {

spdlog::level::level_enum to_spdlog(LogLevel level)
{
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warning:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
    }
    return spdlog::level::info;
}

/// Bare where that is unambiguous, else quoted as JSON, so that a line stays a line.
std::string print_value(nlohmann::json const& value)
{
    if (!value.is_string()) return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    auto const& text = value.get_ref<std::string const&>();
    bool const plain = !text.empty() && text.find_first_of(" \t\n\r\"=\\") == std::string::npos;
    return plain ? text : value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

struct Log::Sinks {
    spdlog::sink_ptr terminal = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    spdlog::logger logger{"yoda", terminal};
};

Log::Log(LogLevel level) : sinks_(std::make_unique<Sinks>())
{
    sinks_->logger.set_level(to_spdlog(level));
    sinks_->logger.flush_on(spdlog::level::info);
    sinks_->logger.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
}

Log::~Log() = default;

Status Log::add_file(std::string const& path, std::size_t limit_bytes)
{
    try {
        auto sink = std::make_shared<spdlog::sinks::rotating_file_sink_mt>(path, limit_bytes, 2);
        sink->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v");
        sinks_->logger.sinks().push_back(sink);
        sinks_->logger.set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %l %v", spdlog::pattern_time_type::utc);
        return {};
    } catch (spdlog::spdlog_ex const& exception) {
        return Error{ErrorKind::io, "cannot write the log file " + path, exception.what(), {}};
    }
}

void Log::quieten_terminal()
{
    sinks_->terminal->set_level(spdlog::level::warn);
}

void Log::error(std::string_view event, Error const& error)
{
    write(LogLevel::error, event, {{"what", error.what}, {"why", error.why}, {"fix", error.fix}});
}

void Log::warning(std::string_view event, Error const& error)
{
    write(LogLevel::warning, event, {{"what", error.what}, {"why", error.why}, {"fix", error.fix}});
}

void Log::write(LogLevel level, std::string_view event, LogFields fields)
{
    if (!sinks_->logger.should_log(to_spdlog(level))) return;
    std::string line(event);
    for (auto const& [name, value] : fields) line += fmt::format(" {}={}", name, print_value(value));
    sinks_->logger.log(to_spdlog(level), line);
}

}  // namespace yoda
