#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Input files go to the nodes' disks from node to node (work.stage_inputs): each Droid has a host name and a scratch
folder of its own (namespaces), and where it can, only the first one sees the shared folder with the inputs. One node
reads, the others get everything by messages; a second Droid of a node takes the copy that is there; a node that dies
in the middle of the tree costs nobody else a byte of the shared filesystem; nothing is left on any node."""
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w
import skipping  # noqa: E402 (world.py has found it)

DROIDS = 7  # The last two are on one node.
RANGES = 60
PAYLOAD = """#!/usr/bin/env python3
import hashlib, os, sys, time
import yoda_payload
kit = yoda_payload.Kit()
def work(todo, output):
    time.sleep(0.05)
    with open(todo.pfn, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.md5(b"%d" % size)
        for part in (0, size * todo.first // 1000, max(0, size - 5000)):
            file.seek(part)
            digest.update(file.read(5000))
    with open(output.file("digest.txt"), "w") as file:
        file.write("%s %d %s\\n" % (todo.lfn, todo.first, digest.hexdigest()))
    with open(os.environ["PLACES"] + "/" + todo.id, "w") as file:
        file.write(todo.pfn)
sys.exit(kit.run(work))
"""
# A node: its host name, its scratch disk, and perhaps no sight of the inputs.
NODE = """#!/bin/bash
rank=$OMPI_COMM_WORLD_RANK
echo $$ >"%(pids)s/$rank"
node=n$rank
[ "$rank" = %(last)d ] && node=n$((rank - 1))
exec unshare --uts --mount --propagation private bash -ec '
  hostname "$1"
  mkdir -p "%(disks)s/$1"
  mount --bind "%(disks)s/$1" "%(scratch)s"
  if [ -e "%(hidden)s" ] && [ "$2" -gt 1 ]; then mount -t tmpfs tmpfs "%(inputs)s"; fi
  shift 2
  exec "$@"' _ "$node" "$rank" "$@"
"""


class Nodes:
    def __init__(self, world, megabytes):
        self.world = world
        for name in ("scratch", "disks", "inputs", "places", "pids"):
            os.mkdir(world.path(name))
        self.node = world.path("node.sh")
        with open(self.node, "w") as file:
            file.write(NODE % {"last": DROIDS, "pids": world.path("pids"), "disks": world.path("disks"), "scratch": world.path("scratch"),
                               "hidden": world.path("hidden"), "inputs": world.path("inputs")})
        os.chmod(self.node, 0o755)
        program = world.path("slices.py")
        with open(program, "w") as file:
            file.write(PAYLOAD)
        os.chmod(program, 0o755)
        self.inputs = []
        filler = "# %s\n" % ("x" * 997)
        for number in range(2):
            path = world.path("inputs", "in%d.lhe" % number)
            with open(path, "w") as file:
                file.write('<LesHouchesEvents version="1.0">\n<init>\n</init>\n')
                for event in range(RANGES // 2):
                    file.write("<event>\n%d\n" % event + filler * (megabytes * 1000 // RANGES) + "</event>\n")
                file.write("</LesHouchesEvents>\n")
            self.inputs.append(path)
        self.payload = world.write_payload("slices", channel="worker", output="opaque", executable=program,
                                           environment="PLACES=" + world.path("places"))
        self.bytes = sum(os.path.getsize(path) for path in self.inputs)

    def run(self, name, stage):
        return self.world.new_run(name, self.inputs, self.payload, 1, [
            "payload.workers=1", "disk.free_at_start=1 MB", "disk.free_running=1 MB", "droid.heartbeat=0.5 s",
            "droid.silence=8 s", "yoda.silence=60 s", "status.interval=0.2 s", "work.folder=" + self.world.path("scratch"),
            "work.stage_inputs=" + stage])

    def start(self, run):
        output = open(self.world.path("job.log"), "a")
        job = subprocess.Popen(["mpirun", "-n", str(DROIDS + 1), "--oversubscribe", "--bind-to", "none",
                                "--enable-recovery", self.node, os.path.join(self.world.bin, "yoda"), run],
                               env=self.world.environment, stdin=subprocess.DEVNULL, stdout=output,
                               stderr=subprocess.STDOUT, start_new_session=True)
        self.world.jobs.append(job)
        return job

    def kill(self, rank):
        """At once: what it does takes a fraction of a second."""
        with open(self.world.path("pids", str(rank))) as file:
            os.kill(int(file.read()), signal.SIGKILL)

    def kill_in_the_middle(self, name, rank):
        """A run whose node `rank` dies with a third of its copy or more, and not all of it; (run, job). On a busy machine the
        copy may be quicker than the look at it: then once more."""
        for attempt in range(8):
            run = self.run("%s%d" % (name, attempt), "yes")
            job = self.start(run)
            wait_until("half a copy on node %d" % rank, lambda: self.on_disk(rank) > self.bytes // 3, job)
            self.kill(rank)
            if self.on_disk(rank) < self.bytes:
                return run, job
            self.world.wait(job, limit_s=400)
            shutil.rmtree(self.world.path("disks", "n%d" % rank))
        raise AssertionError("always too late")

    def on_disk(self, rank):
        """Bytes of inputs on a node's disk."""
        found = 0
        for folder, _, names in os.walk(self.world.path("disks", "n%d" % rank)):
            if "yoda_staged_" in folder:
                for name in names:
                    try:
                        found += os.path.getsize(os.path.join(folder, name))
                    except OSError:
                        pass
        return found

    def check(self, run, expected):
        status = self.world.status(run)
        assert status["exit_code"] == 0 and status["ranges"]["finished"] == RANGES, status
        assert self.world.merge(run, os.path.basename(run) + ".tar") == expected, "merged output differs"
        for name in os.listdir(self.world.path("places")):
            with open(self.world.path("places", name)) as file:
                place = file.read()
            assert place.startswith(self.world.path("scratch") + "/yoda_staged_"), "range %s read %s" % (name, place)
            os.unlink(self.world.path("places", name))
        return status["inputs_staged"]

    def expect_clean(self, dead=()):
        for node in sorted(os.listdir(self.world.path("disks"))):
            if node not in dead:
                assert not os.listdir(self.world.path("disks", node)), node


def wait_until(what, condition, job, limit_s=60):
    end = time.monotonic() + limit_s
    while not condition():
        assert job.poll() is None and time.monotonic() < end, what
        time.sleep(0.002)


def test(world, long):
    if os.geteuid() != 0 or subprocess.run(["unshare", "--uts", "--mount", "true"], stderr=subprocess.DEVNULL).returncode:
        skipping.skip("nodes of their own need root and namespaces")
    nodes = Nodes(world, 400 if long else 40)
    reference = nodes.run("reference", "no")
    world.resume_until_done(reference, ranks=0)
    expected = world.merge(reference, "reference.tar")
    assert "inputs_staged" not in world.status(reference)

    # Only the root of the tree sees the inputs at all.
    open(world.path("hidden"), "w").close()
    run = nodes.run("staged", "yes")
    begun = time.monotonic()
    world.wait(nodes.start(run), limit_s=400)
    took_s = time.monotonic() - begun
    staged = nodes.check(run, expected)
    assert staged == {"droids": DROIDS, "failed": 0, "shared_bytes": nodes.bytes,
                      "passed_bytes": nodes.bytes * (DROIDS - 2)}, staged
    nodes.expect_clean()
    print("%d MB to %d nodes in a run of %.1f s: read from the shared filesystem %.2f bytes a node for each byte of input"
          % (nodes.bytes // 1000000, DROIDS - 1, took_s, staged["shared_bytes"] / nodes.bytes / (DROIDS - 1)))

    # A node of the tree dies with half of it; its children go on where they are, at the root.
    run, job = nodes.kill_in_the_middle("killed", 2)
    world.wait(job, limit_s=400)
    staged = nodes.check(run, expected)
    assert staged["shared_bytes"] == nodes.bytes and staged["failed"] == 0, staged
    assert staged["passed_bytes"] < nodes.bytes * (DROIDS - 3) * 1.01, "what was there was sent again: %s" % staged
    nodes.expect_clean(dead=("n2",))

    # The root dies: its children read the shared filesystem from where they are. What the dead left is removed.
    os.unlink(world.path("hidden"))
    run, job = nodes.kill_in_the_middle("root", 1)
    world.wait(job, limit_s=400)
    staged = nodes.check(run, expected)
    assert staged["failed"] == 0 and staged["shared_bytes"] < 2 * nodes.bytes, staged
    nodes.expect_clean(dead=("n1",))
    print("root killed: its children read %d of %d bytes" % (staged["shared_bytes"], nodes.bytes))

    # Without mpirun: one Droid, which copies for itself.
    run = nodes.run("alone", "yes")
    world.resume_until_done(run, ranks=0)
    staged = nodes.check(run, expected)
    assert staged["shared_bytes"] == nodes.bytes and staged["droids"] == 1, staged


w.main(test)
