#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Jobs that a fetch cannot run: merge jobs, which must never end as failed, and others, of which few may be ended in a row.

    merge_jobs.py BIN [NAME...]
"""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scenario import fetch, finish, final_state, job, run_scenarios, scenario  # noqa: E402

SPOOL = """payload = {payload}
config = {config}
runs_max = 1
disk_free = {disk_free}
site.batch = local
site.nodes_max = 1
site.walltime_max = 10 min
"""


def merge_job_to_come(world, **task):
    """A task whose 20 ranges are all done, so that its merge job waits for this very queue."""
    made = world.make_task(file_count=1, events=20, **task)
    run = fetch(world, "done-%d" % made["taskID"])
    world.run_yoda(run)
    finish(world, run)
    world.panda.tell("server", merge_jobs_here=True)
    return counts(world)["merge_jobs"][-1]


def counts(world):
    return world.panda.tell("counts")


def asked(world):
    calls = counts(world)["calls"]
    return calls.get("getJob", 0) + calls.get("pilot/acquire_jobs", 0)


def fetch_more(world, name="next", codes=(0,), *words):
    return world.harvest("fetch", world.path("runs", name), "--payload", world.write_payload(), *words, codes=codes)


def a_merge_job_is_held(world, api):
    world.write_config(panda__heartbeat="0 s", panda__api=api)
    merge = merge_job_to_come(world)
    world.make_task(task=40000002, file_count=1, events=10)
    said = fetch_more(world, codes=(4,))
    for words in ("job %d" % merge, "20 finished ranges", "jobseed=es", "--release-job %d" % merge):
        assert words in said, said
    assert counts(world)["events"]["done"] == 20, counts(world)["events"]
    # It stops there: nobody else's jobs are taken, and the held one is kept alive.
    before = asked(world)
    for name in ("next", "other") * 4:
        assert world.panda.tell("advance", seconds=1500)["lost"] == []
        assert "needs a person" in fetch_more(world, name, codes=(4,))
    assert asked(world) == before
    assert set(job(world, merge)["states"]) == {"starting"}, job(world, merge)
    assert "release-job %d" % merge in world.harvest("status", world.path("runs"))
    listed = json.loads(world.harvest("status", world.path("runs"), "--json"))
    assert [entry["finished_ranges"] for entry in listed if entry.get("held_job") == merge] == [20], listed

    world.panda.tell("faults", rules=[{"kind": "busy", "method": "updateJob", "count": 1},
                                      {"kind": "busy", "method": "update_job", "count": 1}])
    world.harvest("fetch", "--release-job", str(merge), world.path("runs"), codes=(3,))
    assert counts(world)["events"]["done"] == 20
    world.panda.tell("faults")
    said = world.harvest("fetch", "--release-job", str(merge), world.path("runs"))
    assert 0 <= said.find("discards 20 finished ranges") < said.find("was ended as failed"), said
    assert counts(world)["events"]["discarded"] == 20, counts(world)["events"]
    assert final_state(world, merge)[0] == "failed" and counts(world)["adder_errors"] == []
    assert "is not held" in world.harvest("fetch", "--release-job", str(merge), world.path("runs"), codes=(2,))
    fetch_more(world)
    assert os.path.exists(world.path("runs", "next", "job.json"))


@scenario
def a_merge_job_is_held_until_a_person_decides(world):
    a_merge_job_is_held(world, "classic")


@scenario
def a_merge_job_is_held_over_v1_too(world):
    a_merge_job_is_held(world, "v1")


@scenario
def a_held_job_that_panda_gave_up_holds_up_nothing_more(world):
    world.write_config()
    for number, discards in enumerate((True, False)):
        world.panda.tell("server", merge_timeout_discards=discards)
        merge = merge_job_to_come(world, task=40000001 + number)
        fetch_more(world, codes=(4,))
        assert world.panda.tell("advance", seconds=3 * 3600)["lost"] == [merge]
        of_task = {r["status"] for r in world.panda.tell("events")["events"] if r["taskID"] == 40000001 + number}
        assert of_task == {"discarded" if discards else "done"}, of_task
        assert "held_job_gone" in fetch_more(world, "next", (0,), "--set=panda.heartbeat=0 s")


@scenario
def a_fetch_that_is_killed_holds_the_merge_job_the_next_time(world):
    world.write_config()
    merge = merge_job_to_come(world)
    run = world.path("runs", "next")
    world.panda.tell("faults", rules=[{"kind": "slow", "method": "updateJob", "count": 1, "seconds": 1.5}])
    process = world.start("fetch", run, "--payload", world.write_payload())
    while counts(world)["calls"].get("getJob", 0) < 2 or not os.path.exists(run + ".fetch/fetch/000001-jobs.answer.json"):
        assert process.poll() is None
    process.kill()
    process.communicate()
    assert "release-job %d" % merge in fetch_more(world, codes=(4,))
    assert counts(world)["events"] == {"done": 20} and final_state(world, merge)[0] == "starting"


@scenario
def jobs_that_came_with_a_merge_job_are_done(world):
    world.write_config(fetch__jobs=3)
    merge = merge_job_to_come(world)
    world.make_task(task=40000002, file_count=1, events=10)
    said = fetch_more(world, codes=(4,))
    assert "1 jobs, 10 ranges" in said and "release-job %d" % merge in said, said
    world.run_yoda(world.path("runs", "next"))
    # Who only reports keeps the held job alive as well, and hears of it.
    finish(world, world.path("runs", "next"), codes=(0, 3, 4))
    assert counts(world)["events"] == {"done": 30}, counts(world)["events"]


@scenario
def a_cycle_holds_merge_jobs_whatever_its_limits_say(world):
    world.write_config(panda__heartbeat="0 s")
    merge = merge_job_to_come(world)
    spool = world.path("spool")
    os.mkdir(spool)

    def write_spool(disk_free):
        with open(os.path.join(spool, "spool.cfg"), "w") as file:
            file.write(SPOOL.format(payload=world.write_payload(), config=world.config, disk_free=disk_free))

    def cycle():
        output = world.harvest("cycle", spool, "--json", codes=(4,))
        return json.loads(output[output.index("{\n"):])

    write_spool("1 MB")
    said = cycle()
    assert len(said["alarms"]) == 1 and "release-job %d" % merge in said["alarms"][0], said
    before = asked(world)
    write_spool("1000000 TB")
    for _ in range(5):
        assert world.panda.tell("advance", seconds=1800)["lost"] == []
        assert len(cycle()["alarms"]) == 1
    assert asked(world) == before and counts(world)["events"] == {"done": 20}
    assert "merge job of 20 finished ranges" in world.harvest("status", spool)
    # The spool names the configuration.
    done = subprocess.run([os.path.join(world.bin, "harvest"), "fetch", "--release-job", str(merge), spool],
                          env=world.environment, stdout=subprocess.PIPE, text=True, check=True)
    assert "discards 20 finished ranges" in done.stdout, done.stdout
    world.harvest("cycle", spool, codes=(0, 3))


@scenario
def after_three_jobs_in_a_row_that_cannot_run_here_fetch_stops(world):
    world.write_config()
    ordinary = dict(file_count=1, events=10, max_attempt=1, job_fields={"eventService": "NULL"})
    tasks = [world.make_task(task=40000010 + n, **ordinary) for n in range(5)]
    said = fetch_more(world, codes=(4,))
    assert "3 jobs in a row" in said and "eventService is not True" in said and "--resume" in said, said

    def ended():
        return [final_state(world, t["pandaIDs"][0])[0] for t in tasks if job(world, t["pandaIDs"][0])["states"]]

    assert ended() == ["failed"] * 3, ended()
    before = asked(world)
    assert "3 jobs in a row" in fetch_more(world, "other", codes=(4,))
    assert asked(world) == before and "3 jobs in a row" in world.harvest("status", world.path("runs"))
    world.harvest("fetch", "--resume", world.path("runs"))
    fetch_more(world)
    assert ended() == ["failed"] * 5 and counts(world)["adder_errors"] == [], ended()
    # One that comes into a run breaks the row.
    world.make_task(task=40000020, file_count=1, events=10)
    fetch_more(world)
    world.make_task(task=40000021, **ordinary)
    fetch_more(world, "last")


@scenario
def a_job_that_is_over_stands_in_nobodys_way(world):
    """Under the name that its fetch had the next job is fetched, as a cycle does after a fetch that made no run."""
    world.write_config()
    # Taken back before it starts.
    taken_back = world.make_task(task=40000010, file_count=1, events=10)["pandaIDs"][0]
    world.panda.tell("job", PandaID=taken_back, command="tobekilled")
    assert "job_taken_back" in fetch_more(world)
    # PanDA has no ranges for it; such jobs could run here, so that any number of them is no reason to stop.
    for number in range(4):
        empty = world.make_task(task=40000011 + number, file_count=1, events=10, max_attempt=1)
        world.panda.tell("hide_ranges", jobsetID=empty["jobsetID"])
        fetch_more(world)
        state, columns = final_state(world, empty["pandaIDs"][0])
        assert state == "failed" and int(columns["pilotErrorCode"]) == 1238, (state, columns)
    # Who asks every few minutes and gets nothing fills no folder.
    journal = world.path("runs", "next.fetch", "fetch")
    before = sorted(os.listdir(journal))
    world.panda.tell("faults", rules=[{"kind": "busy", "method": "getJob", "count": 1}])
    fetch_more(world, codes=(3,))
    for _ in range(3):
        fetch_more(world)
    assert sorted(os.listdir(journal)) == before, os.listdir(journal)
    world.make_task(task=40000020, file_count=1, events=10)
    assert "10 ranges" in fetch_more(world)
    assert os.path.exists(world.path("runs", "next", "job.json"))


@scenario
def jobs_none_of_whose_ranges_can_be_worked_on_are_ended_with_the_reason(world):
    world.write_config()
    ended = []
    for number in range(3):
        task = world.make_task(task=40000010 + number, file_count=1, events=10, max_attempt=1)
        world.panda.tell("rename_file", fileID=task["fileIDs"][0], lfn="another.file")
        ended += task["pandaIDs"]
        said = fetch_more(world, codes=(4 if number == 2 else 0,))
        state, columns = final_state(world, ended[-1])
        assert state == "failed" and int(columns["pilotErrorCode"]) == 1103, (state, columns)
        assert "not among the inputs" in columns["pilotErrorDiag"], columns
        assert not os.path.exists(world.path("runs", "next")), said
    assert "3 jobs in a row" in said and "none of its event ranges can be worked on" in said, said
    world.harvest("fetch", "--resume", world.path("runs"))
    world.make_task(task=40000020, file_count=1, events=10)
    assert "10 ranges" in fetch_more(world)


@scenario
def jobs_whose_outputs_cannot_be_told_apart_count_too(world):
    world.write_config()
    for number in range(3):
        world.make_task(task=40000010 + number, file_count=1, events=10, max_attempt=1,
                        job_fields={"outFiles": "HITS.root,HIST.root,log.tgz", "logFile": "log.tgz"})
        said = fetch_more(world, codes=(4 if number == 2 else 0,))
    assert "3 jobs in a row" in said and "output.NAME" in said, said


if __name__ == "__main__":
    run_scenarios()
