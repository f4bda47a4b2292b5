#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""yoda with the look-alike of AthenaMP under mpirun, then merge: dialects, several workers, the same bytes whatever
the number of Droids; then kills of workers, payloads, Droids and rank 0 until the run is done, as with other payloads."""
import glob
import json
import os
import random
import signal
import sys
import tarfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mpi"))
import world as w

RANGES = 60
SETTINGS = ["disk.free_at_start=1 MB", "disk.free_running=1 MB", "payload.stop_grace=5 s", "range.tries=15"]


def mock(world, name, *environment):
    return world.write_payload(name, channel="athenamp", executable=os.path.join(world.bin, "athenamp_mock"),
                               output="opaque", finalisation="5 s", environment=list(environment))


def as_panda(run):
    """What a PanDA job says and `harvest new` does not."""
    path = os.path.join(run, "job.json")
    with open(path) as file:
        whole = json.load(file)
    job = whole["jobs"][0]
    job["transformation"] = "Sim_tf.py"
    job["jobPars"] = ("--inputEVNTFile=%s --maxEvents=10 --preExec 'EVNTtoHITS:simFlags.x=\"y z\"' "
                      "--outputHITSFile=HITS.1.pool.root.1 --DBRelease=current" % job["inFiles"])
    job["outFiles"] = "HITS.1.pool.root.1,log.1.tgz"
    job["logFile"] = "log.1.tgz"
    with open(path, "w") as file:
        json.dump(whole, file)


def new_run(world, name, source, payload, workers):
    run = world.new_run(name, [source], payload, settings=SETTINGS + ["payload.workers=%d" % workers])
    as_panda(run)
    return run


def mock_processes(world):
    """{pid: parent} of all processes of the look-alike."""
    return {pid: parent for pid, (command, _, parent) in world.processes().items()
            if command.startswith(os.path.join(world.bin, "athenamp_mock"))}


def check(world, run, name):
    status = world.status(run)
    assert status["ranges"]["finished"] == RANGES, status["ranges"]
    members = world.bundle_members(run)
    assert len(members) == RANGES and set(members.values()) == {1}, "outputs are not there once each"
    assert all(member.startswith("HITS.1.pool.root.1.") and "_000" not in member for member in members), members
    assert not glob.glob("/tmp/zmq_EventService_*_6900000001_*"), "a channel's socket is left"
    return world.merge(run, name + ".tar")


def kill(world, job, victim, rng):
    def end(pid):
        try:
            os.kill(pid, signal.SIGKILL)
            return True
        except ProcessLookupError:
            return False
    if victim == "whole job":
        return end(job.pid)
    ranks = world.ranks()
    if victim in ("droid", "rank 0"):
        chosen = [pid for rank, pid in ranks.items() if (rank == 0) == (victim == "rank 0")]
        return bool(chosen) and end(rng.choice(chosen))
    mocks = mock_processes(world)
    masters = [pid for pid, parent in mocks.items() if parent not in mocks]
    others = [pid for pid in mocks if pid not in masters]
    chosen = masters if victim == "payload" else others
    return bool(chosen) and end(rng.choice(chosen))


def test(world, long):
    source = world.write_lhe("in.lhe", 5 * RANGES)
    sums = {}
    for name, ranks, workers, environment in [
            ("alone", 0, 1, []), ("new", 3, 2, []), ("bare", 2, 4, ["MOCK_DIALECT=bare"]),
            ("late", 3, 3, ["MOCK_DIALECT=old", "MOCK_FINALISE_MS=50"]), ("threads", 2, 2, ["MOCK_DIALECT=mtes"]),
            ("simple", 3, 8, ["MOCK_MODE=simple"])]:
        run = new_run(world, name, source, mock(world, name + "_mock", *environment), workers)
        code = world.run_to_end(run, ranks)
        if code != 0:
            world.show_log()
        assert code == 0, "%s: exit code %d" % (name, code)
        sums[name] = check(world, run, name)
    assert len(set(sums.values())) == 1, sums
    with tarfile.open(world.path("new.tar")) as tar:
        texts = [tar.extractfile(member).read().decode() for member in tar if member.isfile() and "HITS" in member.name]
    assert sum(text.count("in.lhe event ") for text in texts) == 5 * RANGES

    told = world.harvest("logs", world.path("new")).stdout
    assert "log.1.tgz: GUID none" in told, told
    with tarfile.open(os.path.join(world.path("new"), "log.1.tgz"), "r:gz") as tar:
        names = tar.getnames()
        report = tar.extractfile([name for name in names if name.endswith("jobReport.json")][0]).read()
    assert all(name.startswith("tarball_PandaJob_6900000001/") for name in names), names
    assert any(name.endswith("/droid_1.log") for name in names) and json.loads(report)["exitCode"] == 0, names
    arguments = open(glob.glob(os.path.join(world.path("new"), "logs", "payload_*_0.out"))[0]).read()
    assert "--inputEVNTFile=%s\n" % source in arguments and "DBRelease" not in arguments, arguments
    assert "argument 4: --preExec\n" in arguments and "EVNTtoHITS:from AthenaMP.AthenaMPFlags" in arguments, arguments

    victims = ["worker", "payload", "droid", "rank 0", "whole job"]
    seed = int(os.environ.get("YODA_SEED", "20260201"))
    rng = random.Random(seed)
    rounds, done, number = (60 if long else 25), 0, 0
    payload = mock(world, "slow_mock", "MOCK_RANGE_MS=150")
    while done < rounds:
        number += 1
        run = new_run(world, "kill%d" % number, source, payload, 2)
        for _ in range(40):
            job = world.start(run, 3)
            deadline = time.monotonic() + rng.uniform(0.4, 2.0)
            while time.monotonic() < deadline and job.poll() is None:
                time.sleep(0.01)
            if job.poll() is None and done < rounds and kill(world, job, victims[done % len(victims)], rng):
                done += 1
            code = world.wait(job)
            left = world.wait_for_no_process()
            assert not left, "left behind: %s" % left
            if code == 0:
                break
        assert code == 0, "run %d did not complete (exit code %d)" % (number, code)
        assert check(world, run, "kill%d" % number) == sums["alone"], "merged output differs"
    print("seed %d: %d kills over %d runs" % (seed, done, number))


w.main(test)
