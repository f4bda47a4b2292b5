// SPDX-License-Identifier: Apache-2.0
// AthenaMP's channel as a Droid runs it, against clients of a process of their own: how long a request waits
// for its range, what the Droid's side costs, and that nothing is lost. Beside it, in the same run: the same
// clients against a bare ROUTER that does nothing but answer, which is what libzmq itself costs here.
//
//   bench_athenamp [--clients 64] [--rate 300] [--ranges 4000]      rate 0: as fast as it goes
//
// Exit code 1: a range was lost or came twice.
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "droid/athenamp/channel.hpp"
#include "sys/base/clock.hpp"
#include "sys/process/environment.hpp"

namespace {

using namespace yoda;

constexpr auto latency_file = "latencies";

// ---- The payload's side

struct Client {
    void* socket = nullptr;
    std::string range;
    TimePoint due;
    TimePoint asked;
    bool waits = false;
    bool ended = false;
};

std::string id_in(std::string const& text)
{
    std::string_view const key = "\"eventRangeID\": \"";
    auto const at = text.find(key);
    if (at == std::string::npos) return {};
    return text.substr(at + key.size(), text.find('"', at + key.size()) - at - key.size());
}

/// The payload's clients, all in one thread. It looks at a client only when libzmq says that something has
/// changed there: zmq_poll() asks each of 64 sockets each time, on a core that the other side needs.
class Payload {
  public:
    Payload(Poller& poller, unsigned client_count, double rate)
        : poller_(poller),
          interval_(Duration::from_s(rate > 0 ? client_count / rate : 0)),
          left_(client_count)
    {
        clients_.resize(client_count);
        auto const begin = clock_.now();
        for (unsigned i = 0; i < client_count; ++i)
            connect(clients_[i], begin + interval_ * (static_cast<double>(i) / client_count));
    }
    Payload(Payload const&) = delete;
    Payload& operator=(Payload const&) = delete;
    ~Payload()
    {
        for (auto& client : clients_) zmq_close(client.socket);
        zmq_ctx_term(context_);
    }

    void live()
    {
        while (left_ > 0) {
            auto next = clock_.now() + Duration::from_ms(100);
            for (auto& client : clients_) {
                if (client.ended || client.waits) continue;
                if (client.due <= clock_.now())
                    ask(client);
                else
                    next = std::min(next, client.due);
            }
            poller_.wait(std::max(Duration::from_ms(0), next - clock_.now()));
        }
    }

  private:
    void connect(Client& client, TimePoint due)
    {
        client.socket = zmq_socket(context_, ZMQ_DEALER);
        int const never = 0;
        zmq_setsockopt(client.socket, ZMQ_HANDSHAKE_IVL, &never, sizeof never);
        zmq_connect(client.socket,
                    fmt::format("ipc:///tmp/zmq_{}", ::getenv("PILOT_EVENTRANGECHANNEL")).c_str());
        client.due = due;
        int fd = -1;
        std::size_t bytes = sizeof fd;
        zmq_getsockopt(client.socket, ZMQ_FD, &fd, &bytes);
        poller_.add(fd, [this, &client] { hear(client); });
    }

    void ask(Client& client)
    {
        auto const say = [&](std::string const& text) {
            zmq_send(client.socket, text.data(), text.size(), 0);
        };
        if (!client.range.empty()) say(fmt::format("/nowhere/out_000.{0},ID:{0},CPU:1,WALL:1", client.range));
        client.asked = clock_.now();
        client.waits = true;
        client.due = std::max(client.due + interval_, client.asked - interval_);
        say("Ready for events");
        hear(client);  // Sending takes the change that the poller waits for.
    }

    void hear(Client& client)
    {
        char text[4096];
        for (int n = 0; (n = zmq_recv(client.socket, text, sizeof text, ZMQ_DONTWAIT)) >= 0;) {
            latencies_ << (clock_.now() - client.asked).ns / 1000 << '\n';
            client.waits = false;
            client.range = id_in({text, static_cast<std::size_t>(n)});
            if (!client.range.empty()) continue;
            client.ended = true;
            --left_;
        }
    }

    Poller& poller_;
    SystemClock const clock_;
    void* const context_ = zmq_ctx_new();
    Duration const interval_;
    std::vector<Client> clients_;
    std::size_t left_;
    std::ofstream latencies_{latency_file};
};

int live_as_payload(unsigned client_count, double rate)
{
    auto poller = Poller::make();
    if (!poller) return 2;
    Payload(*poller, client_count, rate).live();
    return 0;
}

// ---- The Droid's side

struct Desk final : ChannelEvents {
    std::uint32_t range_count = 0;
    std::uint32_t given = 0;
    std::uint32_t repeated = 0;
    std::set<RangeIndex> finished;
    std::optional<std::string> end;
    athenamp::Channel* channel = nullptr;
    SystemClock clock;

