#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One job outlives its Droids (mpirun --enable-recovery): 8 Droids, one killed, three more at random, one frozen and
back; the run completes, nothing is counted twice, the merged output is that of an undisturbed run. And with rank 0
killed, all Droids end and reap their payloads within the configured silence."""
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w

SILENCE = ["droid.heartbeat=0.5 s", "droid.silence=5 s", "yoda.silence=5 s"]
RECOVERY = ("--oversubscribe", "--bind-to", "none", "--enable-recovery")


def wait_until(job, condition, limit_s=60):
    end = time.monotonic() + limit_s
    while time.monotonic() < end and job.poll() is None:
        if condition():
            return True
        time.sleep(0.05)
    return False


def finished(world, run):
    try:
        with open(os.path.join(run, "status.json")) as file:
            import json
            return json.load(file)["ranges"]["finished"]
    except (OSError, ValueError):
        return 0


def test(world, long):
    rng = random.Random(int(os.environ.get("YODA_SEED", "1")))
    source = world.write_lhe("in.lhe", 3000)
    payload = world.write_payload("slow_lines", channel="worker", output="opaque",
                                  executable=os.path.join(w.SOURCE, "tests/support/slow_lines.py"))
    settings = ["payload.workers=1", "disk.free_at_start=1 MB", "disk.free_running=1 MB", "status.interval=0.2 s",
                *SILENCE]
    reference = world.new_run("reference", [source], payload, settings=settings)
    world.resume_until_done(reference, ranks=0)
    expected = world.merge(reference, "reference.tar")

    run = world.new_run("run", [source], payload, settings=settings)
    job = world.start(run, ranks=9, mpi=RECOVERY)
    assert wait_until(job, lambda: len(world.ranks()) == 9 and finished(world, run) > 20), "it did not begin"
    ranks = world.ranks()
    victims = rng.sample([rank for rank in ranks if rank > 0], 5)
    os.kill(ranks[victims[0]], signal.SIGKILL)
    frozen = ranks[victims[4]]
    os.kill(frozen, signal.SIGSTOP)
    for victim in victims[1:4]:
        time.sleep(rng.uniform(0, 0.5))
        os.kill(ranks[victim], signal.SIGKILL)
    assert wait_until(job, lambda: any(droid["state"] == "lost" for droid in world.status(run)["droids"])), "none lost"
    os.kill(frozen, signal.SIGCONT)
    # mpirun's exit status says nothing under recovery: the job's result is Yoda's own.
    world.wait(job, 120)
    status = world.status(run)
    assert status["exit_code"] == 0, status
    assert status["ranges"]["finished"] == 600, status["ranges"]
    lost = [droid for droid in status["droids"] if droid["state"] == "lost"]
    assert len(lost) >= 4, status["droids"]
    members = world.bundle_members(run)
    assert len(members) == 600 and set(members.values()) == {1}, "outputs are not there once each"
    assert world.merge(run, "run.tar") == expected, "merged output differs"
    import h5py
    with h5py.File(os.path.join(run, "events.h5"), "r") as file:
        assert file["ranges/tries_burnt"][:].sum() == 0, "a lost node has burnt a try"

    orphaned = world.new_run("orphaned", [source], payload, settings=settings)
    job = world.start(orphaned, ranks=4, mpi=RECOVERY)
    assert wait_until(job, lambda: len(world.ranks()) == 4 and len(world.workers()) > 0), "it did not begin"
    os.kill(world.ranks()[0], signal.SIGKILL)
    begin = time.monotonic()
    left = world.wait_for_no_process(60)
    assert not left, left
    assert time.monotonic() - begin < 5 + 5 + 10, "Droids outlived rank 0 for too long"  # 10 s for a busy machine
    print("rank 0 killed, silence 5 s: no process was left after %.1f s" % (time.monotonic() - begin))
    print("4 of 8 Droids killed, one frozen for a while: %d lost, complete" % len(lost))


w.main(test)
