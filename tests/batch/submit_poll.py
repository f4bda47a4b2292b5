#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""harvest submit, poll and cancel with a real Slurm: a run is resubmitted until it is complete; a controller that is
down, before and after it took the job, never leads to a second job; Slurm's own words reach the user; bad wishes are
refused with what to do; a cancelled run leaves nothing behind and goes on when told."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b

EVENTS, RANGES = 600, 600
SITE = """batch = slurm
nodes_min = 3
nodes_max = 3
walltime_max = 10 min
cores_per_node = 1
exclusive = no
settle = 1 s
retry_after = 1 s
command_limit = 20 s
export = YODA_WATCH_S=1
"""


def submit(world, run, *words, code=0):
    done = world.harvest("submit", run, "--json", *words, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)[0] if done.stdout.strip().startswith("[") else {}, done.stderr


def poll(world, run, *words):
    return json.loads(world.harvest("poll", run, "--json", *words, check=False).stdout)[0]


def jobs_in_slurm(world):
    return world.cluster.run("squeue", "-h", "-t", "all", "-o", "%j").split()


def poll_until(world, run, condition, seconds=120):
    seen = {}

    def look():
        seen.update(poll(world, run))
        return condition(seen)

    world.cluster.wait_until("poll", look, seconds)
    return seen


def complete(world, site, expected):
    """Two jobs: the first one is drained by hand, poll sends the next."""
    run = world.slow_run("complete", EVENTS, 1)
    first, _ = submit(world, run, "--site", site)
    assert first["submitted_now"] and first["submissions"][0]["nodes"] == 3, first
    again, _ = submit(world, run, "--site", site)
    assert not again["submitted_now"] and len(again["submissions"]) == 1, "submitted twice"
    job = first["submissions"][0]["job_id"]
    world.cluster.wait_until("20 ranges", lambda: world.finished(run) >= 20, 60)
    assert poll(world, run)["submissions"][0]["state"] == "running"
    world.cluster.run("scancel", "-s", "USR1", "--batch", job)
    second = poll_until(world, run, lambda seen: len(seen["submissions"]) == 2)
    assert second["submissions"][0]["exit_code"] == 3, second
    last = poll_until(world, run, lambda seen: seen["step"] == "complete")
    assert [entry["exit_code"] for entry in last["submissions"]] == [3, 0], last
    world.check_complete(run, RANGES, expected)
    assert poll(world, run)["step"] == "complete" and len(jobs_in_slurm(world)) == 2


def controller_down(world, site, expected):
    run = world.slow_run("down", EVENTS, 1)
    before = len(jobs_in_slurm(world))
    world.cluster.stop_controller()
    done = world.harvest("submit", run, "--site", site, "--set", "command_limit=3 s", check=False)
    assert done.returncode == 3 and "gave no answer" in done.stdout, (done.returncode, done.stdout, done.stderr)
    # Submitting by hand again changes nothing: the first submission has to be cleared up.
    done = world.harvest("submit", run, check=False)
    assert done.returncode == 3 and "asked for it by name" in done.stdout, done.stdout
    world.cluster.start_controller()
    world.cluster.wait_until("controller", lambda: world.cluster.idle_nodes() == 3, 60)
    seen = poll_until(world, run, lambda seen: seen["submissions"][-1]["state"] in ("submitted", "running"))
    assert [entry["state"] for entry in seen["submissions"][:-1]] in ([], ["refused"]), seen
    assert len(jobs_in_slurm(world)) == before + 1, "one submission became several jobs"
    world.cluster.wait_until("20 ranges", lambda: world.finished(run) >= 20, 60)
    world.cluster.stop_controller()
    down = poll(world, run)
    assert down["step"] == "wait" and "does not answer" in down["trouble"]["what"], down
    world.cluster.start_controller()
    poll_until(world, run, lambda seen: seen["step"] == "complete")
    world.check_complete(run, RANGES, expected)
    assert len(jobs_in_slurm(world)) == before + 1


def lost_answer(world, site):
    """sbatch made the job, but nobody heard its id: what a kill between the two leaves. Found by its name."""
    run = world.slow_run("lost", 50, 5)
    before = len(jobs_in_slurm(world))
    done = world.harvest_deaf_to_sbatch("submit", run, "--site", site)
    assert done.returncode == 3 and "Socket timed out" in done.stdout, (done.returncode, done.stdout)
    seen = poll_until(world, run, lambda seen: seen["step"] == "complete")
    assert len(seen["submissions"]) == 1 and seen["submissions"][0]["job_id"], seen
    assert len(jobs_in_slurm(world)) == before + 1


def cancel(world, site, expected):
    run = world.slow_run("cancel", EVENTS, 1)
    submit(world, run, "--site", site)
    world.cluster.wait_until("20 ranges", lambda: world.finished(run) >= 20, 60)
    world.harvest("cancel", run)
    world.cluster.wait_until("no process on any node", lambda: not world.cluster.payload_processes(), 60)
    held = poll_until(world, run, lambda seen: seen["step"] == "held")
    assert len(held["submissions"]) == 1, held
    submit(world, run)
    poll_until(world, run, lambda seen: seen["step"] == "complete")
    world.check_complete(run, RANGES, expected)


def bad_wishes(world, site):
    run = world.slow_run("bad", 50, 5)
    _, said = submit(world, run, code=2)
    assert "settings are missing: batch, nodes_max, walltime_max, cores_per_node" in said, said
    _, said = submit(world, run, "--site", site, "--set", "nods_max=3", code=2)
    assert "did you mean nodes_max?" in said, said
    _, said = submit(world, run, "--site", site, "--set", "seconds_per_range=3600 s", code=2)
    assert "too short for one range" in said, said
    _, said = submit(world, run, "--site", site, "--set", "nodes_max=100", "--nodes", "50", code=2)
    assert "50 nodes are more than the 10 ranges left" in said, said
    refused, _ = submit(world, run, "--site", site, "--set", "partition=nowhere", code=4)
    assert "nvalid partition" in refused["trouble"]["why"], refused
    refused, _ = submit(world, run, "--site", site, "--set", "partition=paid", "--set", "account=chemistry", code=4)
    assert "Invalid account" in refused["trouble"]["why"], refused
    path = world.environment["PATH"]
    world.environment["PATH"] = world.path("empty")
    said, _ = submit(world, run, "--site", site, "--set", "partition=batch", "--set", "account=", code=2)
    assert "there is no sbatch in PATH" in said["trouble"]["what"], said
    world.environment["PATH"] = path
    _, said = submit(world, world.path("moved-away"), code=2)
    assert "moved or deleted" in said, said
    shown, _ = submit(world, run, "--site", site, "--set", "partition=batch", "--dry-run")
    assert "#SBATCH --nodes=3" in shown["job_file"] and not shown["submitted_now"], shown
    # What was refused is tried again by poll, with the settings as they are now.
    last = poll_until(world, run, lambda seen: seen["step"] == "complete")
    assert [entry["state"] for entry in last["submissions"]] == ["refused", "refused", "refused", "ended"], last
    os.rename(run, run + ".moved")
    done = world.harvest("poll", run, check=False)
    assert done.returncode == 2 and "moved or deleted" in done.stderr, done.stderr


def test(world, long):
    site = world.path("site.cfg")
    with open(site, "w") as file:
        file.write(SITE)
    expected = world.reference(EVENTS, 1)
    complete(world, site, expected)
    controller_down(world, site, expected)
    lost_answer(world, site)
    cancel(world, site, expected)
    bad_wishes(world, site)


b.main(test)
