#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the job scripts make of clocks: the end of the job where squeue or qstat says nothing, something odd or something
old; and the watch on a silent rank 0 while the wall clock steps and the file server's clock is another one."""
import calendar
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b

wait_until = b.slurm.server_host.wait_until
SQUEUE = """[ -z "${SLURM_CLUSTERS-}" ] || exit 1
format=${SLURM_TIME_FORMAT:-%FT%T}
[ "$format" != standard ] || format=%FT%T
"""


class Scripts:
    def __init__(self, world):
        self.world = world
        self.run = world.slow_run("run", 10)
        self.stand_in("scontrol", "echo localhost\n")

    def stand_in(self, name, text):
        b.write_program(self.world.path("fake"), name, text)

    def environment(self, **variables):
        return {"PATH": self.world.path("fake") + ":" + self.world.bin + ":/usr/bin:/bin", "HOME": self.world.folder,
                "TMPDIR": self.world.path("tmp"), "PYTHONPATH": self.world.bin, "OMPI_ALLOW_RUN_AS_ROOT": "1",
                "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "YODA_JOBSCRIPTS": b.SCRIPTS, "YODA_RUN": self.run,
                "YODA_WATCH_S": "1", **variables}

    def end_of(self, script, **variables):
        """The end that the script comes to, in unix seconds; None: it knows none."""
        done = subprocess.run(["bash", os.path.join(b.SCRIPTS, script)], text=True, cwd=self.world.folder, timeout=60,
                              env=self.environment(YODA_DRY_RUN="1", **variables), stdout=subprocess.PIPE)
        assert done.returncode == 0, done.stdout
        found = re.search(r"this job ends at (\S+)", done.stdout)
        if not found:
            assert "the end of this job is not known" in done.stdout, done.stdout
            return None
        return calendar.timegm(time.strptime(found.group(1), "%Y-%m-%dT%H:%M:%SZ"))


def slurm_ends(s):
    end = int(time.time()) + 7200
    past = str(int(time.time()) - 60)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "localhost", "YODA_LAUNCHER": "mpirun"}

    def by_squeue(**more):
        return s.end_of("slurm/yoda.sh", **slurm, **more)

    def counted(**more):
        """The walltime counts from the script's start."""
        begun = int(time.time())
        found = by_squeue(YODA_WALLTIME_S="3600", **more)
        return found is not None and begun + 3600 <= found <= int(time.time()) + 3600

    s.stand_in("squeue", SQUEUE + 'date -d @%d "+$format"\n' % end)
    assert by_squeue() == end
    for odd in ("relative", "%d.%m. %H:%M", "%H:%M"):
        assert by_squeue(SLURM_TIME_FORMAT=odd) == end, odd
    assert by_squeue(SLURM_CLUSTERS="others") == end, "another cluster's job of that number was asked for"
    assert by_squeue(SLURM_JOB_END_TIME=past) == end and by_squeue(YODA_END_TIME=past) == end
    assert by_squeue(SLURM_JOB_END_TIME=str(end + 5)) == end + 5 and by_squeue(YODA_END_TIME=str(end + 6)) == end + 6
    # Where the format is not heard.
    s.stand_in("squeue", "date -d @%d +%%FT%%T\n" % end)
    assert by_squeue() == end
    for silent in ("exit 1\n", "exit 0\n", "echo N/A\n", "echo NONE\n", "echo Unknown\n", "echo Invalid\n", "echo today 12:00\n",
                   "date -d @%s +%%s\n" % past, "date -d @%s +%%FT%%T\n" % past, "kill -9 $$\n"):
        s.stand_in("squeue", silent)
        assert by_squeue() is None and counted(), silent
        assert counted(YODA_END_TIME="soon", SLURM_JOB_END_TIME=past), silent
    # And really: the ranges are done, where yoda said once that no walltime is left.
    code = subprocess.run(["bash", os.path.join(b.SCRIPTS, "slurm/yoda.sh")], cwd=s.world.folder, timeout=120,
                          env=s.environment(SLURM_JOB_END_TIME=past, **slurm)).returncode
    assert code == 0 and s.world.finished(s.run) == 2, code


