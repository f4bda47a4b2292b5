# SPDX-License-Identifier: Apache-2.0
"""What the scripts that run real servers for tests share: processes that die with the script, free ports, and a dialogue.

A script starts its servers in a folder of its own, prints one JSON line {"ready": true, ...} and then obeys one-line
commands on stdin, each answered by one JSON line. End of input ends everything and removes the folder, so servers
never outlive the test that wanted them, however it ends.
"""
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

_libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition, process=None, seconds=60, log=None):
    """Polls the condition; fails loudly when the process is gone or the time is over."""
    end = time.monotonic() + seconds
    while not condition():
        dead = process is not None and process.poll() is not None
        if dead or time.monotonic() > end:
            tail = ""
            if log and os.path.exists(log):
                tail = open(log, errors="replace").read()[-2000:]
            raise RuntimeError("%s: %s\n%s" % (what, "its process ended" if dead else "not ready in time", tail))
        time.sleep(0.02)


def port_answers(port, host="127.0.0.1"):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


class Host:
    """Owns a folder and the processes started in it."""

    def __init__(self, name):
        self.folder = tempfile.mkdtemp(prefix="yoda-test-%s-" % name)
        self.processes = {}
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def start(self, name, command, **options):
        parent = os.getpid()

        def bind_to_parent():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)

        with open(self.path(name + ".out"), "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                       preexec_fn=bind_to_parent, **options)
        self.processes[name] = process
        return process

    def kill(self, name, number=signal.SIGKILL):
        process = self.processes[name]
        if process.poll() is None:
            process.send_signal(number)
            if number in (signal.SIGKILL, signal.SIGTERM):
                process.wait()

    def run(self, command, **options):
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              universal_newlines=True, **options).stdout

    def close(self):
        for name in reversed(list(self.processes)):
            try:
                self.kill(name)
            except OSError:
                pass
        shutil.rmtree(self.folder, ignore_errors=True)


def say(**fields):
    print(json.dumps(fields), flush=True)


def serve(host, bring_up, commands):
    """bring_up() -> fields of the ready line; commands: name -> function(*words) -> dict or None."""
    try:
        say(ready=True, folder=host.folder, **bring_up())
        for line in sys.stdin:
            words = line.split()
            if not words:
                continue
            try:
                say(ok=True, **(commands[words[0]](*words[1:]) or {}))
            except Exception as problem:
                say(ok=False, why="%s: %s" % (type(problem).__name__, problem))
    except Exception as problem:
        detail = getattr(problem, "stdout", None)
        say(ready=False, why="%s: %s %s" % (type(problem).__name__, problem, detail or ""))
    finally:
        host.close()
