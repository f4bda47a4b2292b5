#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two real Slurm clusters of one accounting, and `option = --clusters=...` in the site's file: the job is followed,
cancelled and submitted again where it is, and a job of somebody else with the same number on the other cluster, or with
the number of a record that is out of date, stays as it is."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b
import slurm_accounts

RANGES = 300


class Clusters:
    def __init__(self, world, here, there):
        self.world, self.here, self.there = world, here, there

    def site(self, clusters):
        path = self.world.path("site-%s.cfg" % clusters)
        with open(path, "w") as file:
            file.write("batch = slurm\nnodes_max = 1\nwalltime_max = 10 min\ncores_per_node = 1\nexclusive = no\n"
                       "launcher = mpirun\nsettle = 1 s\nlost_after = 1 s\nretry_after = 1 s\nexport = YODA_WATCH_S=1\n"
                       "option = --clusters=%s\n" % clusters)
            # As on the nodes of that cluster.
            file.write("export = SLURM_CONF=%s\n" % self.there.path("slurm.conf"))
        return path

    def ask(self, command, run, *words, code=0):
        done = self.world.harvest(command, run, "--json", *words, check=False)
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout)[0]

    def somebody_elses(self):
        """A job on the first cluster."""
        return self.here.run("sbatch", "--parsable", "--hold", "-o", "/dev/null", "-J", "theirs", "--wrap", "true")

    def ours(self, seen):
        """Where our jobs are: [(cluster, number)]."""
        names = {entry["name"] for entry in seen["submissions"]}
        found = []
        for cluster in (self.here, self.there):
            for line in cluster.run("squeue", "-h", "-t", "all", "-o", "%i %j").splitlines():
                if line.split()[1] in names:
                    found.append((cluster.name, line.split()[0]))
        return found


def follow_and_cancel(c):
    run = c.world.slow_run("follow", RANGES, 1)
    seen = c.ask("submit", run, "--site", c.site("c2"))
    first = seen["submissions"][0]
    job = first["job_id"]
    assert first["cluster"] == "c2" and "on cluster c2" in seen["why"], seen
    while int(c.somebody_elses()) < int(job):
        pass
    c.there.wait_until("10 ranges", lambda: c.world.finished(run) >= 10)
    for _ in range(2):
        seen = c.ask("poll", run)["submissions"]
        assert len(seen) == 1 and seen[0]["state"] == "running" and seen[0]["missed_since_unix_s"] == 0, seen
    assert c.ask("cancel", run)["cancelled_now"]
    assert c.there.wait_for_end(job) == "CANCELLED"
    assert c.here.state(job) == "PENDING", "somebody else's job was cancelled"
    c.there.wait_until("held", lambda: c.ask("poll", run)["step"] == "held")
    c.there.wait_until("cleared", lambda: not c.there.payload_processes() and c.there.idle_nodes() == 1)
    c.ask("submit", run)
    c.there.wait_until("complete", lambda: c.ask("poll", run)["step"] == "complete", 120)
    assert c.world.status(run)["ranges"]["finished"] == RANGES


def lost_answer(c):
    """Nobody heard which of them took it: each is asked, and none may be silent."""
    busy = c.here.run("sbatch", "--parsable", "--exclusive", "-o", "/dev/null", "-J", "theirs", "--wrap", "sleep 600")
    c.here.wait_until("no node is free there", lambda: c.here.state(busy) == "RUNNING")
    run = c.world.slow_run("lost", 50, 5)
    done = c.world.harvest_deaf_to_sbatch("submit", run, "--json", "--site", c.site("c1,c2"))
    assert done.returncode == 3 and "Socket timed out" in done.stdout, (done.returncode, done.stdout)
    where = c.ours(json.loads(done.stdout)[0])
    assert [name for name, _ in where] == ["c2"], where
    c.there.stop_controller()
    last = c.ask("poll", run, "--look", code=3)["submissions"][-1]
    assert last["state"] == "intended" and last["missed_since_unix_s"] == 0, last
    c.there.start_controller()
    c.there.wait_until("controller", lambda: c.there.run("squeue", "-h", "-t", "all", check=False))
    seen = c.ask("poll", run)
    last = seen["submissions"][-1]
    assert (last["cluster"], last["job_id"]) == where[0] and last["state"] != "intended", last
    assert c.ours(seen) == where, "one submission became several jobs"
    c.there.wait_until("complete", lambda: c.ask("poll", run)["step"] == "complete", 120)
    c.here.run("scancel", busy)


def out_of_date(c):
    """A controller that has lost its state gives a number again: the name is compared before anything is cancelled."""
    theirs = c.somebody_elses()
    run = c.world.slow_run("old", 50, 5)
    c.ask("submit", run, "--site", c.site("c1"), "--set", "option=--hold")
    path = os.path.join(run, "batch", "0001.json")
    with open(path) as file:
        record = json.load(file)
    c.here.run("scancel", record["job_id"])
    record.update(name="ygone", job_id=theirs)
    with open(path, "w") as file:
        json.dump(record, file)
    seen = c.ask("cancel", run, code=4)
    assert not seen["cancelled_now"] and "somebody else's" in seen["trouble"]["why"], seen
    assert c.here.state(theirs) == "PENDING", c.here.state(theirs)


why = b.slurm.reason_to_skip() or slurm_accounts.reason_to_skip()
if why:
    b.skip(why)
with slurm_accounts.Accounts() as accounts:
    with b.slurm.Cluster(1, 2, "c1", accounts) as here, b.slurm.Cluster(1, 2, "c2", accounts) as there:
        with b.BatchWorld(sys.argv[1], "clusters", here) as world:
            for test in (follow_and_cancel, lost_answer, out_of_date):
                test(Clusters(world, here, there))
                print("clusters: %s" % test.__name__)
print("clusters: passed")
