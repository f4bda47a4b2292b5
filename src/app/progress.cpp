#include "app/progress.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "yoda/status_report.hpp"

namespace yoda {

namespace {

constexpr Duration terminal_interval = Duration::from_ms(500);
constexpr Duration line_interval = Duration::from_s(30);
constexpr int bar_width = 30;

std::string draw_bar(nlohmann::ordered_json const& status)
{
    auto const& ranges = status["ranges"];
    double const total = std::max(1.0, ranges["total"].get<double>());
    double const ended = total - ranges["ready"].get<double>() - ranges["sent"].get<double>();
    auto const full = static_cast<std::size_t>(bar_width * ended / total);
    return "[" + std::string(full, '#') + std::string(bar_width - full, '.') + "] ";
}

}  // namespace

Progress::Progress(bool quiet) : quiet_(quiet), terminal_(::isatty(STDOUT_FILENO) == 1) {}

void Progress::show(TimePoint now, nlohmann::ordered_json const& status)
{
    next_ = now + (terminal_ ? terminal_interval : line_interval);
    if (terminal_)
        print("\r\033[K" + draw_bar(status) + print_progress(status));
    else
        print(print_progress(status) + "\n");
}

void Progress::finish(nlohmann::ordered_json const& status)
{
    if (quiet_) return;
    print((terminal_ ? "\r\033[K" : "") + print_progress(status) + "\n");
}

/// A terminal that was stopped (^S) takes nothing, and this is rank 0's loop.
void Progress::print(std::string const& text)
{
    pollfd room{STDOUT_FILENO, POLLOUT, 0};
    if (::poll(&room, 1, 0) == 0) return;
    bool const done = std::fputs(text.c_str(), stdout) >= 0 && std::fflush(stdout) == 0;
    if (!done && errno != EAGAIN && errno != EINTR) quiet_ = true;
}

}  // namespace yoda
