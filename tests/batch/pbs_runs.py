#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""harvest submit, poll and cancel by PBS's commands, as Slurm's Torque wrappers have them: our PBS script runs on three
nodes, is resubmitted until complete, and its merged output is that of a run on one machine. A job array of independent
runs. qsub's own words reach the user."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b

EVENTS, RANGES = 400, 400


def test(world, long):
    if not shutil.which("qsub") or not b.slurm.Cluster.spank_pbs():
        b.skip("the PBS wrappers (slurm-wlm-torque) are not installed")
    expected = world.reference(EVENTS, 1)
    site = world.path("site.cfg")
    with open(site, "w") as file:
        file.write("batch = pbs\nnodes_min = 3\nnodes_max = 3\nwalltime_max = 10 min\ncores_per_node = 1\n"
                   "exclusive = no\nsettle = 1 s\nlost_after = 3 s\nexport = YODA_WATCH_S=1\n")
        # A PBS job does not inherit the environment that it was submitted from.
        for name in ("PATH", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "OMPI_ALLOW_RUN_AS_ROOT",
                     "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_btl_tcp_if_include", "OMPI_MCA_oob_tcp_if_include",
                     "SLURM_CONF"):
            file.write("export = %s=%s\n" % (name, world.environment[name]))
    run = world.slow_run("pbs", EVENTS, 1)
    done = world.harvest("submit", run, "--site", site, "--json", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    first = json.loads(done.stdout)[0]
    assert first["submitted_now"], first

    def poll():
        return json.loads(world.harvest("poll", run, "--json", check=False).stdout)[0]

    world.cluster.wait_until("20 ranges", lambda: world.finished(run) >= 20, 60)
    seen = poll()
    assert seen["submissions"][0]["state"] == "running", seen
    world.harvest("cancel", run)
    world.cluster.wait_until("no process on any node", lambda: not world.cluster.payload_processes(), 60)
    world.cluster.wait_until("held", lambda: poll()["step"] == "held", 60)
    world.harvest("submit", run)
    world.cluster.wait_until("complete", lambda: poll()["step"] == "complete", 120)
    status = world.status(run)
    assert sorted(droid["host"] for droid in status["droids"]) == ["n1", "n2", "n3"], status["droids"]
    world.check_complete(run, RANGES, expected)

    assert any(name.endswith(".log") and name.startswith("y") for name in os.listdir(os.path.join(run, "logs")) if name != "yoda.log"), \
        os.listdir(os.path.join(run, "logs"))

    refused = world.harvest("submit", world.slow_run("refused", 10), "--site", site, "--set", "queue=nowhere", check=False)
    assert refused.returncode == 4 and "nvalid" in refused.stdout, (refused.returncode, refused.stdout, refused.stderr)
    array(world, site)
    by_hand(world)


def array(world, site):
    """Line N of the list is the run of task N."""
    runs = [world.slow_run("array%d" % number, 50) for number in (1, 2)]
    with open(world.path("runs.txt"), "w") as file:
        file.write("\n".join(runs) + "\n")
    with open(site) as file:
        exports = [line.split("=", 1)[1].strip() for line in file if line.startswith("export")]
    with open(world.path("array.pbs"), "w") as file:
        file.write("#!/bin/bash\n#PBS -l select=1:ncpus=1:mpiprocs=1\n#PBS -l walltime=00:10:00\n#PBS -J 1-2\n")
        for variable in [*exports, "YODA_RUN_LIST=" + world.path("runs.txt"), "YODA_JOBSCRIPTS=" + b.SCRIPTS,
                         "YODA=" + os.path.join(world.bin, "yoda")]:
            file.write("export '%s'\n" % variable)
        file.write(". %s/pbs/yoda.sh\n" % b.SCRIPTS)
    job = world.cluster.run("qsub", "-j", "oe", "-o", world.path("array.log"), world.path("array.pbs"))
    world.cluster.wait_until("array ended", lambda: not world.cluster.run("squeue", "-h", "-j", job.split("[")[0], check=False),
                             120)
    for run in runs:
        assert world.status(run)["exit_code"] == 0, run


def by_hand(world):
    """As docs/operations.md says: the script's top is edited, and a job gets only the variables that it is given."""
    shutil.copytree(b.SCRIPTS, world.path("jobscripts"))
    script = world.path("jobscripts", "pbs", "yoda.sh")
    with open(script) as file:
        text = file.read()
    with open(script, "w") as file:
        file.write(text.replace("select=2:ncpus=128", "select=2:ncpus=2"))
    run = world.slow_run("by_hand", 50)
    # The last ones are this machine's: its user is root and its network loopback.
    given = {"YODA_RUN": run, "YODA": os.path.join(world.bin, "yoda"), "PYTHONPATH": world.bin}
    given.update((name, world.environment[name]) for name in world.environment if name.startswith("OMPI_"))
    job = world.cluster.run("qsub", "-v", ",".join("%s=%s" % pair for pair in given.items()), "jobscripts/pbs/yoda.sh",
                            cwd=world.folder)
    world.cluster.wait_until("job ended", lambda: not world.cluster.run("squeue", "-h", "-j", job, check=False), 120)
    status = world.status(run)
    assert status["exit_code"] == 0 and len(status["droids"]) == 2, status


b.main(test)
