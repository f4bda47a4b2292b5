# SPDX-License-Identifier: Apache-2.0 OR MIT
"""The payload kit for Python: makes a program a payload of Yoda. Standard library only; copy it where you need it.

The program initialises once; then the kit forks workers from it, so that all of them share its memory
(copy-on-write), and feeds each of them one event range at a time:

    import sys, yoda_payload

    kit = yoda_payload.Kit()
    table = kit.initialise(read_table, sys.argv[1])        # once, before the fork

    def work(range, output):
        with open(output.file("result.txt"), "w") as file:
            file.write(result_of(table, range.pfn, range.first, range.last))

    sys.exit(kit.run(work))

The dialogue with the Droid is in docs/payloads.md. The program must have no second thread when it calls run().
"""

import ctypes
import gc
import json
import os
import re
import select
import signal
import socket
import stat
import sys
import time

DONE = 0
SOME_FAILED = 1  # standalone only: at least one range failed
USAGE = 2  # not started by a Droid, or YODA_CONTROL_FD or YODA_STANDALONE is wrong
INIT_FAILED = 3  # the Droid was told ERR_PAYLOAD_INIT
DROID_GONE = 4  # the other end of a socket was closed
BAD_DIALOGUE = 5  # the other end sent what no Droid sends
WORKER_FAILED = 6  # a worker's folder, start or end callback failed

_MAX_PACKET_BYTES = 16384
_MAX_LINE_BYTES = 1 << 20
_MAX_ERROR_CHARS = 2000
_PR_SET_PDEATHSIG = 1
_ASK = b"Ready for events\n"


class Fatal(Exception):
    """Raise it when the range can never work, wherever and how often it is tried (it lies beyond the end of the
    file). Any other exception fails this try only."""


class Range:
    """Which events to work on: `first` to `last`, counted from 1, both included. `scope` and `pfn` may be empty."""

    __slots__ = ("id", "first", "last", "guid", "lfn", "scope", "pfn")

    def __init__(self, id="", first=0, last=0, guid="", lfn="", scope="", pfn=""):
        self.id, self.first, self.last = id, first, last
        self.guid, self.lfn, self.scope, self.pfn = guid, lfn, scope, pfn


def out_lfn(name=""):
    """The LFN of the job's output, under which, with the eventRangeID behind it, a range's file is stored: of
    `output.NAME` in payload.cfg, or of the job's only output. Empty: the job has no such output, or there is no Droid."""
    return os.environ.get("YODA_OUT_LFN" + ("_" + name if name else ""), "")


class Output:
    """Names the files that a range produced. None at all is fine for payloads that declare `output = none`."""

    def __init__(self, folder):
        self._folder = folder
        self._id = ""
        self.paths = []

    def file(self, stem):
        """Registers `<worker folder>/<stem>.<eventRangeID>` and returns it; the caller writes it before it returns.
        The kit removes it when the range fails. Where payload.cfg has `output.NAME`, NAME is the stem of that output.
        Raises Fatal when the stem holds a comma or a control character."""
        if "/" in self._id:
            raise Fatal("eventRangeID '%s' holds a '/' and cannot be part of a file name" % self._id)
        self.add("%s.%s" % (stem, self._id))
        return self.paths[-1]

    def add(self, path):
        """Registers a file with a name of the caller's choice; a relative path starts at the worker's folder. Raises as
        file()."""
        path = os.fspath(path)
        if not path:
            raise Fatal("an output file has an empty name")
        full = os.path.join(self._folder, path)
        if _is_unspeakable(full):
            # The folder's name is this worker's, and another one's may be fine.
            own = path[len(self._folder) :] if path.startswith(self._folder + "/") else path
            raise (Fatal if _is_unspeakable(own) else ValueError)(
                "output file %r cannot be reported: its path holds a comma or a control character" % full
            )
        self.paths.append(full)

    def _start(self, id):
        self._id = id
        self.paths = []

    def _remove_files(self):
        for path in self.paths:
            try:
                mode = os.lstat(path).st_mode
                if stat.S_ISREG(mode) or stat.S_ISLNK(mode):  # A device or FIFO that the payload named stays.
                    os.unlink(path)
            except OSError:
                pass


