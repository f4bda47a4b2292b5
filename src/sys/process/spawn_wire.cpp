// SPDX-License-Identifier: Apache-2.0
#include "sys/process/spawn_wire.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/base/bytes.hpp"

namespace yoda {

namespace {

/// A count that no real request reaches; keeps a malformed one from making us allocate.
constexpr std::uint32_t count_limit = 1u << 22;

void put_string(std::string& out, std::string_view text)
{
    out.append(text);
    out.push_back('\0');
}

void put_limit(ByteWriter& writer, std::optional<std::uint64_t> limit)
{
    writer.put(static_cast<std::uint8_t>(limit.has_value()));
    writer.put(limit.value_or(0));
}

std::optional<std::uint64_t> get_limit(ByteReader& reader)
{
    bool const given = reader.get<std::uint8_t>() != 0;
    auto const value = reader.get<std::uint64_t>();
    return given ? std::optional(value) : std::nullopt;
}

/// Takes strings, each with its NUL, off the front of a text.
class Strings {
  public:
    explicit Strings(std::string_view text) : rest_(text) {}

    char const* next()
    {
        std::size_t const length = rest_.find('\0');
        if (length == std::string_view::npos) {
            ok_ = false;
            return "";
        }
        char const* const string = rest_.data();
        rest_.remove_prefix(length + 1);
        return string;
    }
    std::vector<char const*> list(std::uint32_t count)
    {
        std::vector<char const*> strings;
        for (std::uint32_t i = 0; i < count && ok_; ++i) strings.push_back(next());
        strings.push_back(nullptr);
        return strings;
    }
    bool ok_to_the_end() const { return ok_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace

std::string print_spawn_marker(std::string_view token, SpawnId id)
{
    return fmt::format("{}:{}", token, id);
}

std::string encode_request(SpawnRequest const& request, std::string_view marker)
{
    std::string out;
    ByteWriter writer(out);
    writer.put(static_cast<std::int32_t>(request.extra_fd_number));
    writer.put(static_cast<std::int32_t>(request.niceness));
    put_limit(writer, request.address_space_limit_bytes);
    put_limit(writer, request.file_size_limit_bytes);
    writer.put(static_cast<std::uint32_t>(request.cores.size()));
    writer.put(static_cast<std::uint32_t>(request.arguments.size()));
    std::string const marked = fmt::format("{}=", spawn_marker);
    auto const is_marker = [&](std::string const& entry) { return entry.starts_with(marked); };
    auto const inherited = std::count_if(request.environment.begin(), request.environment.end(), is_marker);
    writer.put(
        static_cast<std::uint32_t>(request.environment.size() + 1 - static_cast<std::size_t>(inherited)));
    for (unsigned core : request.cores) writer.put(static_cast<std::uint32_t>(core));
    put_string(out, request.folder);
    put_string(out, request.stdout_path);
    put_string(out, request.stderr_path);
    for (auto const& argument : request.arguments) put_string(out, argument);
    put_string(out, fmt::format("{}{}", marked, marker));
    for (auto const& entry : request.environment)
        if (!is_marker(entry)) put_string(out, entry);
    return out;
}

std::optional<SpawnOrder> decode_request(std::string_view text)
{
    ByteReader reader(text);
    SpawnOrder order;
    order.extra_fd_number = reader.get<std::int32_t>();
    order.niceness = reader.get<std::int32_t>();
    order.address_space_limit_bytes = get_limit(reader);
    order.file_size_limit_bytes = get_limit(reader);
    auto const core_count = reader.get<std::uint32_t>();
    auto const argument_count = reader.get<std::uint32_t>();
    auto const variable_count = reader.get<std::uint32_t>();
    if (!reader.ok() || core_count > count_limit || argument_count == 0) return std::nullopt;
    for (std::uint32_t i = 0; i < core_count && reader.ok(); ++i)
        order.cores.push_back(reader.get<std::uint32_t>());
    if (!reader.ok()) return std::nullopt;
    Strings strings(text.substr(text.size() - reader.left()));
    order.folder = strings.next();
    order.stdout_path = strings.next();
    order.stderr_path = strings.next();
    order.arguments = strings.list(argument_count);
    order.environment = strings.list(variable_count);
    if (!strings.ok_to_the_end()) return std::nullopt;
    return order;
}

}  // namespace yoda
