#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What batch systems do to jobs: the early signal and the end of time (the next job, or the requeued one, goes on),
scontrol requeue, scancel (no process is left on any node), a node that dies (the others go on, the job ends). At the
end each run is complete and its merged output is that of an undisturbed run."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b

NODES = ["-N", "3", "-c", "2", "-t", "10"]
EVENTS, RANGES = 600, 600


def wait_for_finished(world, run, job, count):
    world.cluster.wait_until("%d ranges finished" % count, lambda: world.finished(run) >= count or
                             world.cluster.state(job) not in ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING"), 120)
    assert world.finished(run) >= count, world.log_of(job)


def finish(world, run, expected, launcher):
    job = world.sbatch(run, *NODES, YODA_LAUNCHER=launcher)
    assert world.cluster.wait_for_end(job) == "COMPLETED", world.log_of(job)
    world.check_complete(run, RANGES, expected)


def early_signal(world, expected, launcher):
    run = world.slow_run("signal-" + launcher, EVENTS, 1)
    job = world.sbatch(run, *NODES, YODA_LAUNCHER=launcher)
    wait_for_finished(world, run, job, 20)
    # The same way that Slurm's own --signal=B:USR1@... takes.
    world.cluster.run("scancel", "-s", "USR1", "--batch", job)
    assert world.cluster.wait_for_end(job) == "FAILED" and "yoda ended with 3" in world.log_of(job), world.log_of(job)
    status = world.status(run)
    assert "SIGUSR1" in status["why_stopped"] and status["ranges"]["sent"] == 0, status
    assert 0 < status["ranges"]["finished"] < RANGES, status["ranges"]
    # Every Droid was there to hear rank 0: a signal that launchers pass on to all ranks kills none.
    assert all(droid["state"] != "lost" for droid in status["droids"]), status["droids"]
    finish(world, run, expected, launcher)


def end_of_time(world, expected, launcher):
    """One minute, of which the margin takes 48 s: yoda must have asked Slurm for the end, and must stop before it."""
    run = world.slow_run("time-" + launcher, EVENTS, 1)
    job = world.sbatch(run, "-N", "1", "-c", "2", "-t", "1", "--signal=B:USR1@1", YODA_LAUNCHER=launcher,
                       YODA_MARGIN_S="48", YODA_REQUEUE="yes")
    world.cluster.wait_until("requeued", lambda: world.cluster.job(job).get("Restarts") == "1" and
                             world.cluster.state(job) == "PENDING", 120)
    status = world.status(run)
    assert status["exit_code"] == 3 and "allocation" in status["why_stopped"], status
    world.cluster.run("scancel", job)
    finish(world, run, expected, launcher)


def requeue(world, expected, launcher):
    run = world.slow_run("requeue-" + launcher, EVENTS, 1)
    job = world.sbatch(run, *NODES, YODA_LAUNCHER=launcher)
    wait_for_finished(world, run, job, 20)
    world.cluster.run("scontrol", "requeue", job)
    world.cluster.wait_until("pending", lambda: world.cluster.job(job).get("Restarts") == "1" and
                             world.cluster.state(job) == "PENDING" and world.cluster.idle_nodes() == 3, 60)
    # A node that still clears the first start away fails the second one.
    world.cluster.wait_until("cleared", lambda: not world.cluster.step_processes(), 60)
    world.cluster.run("scontrol", "update", "jobid=" + job, "starttime=now")
    state = world.cluster.wait_for_end(job)
    assert state == "COMPLETED", (state, world.cluster.job(job), world.log_of(job))
    assert world.status(run)["life"] == 2, world.status(run)
    world.check_complete(run, RANGES, expected)


def cancel(world, expected, launcher):
    run = world.slow_run("cancel-" + launcher, EVENTS, 1)
    job = world.sbatch(run, *NODES, YODA_LAUNCHER=launcher)
    wait_for_finished(world, run, job, 20)
    assert any("slow_lines" in command for command in world.cluster.payload_processes().values())
    world.cluster.run("scancel", job)
    assert world.cluster.wait_for_end(job) == "CANCELLED"
    world.cluster.wait_until("no process left on any node", lambda: not world.cluster.payload_processes(), 60)
    finish(world, run, expected, launcher)


def lost_node(world, expected, launcher, ranges):
    """Long enough that Slurm notices the loss (15 s) while the others are at work."""
    run = world.slow_run("node-" + launcher, ranges, 1, ["payload.workers=1"])
    job = world.sbatch(run, *NODES, YODA_LAUNCHER=launcher, YODA_GRACE_S="3")
    wait_for_finished(world, run, job, 20)
    assert world.cluster.kill_node("n3") > 3, "nothing ran there"
    state = world.cluster.wait_for_end(job, 180)
    assert state == "COMPLETED", (state, world.log_of(job))
    status = world.status(run)
    assert [droid["state"] for droid in status["droids"] if droid["host"] == "n3"] == ["lost"], status["droids"]
    world.check_complete(run, ranges, expected)
    world.cluster.start_node("n3")
    world.cluster.wait_until("n3 back", lambda: world.cluster.idle_nodes() == 3, 90)


def test(world, long):
    """The long form takes both launchers through everything."""
    expected = world.reference(EVENTS, 1)
    for launcher in ("srun", "mpirun") if long else ("srun",):
        end_of_time(world, expected, launcher)
        requeue(world, expected, launcher)
        cancel(world, expected, launcher)
    for launcher in ("mpirun", "srun") if long else ("mpirun",):
        early_signal(world, expected, launcher)
    ranges = 1200
    expected = world.reference(ranges, 1)
    for launcher in ("mpirun", "srun") if long else ("mpirun",):
        lost_node(world, expected, launcher, ranges)


b.main(test)
