// SPDX-License-Identifier: Apache-2.0
// A look-alike of AthenaMP in Event Service mode: what it says, when it says it, and what
// it takes badly. Nothing in here knows Yoda: it reads range texts by AthenaMP's own
// naive rules (docs/reference/athenamp.md §4).
//
//   athenamp_mock [words of a transform ...]
//
// The channel's name comes from `--preExec ...EventRangeChannel="N"`, `--athenaopts=...--mtes-channel="N"` or
// the environment (PILOT_EVENTRANGECHANNEL), the number of workers from ATHENA_PROC_NUMBER (or
// ATHENA_CORE_NUMBER). Further by the environment:
//   MOCK_MODE      scatterer (default): one connection, one open request for all workers
//                  simple: every worker has a connection of its own
//   MOCK_DIALECT   new (default); bare: no "ID:"; old: bare, and an output is told with the next range or in
//                  finalisation, and the end word is compared whole;
//                  mtes: CPU:N/A, a PFN is needed, and the end word is compared whole
//   MOCK_FLAT      set: workers have no folders, as AthenaMT's threads
//   MOCK_OUTPUTS   files a range, default 1
//   MOCK_RANGE_MS, MOCK_START_MS, MOCK_FINALISE_MS   how long these take
//   MOCK_TROUBLE   what goes wrong, once each: `kind:event` joined by ';', at the range that starts with
//                  this event. The kinds:
//                  crash, exit, hang
//                  no_output (never told), missing (told, not there), empty (0 bytes), outside (a file of
//                  another folder)
//                  what AthenaMP says of a range (names in `range_errors`) and of its Token Extractor
//                  (`fatal_errors`: the first of them ends the payload, the others leave it hanging)
//                  parse, parse_values, parse_selector, parse_input: the range text is refused
//   MOCK_MARKS     folder where it is noted what has gone wrong already
//   MOCK_RECORD    file to which each frame of the dialogue is appended: "> " or "< ", length, the bytes
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr int spare_workers = 64;  // replacements for those that crash

std::string variable(char const* name, std::string fallback = {})
{
    char const* const value = std::getenv(name);
    return value ? value : fallback;
}

int number(char const* name, int fallback)
{
    auto const text = variable(name);
    return text.empty() ? fallback : std::atoi(text.c_str());
}

void pause_ms(int ms)
{
    timespec const time{ms / 1000, (ms % 1000) * 1'000'000L};
    ::nanosleep(&time, nullptr);
}

struct Range {
    std::string id, pfn, lfn, guid;
    int first = 0, last = 0;
};

enum class Reading { good, wrong_format, wrong_values };

/// AthenaMP's parser: no JSON (docs/reference/athenamp.md §4).
Reading read_range(std::string text, bool mtes, Range& range)
{
    text = text.substr(0, text.find('\n'));
    if (text.starts_with("[{")) text.erase(0, 2);
    if (text.ends_with("}]")) text.erase(text.size() - 2);
    std::map<std::string, std::string> values;
    auto const trim = [](std::string piece) {
        while (piece.starts_with(' ')) piece.erase(0, 1);
        while (piece.ends_with(' ')) piece.pop_back();
        if (piece.size() >= 2 && piece.front() == '"' && piece.back() == '"')
            return piece.substr(1, piece.size() - 2);
        if (piece.size() >= 3 && piece.starts_with("u'") && piece.back() == '\'')
            return piece.substr(2, piece.size() - 3);
        return piece;
    };
    for (std::size_t begin = 0; begin <= text.size();) {
        auto const end = std::min(text.find(',', begin), text.size());
        auto const piece = text.substr(begin, end - begin);
        auto const colon = piece.find(':');
        if (colon != std::string::npos) values[trim(piece.substr(0, colon))] = trim(piece.substr(colon + 1));
        begin = end + 1;
    }
    auto const source = mtes ? "PFN" : "GUID";
    for (auto const* key : {"eventRangeID", "startEvent", "lastEvent", source})
        if (!values.contains(key)) return Reading::wrong_format;
    range = {values["eventRangeID"],
             values["PFN"],
             values["LFN"],
             values["GUID"],
             std::atoi(values["startEvent"].c_str()),
             std::atoi(values["lastEvent"].c_str())};
    bool const good =
        !range.id.empty() && !values[source].empty() && range.last >= range.first && range.first > 0;
    return good ? Reading::good : Reading::wrong_values;
}

