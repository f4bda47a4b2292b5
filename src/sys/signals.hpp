// Signals as something to poll for. The handler writes the signal's number into a pipe and does nothing else.
//
// A pipe and not signalfd, which needs the signals blocked in every thread: MPI libraries start threads, and
// a blocked signal would be inherited by whatever we execute.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "core/result.hpp"
#include "sys/files.hpp"

namespace yoda {

struct CaughtSignal {
    int number = 0;
    pid_t sender = 0;  ///< 0: the kernel
};

/// "SIGTERM" and so on.
std::string print_signal(int number);

/// Catches these signals until its end, then puts back what was before. One at a time in a process.
class SignalWatch {
  public:
    static Result<SignalWatch> start(std::initializer_list<int> signals);
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
