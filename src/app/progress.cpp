#include "app/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

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
        std::fputs(("\r\033[K" + draw_bar(status) + print_progress(status)).c_str(), stdout);
    else
        std::fputs((print_progress(status) + "\n").c_str(), stdout);
    std::fflush(stdout);
}

void Progress::finish(nlohmann::ordered_json const& status)
{
    if (quiet_) return;
    if (terminal_) std::fputs("\r\033[K", stdout);
    std::fputs((print_progress(status) + "\n").c_str(), stdout);
    std::fflush(stdout);
}

}  // namespace yoda