class Kit:
    """Takes over the control socket. Without a Droid and without YODA_STANDALONE it ends the process and says how to
    run it, before any time goes into initialisation."""

    def __init__(self):
        self._control = None
        self._standalone = None
        self._at_start = self._at_end = None
        self._workers = set()
        control_fd = os.environ.pop("YODA_CONTROL_FD", None)  # Programs that the payload starts are no payloads.
        standalone = os.environ.get("YODA_STANDALONE")
        if control_fd is not None:
            self._control = _open_control(control_fd)
        elif standalone is not None:
            self._standalone = _read_standalone(standalone)
        else:
            _refuse_to_start("this program is a payload, which yoda's Droid starts (YODA_CONTROL_FD is not set)")

    def initialise(self, function, *arguments, **keywords):
        """Returns what `function` returns; an exception ends the payload with ERR_PAYLOAD_INIT and its text."""
        try:
            return function(*arguments, **keywords)
        except Exception as error:
            self.fail_initialisation(_describe(error))

    def fail_initialisation(self, text):
        """Tells the Droid that initialisation failed and ends the process."""
        message = "ERR_PAYLOAD_INIT " + _one_line(text)
        _complain(message)
        if self._control:
            _send_packet(self._control, message)
        sys.exit(INIT_FAILED)

    def at_worker_start(self, callback):
        """`callback(number, folder)` runs in every worker before its first range."""
        self._at_start = callback
        return self

    def at_worker_end(self, callback):
        """`callback(number, folder)` runs in every worker after its last range (not when it is killed)."""
        self._at_end = callback
        return self

    def run(self, work):
        """Serves until the Droid wants no more workers; returns the exit code. Workers end inside, never return."""
        if self._standalone:
            folder = os.getcwd()
            return self._run_as_worker(0, folder, lambda: _run_standalone(self._standalone, folder, work))
        return self._serve(work)

    def _serve(self, work):
        # A signal's arrival makes the pipe readable, so that one poll() waits for messages and for dead workers.
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        old_handler = signal.signal(signal.SIGCHLD, lambda *_: None)
        old_wake = signal.set_wakeup_fd(wake_write)

        def restore():
            signal.set_wakeup_fd(old_wake)
            signal.signal(signal.SIGCHLD, old_handler if old_handler is not None else signal.SIG_DFL)
            os.close(wake_read)
            os.close(wake_write)

        try:
            return self._serve_messages(work, wake_read, restore)
        finally:
            restore()

    def _serve_messages(self, work, wake, restore):
        if hasattr(gc, "freeze"):
            gc.collect()
            gc.freeze()  # Or the collector would touch, and so copy, what the workers share.
        if not _send_packet(self._control, "Ready for workers"):
            return DROID_GONE
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake, select.POLLIN)
        more_workers = True
        while more_workers or self._workers:
            ready = {fd for fd, _ in poll.poll()}
            if wake in ready:
                _drain(wake)
                self._reap(os.WNOHANG)
            if self._control.fileno() not in ready:
                continue
            text, worker_socket = _receive_packet(self._control)
            if not text:
                if not more_workers and not self._workers:
                    break
                _complain("the Droid is gone")
                self._kill_workers()
                return DROID_GONE
            if text == "No more workers":
                more_workers = False
            else:
                self._start_worker(text, worker_socket, work, restore)
        return DONE

    def _start_worker(self, text, worker_socket, work, restore):
        match = re.match(r"Worker (-?\d+) (/.*)\Z", text, re.DOTALL)
        if not match or worker_socket is None:
            _complain(
                "cannot use the Droid's message '%s'%s"
                % (text[:200], "" if worker_socket else " without a socket")
            )
            if worker_socket:
                worker_socket.close()
            return
        number, folder = int(match.group(1)), match.group(2)
        sys.stdout.flush()  # Or the worker would write the parent's buffered text once more.
        sys.stderr.flush()
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            _complain("cannot fork worker %d: %s" % (number, error))
            pid = -1
        if pid != 0:
            worker_socket.close()
            if pid > 0:
                self._workers.add(pid)
            return

        exit_code = WORKER_FAILED
        try:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # It died before the line above.
                os._exit(DROID_GONE)
            restore()
            self._control.close()
            self._workers.clear()
            exit_code = self._live_as_worker(number, folder, worker_socket, work)
        except BaseException as error:
            _complain("worker %d failed: %s" % (number, _describe(error)))
        finally:
            try:
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(exit_code)  # Not sys.exit(): the parent's clean-up is not the worker's to run.

    def _live_as_worker(self, number, folder, worker_socket, work):
        try:
            worker_socket.sendall(b"%d\n" % os.getpid())
        except OSError:
            return DROID_GONE
        try:
            os.chdir(folder)
        except OSError as error:
            _complain("cannot enter worker folder: %s" % error)
            return WORKER_FAILED
        return self._run_as_worker(number, folder, lambda: _work_through(worker_socket, work, Output(folder)))

    def _run_as_worker(self, number, folder, serve_ranges):
        try:
            if self._at_start:
                self._at_start(number, folder)
            outcome = serve_ranges()
            if self._at_end and outcome in (DONE, SOME_FAILED):
                self._at_end(number, folder)
            return outcome
        except Exception as error:
            _complain("worker %d failed at its start or end: %s" % (number, _describe(error)))
            return WORKER_FAILED

    def _reap(self, options):
        for pid in list(self._workers):
            try:
                ended, status = os.waitpid(pid, options)
            except ChildProcessError:
                ended, status = pid, 0
            if ended == 0:
                continue
            self._workers.discard(pid)
            if os.WIFSIGNALED(status):
                _complain("worker process %d was ended by signal %d" % (pid, os.WTERMSIG(status)))

    def _kill_workers(self):
        for pid in self._workers:
            os.kill(pid, signal.SIGKILL)
        self._reap(0)