std::string text_in_quotes(std::string const& word, std::string_view key)
{
    auto at = word.rfind(key);
    if (at == std::string::npos) return {};
    auto const open = word.find('"', at);
    if (open == std::string::npos) return {};
    auto const close = word.find('"', open + 1);
    return close == std::string::npos ? std::string{} : word.substr(open + 1, close - open - 1);
}

struct Setup {
    std::string channel;
    std::string output = "mock.pool.root";
    std::string mode = variable("MOCK_MODE", "scatterer");
    std::string dialect = variable("MOCK_DIALECT", "new");
    std::string top;
    int workers = 1;
    int outputs = number("MOCK_OUTPUTS", 1);
    int range_ms = number("MOCK_RANGE_MS", 0);
    int finalise_ms = number("MOCK_FINALISE_MS", 0);
    bool mtes() const { return dialect == "mtes"; }
    bool late() const { return dialect == "old"; }
    bool whole_end_word() const { return dialect == "old" || dialect == "mtes"; }
} setup;

/// True once for each kind and event, in whichever process asks first.
bool goes_wrong(std::string const& kind, int event)
{
    auto const wanted = kind + ":" + std::to_string(event);
    if ((";" + variable("MOCK_TROUBLE") + ";").find(";" + wanted + ";") == std::string::npos) return false;
    auto const mark = variable("MOCK_MARKS", ".") + "/" + kind + "_" + std::to_string(event);
    int const fd = ::open(mark.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0) return false;
    ::close(fd);
    return true;
}

struct Trouble {
    char const* kind;
    char const* message;  ///< {} is the range's id
};
/// Told by the worker that has the range.
constexpr Trouble range_errors[] = {
    {"not_found", "ERR_ATHENAMP_PROCESS {}: Not found in the input file"},
    {"seek", "ERR_ATHENAMP_PROCESS {}: Seek failed"},
    {"no_file", "ERR_ATHENAMP_PROCESS {}: Failed to make output file"},
    {"no_input", "ERR_ATHENAMP_PROCESS {}: Failed to set input file"},
    {"te_range", "ERR_TE_RANGE {}: Range contains wrong positional number 5001"},
};
/// Told by the scatterer before a worker has the range.
constexpr Trouble fatal_errors[] = {
    {"te_fatal", "ERR_TE_FATAL {}: CURL curl_easy_perform() failed! Couldn't resolve host name"},
    {"te_url", "ERR_TE_FATAL {}: URL Error 404 Not Found"},
    {"te_guid", "ERR_TE_FATAL {}: URL Error 500 Invalid GUID length"},
    {"te_tokens", "ERR_TE_FATAL {}: URL No tokens for GUID BEA4C016"},
    {"te_other", "ERR_TE_FATAL {}: it cannot go on"},
    {"fatal", "ERR_ATHENAMP_FATAL {}: it cannot go on"},
};
constexpr Trouble parse_errors[] = {
    {"parse", "Wrong format"},
    {"parse_values", "Wrong values of range fields"},
    {"parse_selector", "Unable to dyn-cast the event selector to IProperty"},
    {"parse_input", "Unable to set input file name property to the Event Selector"},
};

template <std::size_t n>
Trouble const* find_trouble(Trouble const (&list)[n], int event)
{
    for (auto const& trouble : list)
        if (goes_wrong(trouble.kind, event)) return &trouble;
    return nullptr;
}

std::string about(Trouble const& trouble, std::string const& range_id)
{
    std::string text = trouble.message;
    return text.replace(text.find("{}"), 2, range_id);
}

// ---- The connection to the Droid

class Connection {
  public:
    Connection()
    {
        context_ = zmq_ctx_new();
        socket_ = zmq_socket(context_, ZMQ_DEALER);
        int const never = 0;
        zmq_setsockopt(socket_, ZMQ_HANDSHAKE_IVL, &never, sizeof never);
        zmq_connect(socket_, ("ipc:///tmp/zmq_" + setup.channel).c_str());
    }
    ~Connection()
    {
        zmq_close(socket_);
        zmq_ctx_term(context_);  // Infinite linger, as yampl has it.
    }
    Connection(Connection const&) = delete;
    Connection& operator=(Connection const&) = delete;