def other_ends(s):
    with open(s.world.path("nodes"), "w") as file:
        file.write("localhost\n")
    pbs = {"PBS_JOBID": "3.p0", "PBS_NODEFILE": s.world.path("nodes"), "PBS_O_WORKDIR": s.world.folder}
    past = str(int(time.time()) - 60)
    for script, variables in (("pbs/yoda.sh", pbs), ("local/yoda.sh", {})):
        for walltime in ("3600", "0003600"):
            begun = int(time.time())
            found = s.end_of(script, YODA_WALLTIME_S=walltime, YODA_END_TIME=past, **variables)
            assert found is not None and begun + 3600 <= found <= int(time.time()) + 3600, found
        s.stand_in("qstat", "exit 1\n")
        assert s.end_of(script, YODA_END_TIME=past, **variables) is None
        assert s.end_of(script, **variables) is None
    # The time that qstat takes is the job's, too.
    s.stand_in("qstat", "date +%%s >%s; sleep 2; echo '    Resource_List.walltime = 01:00:00'\n" % s.world.path("asked"))
    found = s.end_of("pbs/yoda.sh", **pbs)
    with open(s.world.path("asked")) as file:
        assert found <= int(file.read()) + 3600, found


class Job:
    """A job script under a wall clock that can be set."""

    def __init__(self, s, run, **variables):
        self.clock = s.world.path("clock")
        self.step(0)
        self.log = s.world.path("job.log")
        clock = os.path.join(s.world.bin, "yoda_stepped_clock.so")
        assert os.path.exists(clock), clock
        with open(self.log, "w") as log:
            self.script = subprocess.Popen(["bash", os.path.join(b.SCRIPTS, "local/yoda.sh")], cwd=s.world.folder,
                                           env=s.environment(LD_PRELOAD=clock, STEPPED_CLOCK=self.clock, **{"YODA_RUN": run, **variables}),
                                           stdout=log, stderr=log, start_new_session=True)

    def step(self, by_s):
        with open(self.clock + ".new", "w") as file:
            file.write("%d" % by_s)
        os.rename(self.clock + ".new", self.clock)

    def said(self):
        with open(self.log, errors="replace") as file:
            return file.read()


def healthy_job(s):
    """Steps of hours, to and fro, and files whose times are of another clock, end nothing."""
    run = s.world.slow_run("healthy", 400, 1)
    # A file server that is behind, for who asks for the times of its files.
    s.stand_in("stat", 'echo $(($(/usr/bin/stat "$@") - 7200))\n')
    job = Job(s, run, YODA_SILENT_S="1800")
    for count, step in ((20, 7200), (150, -7200), (280, 0)):
        wait_until("%d ranges" % count, lambda: s.world.finished(run) >= count, job.script)
        job.step(step)
    assert job.script.wait(timeout=120) == 0 and s.world.finished(run) == 400, job.said()
    os.remove(s.world.path("fake", "stat"))


def silent_rank_zero(s):
    """What a rank 0 does that hangs: the file stays as it is, while somebody touches it and the clock goes back."""
    run = s.world.slow_run("silent", 10)
    status = os.path.join(run, "status.json")
    s.stand_in("mpirun", 'echo \'{"life": 1}\' >"$YODA_RUN/status.json"\nexec sleep 1000\n')
    job = Job(s, run, YODA_SILENT_S="3", YODA_GRACE_S="2")
    wait_until("its first word", lambda: os.path.exists(status), job.script)
    job.step(-7200)
    begun = time.monotonic()

    def ended():
        os.utime(status)
        return job.script.poll() is not None

    wait_until("end of the job", ended)
    assert job.script.returncode == 4 and "has not changed for 3 s" in job.said(), job.said()
    assert time.monotonic() - begun >= 2, job.said()


def deaf_launcher(s):
    """The grace of a launcher that does not end is its own, whatever the clock does."""
    run = s.world.slow_run("deaf", 10)
    s.stand_in("mpirun", 'trap "touch told" TERM\necho \'{"exit_code": 3}\' >"$YODA_RUN/result.1.json"\n'
                         'for i in {1..1000}; do sleep 0.1; done\n')
    told = s.world.path("told")
    for step in (7200, -7200):
        job = Job(s, run, YODA_GRACE_S="3")
        wait_until("told to end", lambda: os.path.exists(told), job.script)
        begun = time.monotonic()
        job.step(step)
        assert job.script.wait(timeout=60) == 3, job.said()
        assert time.monotonic() - begun >= 2, "it was killed before its grace was over: " + job.said()
        assert "yoda is done, the launcher is not" in job.said(), job.said()
        os.remove(os.path.join(run, "result.1.json"))
        os.remove(told)
    os.remove(s.world.path("fake", "mpirun"))


with b.BatchWorld(sys.argv[1], "job_times") as world:
    scripts = Scripts(world)
    for test in (slurm_ends, other_ends, healthy_job, silent_rank_zero, deaf_launcher):
        test(scripts)
        print("job_times: %s" % test.__name__)
print("job_times: passed")
