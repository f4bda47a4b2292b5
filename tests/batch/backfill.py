#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs sized from what is free now, with a real Slurm and with PBS's commands over it: a job that would want all nodes takes
the idle ones and begins at once, where one of full size waits in the queue; and Slurm shortens a job to fit before a
reservation (time_min), of which yoda hears, so that it drains in time."""
import json
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b
import skipping  # noqa: E402 (batch_world.py has found it)

EVENTS, RANGES = 600, 600
# By the guess of a range's time a job wants all three nodes.
SITE = """batch = {batch}
nodes_min = 1
nodes_max = 3
walltime_max = 40 min
cores_per_node = 2
seconds_per_range = 60 s
overhead = 60 s
exclusive = yes
settle = 1 s
lost_after = 3 s
export = YODA_WATCH_S=1
"""
FOR_PBS = ("PATH", "TMPDIR", "PYTHONPATH", "OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_btl_tcp_if_include",
           "OMPI_MCA_oob_tcp_if_include", "SLURM_CONF")


def harvest(world, *words):
    done = world.harvest(*words, "--json", check=False)
    assert done.returncode == 0, (words, done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)[0]


def finish(world, run, nodes, expected):
    world.cluster.wait_until("complete", lambda: harvest(world, "poll", run)["step"] == "complete", 120)
    world.check_complete(run, RANGES, expected)
    assert nodes in (None, len(world.status(run)["droids"])), world.status(run)["droids"]


def takes_what_is_idle(world, batch, expected):
    cluster = world.cluster
    site = world.path(batch + ".cfg")
    with open(site, "w") as file:
        file.write(SITE.format(batch=batch))
        if batch == "pbs":
            for name in FOR_PBS:
                file.write("export = %s=%s\n" % (name, world.environment[name]))
    other = cluster.run("sbatch", "--parsable", "-N", "1", "--exclusive", "-t", "60", "-o", "/dev/null", "--wrap", "sleep 3000")
    cluster.wait_until("somebody else's job", lambda: cluster.state(other) == "RUNNING" and cluster.idle_nodes() == 2)

    full = world.slow_run("full-" + batch, EVENTS, 1)
    first = harvest(world, "submit", full, "--site", site)["submissions"][0]
    assert first["nodes"] == 3, first
    fits = world.slow_run("fits-" + batch, EVENTS, 1)
    job = harvest(world, "submit", fits, "--site", site, "--set", "backfill=yes", "--set", "walltime_max=20 min")["submissions"][0]
    assert job["nodes"] == 2, job
    finish(world, fits, 2, expected)
    assert harvest(world, "poll", full)["submissions"][0]["state"] == "submitted", "the job of full size did not wait"
    cluster.run("scancel", other)
    finish(world, full, 3, expected)
    print("%s: 2 of 3 nodes were idle and taken" % batch)


def is_shortened(world, expected):
    """All nodes are reserved in three minutes: a job of 40 minutes that may be shortened to one begins now."""
    cluster = world.cluster
    cluster.wait_until("all idle", lambda: cluster.idle_nodes() == 3)
    cluster.run("scontrol", "create", "reservation", "ReservationName=maintenance", "StartTime=now+3minutes", "Duration=60",
                "Nodes=ALL", "Users=root", "Flags=maint,ignore_jobs")
    run = world.slow_run("short", EVENTS, 1)
    job = harvest(world, "submit", run, "--site", world.path("slurm.cfg"), "--set", "time_min=1 min")["submissions"][0]
    cluster.wait_until("it begins", lambda: cluster.state(job["job_id"]) != "PENDING", 60)
    limit = cluster.job(job["job_id"])["TimeLimit"]
    assert limit in ("00:01:00", "00:02:00"), limit
    # Slurm's early signal may come a minute early, which is all the time that this job has: then the next one, of a
    # size for what is left, goes on.
    finish(world, run, None, expected)
    cluster.run("scontrol", "delete", "ReservationName=maintenance")
    print("slurm: shortened to %s" % limit)


def test(world, long):
    expected = world.reference(EVENTS, 1)
    takes_what_is_idle(world, "slurm", expected)
    is_shortened(world, expected)
    if shutil.which("qsub") and b.slurm.Cluster.spank_pbs():
        takes_what_is_idle(world, "pbs", expected)
    else:
        skipping.report("the PBS wrappers (slurm-wlm-torque) are not installed, so backfill with PBS was not tried")


b.main(test)
