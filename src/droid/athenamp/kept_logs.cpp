#include "droid/athenamp/kept_logs.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "sys/files.hpp"

namespace yoda::athenamp {

namespace fs = std::filesystem;

namespace {

constexpr unsigned max_file_count = 300;
constexpr std::uint64_t max_text_bytes = 2u << 20;
constexpr std::uint64_t max_document_bytes = 32u << 20;
constexpr std::uint64_t max_total_bytes = 600u << 20;  ///< on the shared disk, of one start

/// JSON and XML: a part of it nobody can read.
bool is_document(std::string_view name)
{
    return name.ends_with(".json") || name.ends_with(".xml");
}

/// As the production system's log tarballs have them (protocols.md §7.4).
bool is_wanted(std::string_view name)
{
    return is_document(name) || name.ends_with(".log") || name.ends_with(".txt") || name.starts_with("log");
}

/// The last part of a file; empty if it cannot be read.
std::string read_end(std::string const& path, std::uint64_t bytes, std::uint64_t most)
{
    FileDescriptor const file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file) return {};
    auto const skip = bytes > most ? bytes - most : 0;
    std::string text(std::min(bytes, most), '\0');
    ssize_t const n = ::pread(file.get(), text.data(), text.size(), static_cast<off_t>(skip));
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
}

}  // namespace

unsigned keep_logs(std::string const& from, std::string const& to)
{
    unsigned count = 0;
    std::uint64_t total = 0;
    std::error_code code;
    auto const options = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator it(from, options, code), end;
         !code && it != end && count < max_file_count && total < max_total_bytes; it.increment(code)) {
        std::error_code ignored;
        auto const name = it->path().filename().string();
        if (!is_wanted(name) || it->is_symlink(ignored) || !it->is_regular_file(ignored)) continue;
        auto const bytes = it->file_size(ignored);
        if (is_document(name) && bytes > max_document_bytes) continue;
        auto const text =
            read_end(it->path().string(), bytes, is_document(name) ? max_document_bytes : max_text_bytes);
        total += text.size();
        auto const parent = it->path().parent_path();
        auto const kept = it.depth() == 0 ? name : parent.filename().string() + "." + name;
        if (count == 0 && !make_folders(to)) return 0;
        // No log is worth waiting for a sync of the shared disk.
        if (replace_file(to + "/" + kept, text, 0644, false)) ++count;
    }
    return count;
}

}  // namespace yoda::athenamp
