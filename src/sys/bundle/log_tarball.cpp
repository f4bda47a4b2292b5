// SPDX-License-Identifier: Apache-2.0
#include "sys/bundle/log_tarball.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <vector>

#include "core/base/checksum.hpp"
#include "sys/base/files.hpp"
#include "sys/base/named_output.hpp"

namespace yoda {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t block_bytes = 1u << 20;

using Writer = std::unique_ptr<archive, decltype([](archive* handle) { archive_write_free(handle); })>;
using Entry =
    std::unique_ptr<archive_entry, decltype([](archive_entry* entry) { archive_entry_free(entry); })>;

std::vector<std::string> list_files(std::string const& folder,
                                    std::function<bool(std::string_view)> const& wanted)
{
    std::vector<std::string> names;
    std::error_code code;
    auto const options = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator it(folder, options, code), end; !code && it != end;
         it.increment(code)) {
        std::error_code ignored;
        if (it->is_symlink(ignored) || !it->is_regular_file(ignored)) continue;
        auto const name = it->path().lexically_relative(folder).string();
        if (wanted(name)) names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

enum class Added { yes, failed, given_up };

/// A file that cannot be read is left out.
Added add_file(archive* tar, std::string const& path, std::string const& name, std::uint32_t& count,
               std::function<bool()> const& give_up)
{
    FileDescriptor const file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    struct stat info {};
    if (!file || ::fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return Added::yes;
    Entry const entry(archive_entry_new());
    archive_entry_set_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), AE_IFREG);
    archive_entry_set_perm(entry.get(), 0644);
    archive_entry_set_size(entry.get(), info.st_size);
    archive_entry_set_mtime(entry.get(), info.st_mtime, 0);
    if (archive_write_header(tar, entry.get()) != ARCHIVE_OK) return Added::failed;
    std::vector<char> block(block_bytes);
    for (auto left = static_cast<std::size_t>(info.st_size); left > 0;) {
        if (give_up && give_up()) return Added::given_up;
        ssize_t const n = ::read(file.get(), block.data(), std::min(left, block.size()));
        if (n <= 0) break;
        if (archive_write_data(tar, block.data(), static_cast<std::size_t>(n)) < 0) return Added::failed;
        left -= static_cast<std::size_t>(n);
    }
    ++count;
    // Fills up with zeros what is missing.
    return archive_write_finish_entry(tar) == ARCHIVE_OK ? Added::yes : Added::failed;
}

}  // namespace

Result<LogTarball> write_log_tarball(std::string const& folder, std::string const& output,
                                     std::string const& top,
                                     std::function<bool(std::string_view)> const& wanted,
                                     std::function<bool()> const& give_up)
{
    // Somebody else may be making it too.
    auto const part = fmt::format("{}.{}.part", output, ::getpid());
    auto const file = open_part(part);
    if (!file) return file.error();
    LogTarball made;
    {
        Writer const tar(archive_write_new());
        auto const fail = [&] {
            auto error = os_error("write", part, archive_errno(tar.get()));
            if (char const* const why = archive_error_string(tar.get())) error.why = why;
            ::unlink(part.c_str());
            return error;
        };
        archive_write_set_format_pax_restricted(tar.get());
        archive_write_add_filter_gzip(tar.get());
        archive_write_set_filter_option(tar.get(), "gzip", "timestamp",
                                        nullptr);  // The same logs, the same bytes.
        if (archive_write_open_fd(tar.get(), file->get()) != ARCHIVE_OK) return fail();
        for (auto const& name : list_files(folder, wanted)) {
            auto const added =
                add_file(tar.get(), folder + "/" + name, top + "/" + name, made.file_count, give_up);
            if (added == Added::failed) return fail();
            if (added == Added::yes) continue;
            ::unlink(part.c_str());
            return Error{ErrorKind::unavailable, output + " was not made", "it was given up", {}};
        }
        if (archive_write_close(tar.get()) != ARCHIVE_OK) return fail();
    }
    made.adler32 = 1;
    std::vector<char> block(block_bytes);
    for (;;) {
        ssize_t const n = ::pread(file->get(), block.data(), block.size(), static_cast<off_t>(made.bytes));
        if (n < 0) return os_error("read", part, errno);
        if (n == 0) break;
        made.adler32 = adler32({block.data(), static_cast<std::size_t>(n)}, made.adler32);
        made.bytes += static_cast<std::uint64_t>(n);
    }
    if (::fsync(file->get()) != 0) return os_error("sync", part, errno);
    if (::rename(part.c_str(), output.c_str()) != 0) return os_error("rename", part, errno);
    return made;
}

}  // namespace yoda
