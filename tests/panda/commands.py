#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What PanDA says to a run that is at work, and what runs, queues and servers look like that are not as they should be.

    commands.py BIN [NAME...]
"""
import http.server
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scenario import fetch, final_state, finish, job, run_scenarios, scenario, scenario_with, tell  # noqa: E402
from yoda_at_work import ranges, read_text, RunningYoda, slow_payload  # noqa: E402


@scenario
def tobekilled_reaches_a_running_yoda_at_once_and_only_that_job_ends(world):
    world.write_config(fetch__jobs=2, fetch__chunk=40, yoda__status__interval="0.2 s")
    task = world.make_task(file_count=1, events=200, jobs=2)
    run = fetch(world, payload=slow_payload(world, 0.1))
    with RunningYoda(world, run) as yoda:
        yoda.wait_for(lambda s: ranges(s).get("finished", 0) >= 4)
        # The one that is worked on.
        killed = next(p for p in task["pandaIDs"] if any("_%d_" % p in n for n in os.listdir(os.path.join(run, "bundles"))))
        other = next(p for p in task["pandaIDs"] if p != killed)
        world.panda.tell("job", PandaID=killed, command="tobekilled")
        said = tell(world, run, "--set=panda.heartbeat=0 s")
        assert not said["cancel_batch"], said
        # Its ranges are dropped at once; the other job's are all still to be done, or on their way.
        status = yoda.wait_for(lambda s: ranges(s).get("dropped", 0) > 0)
        assert ranges(status)["ready"] + ranges(status)["sent"] >= 60, status
        yoda.end()
    finish(world, run)
    state, columns = final_state(world, killed)
    assert state == "failed" and int(columns["pilotErrorCode"]) == 1144, (state, columns)
    assert final_state(world, other)[0] == "finished"
    rows = world.panda.tell("events")["events"]
    done = {p: len([r for r in rows if r["PandaID"] == p and r["status"] == "done"]) for p in task["pandaIDs"]}
    # What the killed job had finished before counts: PanDA still took it.
    shares = {120, 80}  # Of two jobs, in chunks of 40.
    assert done[other] in shares and 0 < done[killed] < min(shares), done


@scenario
def a_harvesters_heartbeat_is_that_of_yoda(world):
    world.write_config(yoda__status__interval="0.2 s")
    world.make_task(file_count=1, events=400)
    run = fetch(world, payload=slow_payload(world))
    os.mkdir(world.path("access"))
    path = world.path("access", "worker_heartbeat.json")

    def beat():
        world.harvest("report", run, "--access-point", world.path("access"), codes=(0, 3))
        with open(path) as file:
            return json.load(file), os.stat(path).st_ino

    said, _ = beat()
    assert said["state"] == "waiting", said
    with RunningYoda(world, run) as yoda:
        yoda.wait_for(lambda s: ranges(s).get("finished", 0) >= 4)
        first = beat()
        assert first[0]["state"] == "running", first
        os.kill(yoda.process.pid, signal.SIGSTOP)
        stopped = beat()
        # Its process is there, but it says nothing.
        assert beat() == stopped
        os.kill(yoda.process.pid, signal.SIGCONT)
        yoda.wait_for(lambda s: s["updated_unix_s"] > stopped[0]["updated_unix_s"])
        assert beat()[1] != stopped[1]
        os.kill(yoda.process.pid, signal.SIGTERM)
        yoda.end(codes=(0, 1, 3))


@scenario
def panda_hears_how_long_the_setup_took(world):
    world.write_config(yoda__node__setup="sleep 2")
    task = world.make_task(file_count=1, events=10)
    run = fetch(world)
    world.run_yoda(run)
    finish(world, run)
    columns = final_state(world, task["pandaIDs"][0])[1]
    with open(os.path.join(run, "result.1.json")) as file:
        life = json.load(file)
    setup_s = life["first_range_unix_s"] - life["begun_unix_s"]
    get_job, stage_in, execution, stage_out, setup = map(int, columns["pilotTiming"].split("|"))
    assert setup == setup_s >= 2, (columns["pilotTiming"], life)
    assert execution + setup == life["updated_unix_s"] - life["begun_unix_s"], (columns["pilotTiming"], life)


@scenario
def a_softkill_lets_running_ranges_end_and_the_job_with_them(world):
    world.write_config(yoda__status__interval="0.2 s")
    task = world.make_task(file_count=1, events=400)
    run = fetch(world, payload=slow_payload(world))
    with RunningYoda(world, run) as yoda:
        yoda.wait_for(lambda s: ranges(s).get("finished", 0) >= 4)
        world.panda.tell("job", PandaID=task["pandaIDs"][0], sup_error=122)
        tell(world, run, "--set=panda.heartbeat=0 s")
        yoda.end(codes=(0, 1, 3))
        left = ranges(yoda.status())
        assert left["ready"] > 0 and left["failed"] == left["dropped"] == 0, left
    world.panda.tell("job", PandaID=task["pandaIDs"][0], sup_error=0)
    finish(world, run, "--phase", "over")
    state, columns = final_state(world, task["pandaIDs"][0])
    assert state == "finished" and "MISMATCH" in columns["exeErrorDiag"], (state, columns)
    counts = world.panda.tell("counts")["events"]
    assert counts["done"] == left["finished"] and counts["ready"] == 400 - left["finished"], (counts, left)


@scenario
def debug_brings_the_end_of_the_payloads_log_and_the_end_its_memory(world):
    world.write_config(panda__debug_heartbeat="0 s", yoda__disk__check_interval="0.1 s", yoda__status__interval="0.2 s")
    task = world.make_task(file_count=1, events=60)
    run = fetch(world, payload=slow_payload(world))
    with RunningYoda(world, run) as yoda:
        yoda.wait_for(lambda s: ranges(s).get("finished", 0) >= 4)
        world.panda.tell("job", PandaID=task["pandaIDs"][0], debug=True)
        tell(world, run)
        assert "stdout" not in job(world, task["pandaIDs"][0])["columns"]
        tell(world, run)
        text = job(world, task["pandaIDs"][0])["columns"]["stdout"]
        assert "payload did" in text and len(text) <= 2048, text
        yoda.end()
    finish(world, run)
    columns = final_state(world, task["pandaIDs"][0])[1]
    # Two interpreters.
    assert 4_000 < int(columns["avgRSS"]) <= int(columns["maxRSS"]) < 200_000, columns


@scenario
def a_job_of_another_attempt_is_not_ours_any_more(world):
    """Whatever word the server has for it, classic or v1."""
    for number, (word, api) in enumerate(itertools.product(("tobekilled", "badattemptnr"), ("classic", "v1"))):
        world.write_config(panda__api=api, yoda__status__interval="0.2 s")
        world.panda.tell("server", other_attempt=word)
        task = world.make_task(task=40000060 + number, file_count=1, events=400)
        panda_id = task["pandaIDs"][0]
        run = fetch(world, "run-%d" % number, payload=slow_payload(world))
        with RunningYoda(world, run) as yoda:
            yoda.wait_for(lambda s: ranges(s).get("finished", 0) >= 4)
            world.panda.tell("job", PandaID=panda_id, attempt=2)
            states = job(world, panda_id)["states"]
            said = tell(world, run, "--set=panda.heartbeat=0 s")
            assert said["cancel_batch"], (word, api, said)
            # Its ranges are dropped at once, as none of them counts.
            yoda.end()
            assert ranges(yoda.status())["dropped"] > 300, yoda.status()
        said = finish(world, run)
        # The plain word may also mean that the job is to end, with what it has done.
        assert word == "tobekilled" or said["accepted_ranges"] == 0, (word, api, said)
        assert job(world, panda_id)["states"] == states, "the other attempt was told something"


@scenario
def an_answer_lost_after_the_final_state_was_stored_is_settled_by_alreadydone(world):
    world.write_config()
    task = world.make_task(file_count=1, events=10)
    world.panda.tell("adder", auto=False)
    run = fetch(world)
    world.run_yoda(run)
    world.harvest("push", run)
    world.panda.tell("faults", rules=[{"kind": "drop_after", "method": "updateJob", "skip": 1, "count": 1}])
    finish(world, run)
    assert final_state(world, task["pandaIDs"][0])[0] == "finished"
    said = tell(world, run)
    assert said["job_updates"] == 0 and said["all_ended"], said


@scenario
def heartbeats_keep_a_job_alive_while_it_waits_runs_and_uploads(world):
    """Each tick is half an hour later for PanDA, which gives a silent job up after two."""
    world.write_config(panda__heartbeat="0 s", fetch__jobs=3, fetch__chunk=10)
    task = world.make_task(file_count=1, events=60, jobs=3)
    run = fetch(world)
    for phase in ("queued",) * 6 + ("running",) * 6:
        assert world.panda.tell("advance", seconds=1800)["lost"] == [], phase
        tell(world, run, "--phase", phase)
    world.run_yoda(run)
    for _ in range(6):  # The store is away.
        assert world.panda.tell("advance", seconds=1800)["lost"] == []
        said = tell(world, run, "--phase", "over")
        assert not said["all_ended"], said
    finish(world, run)
    counts = world.panda.tell("counts")
    assert counts["events"] == {"done": 60}, counts
    # All jobs of the run in one request.
    assert counts["calls"]["updateJobsInBulk"] >= 18 and counts["calls"]["updateJob"] <= 6, counts["calls"]
    for panda_id in task["pandaIDs"]:
        states = job(world, panda_id)["states"]
        assert [s for i, s in enumerate(states) if i == 0 or s != states[i - 1]] == ["starting", "running", "transferring", "finished"]


@scenario
def a_job_that_panda_gave_up_is_dropped(world):
    world.write_config(panda__heartbeat="0 s")
    task = world.make_task(file_count=1, events=20)
    run = fetch(world)
    world.run_yoda(run)
    world.harvest("push", run)
    assert world.panda.tell("advance", seconds=3 * 3600)["lost"] == task["pandaIDs"]
    said = finish(world, run)
    assert said["accepted_ranges"] == 0 and said["cancel_batch"], said
    assert len(world.stored_bundles()) == 1, "only who wants it has objects of dropped jobs removed"
    retry = [j for j in world.panda.tell("jobs")["jobs"] if j["PandaID"] not in task["pandaIDs"]]
    assert [j["attemptNr"] for j in retry] == [2], retry
    # The ranges come again with the next job, and count once.
    again = fetch(world, "again")
    world.run_yoda(again)
    finish(world, again)
    rows = world.panda.tell("events")["events"]
    assert len([r for r in rows if r["status"] == "done"]) == 20, rows
    world.check_nothing_twice()


@scenario
def objects_of_a_job_that_is_gone_are_removed_where_that_is_wanted(world):
    world.write_config(panda__heartbeat="0 s", push__remove_dropped="yes", fetch__jobs=2, fetch__chunk=10)
    task = world.make_task(file_count=1, events=40, jobs=2)
    world.panda.tell("server", other_attempt="badattemptnr")
    run = fetch(world)
    world.run_yoda(run)
    gone, other = task["pandaIDs"]
    world.panda.tell("job", PandaID=gone, attempt=2)
    tell(world, run)
    world.harvest("push", run)
    assert len(world.stored_bundles()) == 2
    finish(world, run)
    left = list(world.stored_bundles())
    assert len(left) == 1 and "_%d_" % other in left[0], left
    assert world.panda.tell("counts")["zips"] == 1


SPOOL = """payload = {payload}
config = {config}
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