def _work_through(worker_socket, work, output):
    """A worker's side of the dialogue: one receive and one send a range."""
    reply = _ASK
    received = b""
    while True:
        try:
            worker_socket.sendall(reply)
            while b"\n" not in received:
                more = worker_socket.recv(65536)
                if not more:
                    return DROID_GONE
                received += more
                if len(received) > _MAX_LINE_BYTES:
                    _complain("the Droid sent more than %d bytes on one line" % _MAX_LINE_BYTES)
                    return BAD_DIALOGUE
        except OSError:
            return DROID_GONE
        line, _, received = received.partition(b"\n")
        if line == b"No more events":
            return DONE
        try:
            range = _read_range(line)
        except ValueError as error:
            reply = "ERR_PAYLOAD_RANGE %s: cannot read the range's text: %s" % (_find_id(line), _one_line(error))
        else:
            reply = _run_range(work, range, output)[1]
        sys.stdout.flush()  # So that the log is complete when a later range kills the worker.
        reply = reply.encode("utf-8", "surrogateescape") + b"\n" + _ASK


def _run_range(work, range, output):
    """Returns whether it worked, and the line for the Droid without its end."""
    cpu_s = time.process_time()
    wall_s = time.monotonic()
    try:
        output._start(range.id)
        work(range, output)
        paths = "".join([path + "," for path in output.paths])
        cpu_s = time.process_time() - cpu_s
        wall_s = time.monotonic() - wall_s
        return True, "%sID:%s,CPU:%.6f,WALL:%.6f" % (paths, range.id, cpu_s, wall_s)
    except Fatal as error:
        kind, text = "ERR_PAYLOAD_FATAL", str(error)
    except Exception as error:
        kind, text = "ERR_PAYLOAD_RANGE", _describe(error)
    output._remove_files()
    return False, "%s %s: %s" % (kind, _one_line(range.id), _one_line(text))


