#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What PanDA may say or do to a run, and what harvest makes of it; each scenario with real programs and a fake PanDA.

    scenarios.py BIN [NAME...]
"""
import base64
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loop_world import SOURCE  # noqa: E402
from scenario import fetch, final_state, finish, run_scenarios, scenario, tell  # noqa: E402
sys.path.insert(0, os.path.join(SOURCE, "tests", "support", "panda"))
from panda_calls import DEFAULT_DN  # noqa: E402


@scenario
def a_job_that_is_to_be_killed_ends_at_once_and_the_others_go_on(world):
    world.write_config(fetch__jobs=2, fetch__chunk=50)
    task = world.make_task(file_count=1, events=100, jobs=2)
    first, second = task["pandaIDs"]
    run = fetch(world)
    world.panda.tell("job", PandaID=first, command="tobekilled")
    said = tell(world, run)
    assert not said["cancel_batch"], said
    notes = os.listdir(os.path.join(run, "inbox"))
    assert len(notes) == 1 and notes[0].endswith("-job_killed.json"), notes
    tell(world, run)
    assert os.listdir(os.path.join(run, "inbox")) == notes, "the note was written twice"
    world.run_yoda(run)
    finish(world, run)
    state, columns = final_state(world, first)
    assert state == "failed" and int(columns["pilotErrorCode"]) == 1144, (state, columns)
    assert final_state(world, second)[0] == "finished"


@scenario
def when_all_jobs_are_to_be_killed_the_batch_job_is_to_be_cancelled(world):
    world.write_config()
    task = world.make_task(file_count=1, events=20)
    run = fetch(world)
    world.panda.tell("job", PandaID=task["pandaIDs"][0], command="tobekilled")
    assert tell(world, run)["cancel_batch"]


@scenario
def softkill_drains_the_run_and_ends_it_normally(world):
    world.write_config(fetch__open="yes")
    task = world.make_task(file_count=1, events=60)
    run = fetch(world, "run", "--ranges", "30")
    world.panda.tell("job", PandaID=task["pandaIDs"][0], sup_error=122)
    tell(world, run)
    notes = os.listdir(os.path.join(run, "inbox"))
    assert len(notes) == 1 and notes[0].endswith("-drain.json"), notes
    world.panda.tell("job", PandaID=task["pandaIDs"][0], sup_error=0)
    output = world.harvest("fetch", "--more", run)
    assert "more ranges" not in output or output.startswith("0 more"), output
    finish(world, run, "--phase", "over")
    state, columns = final_state(world, task["pandaIDs"][0])
    assert state == "failed", (state, columns)  # Nothing was done before.
    assert "MISMATCH" in columns["exeErrorDiag"], columns


FAILS_AT_TENS = """
import sys
first = int(sys.argv[1])
if first % 10 == 0:
    sys.exit("event %d cannot be done" % first)
