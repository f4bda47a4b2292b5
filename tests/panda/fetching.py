#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What runs take in: jobs and ranges of all shapes, as many as can be done, and more while yoda works.

    fetching.py BIN [NAME...]
"""
import io
import json
import os
import re
import signal
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scenario import fetch, final_state, finish, job, run_scenarios, scenario, tell  # noqa: E402
from yoda_at_work import ranges, RunningYoda, slow_payload  # noqa: E402

SCOPE = "mc16_13TeV"


def feed(world, run, *words):
    output = world.harvest("fetch", "--more", run, "--json", *words)
    return json.loads(output[output.index("{"):])


@scenario
def a_running_yoda_is_fed_no_more_than_the_rest_of_its_walltime_can_do(world):
    world.write_config(fetch__open="yes", yoda__walltime="100 s", yoda__status__interval="0.2 s")
    world.make_task(file_count=1, events=3000)
    run = fetch(world, "run", "--ranges", "4", payload=slow_payload(world, 0.5))
    with RunningYoda(world, run) as yoda:
        status = yoda.wait_for(lambda s: ranges(s).get("finished", 0) >= 2)
        said = feed(world, run)
        assert 0 < said["ranges"] == said["room_events"], said
        yoda.wait_for(lambda s: ranges(s)["total"] == 4 + said["ranges"])
        again = feed(world, run)
        assert again["ranges"] == again["room_events"], again
        # An event takes half a second at least.
        can_do = 2 * 100 * sum(droid["workers"] for droid in status["droids"])
        assert 4 + said["ranges"] + again["ranges"] <= can_do < 3000, (said, again, can_do)
        os.kill(yoda.process.pid, signal.SIGTERM)
        yoda.end(codes=(0, 1, 3))


@scenario
def a_run_that_waits_is_fed_no_more_than_its_batch_job_can_do(world):
    world.write_config(fetch__open="yes", fetch__walltime="1000 s", fetch__overhead="0 s", fetch__cores=2,
                       fetch__seconds_per_event="10 s")
    world.make_task(file_count=1, events=3000)
    run = fetch(world, "run", "--ranges", "50")
    # 200 events fit.
    assert [feed(world, run, "--ranges", wanted)["ranges"] for wanted in ("60", "1000", "1000")] == [60, 90, 0]
    assert world.panda.tell("counts")["events"]["sent"] == 200


@scenario
def a_jumbo_job_takes_ranges_of_all_files_of_its_task(world):
    world.write_config(fetch__chunk=70)
    task = world.make_task(file_count=25, events=20, jumbo=True)
    run = fetch(world)
    with open(os.path.join(run, "job.json")) as file:
        job = json.load(file)["jobs"][0]
    assert job["computingSite"] == "TEST_HPC", job  # PanDA does not say it; payloads are told.
    inputs = job["inFilePaths"].split(",")
    assert len(inputs) == 25 and all(os.path.exists(path) for path in inputs), inputs
    world.run_yoda(run)
    finish(world, run)
    counts = world.panda.tell("counts")
    assert counts["events"] == {"done": 500}, counts
    assert final_state(world, task["pandaIDs"][0])[0] == "finished"
    assert all(row["is_jumbo"] == 1 for row in world.panda.tell("events")["events"])


@scenario
def a_job_without_ranges_is_ended_before_a_run_is_made(world):
    world.write_config(fetch__jobs=2)
    task = world.make_task(file_count=1, events=10, jobs=2)
    # The first job takes all.
    run = fetch(world)
    states = {p: final_state(world, p) for p in task["pandaIDs"]}
    ended = [columns for state, columns in states.values() if state == "failed"]
    assert len(ended) == 1 and int(ended[0]["pilotErrorCode"]) == 1238 and "no event ranges" in ended[0]["pilotErrorDiag"], states
    assert world.panda.tell("counts")["calls"]["checkEventsAvailability"] >= 2
    with open(os.path.join(run, "job.json")) as file:
        assert len(json.load(file)["jobs"]) == 1


@scenario
def ranges_that_cannot_be_worked_on_are_reported_and_the_others_done(world):
    world.write_config(panda__report_chunk=5)
    task = world.make_task(file_count=1, events=20)
    panda_id, lfn = task["pandaIDs"][0], "EVNT.40000001._000001.txt"

    def bad(number, **changes):
        item = {"eventRangeID": "40000001-%d-5000001-%d-9" % (panda_id, number), "startEvent": number, "lastEvent": number,
                "LFN": lfn, "GUID": "G", "scope": "mc16_13TeV"}
        item.update(changes)
        return item

    cases = {101: ({"LFN": "EVNT.unknown.root"}, "failed", "not among the inputs"),
             102: ({"LFN": "../../etc/passwd"}, "fatal", "no plain file name"),
             103: ({"LFN": "a/b"}, "fatal", "no plain file name"),
             104: ({"LFN": "a\nb"}, "fatal", "no plain file name"),
             105: ({"LFN": None}, "failed", "no input file"),
             106: ({"startEvent": 9, "lastEvent": 8}, "fatal", "no range"),
             107: ({"startEvent": 0, "lastEvent": 3}, "fatal", "no range"),
             108: ({"startEvent": 1, "lastEvent": 1 << 33}, "fatal", "32 bits"),
             109: ({"eventRangeID": "40000001-1-5000001-109-9"}, "failed", "belongs to job 1")}
    injected = [bad(number, **changes) for number, (changes, _, _) in cases.items()]
    injected += [bad(1), bad(1), dict(bad(110), pfn="extra keys do not matter")]
    world.panda.tell("inject", ranges=injected)
    output = world.harvest("fetch", world.path("runs", "run"), "--payload", world.write_payload(), "--json")
    said = json.loads(output[output.index("{"):])
    run = world.path("runs", "run")
    # The task's attempts are 3: range 1 of attempt 9 is another one, and came twice.
    assert said["ranges"] == 22 and said["repeated_ranges"] == 1, said
    with open(os.path.join(run, "panda", "refused-%d.json" % panda_id)) as file:
        refused = {int(r["eventRangeID"].split("-")[3]): r for r in json.load(file)["ranges"]}
    assert set(refused) == set(cases), refused
    for number, (_, status, words) in cases.items():
        assert refused[number]["status"] == status and words in refused[number]["why"], refused[number]
    world.run_yoda(run)
    assert finish(world, run)["refused_ranges"] == 0
    sent = json.dumps([c for c in world.panda.tell("log")["log"] if c[0] == "updateEventRanges"])
    for number, (_, status, words) in cases.items():
        # A word about another job's range would count against that job.
        assert (words in sent) == (number != 109), words
    assert world.panda.tell("counts")["events"] == {"done": 20}


@scenario
def numbers_beyond_53_bits_stay_exact(world):
    world.write_config()
    world.panda.tell("numbers", panda_id=(1 << 53) + 1, file_id=(1 << 62) + 3)
    task = world.make_task(task=(1 << 33) + 1, file_count=2, events=10)
    assert task["pandaIDs"][0] == (1 << 53) + 1
    run = fetch(world)
    world.run_yoda(run)
    finish(world, run)
    counts = world.panda.tell("counts")
    assert counts["events"] == {"done": 20} and counts["merge_jobs"], counts
    world.check_merge_inputs(world.stored_bundles())


@scenario
def a_job_whose_answer_was_lost_is_known_as_lost(world):
    world.write_config(panda__timeout="2 s")
    world.make_task(file_count=1, events=10, jobs=3)
    run = world.path("runs", "run")
    payload = world.write_payload()
    # The answer never comes; and a kill before it does.
    world.panda.tell("faults", rules=[{"kind": "drop_after", "method": "getJob", "count": 1}])
    said = world.harvest("fetch", run, "--payload", payload, codes=(3,))
    assert "up to 1 jobs were lost" in said, said
    world.panda.tell("faults", rules=[{"kind": "slow", "method": "getJob", "count": 1, "seconds": 1.5}])
    process = world.start("fetch", run, "--payload", payload)
    while not any(name.startswith("000002") for name in os.listdir(run + ".fetch/fetch")):
        assert process.poll() is None
    while world.panda.tell("counts")["calls"]["getJob"] < 2:
        assert process.poll() is None
    process.kill()
    process.communicate()
    output = world.harvest("fetch", run, "--payload", payload, "--json")
    said = json.loads(output[output.index("{"):])
    assert said["lost_jobs"] == 2 and said["ranges"] == 10 and said["jobs"] == 1, said
    # PanDA gives them up after half an hour without a word.
    assert len(world.panda.tell("advance", seconds=1801)["lost"]) == 2


@scenario
def what_earlier_runs_measured_limits_what_is_fetched(world):
    world.write_config()
    world.make_task(file_count=1, events=20)
    first = fetch(world, "first", payload=slow_payload(world, 0.1))
    world.run_yoda(first)
    finish(world, first)
    with open(os.path.join(first, "status.json")) as file:
        mean_s = json.load(file)["event_time_s"]["mean"]
    world.write_config(fetch__walltime="20 s", fetch__overhead="10 s", fetch__cores=2)
    world.make_task(task=40000002, file_count=1, events=1000)
    run = fetch(world, "second")
    with open(os.path.join(run, "job.json")) as file:
        panda_id = json.load(file)["jobs"][0]["PandaID"]
    sent = [r for r in world.panda.tell("events")["events"] if r["PandaID"] == panda_id]
    assert len(sent) == 2 * int(10 / mean_s), (len(sent), mean_s)


def members_of(run):
    names = []
    for name in sorted(os.listdir(os.path.join(run, "bundles"))):
        if name.endswith(".tar"):
            with tarfile.open(os.path.join(run, "bundles", name)) as tar:
                names += tar.getnames()
    return sorted(names)


@scenario
def a_job_whose_outputs_cannot_be_told_apart_is_refused_with_the_reason(world):
    world.write_config()
    more = {"outFiles": "HITS.1.root,HIST.1.root,log.1.tgz", "logFile": "log.1.tgz"}
    task = world.make_task(file_count=1, events=10, job_fields=more)
    run = world.path("runs", "run")
    world.harvest("fetch", run, "--payload", world.write_payload(), codes=(0, 1, 2, 3, 4))
    assert not os.path.exists(run)
    state, columns = final_state(world, task["pandaIDs"][0])
    assert state == "failed" and int(columns["pilotErrorCode"]) == 1110, (state, columns)
    assert "output.NAME" in columns["pilotErrorDiag"] and "HIST.1.root" in columns["pilotErrorDiag"], columns
    # Told apart, each lies under the name that the merge job looks for.
    world.make_task(task=40000002, file_count=1, events=10, job_fields=more)
    script = "echo {out_lfn.hits} > {output.hits}; echo {out_lfn.hist} > {output.hist}"
    payload = world.write_payload("two", channel="command", executable="/bin/sh", argument=["-c", script], output="opaque",
                                  **{"output.hits": "HITS.*", "output.hist": "HIST.*"})
    world.harvest("fetch", run, "--payload", payload)
    world.run_yoda(run)
    with open(os.path.join(run, "job.json")) as file:
        panda_id = json.load(file)["jobs"][0]["PandaID"]
    ids = ["%(taskID)d-%(PandaID)d-%(fileID)d-%(job_processID)d-%(attemptNr)d" % row
           for row in world.panda.tell("events")["events"] if row["PandaID"] == panda_id]
    assert len(ids) == 10
    assert members_of(run) == sorted("%s.%s" % (lfn, id) for id in ids for lfn in ("HITS.1.root", "HIST.1.root")), members_of(run)


@scenario
def a_run_that_was_made_before_runs_had_an_id_keeps_all_its_names(world):
    world.write_config()
    world.make_task(file_count=1, events=10)
    run = fetch(world)
    path = os.path.join(run, "job.json")
    with open(path) as file:
        jobs = json.load(file)
    assert jobs["version"] == 2 and re.fullmatch("[0-9a-f]{8}", jobs.pop("run_id")), jobs
    with open(path, "w") as file:
        json.dump(dict(jobs, version=1), file)
    world.run_yoda(run)
    panda_id = jobs["jobs"][0]["PandaID"]
    bundles = [name for name in os.listdir(os.path.join(run, "bundles")) if name.endswith(".tar")]
    assert bundles and all(re.fullmatch(r"EventService_premerge_%d_\d+_\d+_\d+\.tar" % panda_id, name) for name in bundles), bundles
    members = members_of(run)
    assert len(members) == 10 and all(not name.startswith("HITS") for name in members), members
    finish(world, run)
    assert world.panda.tell("counts")["events"] == {"done": 10}


@scenario
def two_workers_of_one_job_make_bundles_of_different_names(world):
    """Harvester's OneToMany: each worker has an access point, some of the job's ranges and the same PandaID."""
    world.write_config()
    task = world.make_task(file_count=1, events=40)
    panda_id = task["pandaIDs"][0]
    fields = world.panda.tell("definition", PandaID=panda_id)["fields"]
    for worker in (0, 1):
        point = world.path("access_%d" % worker)
        os.mkdir(point)
        ranges_of_it = [{"eventRangeID": "40000001-%d-5000001-%d-9" % (panda_id, event), "startEvent": event, "lastEvent": event,
                         "LFN": "EVNT.40000001._000001.txt", "GUID": "G", "scope": SCOPE}
                        for event in range(20 * worker + 1, 20 * worker + 21)]
        for name, content in (("HPCJobs.json", fields), ("JobsEventRanges.json", ranges_of_it)):
            with open(os.path.join(point, name), "w") as file:
                json.dump({str(panda_id): content}, file)
        run = world.path("runs", "run_%d" % worker)
        world.harvest("fetch", run, "--payload", world.write_payload(), "--access-point", point)
        world.run_yoda(run)
        world.harvest("push", run)
    members = []
    bundles = world.stored_bundles()
    for name, data in bundles.items():
        assert re.fullmatch(r"EventService_premerge_%d_[0-9a-f]{8}_\d+_\d+_\d+\.tar" % panda_id, name), name
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            members += tar.getnames()
    assert len(bundles) >= 2 and len(members) == 40 and len(set(members)) == 40, (sorted(bundles), len(members))


if __name__ == "__main__":
    run_scenarios()
