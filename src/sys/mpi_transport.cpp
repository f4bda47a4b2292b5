#include "sys/mpi_transport.hpp"

#define OMPI_SKIP_MPICXX 1  // The old C++ bindings warn, and are not used.
#include <mpi.h>

#include <deque>
#include <vector>

#include "core/codec.hpp"

namespace yoda {

namespace {

constexpr int tag = 1;
constexpr std::size_t receive_count = 64;

std::string mpi_text(int code)
{
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(code, text, &length);
    return {text, static_cast<std::size_t>(length)};
}

class Implementation final : public MpiTransport {
  public:
    Implementation()
    {
        int number = 0;
        MPI_Comm_rank(MPI_COMM_WORLD, &number);
        rank_ = static_cast<Rank>(number);
        MPI_Comm_size(MPI_COMM_WORLD, &number);
        rank_count_ = static_cast<std::uint32_t>(number);
        MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
        sending_.resize(rank_count_);
        dead_.resize(rank_count_);
        receives_.resize(receive_count);
        for (auto& slot : receives_) {
            slot.buffer.resize(max_frame_bytes);
            post(slot);
        }
    }

    Rank rank() const override { return rank_; }
    std::uint32_t rank_count() const override { return rank_count_; }
    int fd() const override { return -1; }
    std::size_t unsent_count(Rank to) const override { return sending_[to].size(); }
    void give_up(Rank rank) override { dead_[rank] = true; }

    void send(Rank to, std::string_view frame) override
    {
        YODA_CHECK(frame.size() <= max_frame_bytes, "only eager messages");
        if (dead_[to]) return;
        auto& sending = sending_[to].emplace_back();  // In place: MPI reads the buffer where it is.
        if (!spare_.empty()) {
            sending.buffer = std::move(spare_.back());
            spare_.pop_back();
        }
        sending.buffer.assign(frame);
        MPI_Isend(sending.buffer.data(), static_cast<int>(frame.size()), MPI_BYTE, static_cast<int>(to), tag,
                  MPI_COMM_WORLD, &sending.request);
        ++unsent_;
        reap(to);
    }

    bool receive(Rank& from, std::string& frame) override
    {
        // The first test may only start MPI's progress and see the message at the next call.
        auto& slot = receives_[next_];
        int arrived = 0;
        MPI_Status status;
        for (int attempt = 0; attempt < 2 && !arrived; ++attempt) MPI_Test(&slot.request, &arrived, &status);
        if (!arrived) {
            if (unsent_ > 0) {
                for (Rank to = 0; to < rank_count_; ++to) reap(to);
            }
            return false;
        }
        int bytes = 0;
        MPI_Get_count(&status, MPI_BYTE, &bytes);
        from = static_cast<Rank>(status.MPI_SOURCE);
        dead_[from] = false;
        frame.assign(slot.buffer.data(), static_cast<std::size_t>(bytes));
        post(slot);
        next_ = (next_ + 1) % receives_.size();
        return true;
    }

    void finalize() override
    {
        for (auto& slot : receives_) {
            MPI_Cancel(&slot.request);
            MPI_Request_free(&slot.request);
        }
        MPI_Finalize();
    }

  private:
    struct Sending {
        MPI_Request request = MPI_REQUEST_NULL;
        std::string buffer;
    };
    struct Receive {
        MPI_Request request = MPI_REQUEST_NULL;
        std::string buffer;
    };

    /// Receives match in the order in which they are posted, so the ring keeps the order of arrival.
    void post(Receive& slot)
    {
        MPI_Irecv(slot.buffer.data(), static_cast<int>(max_frame_bytes), MPI_BYTE, MPI_ANY_SOURCE, tag,
                  MPI_COMM_WORLD, &slot.request);
    }

    void reap(Rank to)
    {
        auto& queue = sending_[to];
        while (!queue.empty()) {
            int left = 0;
            MPI_Test(&queue.front().request, &left, MPI_STATUS_IGNORE);
            if (!left) return;
            if (spare_.size() < 1024) spare_.push_back(std::move(queue.front().buffer));
            queue.pop_front();
            --unsent_;
        }
    }

    Rank rank_ = 0;
    std::uint32_t rank_count_ = 0;
    std::vector<std::deque<Sending>> sending_;  // deque: a buffer must not move while MPI reads it
    std::vector<bool> dead_;
    std::vector<std::string> spare_;
    std::size_t unsent_ = 0;
    std::vector<Receive> receives_;
    std::size_t next_ = 0;
};

}  // namespace

std::string MpiTransport::library()
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING];
    int length = 0;
    MPI_Get_library_version(text, &length);
    // "Open MPI v4.1.4, package: ..." or "MPICH Version:    4.0.2\nMPICH Release date: ...".
    std::string const whole(text, static_cast<std::size_t>(length));
    return whole.substr(0, whole.find_first_of(",\n"));
}

Result<std::unique_ptr<MpiTransport>> MpiTransport::start(int& argc, char**& argv)
{
    int provided = 0;
    if (int const code = MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided); code != MPI_SUCCESS)
        return Error{ErrorKind::io, "MPI does not start", mpi_text(code),
                     "start yoda by mpirun or srun --mpi=pmix"};
    return std::unique_ptr<MpiTransport>(std::make_unique<Implementation>());
}

}  // namespace yoda
