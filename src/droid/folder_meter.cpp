#include "droid/folder_meter.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <system_error>

namespace yoda {

namespace {

/// At a millisecond each, a large folder keeps the others waiting for a quarter of a second.
constexpr unsigned files_a_step = 256;

void add(FolderUse& use, FolderUse const& more)
{
    use.bytes += more.bytes;
    use.newest_ns = std::max(use.newest_ns, more.newest_ns);
}

}  // namespace

FolderUse measure_file(std::string const& path)
{
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0) return {};
    return {S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_blocks) * 512 : 0,
            info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

struct FolderMeter::Walk {
    std::string path;
    bool is_begun = false;
    std::filesystem::recursive_directory_iterator at;
    FolderUse use;
    std::atomic<bool> is_done = false;  ///< then `use` is the asker's, and before the thread's
};

std::shared_ptr<FolderMeter::Walk> FolderMeter::begin(std::string const& path)
{
    auto const walk = std::make_shared<Walk>();
    walk->path = path;
    errands_.add([this, walk] { step(walk); });
    return walk;
}

void FolderMeter::step(std::shared_ptr<Walk> const& walk)
{
    bool const is_wanted = walk.use_count() > 1;
    if (is_ending_ || !is_wanted) return;
    if (before_step_) before_step_();
    std::error_code code;
    if (!std::exchange(walk->is_begun, true)) {
        add(walk->use, measure_file(walk->path));
        auto const options = std::filesystem::directory_options::skip_permission_denied;
        walk->at = std::filesystem::recursive_directory_iterator(walk->path, options, code);
    }
    std::filesystem::recursive_directory_iterator const end;
    for (unsigned i = 0; i < files_a_step && !code && walk->at != end; ++i) {
        add(walk->use, measure_file(walk->at->path().string()));
        walk->at.increment(code);
    }
    if (code || walk->at == end)
        walk->is_done = true;
    else
        errands_.add([this, walk] { step(walk); });
}

bool FolderSight::look(FolderMeter& meter, std::string const& path, TimePoint now)
{
    bool const is_done = walk_ && walk_->is_done;
    if (is_done) {
        use_ = walk_->use;
        as_of_ = asked_;
    }
    if (!walk_ || is_done) {
        walk_ = meter.begin(path);
        asked_ = now;
    }
    return is_done;
}

void FolderSilence::look(FolderMeter& meter, std::string const& path, TimePoint now)
{
    if (!sight_.look(meter, path, now) || sight_.use() == seen_) return;
    seen_ = sight_.use();
    heard(now);
}

}  // namespace yoda