@scenario
def when_panda_takes_all_jobs_back_the_cycle_cancels_the_batch_job(world):
    world.write_config(panda__heartbeat="0 s")
    task = world.make_task(file_count=1, events=50)
    spool = world.path("runs")
    with open(os.path.join(spool, "spool.cfg"), "w") as file:
        file.write(SPOOL.format(payload=slow_payload(world, 0.2), config=world.config))

    def cycle():
        output = world.harvest("cycle", spool, "--json", codes=(0, 3))
        return json.loads(output[output.index("{"):])

    said = cycle()
    run = next(os.path.join(spool, n) for n in os.listdir(spool) if n.startswith("run-") and not n.endswith(".fetch"))
    deadline = time.monotonic() + 240
    while not said["running"] or '"running"' not in read_text(os.path.join(run, "status.json")):
        assert time.monotonic() < deadline, said
        said = cycle()
    world.panda.tell("job", PandaID=task["pandaIDs"][0], command="tobekilled")
    cycle()
    with open(os.path.join(run, "batch", "plan.json")) as file:
        assert json.load(file)["held"], "the batch job was not cancelled"
    # It holds up no other run.
    while not said["over"]:
        assert time.monotonic() < deadline, said
        said = cycle()
    assert final_state(world, task["pandaIDs"][0])[0] == "failed"
    assert not [name for name in os.listdir("/proc") if name.isdigit() and run in read_text("/proc/%s/cmdline" % name)]


