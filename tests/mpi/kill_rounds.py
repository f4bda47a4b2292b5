#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random moments of a worker, a payload's group, a Droid, rank 0, the whole job; the same command again
until the run is complete. Every range's output is there once, the merged output is that of an undisturbed run, no
process stays behind, no try is burnt by a lost node."""
import os
import random
import signal
import sys
import tarfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk_reader
import world as w

VICTIMS = ["worker", "payload group", "droid", "rank 0", "whole job"]


def kill(world, job, victim, rng):
    """Kills what is there of the kind; false if nothing is (yet, or any more)."""
    def end(pid, group=False):
        try:
            (os.killpg if group else os.kill)(pid, signal.SIGKILL)
            return True
        except ProcessLookupError:
            return False

    if victim == "whole job":
        return end(job.pid)
    if victim == "worker":
        workers = world.workers()
        return bool(workers) and end(rng.choice(workers))
    if victim == "payload group":
        parents = world.payload_parents()
        return bool(parents) and end(rng.choice(parents), group=True)
    ranks = world.ranks()
    chosen = [rank for rank in ranks if (rank == 0) == (victim == "rank 0")]
    return bool(chosen) and end(ranks[rng.choice(chosen)])


def burnt(run):
    import h5py
    with h5py.File(os.path.join(run, "events.h5"), "r") as file:
        return int(file["ranges/tries_burnt"][:].sum())


def test(world, long):
    rounds = 200 if long else 26
    seed = int(os.environ.get("YODA_SEED", "20260101"))
    rng = random.Random(seed)
    source = world.write_lhe("in.lhe", 1000)
    payload = world.write_payload("slow_lines", channel="worker", output="opaque",
                                  executable=os.path.join(w.SOURCE, "tests/support/slow_lines.py"))
    settings = ["payload.workers=2", "range.tries=15", "disk.free_at_start=1 MB", "disk.free_running=1 MB"]
    reference = world.new_run("reference", [source], payload, settings=settings)
    world.resume_until_done(reference, ranks=0)
    expected = world.merge(reference, "reference.tar")

    done_rounds, number = 0, 0
    counts = dict.fromkeys(VICTIMS, 0)
    while done_rounds < rounds:
        number += 1
        run = world.new_run("run%d" % number, [source], payload, settings=settings)
        worker_kills = 0
        assert world.status(run)["ranges"]["ready"] == disk_reader.count_states(run)["ready"] == 200
        for _ in range(40):
            victim = VICTIMS[done_rounds % len(VICTIMS)]
            job = world.start(run)
            deadline = time.monotonic() + rng.uniform(0.4, 2.5)
            while time.monotonic() < deadline and job.poll() is None:
                time.sleep(0.01)
            if job.poll() is None and done_rounds < rounds and kill(world, job, victim, rng):
                done_rounds += 1
                counts[victim] += 1
                worker_kills += victim in ("worker", "payload group")
            code = world.wait(job)
            left = world.wait_for_no_process()
            assert not left, "left behind after %s: %s" % (victim, left)
            status = world.status(run)
            # What status says is right to the range: an independent reader of table and journal finds the same.
            told = {state: count for state, count in status["ranges"].items() if state != "total"}
            told["ready"] += told.pop("sent")
            found = disk_reader.count_states(run)
            found["ready"] += found.pop("sent")
            assert told == found and sum(told.values()) == 200, (told, found)
            if code == 0:
                break
        assert code == 0, "run %d did not complete (exit code %d)" % (number, code)
        assert world.status(run)["ranges"]["finished"] == 200
        members = world.bundle_members(run)
        assert len(members) == 200 and set(members.values()) == {1}, "outputs are not there once each"
        contents = disk_reader.check_bundles(run)
        assert world.merge(run, "run%d.tar" % number) == expected, "merged output differs"
        with tarfile.open(world.path("run%d.tar" % number)) as tar:
            merged = {member.name: tar.extractfile(member).read() for member in tar}
        assert merged == contents, "the merged tar is not what lies in the bundles"
        assert burnt(run) <= worker_kills, "a lost node has burnt a try"
    print("seed %d: %d kills (%s) over %d runs" %
          (seed, done_rounds, ", ".join("%s %d" % entry for entry in counts.items()), number))


w.main(test)
