// SPDX-License-Identifier: Apache-2.0
// The raw limit of what rank 0 does: ranges handed out in batches over MPI
// point-to-point, each completed range a 32-byte record, group-committed with fdatasync.
// No product code: what yoda's rates are compared with.
//   mpirun -n 2 limit RANGES BATCH WINDOW INTERVAL_MS JOURNAL
// Prints one line: ranges/s from the first grant until the last record is durable.

#define OMPI_SKIP_MPICXX 1
#include <fcntl.h>
#include <mpi.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

struct Header {
    std::uint32_t count;
    std::uint32_t reserved;
    std::uint64_t sequence;
};
struct Grant {
    std::uint64_t range;
    std::uint32_t file;
    std::uint32_t first;
    std::uint32_t events;
    std::uint32_t attempt;
};
struct Return {
    std::uint64_t range;
    std::uint32_t status;
    std::uint32_t cpu_us;
};
struct Record {
    std::uint64_t range;
    std::uint32_t rank;
    std::uint32_t status;
    std::uint32_t cpu_us;
    std::uint32_t wall_us;
    std::uint64_t check;
};
static_assert(sizeof(Grant) == 24 && sizeof(Return) == 16 && sizeof(Record) == 32);

constexpr int to_worker = 2;
constexpr int to_master = 1;

double now_s()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void fail(char const* what)
{
    std::perror(what);
    MPI_Abort(MPI_COMM_WORLD, 1);
    std::abort();
}

class Journal {
  public:
    Journal(char const* path, double interval_s)
        : fd_(::open(path, O_CREAT | O_EXCL | O_WRONLY | O_APPEND, 0644)), interval_s_(interval_s)
    {
        if (fd_ < 0) fail(path);
        records_.reserve(1 << 20);
        last_s_ = now_s();
    }
    void add(std::vector<Record> const& records)
    {
        records_.insert(records_.end(), records.begin(), records.end());
        if (double const now = now_s(); now - last_s_ >= interval_s_) {
            commit();
            last_s_ = now_s();
        }
    }
    void commit()
    {
        auto const* at = reinterpret_cast<char const*>(records_.data());
        for (std::size_t left = records_.size() * sizeof(Record); left > 0;) {
            ssize_t const n = ::write(fd_, at, left);
            if (n < 0) fail("write");
            at += n;
            left -= static_cast<std::size_t>(n);
        }
        if (!records_.empty() && ::fdatasync(fd_) != 0) fail("fdatasync");
        records_.clear();
    }

  private:
    int fd_;
    double interval_s_;
    double last_s_ = 0;
    std::vector<Record> records_;
};

/// Receives that are posted ahead: a blocking pair of sends of more than an eager message
/// would wait for each other.
class Receives {
  public:
    Receives(int count, std::size_t size, int source, int tag)
        : size_(static_cast<int>(size)), source_(source), tag_(tag), buffers_(static_cast<std::size_t>(count))
    {
        requests_.resize(buffers_.size());
        for (std::size_t i = 0; i < buffers_.size(); ++i) {
            buffers_[i].resize(size);
            post(i);
        }
    }
    ~Receives()
    {
        for (auto& request : requests_) {
            MPI_Cancel(&request);
            MPI_Wait(&request, MPI_STATUS_IGNORE);
        }
    }
    Receives(Receives const&) = delete;
    Receives& operator=(Receives const&) = delete;

    char const* data(std::size_t i) const { return buffers_[i].data(); }
    std::size_t count() const { return buffers_.size(); }
    MPI_Request* requests() { return requests_.data(); }
    void post(std::size_t i)
    {
        MPI_Irecv(buffers_[i].data(), size_, MPI_BYTE, source_, tag_, MPI_COMM_WORLD, &requests_[i]);
    }

  private:
    int size_, source_, tag_;
    std::vector<std::vector<char>> buffers_;
    std::vector<MPI_Request> requests_;
};

class Master {
  public:
    Master(std::uint64_t ranges, std::uint32_t batch, double interval_s, char const* path)
        : ranges_(ranges),
          batch_(batch),
          table_(ranges),
          journal_(path, interval_s),
          grant_(sizeof(Header) + batch * sizeof(Grant))
    {}

    void run()
    {
        Receives receives(2, sizeof(Header) + batch_ * sizeof(Return), MPI_ANY_SOURCE, to_master);
        std::vector<int> ready(receives.count());
        std::vector<MPI_Status> statuses(receives.count());
        double const begin_s = now_s();
        while (!ended_) {
            int count = 0;
            MPI_Waitsome(static_cast<int>(receives.count()), receives.requests(), &count, ready.data(),
                         statuses.data());
            for (int i = 0; i < count; ++i) {
                auto const slot = static_cast<std::size_t>(ready[static_cast<std::size_t>(i)]);
                take(receives.data(slot));
                grant();
                receives.post(slot);
            }
        }
        journal_.commit();
        double const seconds = now_s() - begin_s;
        std::printf("{\"ranges_per_s\": %.0f, \"batch\": %u, \"wall_s\": %.3f}\n",
                    static_cast<double>(ranges_) / seconds, batch_, seconds);
    }

