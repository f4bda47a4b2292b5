// SPDX-License-Identifier: Apache-2.0
// What a Spawner and its server say to each other: one packet of a SOCK_SEQPACKET socket per request, several
// reports in a packet back. Both ends are the same program, so the format has no version.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/process/spawner.hpp"

namespace yoda {

/// The variable that marks a payload's processes: "<token of the Spawner>:<id>".
inline constexpr std::string_view spawn_marker = "YODA_SPAWN_ID";
std::string print_spawn_marker(std::string_view token, SpawnId id);

/// A request whose text is longer goes in an unlinked memory file instead.
inline constexpr std::size_t packet_limit_bytes = 48 << 10;

enum class SpawnCommandKind : std::uint8_t { spawn = 1, signal, kill_tree, kill_member };

/// Starts each packet to the server; after it, for `spawn`, the request's text. The descriptors that come
/// along are the extra one, then the memory file that holds the text.
struct SpawnCommand {
    SpawnId id = 0;
    SpawnId after = 0;          ///< not started before this one is gone
    std::int32_t argument = 0;  ///< signal number or pid
    SpawnCommandKind kind{};
    std::uint8_t has_extra_fd = 0;
    std::uint8_t has_text_fd = 0;
    std::uint8_t padding = 0;
};

/// What was being done when a start failed.
enum class SpawnStage : std::uint8_t {
    ready,
    request,
    output,
    error_output,
    fork,
    folder,
    cores,
    limits,
    nice,
    files,
    run
};

enum class SpawnReportKind : std::uint8_t { ready = 1, started, start_failed, exited };

struct SpawnReport {
    SpawnId id = 0;
    std::int64_t user_us = 0;
    std::int64_t system_us = 0;
    std::uint64_t max_memory_bytes = 0;
    std::int32_t pid = 0;
    std::int32_t value = 0;  ///< wait status, or errno
    std::uint32_t stray_count = 0;
    std::uint32_t left_count = 0;
    SpawnReportKind kind{};
    SpawnStage stage{};
    std::uint8_t padding[6] = {};
};

/// A request as the server sees it. The pointers go into the text that it was read from.
struct SpawnOrder {
    int extra_fd_number = 3;
    int niceness = 0;
    std::optional<std::uint64_t> address_space_limit_bytes;
    std::optional<std::uint64_t> file_size_limit_bytes;
    std::vector<unsigned> cores;
    char const* folder = nullptr;
    char const* stdout_path = nullptr;
    char const* stderr_path = nullptr;
    std::vector<char const*> arguments;    ///< a null pointer ends it
    std::vector<char const*> environment;  ///< a null pointer ends it
};

std::string encode_request(SpawnRequest const& request, std::string_view marker);
/// nullopt: cut short or malformed.
std::optional<SpawnOrder> decode_request(std::string_view text);

}  // namespace yoda
