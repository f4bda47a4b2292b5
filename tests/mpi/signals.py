#!/usr/bin/python3
"""Who asks twice to end is not kept waiting, and who asks once gets its ranges ended; a run whose folder was removed ends; a
reader that goes away and a terminal that closes cost nothing. In one process and under mpirun."""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w

RANGES = 12
WORKERS = 2
SETTINGS = ["disk.free_at_start=1 MB", "disk.free_running=1 MB", "payload.workers=%d" % WORKERS, "status.interval=1 s"]
MPI = ("--oversubscribe", "--bind-to", "none", "--enable-recovery")


def eventually(job, condition, what, limit_s=60):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end and job.poll() is None, what
        time.sleep(0.02)


class Case:
    """A run whose ranges end as soon as its gate is open."""

    def __init__(self, world, name):
        self.world = world
        self.gate = world.path(name + ".gate")
        script = "while [ ! -e $0 ]; do sleep 0.02; done; echo done > $1"
        payload = world.write_payload(name, channel="command", executable="/bin/sh",
                                      argument=["-c", script, self.gate, "{output}"])
        self.run = world.new_run(name, [world.path("in.lhe")], payload, settings=SETTINGS)
        self.job = None

    def start(self, **more):
        self.job = self.world.start(self.run, mpi=MPI, **more)
        eventually(self.job, lambda: self.busy() >= WORKERS, "its workers are at work")
        return self.job

    def busy(self):
        return sum(self.gate in command for command, _, _ in self.world.processes().values())

    def open(self):
        with open(self.gate, "w"):
            pass

    def signals(self):
        """How many rank 0 has heard of."""
        try:
            with open(os.path.join(self.run, "logs", "yoda.log")) as file:
                return file.read().count(" signal signal=")
        except OSError:
            return 0

    def say(self, pid, *numbers):
        for number in numbers:
            before = self.signals()
            os.kill(pid, number)
            eventually(self.job, lambda: self.signals() > before, "signal %d is heard" % number)

    def insist(self, pid, number):
        """The same word until it has gone; returns how long that took."""
        begin = time.monotonic()
        while self.job.poll() is None:
            assert time.monotonic() < begin + 30, "it does not end"
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass
            time.sleep(0.05)
        return time.monotonic() - begin

    def check(self, exit_code, finished=None, why=""):
        status = self.world.status(self.run)
        assert status["exit_code"] == exit_code, status
        assert finished is None or status["ranges"]["finished"] == finished, status["ranges"]
        assert why in status.get("why_stopped", ""), status
        left = self.world.wait_for_no_process()
        assert not left, left

    def resume(self, ranks):
        self.open()
        self.world.resume_until_done(self.run, ranks=ranks, mpi=MPI)
        self.check(0, RANGES)


def test(world, long):
    world.write_lhe("in.lhe", 5 * RANGES)

    for number in (signal.SIGINT, signal.SIGTERM):
        twice = Case(world, "twice_%d" % number)
        took_s = twice.insist(twice.start(ranks=0).pid, number)
        assert twice.job.returncode == 3, twice.job.returncode
        assert took_s >= 2, "what is said at once is said once"
        assert twice.signals() > 2, twice.signals()
        twice.check(3, 0, signal.Signals(number).name)
        twice.resume(0)
        print("%s again and again: gone after %.2f s" % (signal.Signals(number).name, took_s))

    twice = Case(world, "twice_mpi")
    twice.start(ranks=3)
    took_s = twice.insist(world.ranks()[0], signal.SIGTERM)
    twice.check(3, 0, "SIGTERM")
    twice.resume(3)
    print("SIGTERM again and again to rank 0 of 3: all gone after %.2f s" % took_s)

    # Launchers and batch systems deliver the first one twice: ranges may end all the same.
    for ranks in (0, 2):
        once = Case(world, "once_%d" % ranks)
        job = once.start(ranks=ranks)
        pid = world.ranks()[0] if ranks else job.pid
        once.say(pid, signal.SIGTERM, signal.SIGTERM)
        once.open()
        code = world.wait(job)
        assert ranks or code == 3, code
        once.check(3, WORKERS, "SIGTERM")

    # A terminal that closes. Under some launchers every rank hears of it.
    for ranks in (0, 2):
        closed = Case(world, "closed_%d" % ranks)
        job = closed.start(ranks=ranks)
        if ranks:
            os.kill(world.ranks()[1], signal.SIGHUP)
        closed.say(world.ranks()[0] if ranks else job.pid, signal.SIGHUP)
        closed.open()
        code = world.wait(job)
        assert ranks or code == 3, code
        closed.check(3, WORKERS, "SIGHUP")

    # With nohup it is not meant for us.
    nohup = Case(world, "nohup")
    with open(world.path("job.log"), "a") as log:
        nohup.job = subprocess.Popen(["nohup", os.path.join(world.bin, "yoda"), nohup.run], env=world.environment,
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    world.jobs.append(nohup.job)
    eventually(nohup.job, lambda: nohup.busy() >= WORKERS, "its workers are at work")
    os.kill(nohup.job.pid, signal.SIGHUP)
    nohup.open()
    assert world.wait(nohup.job) == 0
    nohup.check(0, RANGES)
    assert nohup.signals() == 0

    # Nobody reads the progress any more.
    unread = Case(world, "unread")
    reader, writer = os.pipe()
    unread.job = subprocess.Popen([os.path.join(world.bin, "yoda"), unread.run], env=world.environment,
                                  stdin=subprocess.DEVNULL, stdout=writer, stderr=writer)
    world.jobs.append(unread.job)
    os.close(writer)
    os.close(reader)
    unread.open()
    assert world.wait(unread.job) == 0
    unread.check(0, RANGES)

    # The folder is removed under them: they look twice.
    removed = [(Case(world, "removed_%d" % ranks), ranks) for ranks in (0, 3)]
    for case, ranks in removed:
        case.start(ranks=ranks, log=world.path("removed_%d.log" % ranks))
    for case, _ in removed:
        while os.path.exists(case.run):
            shutil.rmtree(case.run, ignore_errors=True)
    for case, ranks in removed:
        code = world.wait(case.job, 60)
        assert ranks or code == 4, code
        with open(world.path("removed_%d.log" % ranks)) as file:
            told = file.read()
        assert "error: the folder %s is gone" % case.run in told, told
        assert not os.path.exists(case.run), os.listdir(case.run)
    left = world.wait_for_no_process()
    assert not left, left
    scratch = [name for name in os.listdir(world.path("tmp")) if name.startswith("yoda_")]
    assert not scratch, scratch


w.main(test)