  private:
    void take(char const* message)
    {
        auto const* header = reinterpret_cast<Header const*>(message);
        auto const* returned = reinterpret_cast<Return const*>(message + sizeof(Header));
        new_.clear();
        for (std::uint32_t i = 0; i < header->count; ++i) {
            if (table_[returned[i].range] != 1) fail("a range came back that was not out");
            table_[returned[i].range] = 2;
            new_.push_back(
                {returned[i].range, 1, 0, returned[i].cpu_us, 0, returned[i].range * 0x9E3779B97F4A7C15ull});
        }
        done_ += header->count;
        if (!new_.empty()) journal_.add(new_);
    }

    void grant()
    {
        auto* out = reinterpret_cast<Header*>(grant_.data());
        auto* grants = reinterpret_cast<Grant*>(grant_.data() + sizeof(Header));
        std::uint32_t count = 0;
        for (; count < batch_ && next_ < ranges_; ++count, ++next_) {
            grants[count] = {next_, static_cast<std::uint32_t>(next_ / 1000),
                             static_cast<std::uint32_t>(next_ % 1000), 1, 1};
            table_[next_] = 1;
        }
        if (count == 0 && done_ < ranges_) return;  // The end word only when all is back.
        ended_ = count == 0;
        *out = {count, 0, sequence_++};
        MPI_Send(grant_.data(), static_cast<int>(sizeof(Header) + count * sizeof(Grant)), MPI_BYTE, 1,
                 to_worker, MPI_COMM_WORLD);
    }

    std::uint64_t ranges_;
    std::uint32_t batch_;
    std::vector<std::uint64_t> table_;
    Journal journal_;
    std::vector<Record> new_;
    std::vector<char> grant_;
    std::uint64_t next_ = 0, done_ = 0, sequence_ = 0;
    bool ended_ = false;
};

void be_worker(std::uint32_t batch, int window)
{
    Receives receives(window, sizeof(Header) + batch * sizeof(Grant), 0, to_worker);
    std::vector<char> answer(sizeof(Header) + batch * sizeof(Return));
    auto* header = reinterpret_cast<Header*>(answer.data());
    *header = {};
    for (int i = 0; i < window; ++i)
        MPI_Send(answer.data(), sizeof(Header), MPI_BYTE, 0, to_master, MPI_COMM_WORLD);
    // Two looks at the clock a batch, as anybody has who measures its waiting.
    double waited_s = 0;
    double asked_s = now_s();
    for (std::size_t slot = 0;; slot = (slot + 1) % receives.count()) {
        MPI_Wait(&receives.requests()[slot], MPI_STATUS_IGNORE);
        waited_s += now_s() - asked_s;
        auto const* in = reinterpret_cast<Header const*>(receives.data(slot));
        if (in->count == 0) {
            std::fprintf(stderr, "worker waited %.3f s\n", waited_s);
            return receives.post(slot);
        }
        auto const* grants = reinterpret_cast<Grant const*>(receives.data(slot) + sizeof(Header));
        auto* returned = reinterpret_cast<Return*>(answer.data() + sizeof(Header));
        *header = {in->count, 0, in->sequence};
        for (std::uint32_t i = 0; i < in->count; ++i) returned[i] = {grants[i].range, 0, 1};
        receives.post(slot);
        asked_s = now_s();
        MPI_Send(answer.data(), static_cast<int>(sizeof(Header) + in->count * sizeof(Return)), MPI_BYTE, 0,
                 to_master, MPI_COMM_WORLD);
    }
}

}  // namespace

int main(int argc, char** argv)
{
    // As yoda asks, and whoever has a thread for his journal: Open MPI is half as fast again without the
    // locks of this level.
    int provided = 0;
    MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (argc != 6) {
        std::fprintf(stderr, "usage: mpirun -n 2 limit RANGES BATCH WINDOW INTERVAL_MS JOURNAL\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    auto const batch = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
    int const window = std::atoi(argv[3]);
    if (rank == 0)
        Master(std::strtoull(argv[1], nullptr, 10), batch, std::strtod(argv[4], nullptr) * 1e-3, argv[5])
            .run();
    else
        be_worker(batch, window);
    if (rank == 0) ::unlink(argv[5]);
    MPI_Finalize();
}
