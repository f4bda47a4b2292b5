// SPDX-License-Identifier: Apache-2.0 OR MIT
// The payload kit: makes a program a payload of Yoda. The program initialises once; then
// the kit forks workers from it, so that all of them share its memory (copy-on-write), and
// feeds each of them one event range at a time:
//
//     int main(int argc, char** argv)
//     {
//         yoda::payload::Kit kit;
//         auto const table = kit.initialise([&] { return read_table(argv[1]); });  // once, before the fork
//         return kit.run([&](yoda::payload::Range const& range, yoda::payload::Output& output) {
//             write_result(output.file("result.txt"), table, range.pfn, range.first, range.last);
//         });
//     }
//
// The kit needs only the C++ and POSIX libraries. docs/payloads.md describes the dialogue with the Droid. The
// program must not have a second thread when it calls run(), since fork() copies only the calling thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yoda::payload {

/// Which events to work on. Positions count from 1, and both ends are included.
struct Range {
    std::string id;  ///< eventRangeID, never empty
    std::int64_t first = 0;
    std::int64_t last = 0;
    std::string guid;
    std::string lfn;
    std::string scope;  ///< empty when not told
    std::string pfn;    ///< path of the input file; empty when the payload must know it by itself
};

/// Throw it when the range can never work, wherever and how often it is tried (it lies beyond the end of the
/// file). Any other exception fails this try only.
class Fatal : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The LFN of the job's output, under which, with the eventRangeID behind it, a range's file
/// is stored: of `output.NAME` in payload.cfg, or of the job's only output. Empty: the job
/// has no such output, or there is no Droid.
std::string out_lfn(std::string_view name = {});

/// Names the files that a range produced. None at all is fine for payloads that declare `output = none`.
class Output {
  public:
    explicit Output(std::string folder);

    /// Registers `<worker folder>/<stem>.<eventRangeID>` and returns it; the caller writes it before it
    /// returns. The kit removes it when the range fails. Where payload.cfg has `output.NAME`, NAME is the
    /// stem of that output. Throws Fatal when the id cannot be part of a file name, or when the stem holds a
    /// comma or a control character.
    std::string file(std::string_view stem);

    /// Registers a file with a name of the caller's choice; a relative path starts at the worker's folder.
    /// Throws as file().
    void add(std::string_view path);

    std::vector<std::string> const& paths() const { return paths_; }
    void start(std::string const& id);  ///< for the kit: a new range, no files yet
    void remove_files() const;          ///< for the kit: the range failed

  private:
    std::string folder_;
    std::string id_;
    std::vector<std::string> paths_;
};

/// A worker as its start and end callbacks see it.
struct Worker {
    int number = 0;      ///< as the Droid counts; a replacement has a new number or that of the dead one
    std::string folder;  ///< absolute; also the working directory
};

/// What main() returns, so that a log tells how a payload ended.
enum ExitCode : int {
    kDone = 0,
    kSomeFailed = 1,   ///< standalone only: at least one range failed
    kUsage = 2,        ///< not started by a Droid, or YODA_CONTROL_FD or YODA_STANDALONE is wrong
    kInitFailed = 3,   ///< the Droid was told ERR_PAYLOAD_INIT
    kDroidGone = 4,    ///< the other end of a socket was closed
    kBadDialogue = 5,  ///< the other end sent what no Droid sends
    kWorkerFailed = 6  ///< a worker's folder, start or end callback failed
};

struct StandaloneRequest;

class Kit {
  public:
    using Work = std::function<void(Range const&, Output&)>;
    using WorkerCallback = std::function<void(Worker const&)>;

    /// Takes over the control socket. Reads the environment only: YODA_CONTROL_FD, YODA_STANDALONE. Without
    /// either, ends the process (kUsage) and says how to run it, before any time goes into initialisation.
    Kit();
    ~Kit();
    Kit(Kit const&) = delete;
    Kit& operator=(Kit const&) = delete;

    /// Runs `function` and returns what it returns; an exception ends the
    /// payload with ERR_PAYLOAD_INIT and its text.
    template <class Function>
    auto initialise(Function&& function) -> decltype(function())
    {
        try {
            return std::forward<Function>(function)();
        } catch (std::exception const& error) {
            fail_initialisation(error.what());
        } catch (...) {
            fail_initialisation("an exception that is no std::exception");
        }
    }

    /// Tells the Droid that initialisation failed and ends the process.
    [[noreturn]] void fail_initialisation(std::string_view text);

    /// Runs in every worker before its first range and after its last one (not when it is killed).
    Kit& at_worker_start(WorkerCallback callback);
    Kit& at_worker_end(WorkerCallback callback);

    /// Serves until the Droid wants no more workers. Returns main()'s exit
    /// code; workers end inside and never return.
    int run(Work const& work);

  private:
    struct Message;
    class ChildSignals;
    int serve(Work const& work);
    void start_worker(Message& message, ChildSignals& child_signals, Work const& work);
    int run_as_worker(Worker const& worker, std::function<int()> const& serve_ranges) const;
    void reap(bool wait);
    void kill_workers();

    int control_ = -1;
    std::unique_ptr<StandaloneRequest> standalone_;
    std::vector<pid_t> workers_;
    WorkerCallback worker_start_;
    WorkerCallback worker_end_;
};

}  // namespace yoda::payload