def _read_range(line):
    ranges = json.loads(line.decode("utf-8", "surrogateescape"))
    if not isinstance(ranges, list) or len(ranges) != 1 or not isinstance(ranges[0], dict):
        raise ValueError("it is no list of exactly one object")
    get = ranges[0].get
    texts = [get("eventRangeID"), get("GUID", ""), get("LFN", ""), get("scope", ""), get("PFN", "")]
    if not texts[0]:
        raise ValueError("eventRangeID is missing")
    for text in texts:
        if not isinstance(text, str):
            raise ValueError("%r is no text" % (text,))
    try:
        first, last = int(get("startEvent")), int(get("lastEvent"))
    except TypeError:
        raise ValueError("startEvent or lastEvent is missing")
    if first < 1 or last < first:
        raise ValueError("startEvent %d and lastEvent %d are no range (positions count from 1)" % (first, last))
    return Range(texts[0], first, last, texts[1], texts[2], texts[3], texts[4])


def _find_id(line):
    match = re.search(rb'"eventRangeID"\s*:\s*"([^"\\]*)"', line)
    return _one_line(match.group(1).decode("utf-8", "surrogateescape")) if match else ""


def _run_standalone(request, folder, work):
    pfn, first, last, step = request
    exit_code = DONE
    output = Output(folder)
    for start in range(first, last + 1, step):
        stop = min(start + step - 1, last)
        name = os.path.basename(pfn)
        events = Range("standalone-%d-%d" % (start, stop), start, stop, "standalone", name, "", pfn)
        fine, line = _run_range(work, events, output)
        print(line, flush=True)
        if not fine:
            exit_code = SOME_FAILED
    return exit_code


def _read_standalone(text):
    match = re.match(r"(.*):([1-9]\d*)-([1-9]\d*)(?::([1-9]\d*))?\Z", text, re.DOTALL)
    first, last = (int(match.group(2)), int(match.group(3))) if match else (1, 0)
    if last < first:
        _refuse_to_start("cannot read YODA_STANDALONE=" + text)
    pfn = os.path.abspath(match.group(1)) if match.group(1) else ""
    return pfn, first, last, int(match.group(4) or last - first + 1)


def _open_control(text):
    try:
        control = socket.socket(fileno=int(text))
        if control.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) != socket.SOCK_SEQPACKET:
            raise ValueError
        control.set_inheritable(False)
        return control
    except (OSError, ValueError):
        _refuse_to_start("YODA_CONTROL_FD=%s is no SOCK_SEQPACKET socket" % text)


def _receive_packet(control):
    """The text, empty at the end of the socket, and the socket that came with it, or None."""
    fd_size = 4
    try:
        data, ancillary, _, _ = control.recvmsg(
            _MAX_PACKET_BYTES, socket.CMSG_SPACE(8 * fd_size), getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        )
    except OSError:
        return "", None
    fds = []
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            whole = len(content) - len(content) % fd_size
            fds += [int.from_bytes(content[i : i + fd_size], sys.byteorder) for i in range(0, whole, fd_size)]
    for fd in fds[:-1]:
        os.close(fd)  # One is agreed on; the last one counts.
    return os.fsdecode(data), _as_socket(fds[-1]) if fds else None


def _as_socket(fd):
    try:
        return socket.socket(fileno=fd)
    except OSError:  # Some other descriptor.
        os.close(fd)
        return None


def _send_packet(control, text):
    try:
        control.send(text.encode("utf-8", "surrogateescape"))
        return True
    except OSError:
        return False


def _drain(fd):
    try:
        while os.read(fd, 4096):
            pass
    except BlockingIOError:
        pass


def _is_unspeakable(path):
    return "," in path or min(path) < " "


def _describe(error):
    return "%s: %s" % (type(error).__name__, error) if str(error) else type(error).__name__


def _one_line(text):
    text = re.sub(r"[\x00-\x1f\x85\u2028\u2029]", " ", str(text))
    return text if len(text) <= _MAX_ERROR_CHARS else text[:_MAX_ERROR_CHARS] + "..."


def _complain(text):
    print("yoda_payload: " + text, file=sys.stderr, flush=True)


def _refuse_to_start(why):
    _complain(why)
    _complain("to try it alone: YODA_STANDALONE=FILE:FIRST-LAST[:EVENTS_PER_RANGE] PROGRAM [ARGUMENTS]")
    sys.exit(USAGE)
