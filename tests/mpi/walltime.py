#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A walltime too short for the run: nothing is started that cannot finish, what workers have finished is counted, exit code
3 before the end, and the next job goes on. The same with a signal. Long form: a minute of 2 s ranges, and a signal with 5 s
of notice; prints which share of the workers' time is finished work."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w

# Notes the end of each range before it is told: what stands there and is not counted has been lost.
PAYLOAD = """#!/usr/bin/python3
import os, sys, time, yoda_payload
kit = yoda_payload.Kit()
def work(todo, output):
    time.sleep(%f)
    with open(output.file("out"), "w") as file:
        file.write("%%s %%d\\n" %% (todo.lfn, todo.first))
    done = os.open(%r, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(done, b"%%d\\n" %% todo.first)
    os.close(done)
sys.exit(kit.run(work))
"""


class Job:
    def __init__(self, world, name, range_s, events, notice_s):
        self.world = world
        self.range_s = range_s
        self.total = events
        self.done = world.path(name + ".done")
        script = world.path(name + ".py")
        with open(script, "w") as file:
            file.write(PAYLOAD % (range_s, self.done))
        os.chmod(script, 0o755)
        payload = world.write_payload(name, channel="worker", output="opaque", executable=script)
        self.run = world.new_run(name, [world.write_lhe(name + ".lhe", events)], payload, events_per_range=1, settings=[
            "payload.workers=2", "disk.free_at_start=1 MB", "disk.free_running=1 MB", "walltime.notice=%d s" % notice_s])

    def worked(self):
        """Ranges that workers have finished, in all lives."""
        try:
            with open(self.done) as file:
                return len(file.readlines())
        except OSError:
            return 0

    def check(self, before):
        """An early end: exit code 3, all bundles sealed, nothing that a worker has finished is lost."""
        status = self.world.status(self.run)
        assert status["exit_code"] == 3, status
        ranges = status["ranges"]
        assert before < ranges["finished"] < self.total and ranges["sent"] == 0, ranges
        assert ranges["finished"] == self.worked(), "workers finished %d ranges, %d count" % (self.worked(), ranges["finished"])
        left = [name for name in os.listdir(os.path.join(self.run, "bundles")) if name.endswith(".part")]
        assert not left, "bundles were left open: %s" % left
        return status

    def walltime(self, seconds):
        begin = time.monotonic()
        code = self.world.run_to_end(self.run, ranks=2, words=["--walltime", "%d s" % seconds])
        took_s = time.monotonic() - begin
        assert code == 3, code
        status = self.check(0)
        assert "allocation" in status["why_stopped"], status["why_stopped"]
        finished = status["ranges"]["finished"]
        print("walltime %d s, ranges of %g s: ended after %.1f s with %d ranges, %.1f %% of the workers' walltime is finished work" %
              (seconds, self.range_s, took_s, finished, 100 * finished * self.range_s / 2 / seconds))

    def signal(self, after_s):
        before = self.worked()
        job = self.world.start(self.run, ranks=2)
        end = time.monotonic() + 60
        while self.worked() < before + after_s / self.range_s and time.monotonic() < end:
            time.sleep(0.05)
        begin = time.monotonic()
        os.kill(self.world.ranks()[0], signal.SIGUSR1)
        assert self.world.wait(job) == 3
        status = self.check(before)
        assert "SIGUSR1" in status["why_stopped"], status["why_stopped"]
        print("signal: ended after %.1f s, %d ranges finished, none lost" %
              (time.monotonic() - begin, status["ranges"]["finished"] - before))


def test(world, long):
    short = Job(world, "short", 0.035, 1600, 2)
    short.walltime(12)
    short.signal(2)
    world.resume_until_done(short.run, ranks=2)
    assert world.status(short.run)["ranges"]["finished"] == 1600
    if not long:
        return
    minute = Job(world, "minute", 2, 500, 5)
    minute.walltime(60)
    minute.signal(8)


w.main(test)
