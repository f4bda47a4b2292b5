#include "droid/bundle_writer.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "core/event_range.hpp"
#include "droid/errands.hpp"
#include "sys/bundle_file.hpp"

namespace yoda {

namespace {

/// A group is cut here, so that what came first is not told late when much is queued.
constexpr std::uint64_t group_limit_bytes = 256u << 20;

struct StoreOrder {
    std::uint32_t sequence;
    RangeOutput output;
};
struct SealOrder {
    JobIndex job;
    std::uint32_t sequence;
    std::vector<HandOut> rejected;
};
struct DiscardOrder {
    std::vector<std::string> paths;
    std::string folder = {};  ///< with all that is in it; empty: none
};
using Order = std::variant<StoreOrder, SealOrder, DiscardOrder>;

std::vector<std::string> absolute_paths(RangeOutput const& output)
{
    auto paths = output.paths;
    for (auto& path : paths) {
        if (!path.starts_with('/')) path = output.folder + '/' + path;
    }
    return paths;
}

FileDescriptor make_event()
{
    FileDescriptor event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    YODA_CHECK(event, "there is a descriptor for an eventfd");
    return event;
}

}  // namespace

class BundleWriter::Thread {
  public:
    Thread(BundleWriterSetup setup, Clock const& clock)
        : setup_(std::move(setup)), clock_(clock), event_(make_event()), thread_([this] { run(); })
    {}
    ~Thread()
    {
        {
            std::lock_guard const lock(mutex_);
            stopping_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
    Thread(Thread const&) = delete;
    Thread& operator=(Thread const&) = delete;

    void add(Order order)
    {
        {
            std::lock_guard const lock(mutex_);
            orders_.push_back(std::move(order));
            ++pending_count_;
        }
        wake_.notify_one();
    }
    void hurry()
    {
        {
            std::lock_guard const lock(mutex_);
            if (pending_count_ == 0 && !has_unsynced_) return;
            in_a_hurry_ = true;
        }
        wake_.notify_one();
    }
    bool full() const
    {
        std::lock_guard const lock(mutex_);
        return pending_count_ + removal_count_ >= setup_.queue_limit;
    }
    void do_aside(std::function<void()> errand) { removals_.add(std::move(errand)); }
    TimePoint busy_since() const
    {
        std::lock_guard const lock(mutex_);
        return busy_since_;
    }
    int event_fd() const { return event_.get(); }
    std::vector<News> take()
    {
        std::uint64_t count = 0;
        ssize_t const n = ::read(event_.get(), &count, sizeof count);
        static_cast<void>(n);  // Nothing there: it was taken already.
        std::lock_guard const lock(mutex_);
        return std::exchange(news_, {});
    }

  private:
    struct OpenBundle {
        std::unique_ptr<BundleFile> file;
        JobIndex job = 0;
        std::vector<DroidCore::Stored> unsynced;
        std::string trouble;  ///< takes no more
    };

    void run();
    bool wait_for_work(std::unique_lock<std::mutex>& lock);
    void work(std::vector<Order>& orders, bool is_due);
    void carry_out(StoreOrder& order);
    void carry_out(SealOrder& order);
    void refuse(RangeOutput const& output, OutputFault fault);
    void remove(std::vector<DiscardOrder> const& orders);
    static std::optional<DiscardFailed> remove_files(std::vector<std::string> const& paths,
                                                     OutputFolder const& root);
    OpenBundle* find_bundle(JobIndex job, std::uint32_t sequence);
    void append(OpenBundle& bundle, StoreOrder& order);
    OutputFolder const& folder(std::string const& path);
    void sync_all();
    void sync(std::uint32_t sequence, OpenBundle& bundle);
    void fail(std::uint32_t sequence, JobIndex job, std::string reason);
    template <class Kind>
    void tell(Kind news)
    {
        told_.emplace_back(std::move(news));
    }
    void pass_on_news();
    void ring() const;

    BundleWriterSetup setup_;
    Clock const& clock_;
    FileDescriptor event_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::vector<Order> orders_;                   // guarded by mutex_
    std::size_t pending_count_ = 0;               // guarded by mutex_; orders not carried out yet
    bool has_unsynced_ = false;                   // guarded by mutex_; as of the last wait
    bool in_a_hurry_ = false;                     // guarded by mutex_
    std::vector<News> news_;                      // guarded by mutex_
    TimePoint busy_since_ = TimePoint::never();   // guarded by mutex_
    bool stopping_ = false;                       // guarded by mutex_
    std::atomic<std::size_t> removal_count_ = 0;  // orders given to removals_, not carried out yet

    // The thread's own.
    std::map<std::uint32_t, OpenBundle> open_;
    std::unordered_set<std::uint32_t> failed_;
    std::unordered_map<std::string, OutputFolder> folders_;  ///< of this group's outputs
    std::vector<OutputFile> outputs_;
    std::vector<News> told_;
    std::uint64_t unsynced_bytes_ = 0;
    std::size_t unsynced_count_ = 0;
    std::optional<TimePoint> last_sync_;  ///< when it began

    Errands removals_;    // It uses what is guarded by mutex_.
    std::thread thread_;  // Last: it uses all of the above.
};

void BundleWriter::Thread::run()
{
    std::vector<Order> orders;
    for (;;) {
        bool is_due = false;
        {
            std::unique_lock lock(mutex_);
            pending_count_ -= orders.size();
            busy_since_ = TimePoint::never();
            is_due = !wait_for_work(lock) || in_a_hurry_;
            if (stopping_) return;
            in_a_hurry_ = false;
            orders.clear();
            orders.swap(orders_);
            busy_since_ = clock_.now();
        }
        work(orders, is_due);
    }
}

/// False: nothing has come, and it is time to sync.
bool BundleWriter::Thread::wait_for_work(std::unique_lock<std::mutex>& lock)
{
    auto const is_there = [this] { return stopping_ || in_a_hurry_ || !orders_.empty(); };
    has_unsynced_ = unsynced_count_ > 0;
    if (!has_unsynced_) {
        wake_.wait(lock, is_there);
        return true;
    }
    auto const left = setup_.sync_interval - (clock_.now() - *last_sync_);
    return wake_.wait_for(lock, std::chrono::nanoseconds(left.ns), is_there);
}

/// Stores come first and are told; then files may be removed.
void BundleWriter::Thread::work(std::vector<Order>& orders, bool is_due)
{
    for (auto& order : orders) {
        if (auto* const store = std::get_if<StoreOrder>(&order)) carry_out(*store);
        if (auto* const seal = std::get_if<SealOrder>(&order)) carry_out(*seal);
        if (unsynced_bytes_ >= group_limit_bytes) {
            sync_all();
            pass_on_news();
        }
    }
    if (is_due || unsynced_count_ >= setup_.much_unsynced || !last_sync_ ||
        clock_.now() - *last_sync_ >= setup_.sync_interval)
        sync_all();
    folders_.clear();  // A payload that starts anew may make its folder anew.
    pass_on_news();
    std::vector<DiscardOrder> discards;
    for (auto& order : orders) {
        if (auto* const discard = std::get_if<DiscardOrder>(&order)) discards.push_back(std::move(*discard));
    }
    if (discards.empty()) return;
    removal_count_ += discards.size();
    removals_.add([this, what = std::move(discards)] { remove(what); });
}

/// By the other thread.
void BundleWriter::Thread::remove(std::vector<DiscardOrder> const& orders)
{
    OutputFolder const root(setup_.work_root);
    for (auto const& order : orders) {
        if (setup_.before_removal) setup_.before_removal();
        std::error_code ignored;  // What is left goes with the work folder.
        if (!order.folder.empty()) std::filesystem::remove_all(order.folder, ignored);
        auto failed = remove_files(order.paths, root);
        --removal_count_;
        if (!failed) continue;
        {
            std::lock_guard const lock(mutex_);
            news_.emplace_back(std::move(*failed));
        }
        ring();
    }
}

BundleWriter::Thread::OpenBundle* BundleWriter::Thread::find_bundle(JobIndex job, std::uint32_t sequence)
{
    if (failed_.contains(sequence)) return nullptr;
    if (auto const found = open_.find(sequence); found != open_.end()) return &found->second;
    YODA_CHECK(job < setup_.jobs.size(), "jobs are known before their outputs");
    auto file = BundleFile::create(setup_.bundle_folder,
                                   {setup_.jobs[job].panda_id, job, setup_.life, setup_.rank, sequence});
    if (!file) {
        fail(sequence, job, file.error().text());
        return nullptr;
    }
    OpenBundle bundle;
    bundle.file = std::move(*file);
    bundle.job = job;
    return &open_.emplace(sequence, std::move(bundle)).first->second;
}

OutputFolder const& BundleWriter::Thread::folder(std::string const& path)
{
    return folders_.try_emplace(path, path).first->second;
}

void BundleWriter::Thread::carry_out(StoreOrder& order)
{
    auto* const bundle = find_bundle(order.output.job, order.sequence);
    if (!bundle) return;  // It has failed.
    outputs_.clear();
    auto const& names = order.output.names;
    for (std::size_t i = 0; i < order.output.paths.size(); ++i) {
        auto opened = folder(order.output.folder).open(order.output.paths[i]);
        if (auto* const fault = std::get_if<OutputFault>(&opened))
            return refuse(order.output, std::move(*fault));
        outputs_.push_back(std::get<OutputFile>(std::move(opened)));
        if (i < names.size() && is_plain_file_name(names[i])) outputs_.back().name = names[i];
    }
    append(*bundle, order);
}

void BundleWriter::Thread::append(OpenBundle& bundle, StoreOrder& order)
{
    auto const& output = order.output;
    auto const before = bundle.file->bytes();
    auto appended = bundle.file->append({output.what.range, Epoch::make(setup_.life, output.what.hand_out),
                                         output.range_id, output.cpu_ms, output.wall_ms},
                                        outputs_);
    outputs_.clear();
    if (!appended) {
        bundle.trouble = appended.error().text();
        sync_all();  // What came before it may still be saved, and the trouble is told.
        return;
    }
    if (auto& fault = *appended) return refuse(output, std::move(*fault));
    bundle.unsynced.push_back({output.what, bundle.file->bytes()});
    unsynced_bytes_ += bundle.file->bytes() - before;
    ++unsynced_count_;
}

/// Its files go before anybody hears of it: the next try may use the same names.
void BundleWriter::Thread::refuse(RangeOutput const& output, OutputFault fault)
{
    outputs_.clear();
    if (auto failed = remove_files(absolute_paths(output), OutputFolder(setup_.work_root)))
        tell(std::move(*failed));
    tell(OutputBad{output.what, fault.error_code, std::move(fault.reason)});
}

void BundleWriter::Thread::sync_all()
{
    if (unsynced_count_ > 0) last_sync_ = clock_.now();
    for (auto bundle = open_.begin(); bundle != open_.end();) {
        auto const current = bundle++;  // sync() may remove it.
        sync(current->first, current->second);
    }
    unsynced_bytes_ = 0;
    unsynced_count_ = 0;
}

void BundleWriter::Thread::sync(std::uint32_t sequence, OpenBundle& bundle)
{
    if (bundle.unsynced.empty() && bundle.trouble.empty()) return;
    if (!bundle.unsynced.empty()) {
        if (setup_.before_sync) setup_.before_sync();
        if (auto status = bundle.file->sync(); !status)
            bundle.trouble = status.error().text();
        else
            tell(Stored{bundle.job, sequence, std::exchange(bundle.unsynced, {})});
    }
    if (!bundle.trouble.empty()) fail(sequence, bundle.job, std::move(bundle.trouble));
}

/// Its files stay as they are: recovery seals what was stored.
void BundleWriter::Thread::fail(std::uint32_t sequence, JobIndex job, std::string reason)
{
    open_.erase(sequence);
    failed_.insert(sequence);
    tell(BundleFailed{job, sequence, std::move(reason)});
}

void BundleWriter::Thread::carry_out(SealOrder& order)
{
    sync_all();
    pass_on_news();  // Sealing may take long, and nothing waits for it.
    auto* const bundle = find_bundle(order.job, order.sequence);
    if (!bundle) return;
    std::vector<EntryKey> rejected;
    for (auto const& what : order.rejected)
        rejected.push_back({what.range, Epoch::make(setup_.life, what.hand_out)});
    auto const& ids = setup_.jobs[order.job];
    auto const manifest =
        bundle->file->seal({ids.task_id, ids.jobset_id, clock_.unix_ns() / 1'000'000'000}, rejected);
    if (!manifest) {
        fail(order.sequence, order.job, manifest.error().text());
        return;
    }
    open_.erase(order.sequence);
    tell(Sealed{order.job, order.sequence, manifest->bytes,
                static_cast<std::uint32_t>(manifest->entry_count)});
}

std::optional<BundleWriter::DiscardFailed> BundleWriter::Thread::remove_files(
    std::vector<std::string> const& paths, OutputFolder const& root)
{
    DiscardFailed failed;
    for (auto const& path : paths) {
        auto const status = root.remove(path);
        if (status) continue;
        if (failed.file_count++ == 0) failed.reason = status.error().text();
    }
    if (failed.file_count == 0) return std::nullopt;
    return failed;
}

void BundleWriter::Thread::pass_on_news()
{
    if (told_.empty()) return;
    {
        std::lock_guard const lock(mutex_);
        std::move(told_.begin(), told_.end(), std::back_inserter(news_));
        busy_since_ = clock_.now();
    }
    told_.clear();
    ring();
}

void BundleWriter::Thread::ring() const
{
    std::uint64_t const one = 1;
    ssize_t const n = ::write(event_.get(), &one, sizeof one);
    static_cast<void>(n);  // Cannot fail before 2^64 news that nobody took.
}

BundleWriter::BundleWriter(BundleWriterSetup setup, Clock const& clock)
    : thread_(std::make_unique<Thread>(std::move(setup), clock))
{}

BundleWriter::~BundleWriter() = default;

void BundleWriter::store(std::uint32_t sequence, RangeOutput const& output)
{
    thread_->add(StoreOrder{sequence, output});
}

void BundleWriter::seal(JobIndex job, std::uint32_t sequence, std::vector<HandOut> const& rejected)
{
    thread_->add(SealOrder{job, sequence, rejected});
}

void BundleWriter::discard(RangeOutput const& output)
{
    if (!output.paths.empty()) thread_->add(DiscardOrder{absolute_paths(output)});
}

void BundleWriter::discard_folder(std::string const& folder)
{
    thread_->add(DiscardOrder{{}, folder});
}

void BundleWriter::do_aside(std::function<void()> errand)
{
    thread_->do_aside(std::move(errand));
}

void BundleWriter::hurry()
{
    thread_->hurry();
}

bool BundleWriter::full() const
{
    return thread_->full();
}

TimePoint BundleWriter::busy_since() const
{
    return thread_->busy_since();
}

int BundleWriter::event_fd() const
{
    return thread_->event_fd();
}

std::vector<BundleWriter::News> BundleWriter::take()
{
    return thread_->take();
}

}  // namespace yoda