@scenario
def the_batch_id_that_panda_has_is_never_changed(world):
    world.write_config(panda__heartbeat="0 s")
    task = world.make_task(file_count=1, events=20)
    run = fetch(world)
    tell(world, run, "--phase", "queued", "--batch-id", "slurm-17")
    said = tell(world, run, "--phase", "running", "--batch-id", "slurm-18")
    assert said["job_updates"] == 1 and not said["problems"], said
    assert job(world, task["pandaIDs"][0])["batchID"] == "slurm-17"


@scenario
def a_server_whose_clock_is_off_is_told_of_and_obeyed(world):
    world.write_config()
    world.make_task(file_count=1, events=10)
    for offset in (86400, -7200):
        world.panda.tell("clock", offset_s=offset)
        said = world.harvest("fetch", world.path("runs", "run"), "--payload", world.write_payload(), codes=(0, 2))
        if offset > 0:
            assert re.search(r"clocks_differ server_ahead_s=86(399|400|401)", said), said
            assert said.count("clocks_differ") == 1, said
    world.run_yoda(world.path("runs", "run"))
    finish(world, world.path("runs", "run"))
    assert world.panda.tell("counts")["events"] == {"done": 10}


@scenario_with("--tls")
def bad_credentials_are_named_before_anything_is_sent(world):
    tls = world.panda.ready["tls"]
    world.make_task(file_count=1, events=10)
    good = {"panda__url": world.panda.ready["https_url"], "panda__proxy_file": tls["user_pem"], "panda__ca_file": tls["ca"]}
    expired = world.path("expired.pem")
    subprocess.run("openssl req -new -key %s -subj /CN=user | openssl x509 -req -signkey %s -days -1 -out %s && cat %s >> %s" % (
        tls["user_pem"], tls["user_pem"], expired, tls["user_pem"], expired), shell=True, check=True, stderr=subprocess.DEVNULL)
    os.chmod(expired, 0o600)
    open_to_all = world.path("open.pem")
    with open(tls["user_pem"]) as file, open(open_to_all, "w") as copy:
        copy.write(file.read())
    os.chmod(open_to_all, 0o644)
    cases = [({"panda__proxy_file": open_to_all}, "chmod 600"), ({"panda__proxy_file": expired}, "expired"),
             ({"panda__proxy_file": world.path("none.pem")}, "No such file"), ({"panda__ca_file": world.path("none.ca")}, "panda.ca_file"),
             ({"panda__ca_file": tls["other_ca"]}, "CA file"), ({"panda__url": "http://panda.example.org:25080"}, "not encrypted")]
    for changes, words in cases:
        world.write_config(**dict(good, **changes))
        said = world.harvest("fetch", world.path("runs", "run"), "--payload", world.write_payload(), codes=(2, 4))
        assert words in said, (words, said)
    assert world.panda.tell("counts")["calls"] == {}, "something was sent"
    world.write_config(**good)
    run = fetch(world)
    world.run_yoda(run)
    # The same for a run that is there.
    world.harvest("push", run)
    said = world.harvest("report", run, "--set=panda.proxy_file=" + expired, codes=(2, 4))
    assert "expired" in said, said
    finish(world, run)
    assert world.panda.tell("counts")["events"] == {"done": 10}


