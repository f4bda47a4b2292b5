# SPDX-License-Identifier: Apache-2.0
"""What the batch tests share: the world of tests/mpi with a Slurm cluster in it."""
import glob
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "mpi"))
sys.path.insert(0, os.path.join(HERE, "..", "support"))
sys.path.insert(0, os.path.join(HERE, "..", "support", "servers"))
import slurm  # noqa: E402
from skipping import skip  # noqa: E402
import world as w  # noqa: E402

SCRIPTS = os.path.join(w.SOURCE, "jobscripts")
SETTINGS = ["payload.workers=1", "disk.free_at_start=1 MB", "disk.free_running=1 MB", "status.interval=0.2 s",
            "droid.heartbeat=0.5 s", "droid.silence=5 s", "yoda.silence=600 s", "walltime.notice=2 s"]


def write_program(folder, name, text):
    """A stand-in for a program, by a shell script; for folders that are put first in PATH."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write("#!/bin/bash\n" + text)
    os.chmod(path, 0o755)
    return path


class BatchWorld(w.World):
    """With `cluster`: jobs of it see this world's programs, and its nodes have this world's scratch folder."""

    def __init__(self, bin_folder, name, cluster=None):
        super().__init__(bin_folder, name)
        self.cluster = cluster
        if cluster:
            cluster.environment["PATH"] = self.bin + ":" + cluster.environment["PATH"]
            for key in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "TMPDIR", "PYTHONPATH",
                        "PYTHONDONTWRITEBYTECODE"):
                cluster.environment[key] = self.environment[key]
            self.environment.update(cluster.environment)

    def slow_run(self, name, events, events_per_range=5, settings=()):
        """A run whose ranges take 10 to 60 ms each; its outputs depend on its events only."""
        source = self.write_lhe("%d.lhe" % events, events)
        payload = self.write_payload("slow_lines", channel="worker", output="opaque",
                                     executable=os.path.join(w.SOURCE, "tests/support/slow_lines.py"))
        return self.new_run(name, [source], payload, events_per_range, [*SETTINGS, *settings])

    def reference(self, events, events_per_range=5):
        """Checksum of the merged output of an undisturbed run on this machine."""
        run = self.slow_run("reference-%d-%d" % (events, events_per_range), events, events_per_range,
                            ["payload.workers=4"])
        self.resume_until_done(run, ranks=0)
        return self.merge(run, os.path.basename(run) + ".tar")

    def sbatch(self, run, *words, script="slurm/yoda.sh", **variables):
        """Submits our script as a person would; returns the job's id."""
        variables = {"YODA_RUN": run, "YODA_JOBSCRIPTS": SCRIPTS, "YODA_WATCH_S": "1", **variables}
        environment = dict(self.environment, **variables)
        saved, self.cluster.environment = self.cluster.environment, environment
        try:
            return self.cluster.run("sbatch", "--parsable", "-o", self.path("job-%j.log"), *words,
                                    os.path.join(SCRIPTS, script))
        finally:
            self.cluster.environment = saved

    def harvest_deaf_to_sbatch(self, *words):
        """sbatch makes the job, but nobody hears its number."""
        deaf = write_program(self.path("deaf"), "sbatch", '%s "$@" >/dev/null\n'
                             'echo "sbatch: error: Socket timed out on send/recv operation" >&2\nexit 1\n' % shutil.which("sbatch"))
        path = self.environment["PATH"]
        self.environment["PATH"] = os.path.dirname(deaf) + ":" + path
        try:
            return self.harvest(*words, check=False)
        finally:
            self.environment["PATH"] = path

    def log_of(self, job):
        with open(self.path("job-%s.log" % job), errors="replace") as file:
            return file.read()

    def finished(self, run):
        import json
        try:
            with open(os.path.join(run, "status.json")) as file:
                return json.load(file)["ranges"]["finished"]
        except (OSError, ValueError, KeyError):
            return 0

    def check_complete(self, run, ranges, expected):
        status = self.status(run)
        assert status["exit_code"] == 0 and status["ranges"]["finished"] == ranges, status
        members = self.bundle_members(run)
        assert len(members) == ranges and set(members.values()) == {1}, "outputs are not there once each"
        assert self.merge(run, os.path.basename(run) + ".tar") == expected, "merged output differs from the local one"


def main(test, nodes=3, cores=2):
    """test(world, long) in a world with a cluster."""
    long = os.environ.get("YODA_LONG_TESTS") == "1"
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    why = slurm.reason_to_skip()
    if why:
        skip(why)
    with slurm.Cluster(nodes, cores) as cluster:
        with BatchWorld(sys.argv[1], name, cluster) as world:
            try:
                test(world, long)
            except BaseException:
                for path in sorted(glob.glob(world.path("*.log")) + glob.glob(world.path("*", "logs", "y*.log"))):
                    with open(path, errors="replace") as file:
                        print("--- %s\n%s" % (path, file.read()[-3000:]), file=sys.stderr)
                raise
    print("%s: passed" % name)
