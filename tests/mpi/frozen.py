#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Droid whose disk is frozen (fsfreeze of the file system below its bundles: whoever writes there hangs in the kernel):
the others go on and get what it holds, it comes back when the disk does, nothing is counted twice. It may also still be
frozen when the job ends. Long form: a Droid stopped for minutes, with the silences that are the default.

Needs root, loop devices and mount namespaces; skipped where they are not to be had."""
import os
import random
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w
import skipping  # noqa: E402 (world.py has found it)

RANGES = 1200
SILENCE = ["droid.heartbeat=0.5 s", "droid.silence=4 s", "yoda.silence=4 s"]
MPI = ("--oversubscribe", "--bind-to", "none", "--enable-recovery")
# In the last Droid's own namespace its bundles lie on another file system.
OWN_DISK = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'


class Disk:
    """An ext4 of its own in a file, which can be frozen."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "disk")
        self.is_frozen = False
        image = self.folder + ".img"
        os.mkdir(self.folder)
        with open(image, "wb") as file:
            file.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True, capture_output=True)
        subprocess.run(["mount", "-o", "loop", image, self.folder], check=True, capture_output=True)
        subprocess.run(["unshare", "-m", "true"], check=True, capture_output=True)

    def freeze(self):
        subprocess.run(["fsfreeze", "-f", self.folder], check=True)
        self.is_frozen = True

    def thaw(self):
        if self.is_frozen:
            subprocess.run(["fsfreeze", "-u", self.folder], check=True)
        self.is_frozen = False

    def close(self):
        self.thaw()
        subprocess.run(["umount", "-l", self.folder], check=False, capture_output=True)


def eventually(job, condition, what, limit_s=90):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end and job.poll() is None, what
        time.sleep(0.1)


def state(world, run, rank):
    droids = [droid for droid in world.status(run)["droids"] if droid["rank"] == rank]
    return droids[0]["state"] if droids else "absent"


def check(world, run, expected):
    status = world.status(run)
    assert status["exit_code"] == 0, status
    members = world.bundle_members(run)
    assert status["ranges"]["finished"] == RANGES, status["ranges"]
    assert set(members.values()) == {1} and len(members) == RANGES, "outputs are not there once each"
    assert world.merge(run, "run.tar") == expected, "merged output differs"
    import h5py
    with h5py.File(os.path.join(run, "events.h5"), "r") as file:
        assert file["ranges/tries_burnt"][:].sum() == 0, "a frozen Droid has burnt a try"


def frozen_disk(world, make_run, expected, stays_frozen):
    run = make_run("frozen%d" % stays_frozen, SILENCE)
    disk = Disk(world.path("frozen%d" % stays_frozen))
    try:
        own_disk = ("unshare", "-m", "sh", "-c", OWN_DISK, "sh", disk.folder, os.path.join(run, "bundles"))
        job = world.start(run, ranks=4, mpi=MPI, last_through=own_disk)
        eventually(job, lambda: any(name.endswith(".index.part") and os.path.getsize(os.path.join(disk.folder, name)) > 500
                                    for name in os.listdir(disk.folder)), "the last Droid did not begin")
        disk.freeze()
        begin = time.monotonic()

        def show():
            """What a shared file system would show the other nodes: what has been written to its bundles so far."""
            subprocess.run(["cp", "-a", disk.folder + "/.", os.path.join(run, "bundles")], check=True)

        if stays_frozen:
            show()
        eventually(job, lambda: state(world, run, 3) == "lost", "nobody missed the frozen Droid")
        lost_s = time.monotonic() - begin
        if not stays_frozen:
            disk.thaw()
            eventually(job, lambda: state(world, run, 3) == "alive", "it was not taken in again")
        else:
            # mpirun waits for the frozen one; that the job is over stands in its status.
            eventually(job, lambda: "exit_code" in world.status(run), "the job did not end without the frozen Droid")
            assert world.status(run)["exit_code"] == 0
            disk.thaw()
        world.wait(job, 120)
        if not stays_frozen:
            show()
        check(world, run, expected)
        print("frozen disk: the Droid was given up after %.1f s, %s" %
              (lost_s, "and thawed after the end" if stays_frozen else "and came back"))
    finally:
        disk.close()


def stopped(world, make_run, expected, silence, stop_s):
    run = make_run("stopped", silence)
    job = world.start(run, ranks=4, mpi=MPI)
    eventually(job, lambda: len(world.ranks()) == 4 and world.status(run)["ranges"]["finished"] > 10, "it did not begin")
    victim = random.Random(1).choice([1, 2, 3])
    pid = world.ranks()[victim]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(stop_s)
    os.kill(pid, signal.SIGCONT)
    world.wait(job, 300)
    check(world, run, expected)
    print("a Droid stopped for %d s" % stop_s)


def test(world, long):
    source = world.write_lhe("in.lhe", 5 * RANGES)
    payload = world.write_payload("slow_lines", channel="worker", output="opaque",
                                  executable=os.path.join(w.SOURCE, "tests/support/slow_lines.py"))

    def make_run(name, silence, workers=1):
        return world.new_run(name, [source], payload, settings=[
            "payload.workers=%d" % workers, "disk.free_at_start=1 MB", "disk.free_running=1 MB", "status.interval=0.2 s", *silence])

    try:
        Disk(world.folder).close()
        os.remove(world.path("disk.img"))
    except (subprocess.CalledProcessError, OSError) as trouble:
        skipping.skip("no file system can be mounted and frozen here: %s" % trouble)
    reference = make_run("reference", SILENCE, workers=6)
    world.resume_until_done(reference, ranks=0)
    expected = world.merge(reference, "reference.tar")
    frozen_disk(world, make_run, expected, stays_frozen=False)
    if long:
        frozen_disk(world, make_run, expected, stays_frozen=True)
        stopped(world, make_run, expected, [], 200)


w.main(test)