@scenario
def a_queue_is_read_from_a_url_and_from_its_copy_when_that_is_away(world):
    queue = {"TEST_HPC": {"maxtime": 3600, "corecount": 2, "catchall": "time_per_event_m=10",
                          "astorages": {"es_events": ["CEPH_ES"]}}}
    endpoints = {"CEPH_ES": {"id": 231, "arprotocols": {"w": [{"endpoint": "file://" + world.path(), "path": "/ceph", "id": 9}]}}}
    answers = {"/queue": json.dumps(queue), "/endpoints": json.dumps(endpoints)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            body = answers[self.path].encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d" % server.server_address[1]
    try:
        os.mkdir(world.path("ceph"))
        world.write_config(queue__source=url + "/queue", queue__endpoints=url + "/endpoints", queue__cache_time="0 s")
        world.make_task(file_count=1, events=100)
        shown = world.harvest("config", "show", "--harvest")
        assert re.search(r"fetch.walltime = 3600 .*%s/queue \(maxtime\)" % url, shown), shown
        assert re.search(r"store.es_events.objstore_id = 231 .*CEPH_ES", shown), shown
    finally:
        server.shutdown()
        server.server_close()
    said = world.harvest("fetch", world.path("runs", "run"), "--payload", world.write_payload())
    assert "queue_from_copy" in said, said
    # An hour less 15 minutes for start and end: four events of ten minutes on each of two cores.
    sent = [r for r in world.panda.tell("events")["events"] if r["status"] == "sent"]
    assert len(sent) == 8, (len(sent), said)
    run = world.path("runs", "run")
    world.run_yoda(run)
    finish(world, run)
    assert os.listdir(world.path("ceph")), "the queue's storage is not used"
    assert all(z["destinationse"] == "231" for z in world.panda.tell("zips")["zips"]), world.panda.tell("zips")


@scenario
def bundles_and_single_objects_are_never_mixed_in_one_job(world):
    world.write_config(yoda__status__interval="0.2 s")
    task = world.make_task(file_count=1, events=120)
    run = fetch(world, payload=slow_payload(world))
    with RunningYoda(world, run) as yoda:
        yoda.wait_for(lambda s: ranges(s).get("finished", 0) >= 4)
        yoda.process.send_signal(signal.SIGTERM)
        yoda.end(codes=(0, 1, 3))
    world.harvest("push", run)
    assert tell(world, run)["bundles"] > 0
    world.run_yoda(run)
    # Somebody changed the configuration in between.
    world.harvest("push", run, "--set=push.single_objects=yes", codes=(0, 3))
    said = tell(world, run, codes=(0, 3))
    assert any("reported by bundles" in p for p in said["problems"]), said
    rows = [r for r in world.panda.tell("events")["events"] if r["PandaID"] == task["pandaIDs"][0]]
    assert {r["zip_row"] is None for r in rows if r["status"] == "finished"} == {False}, rows


@scenario
def what_the_transform_and_the_run_left_reaches_panda(world):
    """jobReport.json as metaData with exit code and memory; the run's warnings as pilotLog; times of the slot."""
    world.write_config(yoda__range__tries=1)
    task = world.make_task(file_count=1, events=10)
    with open(world.path("fails.py"), "w") as file:
        file.write("import sys\nsys.exit('event %s cannot be done' % sys.argv[1])\n")
    payload = world.write_payload("fails", channel="command", executable="/usr/bin/python3",
                                  argument=[world.path("fails.py"), "{first}"], output="opaque")
    run = fetch(world, payload=payload)
    world.run_yoda(run, codes=(1,))
    kept = os.path.join(run, "logs", "payload_1_0.start_0")
    os.mkdir(kept)
    report = {"exitCode": 64, "exitAcronym": "TRF_SETUP", "exitMsg": "no release",
              "resource": {"executor": {"AtlasG4": {"memory": {"Max": {"maxRSS": 2100000, "maxVMEM": 3300000},
                                                               "Avg": {"avgRSS": 1900000}}}}}}
    with open(os.path.join(kept, "jobReport.json"), "w") as file:
        json.dump(report, file)
    finish(world, run)
    state, columns = final_state(world, task["pandaIDs"][0])
    assert state == "failed" and json.loads(columns["metaData"]) == report, columns
    assert (columns["transExitCode"], columns["exeErrorCode"], columns["maxRSS"], columns["avgRSS"], columns["maxVMEM"]) == (
        "64", "64", "2100000", "1900000", "3300000"), columns
    assert "MISMATCH" in columns["exeErrorDiag"] and "TRF_SETUP: no release" in columns["exeErrorDiag"], columns
    assert re.search(r"40000001-\d+-\d+-3-\d+ failed: the command ended with exit code 1", columns["pilotLog"]), columns["pilotLog"]
    assert re.fullmatch(r"\d+\|\d+\|\d+\|\d+\|\d+", columns["pilotTiming"]), columns
    assert columns["endTime"] >= columns["startTime"] > "2020", columns


def log_record(run, name, stage):
    """What harvest push keeps of a log tarball, after the pattern of a bundle's."""
    for folder, _, names in os.walk(os.path.join(run, "stage")):
        for bundle in names:
            if bundle.endswith(".tar.json"):
                with open(os.path.join(folder, bundle)) as file:
                    record = json.load(file)
    record.update(name=name, path="logs/" + name, activity="pl", target="pl", stage=stage, bytes=4711, adler32="0cc737eb",
                  url="file:///logs/" + name)
    done = os.path.join(run, "stage", "done")
    os.makedirs(done, exist_ok=True)
    with open(os.path.join(done, name + ".json"), "w") as file:
        json.dump(record, file)


@scenario
def a_job_holds_for_its_log_and_then_names_it(world):
    world.write_config(store__pl__url="file://" + world.path("logs"))
    task = world.make_task(file_count=1, events=10)
    panda_id = task["pandaIDs"][0]
    os.mkdir(world.path("logs"))
    run = fetch(world)
    world.run_yoda(run)
    world.harvest("push", run)
    for _ in range(3):
        assert not tell(world, run)["all_ended"]
    assert job(world, panda_id)["states"][-1] == "holding"
    fields = world.panda.tell("definition", PandaID=panda_id)["fields"]
    log_record(run, fields["logFile"], "verified")
    assert tell(world, run)["all_ended"]
    assert final_state(world, panda_id)[0] == "finished"
    assert json.loads(job(world, panda_id)["outputReport"]) == {fields["logFile"]: {
        "guid": fields["logGUID"], "fsize": 4711, "adler32": "0cc737eb", "surl": "file:///logs/" + fields["logFile"]}}
    assert world.panda.tell("counts")["events"] == {"done": 10}


@scenario
def a_log_that_never_comes_does_not_hold_the_job_for_ever(world):
    world.write_config(store__pl__url="file://" + world.path("logs"), panda__log_limit="0 s")
    task = world.make_task(file_count=2, events=10, jobs=2)
    os.mkdir(world.path("logs"))
    run = fetch(world)
    world.run_yoda(run)
    world.harvest("push", run)
    for _ in range(4):
        said = tell(world, run)
    assert said["all_ended"] and final_state(world, task["pandaIDs"][0])[0] == "finished", said


if __name__ == "__main__":
    run_scenarios()
