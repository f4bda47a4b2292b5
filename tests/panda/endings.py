#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How jobs end: softkill, ranges that can work nowhere, jobs that PanDA has given up, and kills that are heard over v1.

    endings.py BIN [NAME...]
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scenario import fetch, final_state, finish, job, run_scenarios, scenario, tell  # noqa: E402
from yoda_at_work import ranges, read_text, RunningYoda, slow_payload  # noqa: E402

SPOOL = """payload = {payload}
config = {config}
fetch = {fetch}
runs_max = 1
disk_free = 1 MB
site.batch = local
site.nodes_max = 1
site.walltime_max = 10 min
site.overhead = 10 s
site.settle = 0 s
site.export = OMPI_ALLOW_RUN_AS_ROOT=1
site.export = OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
site.yoda_arguments = --set payload.workers=1 --set status.interval=0.2
"""


def rows_of(world, panda_id):
    return [r for r in world.panda.tell("events")["events"] if r["PandaID"] == panda_id]


def softkill(world, panda_id):
    world.panda.tell("job", PandaID=panda_id, sup_error=122)


class Spool:
    def __init__(self, world, payload):
        self.world, self.folder, self.payload = world, world.path("runs"), payload
        self.deadline = time.monotonic() + 240
        self.write("yes")

    def write(self, fetch):
        with open(os.path.join(self.folder, "spool.cfg"), "w") as file:
            file.write(SPOOL.format(payload=self.payload, config=self.world.config, fetch=fetch))

    def cycle_until(self, what):
        while True:
            output = self.world.harvest("cycle", self.folder, "--json", codes=(0, 3))
            said = json.loads(output[output.index("{\n"):])
            if what(said):
                return said
            assert time.monotonic() < self.deadline, said

    def run(self):
        return next(os.path.join(self.folder, n) for n in os.listdir(self.folder) if n.startswith("run-") and not n.endswith(".fetch"))

    def submissions(self):
        return [n for n in os.listdir(os.path.join(self.run(), "batch")) if n[0].isdigit() and n.endswith(".json")]


@scenario
def a_softkilled_job_ends_with_its_batch_job_and_none_is_submitted_again(world):
    world.write_config(panda__heartbeat="0 s")
    panda_id = world.make_task(file_count=1, events=400)["pandaIDs"][0]
    spool = Spool(world, slow_payload(world, 0.05))
    spool.cycle_until(lambda said: said["running"])
    run = spool.run()
    spool.write("no")

    def finished():
        status = json.loads(read_text(os.path.join(run, "status.json")) or "{}")
        return ranges(status).get("finished", 0)

    while finished() < 4:
        assert time.monotonic() < spool.deadline
    softkill(world, panda_id)
    spool.cycle_until(lambda said: said["over"])
    assert len(spool.submissions()) == 1, spool.submissions()
    state, columns = final_state(world, panda_id)
    assert state == "finished" and columns["jobSubStatus"] == "softkilled", (state, columns)
    events = world.panda.tell("counts")["events"]
    assert events["done"] >= 4 and events["ready"] == 400 - events["done"], events
    assert not json.loads(read_text(os.path.join(run, "batch", "plan.json")))["held"], "the job that worked was cancelled"


@scenario
def a_batch_job_that_waits_for_a_softkilled_job_is_cancelled(world):
    world.write_config(panda__heartbeat="0 s")
    panda_id = world.make_task(file_count=1, events=40)["pandaIDs"][0]
    spool = Spool(world, slow_payload(world, 0.2))
    # It is heard in the very cycle that fetched the job.
    softkill(world, panda_id)
    spool.cycle_until(lambda said: said["fetched"])
    spool.write("no")
    spool.cycle_until(lambda said: said["over"])
    assert len(spool.submissions()) <= 1, spool.submissions()
    assert final_state(world, panda_id)[0] in ("failed", "finished")
    events = world.panda.tell("counts")["events"]
    assert events["ready"] >= 30 and events["ready"] + events.get("done", 0) == 40, events


@scenario
def a_softkilled_job_leaves_a_run_whose_other_job_goes_on(world):
    world.write_config(fetch__jobs=2, fetch__chunk=60, yoda__status__interval="0.2 s")
    first, second = world.make_task(file_count=1, events=120, jobs=2)["pandaIDs"]
    run = fetch(world, payload=slow_payload(world, 0.05))
    with RunningYoda(world, run) as yoda:
        yoda.wait_for(lambda s: ranges(s).get("finished", 0) >= 4)
        softkill(world, first)
        tell(world, run, "--set=panda.heartbeat=0 s")
        yoda.wait_for(lambda s: ranges(s).get("dropped", 0) > 0 or ranges(s).get("finished", 0) == 120)
        yoda.end()
    finish(world, run)
    assert final_state(world, first)[0] in ("finished", "failed") and final_state(world, second)[0] == "finished"
    assert [r["status"] for r in rows_of(world, second)] == ["done"] * 60, rows_of(world, second)
    mine = [r["status"] for r in rows_of(world, first)]
    assert set(mine) <= {"done"} and len(mine) < 60, mine
    assert world.panda.tell("counts")["events"]["ready"] == 60 - len(mine)


