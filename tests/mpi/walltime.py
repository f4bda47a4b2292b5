#!/usr/bin/python3
"""A walltime too short for the run: nothing is started that cannot finish, what has finished is not lost, exit code 3
before the end, and the next job goes on. The same with a signal."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w


def test(world, long):
    source = world.write_lhe("in.lhe", 8000)
    payload = world.write_payload("slow_lines", channel="worker", output="opaque",
                                  executable=os.path.join(w.SOURCE, "tests/support/slow_lines.py"))
    settings = ["payload.workers=2", "disk.free_at_start=1 MB", "disk.free_running=1 MB"]
    run = world.new_run("run", [source], payload, settings=settings)
    walltime_s = 12
    begin = time.monotonic()
    code = world.run_to_end(run, ranks=2, words=["--walltime", "%d s" % walltime_s])
    took_s = time.monotonic() - begin
    status = world.status(run)
    assert code == 3, (code, status)
    assert status["exit_code"] == 3 and "allocation" in status["why_stopped"], status["why_stopped"]
    assert 0 < status["ranges"]["finished"] < 1600, status["ranges"]
    assert status["ranges"]["sent"] == 0
    sealed = [name for name in os.listdir(os.path.join(run, "bundles")) if name.endswith(".part")]
    assert not sealed, "bundles were left open: %s" % sealed
    first = status["ranges"]["finished"]
    print("walltime %d s: ended after %.1f s with %d ranges, workers %.1f %% busy" %
          (walltime_s, took_s, first, 100 * status["utilisation"]))

    job = world.start(run, ranks=2, words=["--set", "walltime.notice=2 s"])
    time.sleep(3)
    ranks = world.ranks()
    os.kill(ranks[0], signal.SIGUSR1)
    assert world.wait(job) == 3
    status = world.status(run)
    assert "SIGUSR1" in status["why_stopped"], status["why_stopped"]
    assert status["ranges"]["finished"] > first, "what had finished was lost"
    world.resume_until_done(run, ranks=2)
    assert world.status(run)["ranges"]["finished"] == 1600


w.main(test)
