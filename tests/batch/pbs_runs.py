#!/usr/bin/python3
"""harvest submit, poll and cancel by PBS's commands, as Slurm's Torque wrappers have them: our PBS script runs on three
nodes, is resubmitted until complete, and its merged output is that of a run on one machine."""
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


b.main(test)
