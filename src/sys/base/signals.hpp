// SPDX-License-Identifier: Apache-2.0
// Signals as something to poll for. The handler writes the signal's number into a pipe.
//
// After a second request to end (INT or TERM) the process ends within a second, even where its
// loop hangs at a dead disk: on the second request the handler itself sets a timer, whose signal
// ends the process. The first request may be delivered twice, since launchers and batch systems
// signal both the process and its group.
//
// We use a pipe, since signalfd needs the signals blocked in every thread: MPI libraries start threads, and
// whatever we execute would inherit a blocked signal.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "sys/base/files.hpp"

namespace yoda {

struct CaughtSignal {
    int number = 0;
    pid_t sender = 0;       ///< 0: the kernel
    bool ends_now = false;  ///< the process ends within a second, whatever becomes of it
};

/// INT and TERM are the same word, said by people and by programs. `first_ns`: when it was first said, 0: not
/// yet. Later repeats than this are meant.
constexpr std::int64_t signal_repeat_ns = 2'000'000'000;
constexpr bool ends_now(std::int64_t first_ns, std::int64_t now_ns)
{
    return first_ns != 0 && now_ns - first_ns > signal_repeat_ns;
}

/// "SIGTERM" and so on.
std::string print_signal(int number);

/// As nohup does it: who set this up does not want us to hear the signal.
bool is_ignored(int number);

/// Catches these signals until its end, then puts back what was before. One at a time in a process.
class SignalWatch {
  public:
    /// `end_code`: of the process, when INT or TERM is said again.
    static Result<SignalWatch> start(std::vector<int> const& signals, int end_code = 1);
    SignalWatch(SignalWatch&&) noexcept = default;
    SignalWatch& operator=(SignalWatch&&) = delete;
    ~SignalWatch();

    /// Readable when a signal has come.
    int fd() const { return pipe_.get(); }
    /// The oldest one not yet taken. Many at once may be told as fewer, but never as none.
    std::optional<CaughtSignal> take();

  private:
    explicit SignalWatch(FileDescriptor pipe) : pipe_(std::move(pipe)) {}
    struct Previous {
        int number;
        struct sigaction action;
    };
    FileDescriptor pipe_;
    std::vector<Previous> previous_;
};

}  // namespace yoda
