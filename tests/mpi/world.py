# SPDX-License-Identifier: Apache-2.0
"""What the tests with real mpirun share: making runs, starting yoda, finding its processes, reading its table."""
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
import skipping  # noqa: E402


class World:
    """A scratch folder with runs in it; everything that was started is ended and checked when it closes."""

    def __init__(self, bin_folder, name):
        self.bin = os.path.abspath(bin_folder)
        self.folder = tempfile.mkdtemp(prefix="yoda_%s_" % name)
        self.environment = dict(os.environ)
        self.environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        self.environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        self.environment["TMPDIR"] = self.path("tmp")
        # Open MPI's session folders are per host and user: tests at the same time must not share them.
        self.environment["OMPI_MCA_orte_tmpdir_base"] = self.path("tmp")
        self.environment["PYTHONPATH"] = self.bin
        self.environment["PYTHONDONTWRITEBYTECODE"] = "1"
        os.mkdir(self.path("tmp"))
        self.jobs = []

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for job in self.jobs:
            if job.poll() is None:
                job.kill()
                job.wait()
        left = self.wait_for_no_process()
        for pid, command in left:
            print("left behind: %d %s" % (pid, command), file=sys.stderr)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        skipped = kind is SystemExit and value.code == skipping.SKIPPED
        if (kind is None or skipped) and not left:
            shutil.rmtree(self.folder, ignore_errors=True)
        else:
            print("kept for a look: %s" % self.folder, file=sys.stderr)
        if kind is None and left:
            raise AssertionError("processes were left behind")

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    # -- runs

    def write_lhe(self, name, events):
        path = self.path(name)
        with open(path, "w") as file:
            file.write('<LesHouchesEvents version="1.0">\n<init>\n</init>\n')
            for event in range(events):
                file.write("<event>\n%d\n</event>\n" % event)
            file.write("</LesHouchesEvents>\n")
        return path

    def write_payload(self, name, **keys):
        path = self.path(name + ".cfg")
        with open(path, "w") as file:
            file.write("name = %s\n" % name)
            for key, value in keys.items():
                for one in value if isinstance(value, list) else [value]:
                    file.write("%s = %s\n" % (key, one))
        return path

    def harvest(self, *words, check=True):
        done = subprocess.run([os.path.join(self.bin, "harvest"), *words], env=self.environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
        if check and done.returncode != 0:
            raise AssertionError("harvest %s: %d\n%s%s" % (" ".join(words), done.returncode, done.stdout, done.stderr))
        return done

    def new_run(self, name, inputs, payload, events_per_range=5, settings=()):
        words = ["new", self.path(name), "--events-per-range", str(events_per_range), "--payload", payload]
        # Ids are fixed, so that two runs of the same inputs differ in nothing.
        words += ["--panda-id", "6900000001", "--task-id", "40000001"]
        for path in inputs:
            words += ["--input", path]
        for setting in settings:
            words += ["--set", setting]
        self.harvest(*words)
        return self.path(name)

    # -- jobs

    def start(self, run, ranks=4, words=(), mpi=("--oversubscribe", "--bind-to", "none"), log=None, last_through=()):
        """ranks 0: without mpirun, in one process. `last_through`: what starts the last rank in place of mpirun."""
        yoda = [os.path.join(self.bin, "yoda"), run, *words]
        command = yoda
        if last_through:
            command = ["mpirun", *mpi, "-n", str(ranks - 1), *yoda, ":", "-n", "1", *last_through, *yoda]
        elif ranks > 0:
            command = ["mpirun", "-n", str(ranks), *mpi, *yoda]
        output = open(log or self.path("job.log"), "a")
        job = subprocess.Popen(command, env=self.environment, stdin=subprocess.DEVNULL, stdout=output,
                               stderr=subprocess.STDOUT, start_new_session=True)
        self.jobs.append(job)
        return job

    def run_to_end(self, run, ranks=4, words=(), limit_s=120, **more):
        """One life; returns the exit code."""
        job = self.start(run, ranks, words, **more)
        return self.wait(job, limit_s)

    def wait(self, job, limit_s=120):
        try:
            return job.wait(timeout=limit_s)
        except subprocess.TimeoutExpired:
            job.send_signal(signal.SIGABRT)
            self.show_log()
            raise AssertionError("yoda did not end within %d s" % limit_s)

    def resume_until_done(self, run, ranks=4, lives=10, **more):
        for _ in range(lives):
            code = self.run_to_end(run, ranks, **more)
            if code == 0:
                return
            if code in (1, 2, 4):
                self.show_log()
                raise AssertionError("yoda ended with %d" % code)
        self.show_log()
        raise AssertionError("not done after %d lives" % lives)

    def show_log(self):
        with open(self.path("job.log")) as file:
            print(file.read()[-4000:], file=sys.stderr)

    # -- processes

    def processes(self):
        """All processes that belong to this world: {pid: (command line, environment, parent)}."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                with open("/proc/%s/environ" % name, "rb") as file:
                    environment = file.read()
                with open("/proc/%s/cmdline" % name, "rb") as file:
                    command = file.read().replace(b"\0", b" ").decode(errors="replace")
                with open("/proc/%s/stat" % name) as file:
                    stat = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if stat[0] == "Z" or ("TMPDIR=" + self.path("tmp")).encode() not in environment:
                continue
            found[int(name)] = (command, environment, int(stat[1]))
        return found

    def wait_for_no_process(self, limit_s=20):
        end = time.monotonic() + limit_s
        while True:
            left = [(pid, entry[0]) for pid, entry in self.processes().items()]
            if not left or time.monotonic() > end:
                return left
            time.sleep(0.05)

    def ranks(self):
        """{rank: pid} of the yoda processes (not the spawners' servers, which sit in sessions of their own)."""
        found = {}
        for pid, (command, environment, parent) in self.processes().items():
            if "/yoda " not in command or command.startswith("mpirun"):
                continue
            for variable in environment.split(b"\0"):
                if variable.startswith(b"OMPI_COMM_WORLD_RANK="):
                    rank = int(variable.partition(b"=")[2])
                    # The server is a child of its rank.
                    if rank not in found or parent == found[rank]:
                        found.setdefault(rank, pid)
                    elif found[rank] in self.processes() and self.processes()[found[rank]][2] == pid:
                        found[rank] = pid
        return found

    def payload_parents(self):
        return [pid for pid, (_, environment, parent) in self.processes().items()
                if b"YODA_CONTROL_FD=" in environment and
                b"YODA_CONTROL_FD=" not in self.processes().get(parent, ("", b"", 0))[1]]

    def workers(self):
        parents = set(self.payload_parents())
        return [pid for pid, entry in self.processes().items() if entry[2] in parents]

    # -- what came out

    def status(self, run):
        return json.loads(self.harvest("status", run, "--json").stdout)

    def merge(self, run, output):
        self.harvest("merge", run, "-o", self.path(output))
        return self.sha256(self.path(output))

    @staticmethod
    def sha256(path):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()

    @staticmethod
    def bundle_members(run):
        """Member names of all sealed bundles, with how often each occurs."""
        import tarfile
        names = {}
        folder = os.path.join(run, "bundles")
        for manifest in sorted(os.listdir(folder)):
            if not manifest.endswith(".manifest.json"):
                continue
            with open(os.path.join(folder, manifest)) as file:
                bundle = json.load(file)["bundle"]
            with tarfile.open(os.path.join(folder, bundle)) as tar:
                for member in tar:
                    names[member.name] = names.get(member.name, 0) + 1
        return names


def main(test):
    """test(world, long) with the build's bin folder as the first word of the command line."""
    long = os.environ.get("YODA_LONG_TESTS") == "1"
    name = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    with World(sys.argv[1], name) as world:
        test(world, long)
    print("%s: passed" % name)
