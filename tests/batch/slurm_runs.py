#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Our Slurm script on three nodes, by mpirun and by srun: the run is complete, its merged output is that of a run on
one machine, no node is without a Droid, and rank 0 sits beside the first Droid. Job arrays; what a dry run prints."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b

EVENTS, RANGES = 1000, 200
NODES = ["-N", "3", "-c", "2", "-t", "10"]


def test(world, long):
    cluster = world.cluster
    expected = world.reference(EVENTS)
    for launcher in ("mpirun", "srun"):
        run = world.slow_run(launcher, EVENTS)
        job = world.sbatch(run, *NODES, YODA_LAUNCHER=launcher)
        state = cluster.wait_for_end(job)
        assert state == "COMPLETED", (state, world.log_of(job))
        world.check_complete(run, RANGES, expected)
        status = world.status(run)
        assert sorted(droid["host"] for droid in status["droids"]) == ["n1", "n2", "n3"], status["droids"]
        assert status["host"] == "n1" and status["batch_job"] == "slurm " + job, status
        assert all(droid["finished"] > 0 for droid in status["droids"]), status["droids"]
        print("%s: %d ranges on 3 nodes" % (launcher, RANGES))

    run = world.slow_run("dry", 10)
    job = world.sbatch(run, *NODES, YODA_DRY_RUN="1")
    assert cluster.wait_for_end(job) == "COMPLETED"
    assert "command: srun" in world.log_of(job) and "3 hosts: n1 n2 n3" in world.log_of(job), world.log_of(job)
    assert not os.path.exists(os.path.join(run, "status.json")), "a dry run has run"

    runs = [world.slow_run("array%d" % number, 50) for number in (1, 2, 3)]
    with open(world.path("runs.txt"), "w") as file:
        file.write("\n".join(runs) + "\n")
    job = world.sbatch("", "--array=1-3", "-N", "1", "-c", "2", "-t", "10", YODA_RUN_LIST=world.path("runs.txt"))
    cluster.wait_until("array ended", lambda: not cluster.run("squeue", "-h", "-j", job, check=False), 120)
    for run in runs:
        assert world.status(run)["exit_code"] == 0, run


b.main(test)