@scenario
def a_job_that_is_softkilled_while_its_run_waits_ends_at_once(world):
    world.write_config(fetch__jobs=2, fetch__chunk=20)
    first, second = world.make_task(file_count=1, events=40, jobs=2)["pandaIDs"]
    run = fetch(world)
    softkill(world, first)
    said = tell(world, run, "--phase", "queued")
    assert not said["submit_no_more"] and not said["cancel_batch"], said
    state, columns = final_state(world, first)
    assert state == "failed" and int(columns["pilotErrorCode"]) == 1379, (state, columns)
    assert "20 of 40 ranges to do" in world.harvest("status", world.path("runs"))
    # Its ranges belong to others by now.
    world.run_yoda(run)
    finish(world, run)
    assert len(rows_of(world, second)) == 20 and final_state(world, second)[0] == "finished"
    assert world.panda.tell("counts")["events"] == {"ready": 20, "done": 20}


def close_retries(world):
    """So that the next fetch gets a job of its own."""
    for retry in [j for j in world.panda.tell("jobs")["jobs"] if j["status"] == "activated"]:
        world.panda.tell("job", PandaID=retry["PandaID"], status="closed")


def run_with_a_broken_file(world, number, **settings):
    """Two files of ten ranges; those of the second can work nowhere."""
    world.write_config(**settings)
    task = world.make_task(task=40000030 + number, file_count=2, events=10)
    world.panda.tell("rename_file", fileID=task["fileIDs"][1], lfn="../../etc/passwd")
    run = fetch(world, "run-%d" % number)
    world.run_yoda(run)
    said = finish(world, run)
    rows = [r for r in rows_of(world, task["pandaIDs"][0]) if r["fileID"] == task["fileIDs"][1]]
    return said, rows


@scenario
def ranges_that_can_work_nowhere_are_failed_ones_unless_fatal_is_asked_for(world):
    for number, (api, fatal) in enumerate((a, f) for a in ("classic", "v1") for f in ("no", "yes")):
        said, rows = run_with_a_broken_file(world, number, panda__api=api, report__fatal=fatal)
        # What PanDA stored as fatal has attempt number 1 from then on, also in its id.
        assert said["refused_ranges"] == 0 and said["exit_code"] == 0, said
        assert len(rows) == 10 and {r["status"] for r in rows} == {"failed"}, rows
        assert {r["attemptNr"] for r in rows} == {1 if fatal == "yes" else 3}, rows
        close_retries(world)
        assert {r["errorCode"] for r in rows} == {1103} and "no plain file name" in rows[0]["errorDiag"], rows


@scenario
def a_job_that_panda_gave_up_is_seen_as_gone_over_v1(world):
    for number, repaired in enumerate((False, True)):
        world.panda.tell("server", v1_repaired=repaired)
        world.write_config(panda__api="v1")
        task = world.make_task(task=40000050 + number, file_count=1, events=20)
        run = fetch(world, "run-%d" % number)
        world.run_yoda(run)
        # PanDA has the state that comes next, so that no update tells.
        said = tell(world, run)
        world.harvest("push", run)
        assert world.panda.tell("advance", seconds=3 * 3600)["lost"] == task["pandaIDs"]
        output = world.harvest("report", run, "--json")
        said = json.loads(output[output.index("{\n"):])
        assert said["refused_ranges"] == 0 and said["cancel_batch"] and not said["problems"], said
        assert output.count("job_gone") == 1 and "range_refused" not in output, output
        assert tell(world, run, codes=(0,))["all_ended"]
        world.panda.tell("server", classic=True)
        close_retries(world)


@scenario
def while_ranges_are_reported_over_v1_a_kill_is_heard_within_five_minutes(world):
    world.write_config(panda__api="v1")
    for number, (silent_s, heard) in enumerate(((200, False), (301, True))):
        panda_id = world.make_task(task=40000060 + number, file_count=1, events=20)["pandaIDs"][0]
        run = fetch(world, "run-%d" % number)
        world.run_yoda(run)
        assert tell(world, run)["job_updates"] == 1
        record = os.path.join(run, "panda", "job-%d.json" % panda_id)
        with open(record) as file:
            about = json.load(file)
        about["last_sent_unix_s"] -= silent_s
        with open(record, "w") as file:
            json.dump(about, file)
        world.panda.tell("job", PandaID=panda_id, command="tobekilled")
        world.harvest("push", run)
        said = tell(world, run)
        assert said["accepted_ranges"] == 20 and said["all_ended"], said
        assert said["job_updates"] == (2 if heard else 1), said
        state, columns = final_state(world, panda_id)
        assert state == ("failed" if heard else "finished"), (state, columns)


if __name__ == "__main__":
    run_scenarios()