    void payload_up(JobIndex) override {}
    void request(JobIndex, RequestId request) override
    {
        if (given == range_count) return channel->end(request);
        WorkItem item;
        item.what = {++given, 1};
        item.range.id = fmt::format("38542011-6123456789-24567890123-{}-10", given);
        item.range.start_event = item.range.last_event = given;
        item.range.lfn = "EVNT.38541000._000101.pool.root.1";
        item.range.guid = "BEA4C016-E37E-0841-A448-8D664E8CD570";
        item.range.scope = "mc23_13p6TeV";
        item.pfn = "/scratch/inputs/EVNT.38541000._000101.pool.root.1";
        channel->answer(clock.now(), request, item);
    }
    void request_gone(JobIndex, RequestId) override {}
    void output(RangeOutput output) override { repeated += !finished.insert(output.what.range).second; }
    void failure(HandOut, FailKind, std::uint16_t, std::string_view) override {}
    void worker_ended(JobIndex) override {}
    void payload_ended(JobIndex, std::uint16_t code, std::string_view why) override
    {
        end = fmt::format("{} {}", code, why);
    }
    void note(std::string_view, JobIndex, std::string_view) override {}
};

double cpu_s()
{
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    auto const seconds = [](timeval time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct Figures {
    double took_s = 0;
    double used_s = 0;
    std::vector<double> reply_us;  // sorted

    double at(double part) const
    {
        auto const index = static_cast<std::size_t>(part * static_cast<double>(reply_us.size()));
        return reply_us.empty() ? 0.0 : reply_us[std::min(reply_us.size() - 1, index)];
    }
    double us_a_request() const
    {
        return 1e6 * used_s / static_cast<double>(std::max<std::size_t>(1, reply_us.size()));
    }
    void read_latencies(std::string const& path)
    {
        std::ifstream file(path);
        for (double value = 0; file >> value;) reply_us.push_back(value);
        std::sort(reply_us.begin(), reply_us.end());
    }
    void print(std::string_view who) const
    {
        fmt::print(
            "{}: {:.0f} requests/s; reply: median {:.0f} us, p99 {:.0f} us, worst {:.0f} us; {:.2f} % of a "
            "core, {:.1f} us a request\n",
            who, static_cast<double>(reply_us.size()) / took_s, at(0.5), at(0.99), at(1),
            100 * used_s / took_s, us_a_request());
    }
};

/// Answers the clients' requests with `range_count` texts, then with the end word, until they have ended.
Result<Figures> measure_bare(unsigned client_count, double rate, std::uint32_t range_count)
{
    auto spawner = Spawner::start();
    if (!spawner) return spawner.error();
    auto poller = Poller::make();
    if (!poller) return poller.error();
    std::string folder = std::filesystem::temp_directory_path() / "bench_athenamp_XXXXXX";
    if (!::mkdtemp(folder.data())) return os_error("make", folder, errno);
    auto const channel = fmt::format("bench_bare_{}", ::getpid());
    auto const path = "/tmp/zmq_" + channel;
    void* const context = zmq_ctx_new();
    void* const router = zmq_socket(context, ZMQ_ROUTER);
    int const never = 0;
    zmq_setsockopt(router, ZMQ_HANDSHAKE_IVL, &never, sizeof never);
    if (zmq_bind(router, ("ipc://" + path).c_str()) != 0) return os_error("bind", path, zmq_errno());
    SpawnRequest request;
    request.arguments = {std::filesystem::canonical("/proc/self/exe"), "--payload",
                         std::to_string(client_count), std::to_string(rate)};
    request.environment = current_environment();
    set_variable(request.environment, "PILOT_EVENTRANGECHANNEL", channel);
    request.folder = folder;
    if (auto id = spawner->spawn(std::move(request)); !id) return id.error();
    int fd = -1;
    std::size_t fd_bytes = sizeof fd;
    zmq_getsockopt(router, ZMQ_FD, &fd, &fd_bytes);
    poller->add(fd, [] {});
    SystemClock const clock;
    Figures figures;
    auto const begin = clock.now();
    double const cpu = cpu_s();
    std::uint32_t given = 0;
    char id[256], body[4096];
    for (bool ended = false; !ended;) {
        poller->wait(Duration::from_ms(20));
        for (int n = 0; (n = zmq_recv(router, id, sizeof id, ZMQ_DONTWAIT)) >= 0;) {
            if (zmq_recv(router, body, sizeof body, ZMQ_DONTWAIT) != 16) continue;  // No request.
            auto const text = given < range_count
                                  ? fmt::format("[{{\"eventRangeID\": \"1-2-3-{}-10\"{:200}}}]", ++given, "")
                                  : std::string("No more events");
            zmq_send(router, id, static_cast<std::size_t>(n), ZMQ_SNDMORE | ZMQ_DONTWAIT);
            zmq_send(router, text.data(), text.size(), ZMQ_DONTWAIT);
        }
        if (auto polled = spawner->poll(); !polled) return polled.error();
        while (auto const event = spawner->take_event())
            ended |= std::holds_alternative<PayloadExited>(*event);
    }
    figures.used_s = cpu_s() - cpu;
    figures.took_s = (clock.now() - begin).s();
    figures.read_latencies(folder + "/" + latency_file);
    zmq_close(router);
    zmq_ctx_term(context);
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
    std::filesystem::remove_all(folder, ignored);
    return figures;
}

int live_as_droid(unsigned client_count, double rate, std::uint32_t range_count)
{
    auto spawner = Spawner::start();
    auto poller = Poller::make();
    if (!spawner || !poller) return 2;
    std::string folder = std::filesystem::temp_directory_path() / "bench_athenamp_XXXXXX";
    if (!::mkdtemp(folder.data())) return 2;
    Desk desk;
    desk.range_count = range_count;
    PayloadSetup setup;
    setup.definition = *Job::from_json({{"PandaID", 6123456789},
                                        {"taskID", 38542011},
                                        {"inFilePosEvtNum", "True"},
                                        {"outFiles", "HITS.1,log.1"},
                                        {"logFile", "log.1"}});
    setup.payload.channel = ChannelKind::athenamp;
    setup.payload.executable = std::filesystem::canonical("/proc/self/exe");
    setup.payload.arguments = {"--payload", std::to_string(client_count), std::to_string(rate)};
    setup.environment = current_environment();
    setup.work_folder = folder + "/work";
    setup.log_prefix = folder + "/payload";
    setup.bind = false;
    {
        athenamp::Channel channel(setup, *spawner, *poller, desk);
        desk.channel = &channel;
        channel.start(desk.clock.now(), client_count);
        auto const begin = desk.clock.now();
        double const cpu = cpu_s();
        TimePoint next_tick = begin;
        while (!desk.end) {
            poller->wait(Duration::from_ms(20));
            if (desk.clock.now() < next_tick) continue;
            if (auto polled = spawner->poll(); !polled) return 2;
            while (auto const event = spawner->take_event()) channel.on_spawn_event(desk.clock.now(), *event);
            next_tick = desk.clock.now() + Duration::from_ms(50);
            channel.on_tick(desk.clock.now());
        }
        Figures figures;
        figures.used_s = cpu_s() - cpu;
        figures.took_s = (desk.clock.now() - begin).s();
        figures.read_latencies(setup.work_folder + "/start_0/" + latency_file);
        fmt::print("{} clients, {} ranges\n", client_count, range_count);
        figures.print("Droid");
        if (auto const bare = measure_bare(client_count, rate, range_count)) {
            bare->print("bare ROUTER");
            fmt::print("the Droid's {:.1f} us a request are {:.2f} times what libzmq alone takes\n",
                       figures.us_a_request(), figures.us_a_request() / bare->us_a_request());
        }
        fmt::print("given {}, finished {}, twice {}; payload ended: {}\n", desk.given, desk.finished.size(),
                   desk.repeated, *desk.end);
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
    bool const whole = desk.given == range_count && desk.finished.size() == range_count && desk.repeated == 0;
    return whole ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv)
{
    std::vector<std::string> const words(argv + 1, argv + argc);
    for (std::size_t i = 0; i + 2 < words.size(); ++i) {
        if (words[i] == "--payload")
            return live_as_payload(static_cast<unsigned>(std::atoi(words[i + 1].c_str())),
                                   std::atof(words[i + 2].c_str()));
    }
    double clients = 64, rate = 300, ranges = 4000;
    for (std::size_t i = 0; i + 1 < words.size(); i += 2) {
        if (words[i] == "--clients") clients = std::atof(words[i + 1].c_str());
        if (words[i] == "--rate") rate = std::atof(words[i + 1].c_str());
        if (words[i] == "--ranges") ranges = std::atof(words[i + 1].c_str());
    }
    return live_as_droid(static_cast<unsigned>(clients), rate, static_cast<std::uint32_t>(ranges));
}