    void say(std::string const& text)
    {
        record('>', text);
        zmq_send(socket_, text.data(), text.size(), 0);
    }
    std::string hear()
    {
        zmq_msg_t message;
        zmq_msg_init(&message);
        while (zmq_msg_recv(&message, socket_, 0) < 0) {
        }
        std::string const text(static_cast<char const*>(zmq_msg_data(&message)), zmq_msg_size(&message));
        zmq_msg_close(&message);
        record('<', text);
        return text;
    }
    /// Asks until it has a range that it can read; false at the end word.
    bool ask(Range& range)
    {
        for (;;) {
            say("Ready for events");
            auto const text = hear();
            bool const end = setup.whole_end_word() ? text == "No more events"
                                                    : text.find("No more events") != std::string::npos;
            if (end) return false;
            auto const reading = read_range(text, setup.mtes(), range);
            auto const* trouble = reading == Reading::good           ? find_trouble(parse_errors, range.first)
                                  : reading == Reading::wrong_format ? &parse_errors[0]
                                                                     : &parse_errors[1];
            if (!trouble) return true;
            auto inner = text;
            if (inner.starts_with("[{")) inner.erase(0, 2);
            if (inner.ends_with("}]")) inner.erase(inner.size() - 2);
            say("ERR_ATHENAMP_PARSE \"" + inner + "\": " + trouble->message);
        }
    }

  private:
    static void record(char direction, std::string const& text)
    {
        auto const path = variable("MOCK_RECORD");
        if (path.empty()) return;
        std::ofstream(path, std::ios::app | std::ios::binary)
            << direction << ' ' << text.size() << ' ' << text << '\n';
    }
    void* context_ = nullptr;
    void* socket_ = nullptr;
};

// ---- A worker

using Say = std::function<void(std::string const&)>;

void write_output(std::string const& path, Range const& range, int file)
{
    std::ofstream out(path, std::ios::binary);
    auto const name = range.pfn.empty() ? range.guid : range.pfn.substr(range.pfn.rfind('/') + 1);
    for (int event = range.first; event <= range.last; ++event)
        out << name << " event " << event << " file " << file << " value "
            << (static_cast<unsigned>(event) * 2654435761u % 1000003u) << "\n";
}

