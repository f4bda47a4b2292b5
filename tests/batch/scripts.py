#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The job scripts without a batch system, but for the local one, which runs: bash -n, shellcheck, what a dry run prints for Slurm, PBS and one machine,
the options for containers, scratch and launcher, and what is said when something is missing."""
import glob
import os
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b
import skipping  # noqa: E402 (batch_world.py has found it)


def run_script(world, script, **variables):
    environment = {"PATH": world.path("fake") + ":" + world.bin + ":/usr/bin:/bin", "HOME": world.folder,
                   "YODA_JOBSCRIPTS": b.SCRIPTS, **variables}
    done = subprocess.run(["bash", os.path.join(b.SCRIPTS, script)], env=environment, cwd=world.folder, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    return done.returncode, done.stdout


def test(world):
    scripts = sorted(glob.glob(os.path.join(b.SCRIPTS, "*.sh")) + glob.glob(os.path.join(b.SCRIPTS, "*", "*.sh")))
    assert len(scripts) >= 5, scripts
    for script in scripts:
        subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", "-x", "-P", os.path.join(b.SCRIPTS, "slurm"), *scripts], check=True)
    else:
        skipping.report("shellcheck is not installed, so nobody has looked at the scripts' style")

    def write_program(name, text):
        b.write_program(world.path("fake"), name, text)

    run = world.slow_run("run", 10)
    write_program("scontrol", "printf 'nid1\\nnid2\\nnid3\\n'\n")
    slurm = {"YODA_DRY_RUN": "1", "YODA_RUN": run, "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "nid[1-3]",
             "YODA_END_TIME": "2000000000"}
    code, text = run_script(world, "slurm/yoda.sh", **slurm)
    assert code == 0 and "srun --mpi=pmix --distribution=arbitrary --ntasks=4" in text, text
    code, text = run_script(world, "slurm/yoda.sh", YODA_LAUNCHER="mpirun", YODA_SCRATCH="/scratch",
                            YODA_WRAP="apptainer exec y.sif", YODA_MPI_ARGUMENTS="--mca btl tcp,self", **slurm)
    assert code == 0 and "mpirun --enable-recovery --mca plm_slurm_args --no-kill" in text, text
    assert "-n 4 apptainer exec y.sif yoda %s --quiet --set work.folder=/scratch" % run in text, text
    assert "--mca btl tcp,self" in text, text
    code, text = run_script(world, "slurm/yoda.sh", YODA_LAUNCHER="aprun", **slurm)
    assert code == 4 and "neither mpirun nor srun" in text, text
    code, text = run_script(world, "slurm/yoda.sh", **dict(slurm, YODA_RUN=world.path("gone")))
    assert code == 4 and "is no run folder" in text, text
    code, text = run_script(world, "slurm/yoda.sh", YODA_RUN=run)
    assert code == 2 and "submit it with sbatch" in text, text
    code, text = run_script(world, "slurm/yoda.sh", **dict(slurm, YODA_JOBSCRIPTS="/nowhere"))
    assert code == 4 and "has no run_yoda.sh" in text, text
    code, text = run_script(world, "slurm/yoda.sh", YODA_SETUP=world.path("no-such-file"), **slurm)
    assert code == 4 and "YODA_SETUP" in text, text

    with open(world.path("nodes"), "w") as file:
        file.write("p1\np1\np2\n\np2\np3\n")
    pbs = {"YODA_DRY_RUN": "1", "YODA_RUN": run, "PBS_JOBID": "3.server", "PBS_NODEFILE": world.path("nodes"),
           "PBS_O_WORKDIR": world.folder}
    write_program("qstat", "echo '    Resource_List.walltime = 01:30:00'\n")
    write_program("pbs_tmrsh", "exit 1\n")
    code, text = run_script(world, "pbs/yoda.sh", **pbs)
    assert code == 0 and "3 hosts: p1 p2 p3" in text and "-n 4 yoda " + run in text, text
    code, text = run_script(world, "pbs/yoda.sh", **dict(pbs, PBS_NODEFILE="/dev/null"))
    assert code == 4 and "names no hosts" in text, text
    # Open MPI calls its agent as it would ssh: host, then one line.
    write_program("pbs_tmrsh", "printf '<%s>' \"$@\"\n")
    done = subprocess.run([os.path.join(b.SCRIPTS, "pbs/tmrsh.sh"), "p2", "orted", "a;b", "c"], text=True,
                          env={"PATH": world.path("fake") + ":/bin"}, stdout=subprocess.PIPE, check=True)
    assert done.stdout == "<p2></bin/sh><-c><orted a;b c>", done.stdout

    code, text = run_script(world, "local/yoda.sh", YODA_RUN=run, YODA_DRY_RUN="1")
    assert code == 0 and "-n 2 yoda " + run in text and "--bind-to none" in text, text


def left_by_jobs(run):
    return [name for name in os.listdir(os.path.join(run, "logs")) if name.startswith("job_")]


def really(world):
    """By mpirun on this machine: yoda's exit code comes out, also where no life began, and nothing is left in the run."""
    run = world.slow_run("real", 200, 1)
    here = {name: value for name, value in world.environment.items() if name.startswith(("OMPI_", "TMPDIR", "PYTHON"))}
    here.update(YODA_RUN=run, YODA_WATCH_S="1")
    for arguments, code_expected, said in (("--nonsense", 2, "unrecognised option '--nonsense'"),
                                           ("--set payload.wrokers=3", 2, "did you mean 'payload.workers'?"),
                                           ("--set disk.free_at_start=1000TB", 4, "too little work space")):
        code, text = run_script(world, "local/yoda.sh", YODA_ARGUMENTS=arguments, **here)
        assert code == code_expected and said in text and "yoda ended with %d" % code in text, (code, text)
        assert not left_by_jobs(run), left_by_jobs(run)

    # A script that is killed leaves its files; the next one removes them, and goes on.
    script = subprocess.Popen(["bash", os.path.join(b.SCRIPTS, "local/yoda.sh")], env=dict(world.environment, **here, YODA=world.bin + "/yoda"),
                              cwd=world.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    b.slurm.server_host.wait_until("some ranges", lambda: world.finished(run) >= 10, script)
    for pid in [script.pid, *world.processes()]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    script.wait()
    assert left_by_jobs(run), "nothing was left to remove"
    code, text = run_script(world, "local/yoda.sh", **here)
    assert code == 0 and world.finished(run) == 200 and not left_by_jobs(run), (code, text, left_by_jobs(run))


with b.BatchWorld(sys.argv[1], "scripts") as world:
    test(world)
    really(world)
print("scripts: passed")
