// SPDX-License-Identifier: Apache-2.0
#include "sys/bundle/tar_file.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "core/base/checksum.hpp"

namespace yoda {

namespace {

constexpr std::size_t buffer_limit_bytes = 1u << 20;

}  // namespace

/// libarchive's writer, which keeps nothing back: what it makes goes to TarFile::take at once.
struct TarFile::Archive {
    explicit Archive(TarFile& owner_given) : owner(owner_given)
    {
        YODA_CHECK(handle && entry, "libarchive has memory");
        archive_write_set_format_pax_restricted(handle);
        archive_write_set_bytes_per_block(handle, 0);
        archive_write_open2(handle, this, nullptr, &Archive::write, nullptr, nullptr);
    }
    ~Archive()
    {
        archive_entry_free(entry);
        archive_write_fail(handle);  // Else it would write end blocks.
        archive_write_free(handle);
    }
    Archive(Archive const&) = delete;
    Archive& operator=(Archive const&) = delete;

    static la_ssize_t write(struct archive*, void* self, void const* bytes, std::size_t count)
    {
        auto& archive = *static_cast<Archive*>(self);
        if (!archive.owner.take({static_cast<char const*>(bytes), count})) return -1;
        return static_cast<la_ssize_t>(count);
    }

    TarFile& owner;
    struct archive* handle = archive_write_new();
    archive_entry* entry = archive_entry_new();
};

TarFile::TarFile(FileDescriptor file, std::string path, Kind kind)
    : file_(std::move(file)), path_(std::move(path)), kind_(kind), archive_(std::make_unique<Archive>(*this))
{}

TarFile::~TarFile() = default;

Status TarFile::check(long result)
{
    if (!write_status_) return write_status_;
    if (result >= ARCHIVE_WARN) return {};
    auto const* const why = archive_error_string(archive_->handle);
    return Error{ErrorKind::io, "cannot write a member of " + path_, why ? why : "libarchive failed", {}};
}

Status TarFile::begin_member(std::string const& name, std::uint64_t bytes)
{
    auto* const entry = archive_->entry;
    archive_entry_clear(entry);
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_size(entry, static_cast<la_int64_t>(bytes));
    archive_entry_set_mode(entry, S_IFREG | 0644);
    archive_entry_set_mtime(entry, 0, 0);
    return check(archive_write_header(archive_->handle, entry));
}

Status TarFile::write(std::string_view content)
{
    while (!content.empty()) {
        auto const n = archive_write_data(archive_->handle, content.data(), content.size());
        if (n <= 0) {
            auto status = check(n < 0 ? static_cast<long>(n) : ARCHIVE_FATAL);
            YODA_CHECK(!status, "libarchive took nothing, so it failed");
            return status;
        }
        content.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

Status TarFile::end_member()
{
    return check(archive_write_finish_entry(archive_->handle));
}

bool TarFile::take(std::string_view bytes)
{
    if (!write_status_) return false;
    if (buffer_.size() + bytes.size() > buffer_limit_bytes) {
        write_status_ = flush();
        if (write_status_ && bytes.size() > buffer_limit_bytes / 4) {
            write_status_ = write_out(bytes);
            bytes = bytes.substr(0, write_status_ ? bytes.size() : 0);
            sum_ = yoda::adler32(bytes, sum_);
            return static_cast<bool>(write_status_);
        }
        if (!write_status_) return false;
    }
    buffer_.append(bytes);
    sum_ = yoda::adler32(bytes, sum_);
    return true;
}

Status TarFile::write_out(std::string_view bytes)
{
    if (kind_ == Kind::stream) {
        auto status = write_all(file_.get(), bytes, path_);
        if (status) written_ += bytes.size();
        return status;
    }
    std::uint64_t at = written_;
    while (!bytes.empty()) {
        ssize_t const n = ::pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(at));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return os_error("write", path_, errno);
        bytes.remove_prefix(static_cast<std::size_t>(n));
        at += static_cast<std::uint64_t>(n);
    }
    written_ = at;
    return {};
}

Status TarFile::flush()
{
    auto status = write_out(buffer_);
    if (status) buffer_.clear();
    return status;
}

Status TarFile::cut_back(Mark const& mark)
{
    YODA_CHECK(kind_ == Kind::file, "what went into a stream stays there");
    archive_ = std::make_unique<Archive>(*this);  // The old one waits for the rest of a member.
    bool const broken = !write_status_;
    write_status_ = {};
    sum_ = mark.adler32;
    if (mark.bytes >= written_)
        buffer_.resize(mark.bytes - written_);
    else
        buffer_.clear();
    if (mark.bytes >= written_ && !broken) return {};  // Nothing of it has reached the file.
    written_ = std::min(written_, mark.bytes);
    if (::ftruncate(file_.get(), static_cast<off_t>(written_)) != 0)
        return os_error("cut back", path_, errno);
    return {};
}

Status TarFile::sync()
{
    auto status = flush();
    // Pipes and most devices know no sync.
    if (status && ::fdatasync(file_.get()) != 0 && !(kind_ == Kind::stream && errno == EINVAL))
        status = os_error("sync", path_, errno);
    return status;
}

Status TarFile::finish()
{
    static constexpr std::array<char, 1024> end_blocks{};
    if (!take({end_blocks.data(), end_blocks.size()})) return write_status_;
    return sync();
}

}  // namespace yoda