/// The message that tells a range's outputs.
std::string work(Range const& range, Say const& say, bool& told)
{
    char folder[4096];
    std::string const here = ::getcwd(folder, sizeof folder) ? folder : ".";
    std::string paths;
    told = true;
    if (auto const* const trouble = find_trouble(range_errors, range.first)) {
        say(about(*trouble, range.id));
        return {};
    }
    if (goes_wrong("huge_error", range.first)) {
        say("ERR_ATHENAMP_PROCESS " + range.id + ": Ready for events, " + std::string(100'000, 'x'));
        return {};
    }
    bool const missing = goes_wrong("missing", range.first), empty = goes_wrong("empty", range.first);
    bool const outside = goes_wrong("outside", range.first);
    if (outside) paths = "/etc/hostname,";
    for (int file = 0; file < (outside ? 0 : setup.outputs); ++file) {
        auto const base = setup.output + (file > 0 ? "." + std::to_string(file) : "") + "_000." + range.id;
        if (empty) std::ofstream(here + "/" + base);
        if (!empty && !missing) write_output(here + "/" + base, range, file);
        paths += here + "/" + base + ",";
    }
    if (goes_wrong("crash", range.first)) ::raise(SIGKILL);
    if (goes_wrong("hang", range.first))
        for (;;) ::pause();
    if (goes_wrong("exit", range.first)) {
        ::kill(number("MOCK_MASTER", 0), SIGUSR1);
        for (;;) ::pause();
    }
    pause_ms(setup.range_ms);
    told = !goes_wrong("no_output", range.first);
    auto const used = setup.mtes() ? std::string("CPU:N/A,WALL:N/A") : std::string("CPU:1,WALL:2");
    bool const bare = setup.dialect == "bare" || setup.dialect == "old";
    return paths + (bare ? "" : "ID:") + range.id + "," + used;
}

/// One worker's life: `next` gets a range or says that there is none.
void live_as_worker(int index, std::function<bool(Range&)> const& next, Say const& say)
{
    // AthenaMT's threads have no folders.
    auto const folder =
        variable("MOCK_FLAT").empty() ? setup.top + "/worker_" + std::to_string(index) : setup.top;
    ::mkdir(folder.c_str(), 0755);
    if (::chdir(folder.c_str()) != 0) ::_exit(1);
    std::string late;
    Range range;
    while (next(range)) {
        if (!late.empty()) say(late);
        late.clear();
        bool told = true;
        auto const text = work(range, say, told);
        if (text.empty() || !told) continue;
        if (setup.late())
            late = text;
        else
            say(text);
    }
    // Finalisations come one after another.
    int const lock = ::open((setup.top + "/finalise.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0644);
    while (::flock(lock, LOCK_EX) != 0) {
    }
    pause_ms(setup.finalise_ms);
    if (!late.empty()) say(late);
}

// ---- Scatterer and workers

struct Pair {
    int scatterer = -1;
    int worker = -1;
};

std::string receive(int socket)
{
    std::array<char, 70000> buffer;
    ssize_t const n = ::recv(socket, buffer.data(), buffer.size(), 0);
    return n > 0 ? std::string(buffer.data(), static_cast<std::size_t>(n)) : std::string{};
}

void send_text(int socket, std::string const& text)
{
    [[maybe_unused]] ssize_t const n = ::send(socket, text.data(), text.size(), MSG_NOSIGNAL);
}

void live_as_scattered_worker(int index, int socket)
{
    auto const say = [&](std::string const& text) { send_text(socket, text); };
    auto const next = [&](Range& range) {
        say(std::to_string(::getpid()) + " ready for event processing");
        auto const text = receive(socket);
        if (text.size() <= 1) return false;  // One byte is the end.
        std::array<std::string, 5> part;
        std::size_t begin = 0;
        for (auto& piece : part) {
            auto const end = std::min(text.find('\t', begin), text.size());
            piece = text.substr(begin, end - begin);
            begin = std::min(end + 1, text.size());
        }
        range = {part[0], part[1], {}, part[2], std::atoi(part[3].c_str()), std::atoi(part[4].c_str())};
        return true;
    };
    live_as_worker(index, next, say);
}

/// One connection for all. `deaths`: numbers of workers that the master has reaped.
int live_as_scatterer(std::vector<Pair> const& pairs, int deaths)
{
    Connection droid;
    std::map<int, Range> busy;  // by worker
    std::deque<int> ready;
    bool ended = false;
    std::vector<pollfd> polled;
    for (auto const& pair : pairs) polled.push_back({pair.scatterer, POLLIN, 0});
    polled.push_back({deaths, POLLIN, 0});
    auto const forward = [&](int worker, std::string const& text) {
        if (text.find(" ready for event processing") != std::string::npos) {
            busy.erase(worker);
            ready.push_back(worker);
        } else {
            droid.say(text);
        }
    };
    for (;;) {
        ::poll(polled.data(), polled.size(), 1000);
        for (std::size_t i = 0; i + 1 < polled.size(); ++i)
            if (polled[i].revents & POLLIN) forward(static_cast<int>(i), receive(polled[i].fd));
        if (polled.back().revents & (POLLIN | POLLHUP)) {
            int death[2];
            if (::read(deaths, death, sizeof death) != sizeof death) return 0;  // All workers have ended.
            for (std::string text; ::poll(&polled[static_cast<std::size_t>(death[0])], 1, 0) > 0;)
                forward(death[0], receive(polled[static_cast<std::size_t>(death[0])].fd));
            if (death[1] != 0 && busy.contains(death[0]))
                droid.say("ERR_ATHENAMP_PROCESS " + busy[death[0]].id + ": Failed to process event range");
            busy.erase(death[0]);
        }
        while (!ready.empty()) {
            int const worker = ready.front();
            ready.pop_front();
            Range range;
            if (!ended && !droid.ask(range)) ended = true;
            auto const socket = pairs[static_cast<std::size_t>(worker)].scatterer;
            if (ended) {
                send_text(socket, "x");
                continue;
            }
            if (auto const* const trouble = find_trouble(fatal_errors, range.first)) {
                droid.say(about(*trouble, range.id));
                if (trouble == fatal_errors) return 1;
                for (;;) ::pause();  // It does not stop by itself.
            }
            busy[worker] = range;
            send_text(socket, range.id + "\t" + range.pfn + "\t" + range.guid + "\t" +
                                  std::to_string(range.first) + "\t" + std::to_string(range.last));
        }
    }
}

volatile sig_atomic_t told_to_die = 0;

int live_as_master()
{
    struct sigaction action {};
    action.sa_handler = [](int) { told_to_die = 1; };
    ::sigaction(SIGUSR1, &action, nullptr);
    ::setenv("MOCK_MASTER", std::to_string(::getpid()).c_str(), 1);
    bool const simple = setup.mode == "simple";
    std::vector<Pair> pairs(static_cast<std::size_t>(setup.workers + (simple ? 0 : spare_workers)));
    for (auto& pair : pairs) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0) return 1;
        pair = {ends[0], ends[1]};
    }
    int deaths[2];
    if (::pipe(deaths) != 0) return 1;
    pid_t scatterer = -1;
    if (!simple) {
        scatterer = ::fork();
        if (scatterer == 0) {
            ::close(deaths[1]);
            ::mkdir((setup.top + "/range_scatterer").c_str(), 0755);
            ::_exit(live_as_scatterer(pairs, deaths[0]));
        }
    }
    std::map<pid_t, int> workers;
    int next = 0;
    auto const add_worker = [&] {
        int const index = next++;
        pid_t const pid = ::fork();
        if (pid == 0) {
            ::signal(SIGUSR1, SIG_DFL);
            ::close(deaths[1]);
            if (simple) {
                Connection droid;
                live_as_worker(
                    index, [&](Range& range) { return droid.ask(range); },
                    [&](std::string const& text) { droid.say(text); });
            } else {
                live_as_scattered_worker(index, pairs[static_cast<std::size_t>(index)].worker);
            }
            ::exit(0);
        }
        workers[pid] = index;
    };
    for (int i = 0; i < setup.workers; ++i) add_worker();
    bool ended = false;
    while (!workers.empty()) {
        int status = 0;
        pid_t const pid = ::wait(&status);
        if (told_to_die) return 65;
        if (pid < 0) continue;
        if (pid == scatterer) {
            for (auto const& [worker, index] : workers) ::kill(worker, SIGKILL);
            return 1;
        }
        if (!workers.contains(pid)) continue;
        bool const crashed = status != 0;
        ended |= !crashed;
        int const death[2] = {workers[pid], crashed ? 1 : 0};
        if (!simple && ::write(deaths[1], death, sizeof death) != sizeof death) return 1;
        workers.erase(pid);
        if (crashed && !ended && next < static_cast<int>(pairs.size())) add_worker();
    }
    ::close(deaths[1]);
    int status = 0;
    if (!simple) ::waitpid(scatterer, &status, 0);
    std::ofstream("jobReport.json") << "{\"exitCode\": 0, \"exitAcronym\": \"OK\"}\n";
    return 0;
}

}  // namespace

int main(int argc, char** argv)
{
    for (int i = 1; i < argc; ++i) {
        std::string const word = argv[i];
        for (auto const* key : {"EventRangeChannel", "--mtes-channel"})
            if (auto const name = text_in_quotes(word, key); !name.empty()) setup.channel = name;
        auto const equals = word.find('=');
        if (word.starts_with("--output") && equals != std::string::npos)
            setup.output = word.substr(equals + 1);
        std::printf("argument %d: %s\n", i, word.c_str());
    }
    if (setup.channel.empty())
        setup.channel = variable("PILOT_EVENTRANGECHANNEL", "EventService_EventRanges");
    setup.workers = number("ATHENA_PROC_NUMBER", number("ATHENA_CORE_NUMBER", 1));
    std::printf("channel %s, %d workers\n", setup.channel.c_str(), setup.workers);
    std::fflush(stdout);
    char folder[4096];
    if (::getcwd(folder, sizeof folder)) setup.top = std::string(folder) + "/athenaMP-workers-mock-sim";
    ::mkdir(setup.top.c_str(), 0755);
    pause_ms(number("MOCK_START_MS", 0));
    if (variable("MOCK_FAIL_START") == "1") return 3;
    return live_as_master();
}
