// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "payload/worker_loop.hpp"

#include <sched.h>
#include <sys/socket.h>
#include <time.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <iostream>

#include "payload/range_text.hpp"

namespace yoda::payload {
namespace {

constexpr std::size_t kMaxLineBytes = 1 << 20;
constexpr std::size_t kMaxErrorBytes = 2000;
constexpr std::string_view kAsk = "Ready for events\n";
constexpr std::int64_t kShortRange_ns = 200'000;
constexpr std::int64_t kLinger_ns = 50'000;
constexpr std::string_view kEndWord = "No more events";

std::int64_t read_clock_ns(clockid_t clock)
{
    timespec now{};
    clock_gettime(clock, &now);
    return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

/// "12.345678"; by hand, since printf follows the payload's locale.
void append_seconds(std::string& to, std::int64_t ns)
{
    char text[24];
    auto const us = ns > 0 ? ns / 1000 : 0;
    to.append(text, std::to_chars(text, text + sizeof text, us / 1'000'000).ptr);
    to += '.';
    char* const end = std::to_chars(text, text + sizeof text, 1'000'000 + us % 1'000'000).ptr;
    to.append(text + 1, end);
}

void append_error(std::string& to, std::string_view kind, std::string const& id, std::string_view text)
{
    to.append(kind).append(" ");
    append_one_line(to, id);
    to.append(": ");
    append_one_line(to, text);
}

/// The next line, without its end, out of what the socket gives; the buffer keeps what came after it.
class LineReader {
  public:
    enum class Outcome { line, end, too_long };

    explicit LineReader(int socket) : socket_(socket), buffer_(4096, '\0') {}

    Outcome next(std::string_view& line, bool hurry)
    {
        for (;;) {
            auto const* start = buffer_.data() + start_;
            if (auto const* stop = static_cast<char const*>(std::memchr(start, '\n', size_ - start_))) {
                line = {start, static_cast<std::size_t>(stop - start)};
                start_ += line.size() + 1;
                return Outcome::line;
            }
            make_room();
            if (buffer_.size() > kMaxLineBytes) return Outcome::too_long;
            auto const count = receive(buffer_.data() + size_, buffer_.size() - size_, hurry);
            if (count == 0 || (count < 0 && errno != EINTR)) return Outcome::end;
            if (count > 0) size_ += static_cast<std::size_t>(count);
        }
    }

  private:
    /// After a short range, asks again and again for a moment before it sleeps: to wake a sleeping process
    /// costs more than such a range does. The yield leaves the core to the Droid if it waits for it.
    ssize_t receive(char* to, std::size_t room, bool hurry)
    {
        if (hurry) {
            auto const end_ns = read_clock_ns(CLOCK_MONOTONIC) + kLinger_ns;
            do {
                auto const count = recv(socket_, to, room, MSG_DONTWAIT);
                if (count >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) return count;
                sched_yield();
            } while (read_clock_ns(CLOCK_MONOTONIC) < end_ns);
        }
        return recv(socket_, to, room, 0);
    }
    void make_room()
    {
        std::memmove(buffer_.data(), buffer_.data() + start_, size_ - start_);
        size_ -= start_;
        start_ = 0;
        if (size_ == buffer_.size()) buffer_.resize(2 * buffer_.size());
    }

    int socket_;
    std::string buffer_;
    std::size_t start_ = 0;
    std::size_t size_ = 0;
};

}  // namespace

Stopwatch::Stopwatch()
    : cpu_start_ns_(read_clock_ns(CLOCK_PROCESS_CPUTIME_ID)), wall_start_ns_(read_clock_ns(CLOCK_MONOTONIC))
{}
std::int64_t Stopwatch::cpu_ns() const
{
    return read_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu_start_ns_;
}
std::int64_t Stopwatch::wall_ns() const
{
    return read_clock_ns(CLOCK_MONOTONIC) - wall_start_ns_;
}

void append_one_line(std::string& to, std::string_view text)
{
    for (char const c : text.substr(0, kMaxErrorBytes)) to += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    if (text.size() > kMaxErrorBytes) to += "...";
}

bool send_all(int socket, std::string_view text)
{
    while (!text.empty()) {
        auto const count = send(socket, text.data(), text.size(), MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

bool run_range(Kit::Work const& work, Range const& range, Output& output, std::string& reply)
{
    auto const start = reply.size();
    auto const fail = [&](std::string_view kind, std::string_view text) {
        reply.resize(start);
        append_error(reply, kind, range.id, text);
        output.remove_files();
        return false;
    };
    try {
        Stopwatch const watch;
        output.start(range.id);
        work(range, output);
        auto const cpu_ns = watch.cpu_ns();
        auto const wall_ns = watch.wall_ns();
        for (auto const& path : output.paths()) reply.append(path).append(",");
        reply.append("ID:").append(range.id).append(",CPU:");
        append_seconds(reply, cpu_ns);
        reply.append(",WALL:");
        append_seconds(reply, wall_ns);
        return true;
    } catch (Fatal const& error) {
        return fail("ERR_PAYLOAD_FATAL", error.what());
    } catch (std::exception const& error) {
        return fail("ERR_PAYLOAD_RANGE", error.what());
    } catch (...) {
        return fail("ERR_PAYLOAD_RANGE", "an exception that is no std::exception");
    }
}

int work_through(int socket, Kit::Work const& work, Output& output)
{
    LineReader reader(socket);
    Range range;
    std::string reply(kAsk);
    bool hurry = false;
    for (;;) {
        if (!send_all(socket, reply)) return kDroidGone;
        std::string_view line;
        auto const outcome = reader.next(line, hurry);
        if (outcome == LineReader::Outcome::end) return kDroidGone;
        if (outcome == LineReader::Outcome::too_long) {
            std::cerr << "yoda_payload: the Droid sent more than " << kMaxLineBytes << " bytes on one line\n";
            return kBadDialogue;
        }
        if (line == kEndWord) return kDone;
        auto const start_ns = read_clock_ns(CLOCK_MONOTONIC);
        reply.clear();
        if (auto const problem = read_range(line, range); problem.empty()) {
            run_range(work, range, output, reply);
        } else {
            append_error(reply, "ERR_PAYLOAD_RANGE", range.id, "cannot read the range's text: " + problem);
        }
        std::fflush(stdout);  // So that the log is complete when a later range kills the worker.
        std::cout.flush();
        reply.append("\n").append(kAsk);
        hurry = read_clock_ns(CLOCK_MONOTONIC) - start_ns < kShortRange_ns;
    }
}

}  // namespace yoda::payload
