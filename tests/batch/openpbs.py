#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""harvest with PBS as OpenPBS speaks it (tests/support/fake_pbs.py), above all without job history, as it is installed:
a job that waits or runs is never taken for lost, one that has ended is known at once, a submission whose answer was lost
is neither made twice nor given up although it ran, and nobody else's job is deleted."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b
import fake_pbs

RANGES = 150


class PbsWorld:
    def __init__(self, world):
        self.world = world
        self.pbs = fake_pbs.Pbs(world.path("pbs"))
        world.environment["PATH"] = self.pbs.bin + ":" + world.environment["PATH"]
        self.site = world.path("site.cfg")
        with open(self.site, "w") as file:
            file.write("batch = pbs\nnodes_max = 1\nwalltime_max = 10 min\ncores_per_node = 1\nexclusive = no\n"
                       "settle = 1 s\nlost_after = 1 s\nretry_after = 1 s\nexport = YODA_WATCH_S=1\n")

    def run(self, name):
        return self.world.slow_run(name, RANGES, 1)

    def harvest(self, command, run, *words, code=0):
        done = self.world.harvest(command, run, "--json", *words, check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)[0]

    def submit(self, run, code=0):
        return self.harvest("submit", run, "--site", self.site, code=code)

    def look(self, run, code=0):
        return self.harvest("poll", run, "--look", code=code)["submissions"][-1]

    def jobs_of(self, seen):
        names = {entry["name"] for entry in seen["submissions"]}
        return [job for job in self.pbs.jobs().values() if job["name"] in names]

    def start(self, job, run, ranges):
        self.pbs.start(job, self.world.environment)
        b.slurm.server_host.wait_until("%d ranges" % ranges, lambda: self.world.finished(run) >= ranges,
                                       self.pbs.processes[job])

    def until(self, what, run, condition):
        seen = {}

        def ask():
            seen.clear()
            seen.update(json.loads(self.world.harvest("poll", run, "--look", "--json", check=False).stdout)[0])
            return condition(seen["submissions"][-1])

        b.slurm.server_host.wait_until(what, ask)
        return seen["submissions"][-1]

    def kill(self, job):
        self.pbs.kill(job)
        b.slurm.server_host.wait_until("no process of the job", lambda: not self.world.processes())


def queue_and_end(pw):
    """Waits, runs, is killed and forgotten: then the next one, at once."""
    run = pw.run("queued")
    first = pw.submit(run)["submissions"][0]
    for _ in range(3):
        waits = pw.look(run)
        assert waits["state"] == "submitted" and waits["missed_since_unix_s"] == 0, waits
        assert "Not enough free nodes" in waits["reason"], waits
    pw.start(first["job_id"], run, 10)
    runs = pw.look(run)
    assert runs["state"] == "running" and runs["missed_since_unix_s"] == 0, runs
    pw.pbs.mode(down=True)
    silent = pw.look(run, code=3)
    assert silent["state"] == "running" and silent["missed_since_unix_s"] == 0, silent
    pw.pbs.mode()
    pw.kill(first["job_id"])
    seen = pw.harvest("poll", run)
    assert [entry["state"] for entry in seen["submissions"]] == ["ended", "submitted"], seen
    assert "no such job" in seen["submissions"][0]["reason"], seen
    last = seen["submissions"][1]["job_id"]
    pw.pbs.start(last, pw.world.environment)
    pw.pbs.reap(last)
    seen = pw.harvest("poll", run)
    assert seen["step"] == "complete" and seen["submissions"][1]["exit_code"] == 0, seen


def lost_answer(pw):
    """The job is there: found by its name, also when it is asked for again and again."""
    run = pw.run("lost_answer")
    pw.pbs.mode(lost_answer=True)
    seen = pw.submit(run, code=3)
    assert seen["submissions"][0]["state"] == "intended" and len(pw.jobs_of(seen)) == 1, seen
    seen = pw.harvest("poll", run)
    assert len(seen["submissions"]) == 1 and seen["submissions"][0]["state"] == "submitted", seen
    assert len(pw.jobs_of(seen)) == 1 and seen["submissions"][0]["job_id"] == pw.jobs_of(seen)[0]["id"], seen


def lost_answer_of_a_job_that_ran(pw):
    """It began, was killed without a word, and was forgotten: that is no submission that nobody got."""
    run = pw.run("ran_unseen")
    pw.pbs.mode(lost_answer=True)
    job = pw.jobs_of(pw.submit(run, code=3))[0]["id"]
    pw.start(job, run, 10)
    pw.kill(job)
    seen = pw.until("known to have ended", run, lambda last: last["state"] != "intended")
    assert seen["state"] == "ended" and seen["job_id"] == "", seen


def lost_call(pw):
    """Nobody got it: two empty answers, settle apart, then it is submitted again."""
    run = pw.run("lost_call")
    pw.pbs.mode(lost_call=True)
    assert not pw.jobs_of(pw.submit(run, code=3))
    first = pw.look(run)
    assert first["state"] == "intended" and first["missed_since_unix_s"] > 0, first
    assert pw.until("refused", run, lambda last: last["state"] != "intended")["state"] == "refused"
    seen = {}

    def submitted():
        seen.update(pw.harvest("poll", run))
        return len(seen["submissions"]) == 2

    b.slurm.server_host.wait_until("submitted again", submitted)
    assert len(pw.jobs_of(seen)) == 1, seen


def cancel(pw):
    run = pw.run("cancel")
    job = pw.submit(run)["submissions"][0]["job_id"]
    # The server was set up anew, and its numbers begin from the start.
    pw.pbs.end(job)
    pw.pbs.add("somebody_else", number=int(job.split(".")[0]))
    seen = pw.harvest("cancel", run, code=4)
    assert not seen["cancelled_now"] and "somebody else's" in seen["trouble"]["why"], seen
    assert pw.pbs.jobs()[job]["name"] == "somebody_else", pw.pbs.jobs()
    pw.pbs.end(job)

    run = pw.run("cancel_ours")
    job = pw.submit(run)["submissions"][0]["job_id"]
    assert pw.harvest("cancel", run)["cancelled_now"] and job not in pw.pbs.jobs()
    assert pw.harvest("poll", run)["step"] == "held"


def history(pw):
    """A server that keeps ended jobs tells of them, by number and by name."""
    pw.pbs.mode(history=True)
    run = pw.run("history")
    job = pw.submit(run)["submissions"][0]["job_id"]
    pw.pbs.end(job)
    last = pw.look(run)
    assert last["state"] == "ended" and last["word"] == "F" and last["reason"] == "Job run and finished", last
    pw.pbs.mode(history=True, lost_answer=True)
    run = pw.run("history_by_name")
    job = pw.jobs_of(pw.submit(run, code=3))[0]["id"]
    pw.pbs.end(job)
    last = pw.look(run)
    assert last["state"] == "ended" and last["job_id"] == job, last


with b.BatchWorld(sys.argv[1], "openpbs") as world:
    pw = PbsWorld(world)
    for test in (queue_and_end, lost_answer, lost_answer_of_a_job_that_ran, lost_call, cancel, history):
        test(pw)
        pw.pbs.mode()
        print("openpbs: %s" % test.__name__)
print("openpbs: passed")
