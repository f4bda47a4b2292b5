#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""harvest submit with the site's container prefix (wrap): the job's ranks and payloads run in an image, by mpirun and by
srun on two nodes. The image is made of Debian's bubblewrap: it has the system's libraries and a folder of its own with our
programs, sees the run and the node's scratch because they are bound, and nothing else of the machine. The payload looks for
itself whether it is inside and whether the site's environment has come along; the merged output is that of a run outside."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b

EVENTS, RANGES = 300, 60
INSIDE = "/opt/image"
SITE = """batch = slurm
nodes_min = 2
nodes_max = 2
walltime_max = 10 min
cores_per_node = 2
exclusive = no
settle = 1 s
scratch = {scratch}
launcher = {launcher}
yoda = {inside}/yoda
wrap = {wrap}
export = FROM_THE_SITE=yes
export = YODA_WATCH_S=1
"""
# Ends before it is ready, and so fails the run, unless all is as the container promises.
LOOK = """#!/bin/bash
fail() { echo "$*" >&2; exit 1; }
[ "$IN_THE_IMAGE" = yes ] || fail "the image's environment is not here"
[ "$FROM_THE_SITE" = yes ] || fail "the site's environment is not here"
[ ! -e "%(outside)s" ] || fail "the machine's own programs are to be seen"
case $PWD in "%(scratch)s"/*) ;; *) fail "work is done in $PWD, not in the scratch folder" ;; esac
exec /usr/bin/python3 %(inside)s/slow_lines.py "$@"
"""


class Image:
    """A folder with what is ours, and the words that make it a container's root."""

    def __init__(self, world):
        self.folder = world.path("image")
        os.mkdir(self.folder)
        for name in ("yoda", "yoda_payload.py"):
            shutil.copy(os.path.join(world.bin, name), self.folder)
        shutil.copy(os.path.join(b.w.SOURCE, "tests/support/slow_lines.py"), self.folder)
        self.outside = os.path.join(world.bin, "yoda")
        self.scratch = world.path("scratch")
        os.mkdir(self.scratch)
        with open(os.path.join(self.folder, "look.sh"), "w") as file:
            file.write(LOOK % {"outside": self.outside, "inside": INSIDE, "scratch": self.scratch})
        os.chmod(os.path.join(self.folder, "look.sh"), 0o755)
        words = ["bwrap", "--ro-bind", "/usr", "/usr", "--ro-bind", "/etc", "/etc"]
        for name in ("bin", "lib", "lib64", "sbin"):
            words += ["--symlink", "usr/" + name, "/" + name]
        words += ["--dev-bind", "/dev", "/dev", "--proc", "/proc", "--ro-bind", self.folder, INSIDE]
        # The run, temporary files and scratch; and where Slurm's PMIx talks to the ranks.
        for folder in (world.path("runs"), world.path("tmp"), self.scratch, world.cluster.folder):
            words += ["--bind", folder, folder]
        self.wrap = " ".join([*words, "--setenv", "IN_THE_IMAGE", "yes", "--chdir", "/"])


def test(world, long):
    if not shutil.which("bwrap"):
        b.skip("bubblewrap is not installed")
    os.mkdir(world.path("runs"))
    expected = world.reference(EVENTS)
    image = Image(world)
    # Outputs bear the payload's name: that of the reference.
    payload = world.write_payload("slow_lines", channel="worker", output="opaque", executable=INSIDE + "/look.sh",
                                  in_container="yes")
    for launcher in ("mpirun", "srun"):
        site = world.path(launcher + ".cfg")
        with open(site, "w") as file:
            file.write(SITE.format(scratch=image.scratch, launcher=launcher, inside=INSIDE, wrap=image.wrap))
        run = world.new_run("runs/" + launcher, [world.path("%d.lhe" % EVENTS)], payload, 5, b.SETTINGS)
        world.harvest("submit", run, "--site", site)
        world.cluster.wait_until("complete", lambda: json.loads(
            world.harvest("poll", run, "--json", check=False).stdout)[0]["step"] in ("complete", "given_up"), 120)
        world.check_complete(run, RANGES, expected)
        status = world.status(run)
        assert sorted(droid["host"] for droid in status["droids"]) == ["n1", "n2"], status["droids"]
        assert not os.listdir(image.scratch), "left in the scratch folder: %s" % os.listdir(image.scratch)
        print("%s: %d ranges in containers on 2 nodes" % (launcher, RANGES))


b.main(test, nodes=2)
