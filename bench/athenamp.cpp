// AthenaMP's channel as a Droid runs it, against clients of a process of their own: how long a request waits
// for its range, what the Droid's side costs, and that nothing is lost.
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
#include "sys/clock.hpp"
#include "sys/environment.hpp"

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

int live_as_payload(unsigned client_count, double rate)
{
    SystemClock const clock;
    void* const context = zmq_ctx_new();
    std::vector<Client> clients(client_count);
    std::vector<zmq_pollitem_t> polled;
    auto const begin = clock.now();
    auto const interval = Duration::from_s(rate > 0 ? client_count / rate : 0);
    for (unsigned i = 0; i < client_count; ++i) {
        clients[i].socket = zmq_socket(context, ZMQ_DEALER);
        int const never = 0;
        zmq_setsockopt(clients[i].socket, ZMQ_HANDSHAKE_IVL, &never, sizeof never);
        zmq_connect(clients[i].socket,
                    fmt::format("ipc:///tmp/zmq_{}", ::getenv("PILOT_EVENTRANGECHANNEL")).c_str());
        clients[i].due = begin + interval * (static_cast<double>(i) / client_count);
        polled.push_back({clients[i].socket, 0, ZMQ_POLLIN, 0});
    }
    std::ofstream latencies(latency_file);
    auto const say = [](Client& client, std::string const& text) {
        zmq_send(client.socket, text.data(), text.size(), 0);
    };
    for (std::size_t left = client_count; left > 0;) {
        auto now = clock.now();
        auto next = now + Duration::from_ms(100);
        for (auto& client : clients) {
            if (client.ended || client.waits) continue;
            if (client.due > now) {
                next = std::min(next, client.due);
                continue;
            }
            if (!client.range.empty())
                say(client, fmt::format("/nowhere/out_000.{0},ID:{0},CPU:1,WALL:1", client.range));
            client.asked = clock.now();
            client.waits = true;
            client.due = std::max(client.due + interval, client.asked - interval);
            say(client, "Ready for events");
        }
        // Rounded up: else the last millisecond is spent turning, on a core that the other side needs.
        auto const wait_ms = std::max<std::int64_t>(0, (next - clock.now()).ms() + 1);
        zmq_poll(polled.data(), static_cast<int>(polled.size()), rate > 0 ? wait_ms : 100);
        for (std::size_t i = 0; i < clients.size(); ++i) {
            if (!(polled[i].revents & ZMQ_POLLIN)) continue;
            char text[4096];
            int const n = zmq_recv(clients[i].socket, text, sizeof text, 0);
            latencies << (clock.now() - clients[i].asked).ns / 1000 << '\n';
            clients[i].waits = false;
            clients[i].range = id_in({text, static_cast<std::size_t>(std::max(n, 0))});
            if (!clients[i].range.empty()) continue;
            clients[i].ended = true;
            --left;
        }
    }
    for (auto& client : clients) zmq_close(client.socket);
    zmq_ctx_term(context);
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
        double const used = cpu_s() - cpu;
        double const took = (desk.clock.now() - begin).s();
        std::ifstream file(setup.work_folder + "/start_0/" + latency_file);
        std::vector<double> us;
        for (double value = 0; file >> value;) us.push_back(value);
        std::sort(us.begin(), us.end());
        auto const at = [&](double part) {
            return us.empty() ? 0.0
                              : us[std::min(us.size() - 1,
                                            static_cast<std::size_t>(part * static_cast<double>(us.size())))];
        };
        fmt::print("{} clients, {} ranges in {:.1f} s: {:.0f} requests/s\n", client_count, range_count, took,
                   static_cast<double>(us.size()) / took);
        fmt::print("reply: median {:.0f} us, p99 {:.0f} us, worst {:.0f} us\n", at(0.5), at(0.99), at(1));
        fmt::print("Droid's side: {:.2f} % of a core, {:.1f} us a request\n", 100 * used / took,
                   1e6 * used / static_cast<double>(std::max<std::size_t>(1, us.size())));
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
