#include "harvest/panda/turn.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

#include "sys/files.hpp"

namespace yoda {

namespace {

constexpr std::uint64_t limit_bytes = 1 << 16;

std::int64_t unix_s(Clock const& clock)
{
    return clock.unix_ns() / 1'000'000'000;
}

bool same_holder(HolderIdentity const& a, HolderIdentity const& b)
{
    return a.host == b.host && a.pid == b.pid && a.started_ticks == b.started_ticks && a.boot_id == b.boot_id;
}

/// What an earlier harvest on this machine saw of that holder: kept beside the turn, by host.
bool is_silent_for_us(std::string const& folder, HolderIdentity const& holder, HolderIdentity const& own,
                      Clock const& clock)
{
    auto const path = fmt::format("{}/seen-{}.json", folder, own.host);
    auto const text = read_file(path, limit_bytes);
    auto const json = text ? nlohmann::json::parse(*text, nullptr, false) : nlohmann::json();
    std::optional<HolderSighting> sighting;
    if (json.is_object() && json.value("holder", "") == holder.host + ":" + std::to_string(holder.pid))
        sighting = HolderSighting{json.value("beat", std::uint64_t{0}),
                                  json.value("since_ns", std::int64_t{0}), json.value("boot_id", "")};
    if (is_silent(sighting, holder.beat, own.boot_id, clock.now())) return true;
    if (sighting) {
        nlohmann::json const seen{{"holder", holder.host + ":" + std::to_string(holder.pid)},
                                  {"beat", sighting->beat},
                                  {"since_ns", sighting->since_ns},
                                  {"boot_id", sighting->boot_id}};
        // Lost at a crash, it costs another minute's wait.
        if (auto const status = replace_file(path, seen.dump() + "\n", 0644, false); !status) return false;
    }
    return false;
}

}  // namespace

/// Holds the file and changes its beat until it is let go or somebody took it.
class Turn::Keeper {
  public:
    Keeper(std::string path, HolderIdentity own, Duration beat)
        : path_(std::move(path)), own_(std::move(own)), interval_(beat.ns), thread_([this] { keep(); })
    {}
    ~Keeper()
    {
        {
            std::scoped_lock const lock(mutex_);
            stop_ = true;
        }
        wake_.notify_one();
        thread_.join();
        if (is_ours()) ::unlink(path_.c_str());
    }

    Status check() const
    {
        std::scoped_lock const lock(mutex_);
        return status_;
    }

  private:
    void keep()
    {
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, interval_, [this] { return stop_; })) {
            lock.unlock();
            auto status = beat();
            lock.lock();
            status_ = std::move(status);
            if (!status_ && status_.error().kind == ErrorKind::busy) return;
        }
    }

    Status beat()
    {
        if (!is_ours())
            return Error{
                ErrorKind::busy, "our turn to speak to PanDA was taken over", "we were silent too long", {}};
        ++own_.beat;
        return replace_file(path_, print_holder(own_), 0644, false);
    }

    bool is_ours() const
    {
        auto const text = read_file(path_, limit_bytes);
        auto const holder = text ? parse_holder(*text) : std::nullopt;
        return holder && same_holder(*holder, own_);
    }

    std::string path_;
    HolderIdentity own_;
    std::chrono::nanoseconds interval_;
    mutable std::mutex mutex_;
    std::condition_variable wake_;
    bool stop_ = false;
    Status status_;
    std::thread thread_;  ///< last: it uses all of the above
};

Result<Turn> Turn::take(std::string folder, Clock const& clock, Duration beat)
{
    auto const own = own_identity(unix_s(clock));
    auto const path = folder + "/turn.json";
    auto const mine = fmt::format("{}/turn-{}-{}", folder, own.host, own.pid);
    if (auto const status = replace_file(mine, print_holder(own), 0644, false); !status)
        return status.error();
    struct Removed {
        std::string path;
        ~Removed() { ::unlink(path.c_str()); }
    } const removed{mine};
    for (int attempt = 0; attempt < 3; ++attempt) {
        if (::link(mine.c_str(), path.c_str()) == 0) return Turn(std::make_unique<Keeper>(path, own, beat));
        if (errno != EEXIST) return os_error("write", path, errno);
        auto const text = read_file(path, limit_bytes);
        if (!text) continue;  // It was just given back.
        auto const holder = parse_holder(*text);
        bool const dead =
            !holder || is_gone_here(*holder, own) || is_silent_for_us(folder, *holder, own, clock);
        if (!dead)
            return Error{ErrorKind::busy, "another harvest speaks to PanDA for this run",
                         fmt::format("process {} on {}, for {} s", holder->pid, holder->host,
                                     unix_s(clock) - holder->since_unix_s),
                         "wait until it ends"};
        // Put aside, so that of several who see a dead holder only one gets the name.
        auto const aside = mine + ".dead";
        if (::rename(path.c_str(), aside.c_str()) != 0) continue;
        auto const moved = read_file(aside, limit_bytes);
        auto const who = moved ? parse_holder(*moved) : std::nullopt;
        if (holder && who && !same_holder(*who, *holder)) {
            // Somebody was faster, and it is his that we moved: back with it.
            if (::link(aside.c_str(), path.c_str()) != 0 && errno != EEXIST)
                return os_error("write", path, errno);
        }
        ::unlink(aside.c_str());
    }
    return Error{ErrorKind::busy, "another harvest speaks to PanDA for this run", {}, "wait until it ends"};
}

Turn::Turn(std::unique_ptr<Keeper> keeper) : keeper_(std::move(keeper)) {}
Turn::Turn(Turn&& other) noexcept = default;
Turn::~Turn() = default;

Status Turn::check() const
{
    return keeper_->check();
}

}  // namespace yoda
