// SPDX-License-Identifier: Apache-2.0
#include "common/event_index.hpp"

#include <unistd.h>

#include <bit>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

namespace yoda::samples {
namespace {

static_assert(std::endian::native == std::endian::little, "the index is written as it lies in memory");

constexpr std::string_view kMagic = "YODAIDX2";
constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kHeadBytes = 4 * kWord;

std::uint64_t hash_of(std::string_view bytes)
{
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (char const byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3U;
    return hash;
}

template <class Word>
void append(std::string& to, Word word)
{
    char bytes[kWord];
    std::memcpy(bytes, &word, kWord);
    to.append(bytes, kWord);
}

std::uint64_t word_at(std::string const& bytes, std::size_t offset)
{
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + offset, kWord);
    return word;
}

/// Empty, or why these bytes are not an index.
std::string find_damage(std::string const& bytes)
{
    if (bytes.size() < kHeadBytes + kWord || !bytes.starts_with(kMagic)) return "is no index of this version";
    auto const offset_bytes = bytes.size() - kHeadBytes - kWord;
    if (offset_bytes % kWord != 0 || word_at(bytes, 3 * kWord) != offset_bytes / kWord)
        return "has not the size that it names";
    if (word_at(bytes, bytes.size() - kWord) != hash_of({bytes.data(), bytes.size() - kWord}))
        return "has a wrong checksum";
    return {};
}

}  // namespace

std::string index_path(std::string const& folder, std::string const& input_path)
{
    std::error_code ignored;
    auto const full = std::filesystem::absolute(input_path, ignored).lexically_normal();
    char hash[17];
    std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(hash_of(full.string())));
    return folder + "/" + full.filename().string() + "." + hash + ".idx";
}

std::optional<EventIndex> read_index(std::string const& path, std::uint64_t input_bytes,
                                     std::int64_t input_modified_ns, std::string& reason)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        reason = "does not exist";
        return std::nullopt;
    }
    std::string const bytes{std::istreambuf_iterator<char>(file), {}};
    reason = find_damage(bytes);
    if (reason.empty() && word_at(bytes, kWord) != input_bytes) reason = "is of an input of another size";
    auto const modified_ns = reason.empty() ? static_cast<std::int64_t>(word_at(bytes, 2 * kWord)) : 0;
    if (reason.empty() && modified_ns != input_modified_ns) reason = "is of an input of another time";
    if (!reason.empty()) return std::nullopt;
    EventIndex index{input_bytes, input_modified_ns, {}};
    index.offsets.resize(word_at(bytes, 3 * kWord));
    std::memcpy(index.offsets.data(), bytes.data() + kHeadBytes, index.offsets.size() * kWord);
    std::uint64_t least = 0;
    for (auto const offset : index.offsets) {
        if (offset < least || offset >= input_bytes) {
            reason = "has offsets out of order";
            return std::nullopt;
        }
        least = offset + 1;
    }
    return index;
}

bool write_index(std::string const& path, EventIndex const& index)
{
    std::string bytes(kMagic);
    append(bytes, index.input_bytes);
    append(bytes, index.input_modified_ns);
    append(bytes, static_cast<std::uint64_t>(index.offsets.size()));
    for (auto const offset : index.offsets) append(bytes, offset);
    append(bytes, hash_of(bytes));

    char host[256] = {};
    gethostname(host, sizeof host - 1);
    auto const part = path + "." + host + "." + std::to_string(getpid()) + ".part";
    std::ofstream file(part, std::ios::binary);
    file << bytes;
    file.close();
    if (file && std::rename(part.c_str(), path.c_str()) == 0) return true;
    std::remove(part.c_str());
    return false;
}

}  // namespace yoda::samples
