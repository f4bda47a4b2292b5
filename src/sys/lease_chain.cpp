#include "sys/lease_chain.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>

#include "core/checksum.hpp"

namespace yoda {

namespace {

/// Far more holders than ever die one after the other without a successor that tidies up.
constexpr std::size_t chain_limit = 1000;
constexpr int stale_limit = 5;
/// A taker needs its draft for milliseconds: an older one belongs to nobody.
constexpr std::chrono::minutes draft_lifetime{10};

/// 0 or an errno.
int read_record(std::string const& path, std::string& content)
{
    content.clear();
    FileDescriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file) return errno;
    content.resize(lease_file_bytes + 1);  // whatever is longer is none of ours
    std::size_t size = 0;
    while (size < content.size()) {
        ssize_t const n =
            ::pread(file.get(), content.data() + size, content.size() - size, static_cast<off_t>(size));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return errno;
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
    }
    content.resize(size);
    return 0;
}

}  // namespace

std::string lease_folder(std::string const& path)
{
    std::filesystem::path const whole(path);
    return whole.has_parent_path() ? whole.parent_path().string() : ".";
}

std::string next_lease_path(std::string const& path, std::string const& token)
{
    return path + ".next." + token;
}

Result<std::vector<LeaseLink>> walk_lease_chain(std::string const& path)
{
    std::vector<LeaseLink> chain;
    std::string at = path;
    int stale_count = 0;
    while (chain.size() < chain_limit) {
        LeaseLink link;
        link.path = at;
        int const trouble = read_record(at, link.content);
        if (trouble == ENOENT) return chain;
        if (trouble == ESTALE && ++stale_count < stale_limit) {  // NFS: replaced between lookup and read
            chain.clear();
            at = path;
            continue;
        }
        if (trouble != 0) return os_error("read", at, trouble);
        link.record = parse_lease(link.content);
        link.token =
            link.record ? link.record->token : fmt::format("unreadable-{:08x}", crc32c(link.content));
        at = next_lease_path(path, link.token);
        chain.push_back(std::move(link));
    }
    return Error{ErrorKind::bad_input, fmt::format("too many holders follow each other in {}", path), {}, {}};
}

Result<LeaseDraft> LeaseDraft::make(std::string const& path, LeaseRecord const& record)
{
    auto const draft = fmt::format("{}.draft.{}", path, record.token);
    auto file = open_file(draft, O_RDWR | O_CREAT | O_EXCL, 0644);
    if (!file) {
        Error error = file.error();
        if (error.fix.empty()) error.fix = "whoever works in this folder must be able to write to it";
        return error;
    }
    LeaseDraft made(draft, std::move(*file));
    if (Status const written = write_all(made.file_.get(), print_lease(record), draft); !written)
        return written.error();
    if (::fsync(made.file_.get()) != 0) return os_error("sync", draft, errno);
    return made;
}

LeaseDraft::~LeaseDraft()
{
    if (!path_.empty()) ::unlink(path_.c_str());
}

Status LeaseDraft::link_as(std::string const& name) const
{
    if (::link(path_.c_str(), name.c_str()) == 0 || errno == EEXIST) return {};
    Error error = os_error("link", name, errno);
    if (error.fix.empty()) error.fix = "the file system must know hard links";
    return error;
}

void remove_loose_links(std::string const& path, std::string const& token)
{
    std::filesystem::path const whole(path);
    auto const folder = lease_folder(path);
    auto const prefix = whole.filename().string() + ".next.";
    auto const kept = prefix + token;
    auto const draft_prefix = whole.filename().string() + ".draft.";
    std::error_code code;
    // By the clock of the file system: ours was written just now.
    auto const now = std::filesystem::last_write_time(whole, code);
    bool const knows_now = !code;
    for (std::filesystem::directory_iterator at(folder, code), end; !code && at != end; at.increment(code)) {
        auto const name = at->path().filename().string();
        if (name.starts_with(prefix) && name != kept) ::unlink(at->path().c_str());
        if (!knows_now || !name.starts_with(draft_prefix)) continue;
        std::error_code gone;
        auto const written = std::filesystem::last_write_time(at->path(), gone);
        if (!gone && written + draft_lifetime < now) ::unlink(at->path().c_str());
    }
}

Result<std::string> make_lease_token()
{
    std::uint64_t random[2] = {};
    if (::getrandom(random, sizeof random, 0) != sizeof random) return os_error("get", "random bytes", errno);
    return fmt::format("{:016x}{:016x}", random[0], random[1]);
}

}  // namespace yoda