open(sys.argv[2], "w").write("done %d" % first)
"""


@scenario
def failed_ranges_are_reported_with_code_and_reason_and_go_to_another_job(world):
    with open(world.path("payload.py"), "w") as file:
        file.write(FAILS_AT_TENS)
    payload = world.write_payload("tens", channel="command", executable="/usr/bin/python3",
                                  argument=[world.path("payload.py"), "{first}", "{output}"], output="opaque")
    world.write_config(yoda__range__tries=1)
    task = world.make_task(file_count=1, events=40, attempts=3)
    run = fetch(world, payload=payload)
    world.run_yoda(run, codes=(1,))
    said = finish(world, run)
    assert said["all_ended"]
    rows = world.panda.tell("events")["events"]
    failed = [r for r in rows if r["PandaID"] == task["pandaIDs"][0] and r["status"] == "failed"]
    assert sorted(r["first"] for r in failed) == [10, 20, 30, 40], failed
    for row in failed:
        assert row["errorCode"], row
        assert row["errorDiag"] and len(row["errorDiag"]) <= 500, row
        assert row["zip_row"] is None
    again = [r for r in rows if r["status"] == "ready"]
    assert sorted(r["first"] for r in again) == [10, 20, 30, 40] and all(r["attemptNr"] == 2 for r in again), again
    state, columns = final_state(world, task["pandaIDs"][0])
    assert state == "finished" and "MISMATCH: 36 of 40" in columns["exeErrorDiag"], columns


@scenario
def a_server_that_stumbles_after_the_commit_gets_nothing_twice(world):
    for number, api in enumerate(("classic", "v1")):
        world.write_config(panda__api=api, panda__report_chunk=30)
        world.make_task(task=40000010 + number, file_count=1, events=100)
        world.panda.tell("server", stumbles=True)
        run = fetch(world, "run-" + api)
        world.run_yoda(run)
        finish(world, run)
        world.panda.tell("server", stumbles=False)
    assert world.panda.tell("counts")["events"] == {"done": 200}


@scenario
def every_fault_of_a_report_ends_well(world):
    world.write_config(panda__report_chunk=20, panda__timeout="3 s")
    task = 40000020
    for api, method in (("classic", "updateEventRanges"), ("v1", "update_event_ranges")):
        for kind in ("before", "after", "drop_before", "drop_after", "truncate", "html", "html_200", "busy"):
            world.write_config(panda__api=api, panda__report_chunk=20)
            world.make_task(task=task, file_count=1, events=50)
            run = fetch(world, "run-%d" % task)
            world.run_yoda(run)
            world.harvest("push", run)
            world.panda.tell("faults", rules=[{"kind": kind, "method": method, "count": 2}])
            finish(world, run)
            counts = world.panda.tell("counts")["events"]
            assert set(counts) == {"done"}, (api, kind, counts)
            task += 1
    assert world.check_nothing_twice() == 50 * 16


@scenario
def an_unanswered_final_state_is_told_again_until_it_is_there(world):
    world.write_config()
    task = world.make_task(file_count=1, events=10)
    run = fetch(world)
    world.run_yoda(run)
    world.harvest("push", run)
    tell(world, run, "--phase", "running")
    world.panda.tell("faults", rules=[{"kind": "busy", "method": "updateJob", "count": 3}])
    finish(world, run)
    assert final_state(world, task["pandaIDs"][0])[0] == "finished"


@scenario
def two_harvests_at_once_report_everything_once(world):
    world.write_config(panda__report_chunk=10, yoda__bundle__size="10 KB")
    world.make_task(file_count=2, events=100)
    run = fetch(world)
    world.run_yoda(run)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(world.start, word, run) for word in ("push", "report", "push", "report")]
        for call in calls:
            process = call.result()
            output = process.communicate(timeout=120)[0]
            assert process.returncode in (0, 3), output
    finish(world, run)
    counts = world.panda.tell("counts")
    assert counts["events"] == {"done": 200}, counts
    bundles = world.stored_bundles()
    world.check_merge_inputs(bundles)
    assert len(bundles) == counts["zips"]
    # Not one range more was sent than there are.
    sent = sum(len(re.findall("eventRangeID", str(c))) for c in world.panda.tell("log")["log"] if c[0] == "updateEventRanges")
    assert sent in (0, 200), sent


@scenario
def two_fetches_at_once_make_one_run(world):
    world.write_config(fetch__chunk=10)
    world.make_task(file_count=1, events=100)
    payload = world.write_payload()
    run = world.path("runs", "run")
    processes = [world.start("fetch", run, "--payload", payload) for _ in range(3)]
    codes = []
    for process in processes:
        process.communicate(timeout=120)
        codes.append(process.returncode)
    assert codes.count(0) >= 1 and set(codes) <= {0, 2, 3}, codes
    if not os.path.exists(os.path.join(run, "job.json")):
        world.harvest("fetch", run, "--payload", payload)
    world.run_yoda(run)
    finish(world, run)
    assert world.panda.tell("counts")["events"] == {"done": 100}


@scenario
def outputs_as_objects_of_their_own(world):
    world.write_config(push__single_objects="yes", store__es_events__path_convention=0)
    task = world.make_task(file_count=1, events=30)
    run = fetch(world)
    world.run_yoda(run)
    finish(world, run)
    rows = [r for r in world.panda.tell("events")["events"]]
    assert all(r["status"] == "done" and r["objstoreID"] == 117 and r["zip_row"] is None for r in rows), rows[0]
    # As the merge job has them in its inFiles.
    names = sorted(world.stored_bundles())
    merge = world.panda.tell("definition", PandaID=world.panda.tell("counts")["merge_jobs"][0])["fields"]
    assert len(names) == 30 and names == sorted(merge["inFiles"].split(",")), names[:3]


@scenario
def a_running_yoda_is_fed_until_there_is_no_more(world):
    world.write_config(fetch__open="yes", fetch__chunk=25)
    world.make_task(file_count=1, events=200)
    run = fetch(world, "run", "--ranges", "50")
    yoda = subprocess.Popen([os.path.join(world.bin, "yoda"), run], env=world.environment, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    try:
        closed = False
        for _ in range(40):
            output = world.harvest("fetch", "--more", run, "--ranges", "25", "--json")
            closed = json.loads(output[output.index("{"):])["closed"]
            tell(world, run)
            if closed:
                break
        assert closed, output
        assert yoda.wait(120) == 0, yoda.stdout.read()
    finally:
        if yoda.poll() is None:
            yoda.kill()
        yoda.wait()
    finish(world, run)
    assert world.panda.tell("counts")["events"] == {"done": 200}


@scenario
def status_warns_of_a_proxy_that_ends_soon_or_cannot_be_read(world):
    world.write_config()
    world.make_task(file_count=1, events=10)
    run = fetch(world)
    proxy = world.path("proxy.pem")

    def status():
        done = subprocess.run([os.path.join(world.bin, "harvest"), "status", run], env=world.environment, check=True,
                              stdout=subprocess.PIPE, text=True)
        return done.stdout

    assert "proxy" not in status()
    with open(os.path.join(run, "harvest.cfg"), "a") as file:
        file.write("panda.proxy_file = %s\n" % proxy)
    assert proxy in status() and "No such file" in status()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=somebody",
                    "-keyout", proxy, "-out", proxy + ".cert"], check=True, stderr=subprocess.DEVNULL)
    with open(proxy, "a") as file, open(proxy + ".cert") as cert:
        file.write(cert.read())
    os.chmod(proxy, 0o600)
    assert "renew it" in status(), status()
    os.chmod(proxy, 0o644)
    assert "chmod 600" in status(), status()


@scenario
def jobs_that_are_not_ours_are_ended_with_a_code(world):
    world.write_config()
    cases = [({"eventService": "NULL"}, 1110), ({"cloneJob": "runonce"}, 1110)]
    for number, (fields, code) in enumerate(cases):
        task = world.make_task(task=40000030 + number, file_count=1, events=10, job_fields=fields)
        world.harvest("fetch", world.path("runs", "run-%d" % number), "--payload", world.write_payload(),
                      "--task-id", str(task["taskID"]))
        state, columns = final_state(world, task["pandaIDs"][0])
        assert state == "failed" and int(columns["pilotErrorCode"]) > 0, (fields, state, columns)
        assert code is None or int(columns["pilotErrorCode"]) == code, columns


@scenario
def jobs_with_wrong_inputs_are_failed_before_nodes_are_burnt(world):
    world.write_config()
    cases = [({"checksum": "ad:00000001"}, 1171, "adler32"), ({"checksum": "md:" + 32 * "0"}, 1145, "md5"),
             ({"fsize": "17"}, 1175, "17"), ({"inFiles": "EVNT.gone.txt"}, 1103, "EVNT.gone.txt"),
             ({"inFiles": "../etc/passwd"}, None, "passwd"), ({"inFiles": "a/b"}, None, "a/b"), ({"inFiles": ".."}, None, ".."),
             ({"inFiles": "a\nb"}, None, "file name")]
    for number, (fields, code, words) in enumerate(cases):
        task = world.make_task(task=40000040 + number, file_count=1, events=10, job_fields=fields)
        world.harvest("fetch", world.path("runs", "run-%d" % number), "--payload", world.write_payload(),
                      "--task-id", str(task["taskID"]))
        world.harvest("fetch", "--resume", world.path("runs"))
        assert not os.path.exists(world.path("runs", "run-%d" % number))
        state, columns = final_state(world, task["pandaIDs"][0])
        assert state == "failed" and int(columns["pilotErrorCode"]) > 0, (fields, state, columns)
        assert code is None or int(columns["pilotErrorCode"]) == code, (fields, columns)
        assert words in columns["pilotErrorDiag"], (fields, columns)


@scenario
def settings_of_the_queue_and_of_the_job_reach_the_run(world):
    with open(world.path("queue.json"), "w") as file:
        json.dump({"TEST_HPC": {"maxtime": 7200, "corecount": 4, "pledgedcpu": -1, "catchall": "nodes=2,time_per_event_m=1",
                                "allow_alt_stageout": "on", "jobseed": "es"}}, file)
    world.write_config(queue__source=world.path("queue.json"))
    task = world.make_task(file_count=1, events=1000)
    world.panda.tell("job_fields", PandaID=task["pandaIDs"][0],
                     jobPars="--maxEvents=10 --overwriteQueuedata={zip_time_gap=77}")
    run = fetch(world)
    shown = world.harvest("config", "show", run, "--harvest")
    assert re.search(r"fetch.walltime = 7200 .*queue.json", shown), shown
    assert re.search(r"push.alternative = on ", shown), shown
    with open(os.path.join(run, "yoda.cfg")) as file:
        assert "bundle.time_gap = 77\n" in file.read()
    with open(os.path.join(run, "job.json")) as file:
        fields = json.load(file)["jobs"][0]
    assert "overwriteQueuedata" not in fields["jobPars"] and "zip_time_gap" in fields["jobParsAsReceived"]
    # (7200 - 900) s on 8 cores at 60 s each: 840 events.
    assert len([e for e in world.panda.tell("events")["events"] if e["status"] == "sent"]) == 840


@scenario
def every_field_of_a_job_is_kept_as_it_came(world):
    parameters = "--maxEvents=10 --inputEVNTFile=EVNT.root --skipEvents=0"
    for number, api in enumerate(("classic", "v1")):
        world.write_config(panda__api=api)
        task = world.make_task(task=40000080 + number, file_count=2, events=10)
        strange = {"text": 'a "b" \\ \u00e4\u4e2d', "empty": "", "none": None, "yes": True, "large": (1 << 60) + 1,
                   "nested": {"list": [1, "NULL", None]}, "specialHandling": "NULL", "inFilePosEvtNum": "True"}
        world.panda.tell("job_fields", PandaID=task["pandaIDs"][0],
                         jobPars=base64.b64encode(parameters.encode()).decode(), **strange)
        run = fetch(world, "run-%d" % number, "--task-id", str(task["taskID"]))
        came = world.panda.tell("definition", PandaID=task["pandaIDs"][0])["fields"]
        with open(os.path.join(run, "job.json")) as file:
            kept = json.load(file)["jobs"][0]
        assert kept["jobPars"] == parameters and kept["jobParsAsReceived"] == came["jobPars"], kept
        changed = {name: (value, kept.get(name)) for name, value in came.items() if kept.get(name) != value and name != "jobPars"}
        assert not changed and set(strange) <= set(kept), changed
        world.run_yoda(run)
        finish(world, run)
    assert world.panda.tell("counts")["events"] == {"done": 40}


@scenario
def no_secret_is_written_or_shown(world):
    secrets = {"token": "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDAwMDAwMDB9.c2VjcmV0c2lnbmF0dXJl", "proxy_key": "PANDAPROXYSECRET123",
               "access": "ACCESSKEYOFTHETEST", "secret": "SECRETKEYOFTHETEST0123456789"}
    with open(os.open(world.path("token"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(secrets["token"])
    with open(os.open(world.path("keys"), os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write("aws_access_key_id = %s\naws_secret_access_key = %s\n" % (secrets["access"], secrets["secret"]))
    log = world.path("harvest.log")
    world.panda.tell("server", tokens={secrets["token"]: DEFAULT_DN})
    # A store that is not there: its errors must not tell either.
    world.write_config(panda__token_file=world.path("token"), panda__origin="atlas.production", log__file=log,
                       store__es_events__url="s3+http://127.0.0.1:9/bucket", store__es_events__key_file=world.path("keys"),
                       push__give_up_after=1)
    world.make_task(file_count=1, events=5, job_fields={"pandaProxySecretKey": secrets["proxy_key"]})
    shown = []
    for words in (("fetch", world.path("runs", "run"), "--payload", world.write_payload(), "--verbose"),
                  ("config", "show", world.path("runs", "run"), "--harvest"),
                  ("report", world.path("runs", "run"), "--verbose")):
        process = world.start(*words)
        while process.poll() is None:
            try:
                with open("/proc/%d/cmdline" % process.pid, "rb") as file:
                    shown.append(file.read().decode(errors="replace"))
            except (FileNotFoundError, ProcessLookupError):
                break
            time.sleep(0.01)
        shown.append(process.communicate()[0])
        assert process.returncode == 0, shown[-1]
    texts = {"shown": "\n".join(shown)}
    for folder, _, names in os.walk(world.folder):
        for name in names:
            path = os.path.join(folder, name)
            if path in (world.path("token"), world.path("keys")):
                continue
            with open(path, "rb") as file:
                texts[path] = file.read().decode("latin-1")
    kept = world.path("runs", "run", "panda", "secrets-6900000001.json")
    for what, secret in secrets.items():
        where = [path for path, text in texts.items() if secret in text]
        # PanDA's answers are kept as they came, like the file that is meant for them, closed to others.
        for path in where:
            assert what == "proxy_key" and path != "shown", (what, path)
            assert os.stat(path).st_mode & 0o077 == 0, "%s is open to others and holds %s" % (path, what)
    assert os.path.exists(kept)


if __name__ == "__main__":
    run_scenarios()
