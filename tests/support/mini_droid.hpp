// SPDX-License-Identifier: Apache-2.0
// The Droid's side of the worker protocol (docs/payloads.md), as small as it can be: starts a
// payload, passes worker sockets, feeds ranges, collects what workers say, kills workers. For tests
// of payloads and of the payload kit. Waits end after a minute with an exception, so that a broken
// payload fails its test instead of hanging it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yoda::test {

/// A file descriptor with one owner.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor() { reset(); }
    int get() const { return fd_; }
    void reset();

  private:
    int fd_ = -1;
};

/// Makes a folder and removes it with all that is in it.
class TempFolder {
  public:
    TempFolder();
    ~TempFolder();
    TempFolder(TempFolder const&) = delete;
    TempFolder& operator=(TempFolder const&) = delete;
    std::string const& path() const { return path_; }
    /// Writes a file into it and returns its path.
    std::string write(std::string const& name, std::string_view content) const;

  private:
    std::string path_;
};

std::string read_file(std::string const& path);

/// "[{"eventRangeID": id, ...}]" as the Droid writes it.
std::string range_text(std::string const& id, std::int64_t first, std::int64_t last,
                       std::string const& pfn = {});

/// One worker as the Droid sees it.
class WorkerPeer {
  public:
    WorkerPeer(Descriptor socket, std::string folder) : socket_(std::move(socket)), folder_(std::move(folder))
    {}

    /// The next line without its end; nothing at the end of the stream.
    std::optional<std::string> line();
    void send(std::string_view text);
    void close() { socket_.reset(); }
    int socket() const { return socket_.get(); }
    std::string const& folder() const { return folder_; }

    /// Reads the first two lines: the pid and the first request.
    pid_t meet();
    /// Sends a range and returns what the worker says about it, the next request included in the reading.
    std::string work(std::string_view range);
    /// Sends the end word and reads to the end of the stream.
    void dismiss();

  private:
    Descriptor socket_;
    std::string folder_;
    std::string buffer_;
};

class MiniDroid {
  public:
    /// Starts the payload in a folder of its own, its stdout and stderr in files there.
    explicit MiniDroid(std::vector<std::string> command, std::map<std::string, std::string> environment = {});
    ~MiniDroid();
    MiniDroid(MiniDroid const&) = delete;
    MiniDroid& operator=(MiniDroid const&) = delete;

    /// The next packet of the control socket; nothing at its end.
    std::optional<std::string> hear();
    void tell(std::string_view text);
    /// Makes worker_<number> and its socket, and passes one end to the payload.
    WorkerPeer add_worker(int number);
    /// The same with a folder of the caller's choice, which need not exist.
    WorkerPeer add_worker_in(int number, std::string const& worker_folder);
    /// Sends a raw control message together with the descriptors.
    void tell_with(std::string_view text, std::vector<int> const& fds);
    void hang_up() { control_.reset(); }

    /// Waits for the payload's end: its exit code, or minus the signal that ended it.
    int wait();
    pid_t pid() const { return pid_; }
    std::string const& folder() const { return folder_.path(); }
    std::string standard_output() const { return read_file(folder() + "/stdout"); }
    std::string standard_error() const { return read_file(folder() + "/stderr"); }

  private:
    TempFolder folder_;
    Descriptor control_;
    pid_t pid_ = -1;
};

/// Feeds the ranges to all workers until each is answered, then dismisses the workers. Returns the answers in
/// the order of the ranges. Workers must have been met.
std::vector<std::string> work_through(std::vector<WorkerPeer>& workers,
                                      std::vector<std::string> const& ranges);

/// True once no process has this id, or only a zombie that its parent has still to wait for.
bool is_gone(pid_t pid);

/// Looks at the condition until it holds (true) or a minute is over (false).
bool wait_until(std::function<bool()> const& condition);

/// Runs a program to its end. Output and errors together.
struct Finished {
    int exit_code = -1;
    std::string text;
};
Finished run_program(std::vector<std::string> const& command,
                     std::map<std::string, std::string> const& environment = {},
                     std::string const& folder = "/");

}  // namespace yoda::test
