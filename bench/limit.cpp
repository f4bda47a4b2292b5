// The raw limit of what rank 0 does: ranges handed out in batches over MPI point-to-point, each completed
// range a 32-byte record, group-committed with fdatasync. No product code: what yoda's rates are compared
// with.
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
        : fd_(::open(path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0644)), interval_s_(interval_s)
    {
        if (fd_ < 0) fail(path);
        records_.reserve(1 << 20);
        last_s_ = now_s();
    }
    void add(Record const& record) { records_.push_back(record); }
    void commit_if_due()
    {
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

void be_master(std::uint64_t ranges, std::uint32_t batch, double interval_s, char const* path)
{
    std::vector<std::uint64_t> table(ranges);
    Journal journal(path, interval_s);
    std::vector<char> message(sizeof(Header) + batch * sizeof(Return));
    std::vector<char> grant(sizeof(Header) + batch * sizeof(Grant));
    std::uint64_t next = 0, done = 0, sequence = 0;
    double begin_s = 0;
    bool ended = false;
    while (done < ranges || !ended) {
        MPI_Status status;
        MPI_Recv(message.data(), static_cast<int>(message.size()), MPI_BYTE, MPI_ANY_SOURCE, to_master,
                 MPI_COMM_WORLD, &status);
        if (begin_s == 0) begin_s = now_s();
        auto const* header = reinterpret_cast<Header const*>(message.data());
        auto const* returned = reinterpret_cast<Return const*>(message.data() + sizeof(Header));
        for (std::uint32_t i = 0; i < header->count; ++i) {
            if (table[returned[i].range] != 1) fail("a range came back that was not out");
            table[returned[i].range] = 2;
            journal.add(
                {returned[i].range, 1, 0, returned[i].cpu_us, 0, returned[i].range * 0x9E3779B97F4A7C15ull});
        }
        done += header->count;
        journal.commit_if_due();
        auto* out = reinterpret_cast<Header*>(grant.data());
        auto* grants = reinterpret_cast<Grant*>(grant.data() + sizeof(Header));
        std::uint32_t count = 0;
        for (; count < batch && next < ranges; ++count, ++next) {
            grants[count] = {next, static_cast<std::uint32_t>(next / 1000),
                             static_cast<std::uint32_t>(next % 1000), 1, 1};
            table[next] = 1;
        }
        if (count == 0 && done < ranges) continue;  // The end word only when all is back.
        ended = count == 0;
        *out = {count, 0, sequence++};
        MPI_Send(grant.data(), static_cast<int>(sizeof(Header) + count * sizeof(Grant)), MPI_BYTE,
                 status.MPI_SOURCE, to_worker, MPI_COMM_WORLD);
    }
    journal.commit();
    double const seconds = now_s() - begin_s;
    std::printf("{\"ranges_per_s\": %.0f, \"batch\": %u, \"wall_s\": %.3f}\n",
                static_cast<double>(ranges) / seconds, batch, seconds);
    ::unlink(path);
}

void be_worker(std::uint32_t batch, int window)
{
    std::vector<char> message(sizeof(Header) + batch * sizeof(Grant));
    std::vector<char> answer(sizeof(Header) + batch * sizeof(Return));
    auto* header = reinterpret_cast<Header*>(answer.data());
    *header = {};
    for (int i = 0; i < window; ++i)
        MPI_Send(answer.data(), sizeof(Header), MPI_BYTE, 0, to_master, MPI_COMM_WORLD);
    for (;;) {
        MPI_Recv(message.data(), static_cast<int>(message.size()), MPI_BYTE, 0, to_worker, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
        auto const* in = reinterpret_cast<Header const*>(message.data());
        if (in->count == 0) return;
        auto const* grants = reinterpret_cast<Grant const*>(message.data() + sizeof(Header));
        auto* returned = reinterpret_cast<Return*>(answer.data() + sizeof(Header));
        *header = {in->count, 0, in->sequence};
        for (std::uint32_t i = 0; i < in->count; ++i) returned[i] = {grants[i].range, 0, 1};
        MPI_Send(answer.data(), static_cast<int>(sizeof(Header) + in->count * sizeof(Return)), MPI_BYTE, 0,
                 to_master, MPI_COMM_WORLD);
    }
}

}  // namespace

int main(int argc, char** argv)
{
    MPI_Init(&argc, &argv);
    int rank = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    if (argc != 6) {
        std::fprintf(stderr, "usage: mpirun -n 2 limit RANGES BATCH WINDOW INTERVAL_MS JOURNAL\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    auto const batch = static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10));
    if (rank == 0)
        be_master(std::strtoull(argv[1], nullptr, 10), batch, std::strtod(argv[4], nullptr) * 1e-3, argv[5]);
    else
        be_worker(batch, std::atoi(argv[3]));
    MPI_Finalize();
}
