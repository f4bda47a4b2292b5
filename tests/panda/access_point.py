#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A run that is fed and drained by a Harvester's files; its side is tests/support/fake_harvester.py.

    access_point.py BIN [NAME...]
"""
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loop_world import SOURCE  # noqa: E402
from scenario import run_scenarios, scenario  # noqa: E402
from yoda_at_work import ranges as counts_of, RunningYoda, slow_payload  # noqa: E402
sys.path.insert(0, os.path.join(SOURCE, "tests", "support"))
from fake_harvester import DUMP, FakeHarvester  # noqa: E402


class Point:
    """An access point with its job, and harvest called for it."""

    def __init__(self, world, events=40, payload=None, fed=True, job_fields=None, **settings):
        self.world = world
        world.write_config(**{"fetch__open": "yes", "yoda__bundle__size": "2 KB", "yoda__status__interval": "0.2 s", **settings})
        self.task = world.make_task(file_count=1, events=events)
        self.panda_id = self.task["pandaIDs"][0]
        self.folder = world.path("access")
        os.mkdir(self.folder)
        self.run = world.path("runs", "run")
        self.payload = payload or world.write_payload()
        self.harvester = FakeHarvester(self.folder, self.panda_id)
        self.fields = world.panda.tell("definition", PandaID=self.panda_id)["fields"]
        self.fields.update(job_fields or {})
        if fed:
            self.harvester.feed_job(self.fields)

    def call(self, *words, codes=(0,)):
        return self.world.harvest(*words, "--access-point", self.folder, codes=codes)

    def fetch(self, codes=(0,)):
        return self.call("fetch", self.run, "--payload", self.payload, codes=codes)

    def more(self, codes=(0,)):
        return self.call("fetch", "--more", self.run, codes=codes)

    def report(self, *words, codes=(0,)):
        return self.call("report", self.run, *words, codes=codes)

    def ranges(self, first, last):
        return {str(self.panda_id): [{"eventRangeID": "40000001-%d-5000001-%d-9" % (self.panda_id, event), "startEvent": event,
                                      "lastEvent": event, "LFN": "EVNT.40000001._000001.txt", "GUID": "G", "scope": "mc16_13TeV"}
                                     for event in range(first, last + 1)]}

    def end_of_ranges(self):
        self.harvester.feed_ranges({str(self.panda_id): []})
        assert "no more will come" in self.more()

    def aside(self, mark):
        return sorted(name for name in os.listdir(self.folder) if name.startswith("JobsEventRanges.json." + mark))

    def attributes(self):
        return self.harvester.read("worker_attributes.json")

    def requests(self):
        return [name for name in ("worker_requestjob.json", "worker_requestevents.json") if self.harvester.there(name)]


@scenario
def a_harvester_feeds_and_drains_a_run_by_its_files(world):
    point = Point(world, fed=False)
    harvester = point.harvester
    point.fetch(codes=(3,))
    assert point.requests() == ["worker_requestjob.json"] and harvester.read("worker_requestjob.json") == {"nJobs": 1}
    harvester.feed_job(point.fields)
    point.fetch(codes=(3,))
    harvester.feed_ranges(point.ranges(1, 10), upto=100)
    assert harvester.wishes[-1][str(point.panda_id)]["jobsetID"] == point.task["jobsetID"]
    point.fetch(codes=(3,))
    harvester.feed_ranges(point.ranges(1, 10))
    point.fetch()
    assert not harvester.there("JobsEventRanges.json") and point.aside("old") == ["JobsEventRanges.json.old.00"]
    harvester.feed_ranges(point.ranges(11, 40))
    assert "30 ranges" in point.more()
    point.end_of_ranges()
    point.report()
    assert not harvester.there("kill_worker.json") and not harvester.there("jobReport.json")
    world.run_yoda(point.run)
    with open(os.path.join(point.run, "logs", "payload_1_0.jobReport.json"), "w") as file:
        json.dump({"exitCode": 0}, file)
    point.report()
    assert harvester.read("jobReport.json") == {"exitCode": 0}
    *records, log = harvester.read(DUMP)[str(point.panda_id)]
    assert len(records) == 40 and len({r["eventRangeID"] for r in records}) == 40
    for record in records:
        assert record["eventStatus"] == "finished" and record["type"] == "zip_output", record
        assert os.path.getsize(record["path"]) == record["fsize"]
    assert "eventRangeID" not in log and os.path.getsize(log["path"]) > 0, log
    assert point.attributes() == {"nEvents": 40, "jobStatus": "finished"}
    assert not harvester.there("kill_worker.json"), "killed before the dump is taken"
    os.rename(harvester.path(DUMP), harvester.path(DUMP + ".read"))
    point.report()
    assert not harvester.there(DUMP), "told twice"
    # Nothing is left for a batch job that still waits.
    assert harvester.there("kill_worker.json") and point.attributes() == {"nEvents": 40, "jobStatus": "finished"}


@scenario
def every_range_is_told_although_harvester_takes_its_time(world):
    point = Point(world, payload=slow_payload(world))
    harvester = point.harvester
    harvester.feed_ranges(point.ranges(1, 40))
    point.fetch()
    point.end_of_ranges()
    with RunningYoda(world, point.run) as yoda:
        yoda.wait_for(lambda s: len(os.listdir(os.path.join(point.run, "bundles"))) > 3 and counts_of(s).get("finished", 0) >= 15)
        point.report()
        assert harvester.there(DUMP) and "jobStatus" not in point.attributes()
        # Nobody has taken it yet: the next report says so, and what has ended since is in it.
        yoda.wait_for(lambda s: counts_of(s).get("finished", 0) >= 35)
        assert "call again" in point.report(codes=(3,))
        yoda.end()
    told = len(harvester.read(DUMP)[str(point.panda_id)])
    # Harvester takes this one just now, and has not put it away when we call: the final state has to wait.
    os.rename(harvester.path(DUMP), harvester.path(DUMP + ".read"))
    point.report("--phase", "over", codes=(3,))
    assert "jobStatus" not in point.attributes() and 0 < told < 41
    harvester.monitor()
    point.report("--phase", "over", codes=(3,))
    assert point.attributes() == {"nEvents": 40, "jobStatus": "finished"}, point.attributes()
    assert not harvester.there("kill_worker.json"), "the batch job that tells the rest is killed"
    for worker in ("running", "finished", "finished", "finished"):
        harvester.monitor(worker)
    assert harvester.worker_done and harvester.status == "finished" and not harvester.lost, harvester.lost
    assert harvester.events == {r["eventRangeID"]: "finished" for r in point.ranges(1, 40)[str(point.panda_id)]}, harvester.events
    # With its final state Harvester packs no logs: they come from us.
    assert harvester.files[point.fields["logFile"]]["type"] == "log", sorted(harvester.files)


@scenario
def a_dump_that_is_not_whole_is_left_alone(world):
    point = Point(world)
    point.harvester.feed_ranges(point.ranges(1, 10))
    point.fetch()
    point.end_of_ranges()
    world.run_yoda(point.run)
    half = '{"%d": [{"path": "/x/log' % point.panda_id
    point.harvester.write(DUMP, half)
    point.report(codes=(3,))
    with open(point.harvester.path(DUMP)) as file:
        assert file.read() == half
    assert "jobStatus" not in point.attributes()
    os.remove(point.harvester.path(DUMP))
    point.report()
    assert point.attributes()["jobStatus"] == "finished"
    point.harvester.monitor()
    assert len(point.harvester.events) == 10


@scenario
def no_request_beside_another_or_beside_an_answer(world):
    point = Point(world, fed=False)
    harvester = point.harvester
    assert "asked for it" in point.fetch(codes=(3,)) and point.requests() == ["worker_requestjob.json"]
    assert "call again" in point.fetch(codes=(3,))
    harvester.feed_job(point.fields)
    assert "asked for it" in point.fetch(codes=(3,)) and point.requests() == ["worker_requestevents.json"]
    before = os.stat(harvester.path("worker_requestevents.json")).st_ino
    point.fetch(codes=(3,))
    assert os.stat(harvester.path("worker_requestevents.json")).st_ino == before, "asked twice"
    harvester.feed_ranges(point.ranges(1, 10), upto=100)
    point.fetch(codes=(3,))
    # A half answer whose request is gone is coming, too.
    harvester.remove("worker_requestevents.json")
    point.fetch(codes=(3,))
    assert not point.requests(), "asked for a second answer over the first"
    harvester.remove("JobsEventRanges.json")
    point.fetch(codes=(3,))
    harvester.feed_ranges(point.ranges(1, 10))
    point.fetch()
    # The same while it is fed.
    assert "asked for it" in point.more(codes=(3,))
    harvester.feed_ranges(point.ranges(11, 20), upto=50)
    harvester.remove("worker_requestevents.json")
    point.more(codes=(3,))
    assert not point.requests()
    harvester.remove("JobsEventRanges.json")
    assert "asked for it" in point.more(codes=(3,))
    harvester.feed_ranges(point.ranges(11, 20))
    assert "10 ranges" in point.more()
    harvester.feed_ranges(point.ranges(21, 30))
    assert harvester.overwritten == 0 and "10 ranges" in point.more()
    harvester.feed_ranges({str(point.panda_id): []})
    point.more()
    # A run that takes no more asks for nothing.
    assert not point.requests()
    assert "no more will come" in point.more() and not point.requests()
    world.run_yoda(point.run)
    assert "no more will come" in point.more() and not point.requests()
    point.report()
    harvester.monitor()
    assert len(harvester.events) == 30, len(harvester.events)


@scenario
def a_run_that_is_there_is_refused_before_anything_is_asked(world):
    point = Point(world, fed=False)
    os.mkdir(point.run)
    assert "something of that name is there" in point.fetch(codes=(2,))
    point.harvester.feed_job(point.fields)
    point.fetch(codes=(2,))
    assert not point.requests() and os.listdir(point.run) == []
    os.rmdir(point.run)
    point.fetch(codes=(3,))
    assert point.requests() == ["worker_requestevents.json"]


@scenario
def a_malformed_list_is_put_aside_and_told_once(world):
    point = Point(world)
    key = str(point.panda_id)
    bad = point.ranges(1, 10)
    del bad[key][4]["lastEvent"]
    lists = [bad, {key: "none"}, [1], {key: [7]}, {"6900009999": point.ranges(1, 3)[key]}, {}]
    for number, content in enumerate(lists):
        point.harvester.feed_ranges(content)
        said = point.fetch(codes=(2,))
        assert "is malformed" in said and ".bad.%02d" % number in said, said
        assert len(point.aside("bad")) == number + 1 and not point.harvester.there("JobsEventRanges.json")
        assert "asked for it" in point.fetch(codes=(3,))
    point.harvester.feed_ranges(point.ranges(1, 10))
    point.fetch()
    # The same while it is fed: nothing of a bad list is taken, all of a later one.
    for content in lists:
        point.harvester.feed_ranges(content)
        before = len(point.aside("bad"))
        assert "is malformed" in point.more(codes=(2,)) and len(point.aside("bad")) == before + 1
        assert not os.listdir(os.path.join(point.run, "inbox"))
        point.more(codes=(3,))
    point.harvester.feed_ranges(point.ranges(11, 40))
    assert "30 ranges" in point.more()
    point.end_of_ranges()
    world.run_yoda(point.run)
    point.report()
    point.harvester.monitor()
    assert len(point.harvester.events) == 40 and set(point.harvester.events.values()) == {"finished"}


def check_what_is_told_of_bad_ranges(world, word, **settings):
    """Event 3's file is unknown, and event 11's range ends before it begins: the second can never work."""
    point = Point(world, **settings)
    key = str(point.panda_id)
    strange = point.ranges(1, 10)
    strange[key][2]["LFN"] = "another.file"
    point.harvester.feed_ranges(strange)
    point.fetch()
    strange = point.ranges(11, 20)
    strange[key][0]["lastEvent"] = 3
    point.harvester.feed_ranges(strange)
    assert "9 ranges" in point.more()
    point.end_of_ranges()
    world.run_yoda(point.run)
    point.report()
    point.harvester.monitor()
    by_event = {int(name.split("-")[3]): state for name, state in point.harvester.events.items()}
    assert len(by_event) == 20 and by_event.pop(3) == "failed" and by_event.pop(11) == word, by_event
    assert set(by_event.values()) == {"finished"}, by_event
    point.report()
    assert not point.harvester.there(DUMP), "told twice"
    # For a batch job that still waits nothing is left.
    point.harvester.monitor()
    assert point.harvester.killed


@scenario
def ranges_that_cannot_be_worked_on_are_told_as_failed(world):
    check_what_is_told_of_bad_ranges(world, "failed")


@scenario
def ranges_that_can_never_work_are_told_as_fatal_if_the_site_wants_that(world):
    check_what_is_told_of_bad_ranges(world, "fatal", report__fatal="yes")


@scenario
def a_job_file_that_cannot_be_read_asks_for_no_second_job(world):
    point = Point(world, fed=False)
    point.harvester.feed_job(point.fields, form="cgi")
    assert "jobSpecFileFormat" in point.fetch(codes=(2,)) and not point.requests()
    for content in ("", "{", json.dumps({str(point.panda_id): point.fields})[:-7]):
        point.harvester.write("HPCJobs.json", content)
        point.fetch(codes=(3,))
        assert not point.requests(), content
    for content in ("[]", "{}"):
        point.harvester.write("HPCJobs.json", content)
        assert "holds no job" in point.fetch(codes=(2,)) and not point.requests()
    os.remove(point.harvester.path("HPCJobs.json"))
    os.mkdir(point.harvester.path("HPCJobs.json"))
    point.fetch(codes=(4,))
    assert not point.requests()
    os.rmdir(point.harvester.path("HPCJobs.json"))
    point.harvester.feed_job(point.fields)
    point.fetch(codes=(3,))
    assert point.requests() == ["worker_requestevents.json"]


@scenario
def a_job_that_cannot_run_here_is_told_to_harvester(world):
    point = Point(world)
    world_input = world.path("inputs", "EVNT.40000001._000001.txt")
    os.rename(world_input, world_input + ".away")
    assert "cannot run here" in point.fetch(codes=(2,)) and not point.requests()
    told = point.attributes()
    assert told["jobStatus"] == "failed" and told["pilotErrorCode"] == 1103 and told["pilotErrorDiag"], told
    point.harvester.monitor()
    point.harvester.monitor("cancelled")
    assert point.harvester.killed and point.harvester.status == "failed" and not os.path.exists(point.run)


@scenario
def a_job_without_ranges_is_told_to_harvester(world):
    point = Point(world)
    point.harvester.feed_ranges({str(point.panda_id): []})
    assert "no more will come" in point.fetch()
    assert point.attributes()["jobStatus"] == "failed" and point.attributes()["pilotErrorCode"] == 1238, point.attributes()
    assert point.harvester.there("kill_worker.json") and not os.path.exists(point.run)


@scenario
def a_job_none_of_whose_ranges_can_be_worked_on_is_told_with_the_reason(world):
    point = Point(world)
    strange = point.ranges(1, 10)
    for one in strange[str(point.panda_id)]:
        one["LFN"] = "another.file"
    point.harvester.feed_ranges(strange)
    point.fetch()
    told = point.attributes()
    assert told["jobStatus"] == "failed" and told["pilotErrorCode"] == 1103, told
    assert "not among the inputs" in told["pilotErrorDiag"] and not os.path.exists(point.run), told


@scenario
def a_merge_job_is_never_told_to_have_failed(world):
    point = Point(world, job_fields={"eventService": "NULL", "eventServiceMerge": "True"})
    said = point.fetch(codes=(4,))
    assert "jobseed=es" in said, said
    assert sorted(os.listdir(point.folder)) == ["HPCJobs.json"], os.listdir(point.folder)


@scenario
def secrets_are_kept_apart_and_panda_proxy_signs_with_them(world):
    proxy = world.serve("panda/panda_proxy.py", "127.0.0.1:9", "access", "secret", "p", "s")
    settings = {"store__es_events__url": "s3+http://127.0.0.1:9/bundles", "store__es_events__panda_proxy": proxy.ready["url"],
                "store__es_events__panda_public_key": "p", "store__es_events__panda_private_key": "s", "push__give_up_after": 1,
                "log__file": world.path("log")}
    # As Harvester decodes them.
    secrets = {"pandaProxySecretKey": "PROXYSECRET1", "secrets": {"my_token": "USERSECRET1"}, "token": "TOKENSECRET1"}
    point = Point(world, job_fields=secrets, **settings)
    point.harvester.feed_ranges(point.ranges(1, 10))
    point.fetch()
    point.end_of_ranges()
    kept = os.path.join(point.run, "panda", "secrets-%d.json" % point.panda_id)
    assert stat.S_IMODE(os.stat(kept).st_mode) == 0o600
    with open(kept) as file:
        assert json.load(file) == secrets
    with open(os.path.join(point.run, "job.json")) as file:
        fields = json.load(file)["jobs"][0]
        assert not set(secrets) & set(fields) and fields["PandaID"] == point.panda_id, sorted(fields)
    world.run_yoda(point.run)
    proxy.tell("job", str(point.panda_id), secrets["pandaProxySecretKey"])
    # It signs for this job; what fails then is the store, which is not there.
    said = world.harvest("push", point.run, "--verbose", codes=(3, 4))
    asked = proxy.tell("asked")["asked"]
    assert asked and {one["PandaID"] for one in asked} == {point.panda_id} and "SECRET1" not in said, (asked, said)
    point.report()
    for folder, _, names in os.walk(world.folder):
        for name in names:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                text = file.read()
            if re.search(rb"(PROXY|USER|TOKEN)SECRET1", text):
                assert path in (kept, point.harvester.path("HPCJobs.json")), "%s holds a secret" % path


def run_script(point, wait_s, **variables):
    world = point.world
    environment = dict(world.environment, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", YODA_RUN=point.run,
                       YODA=os.path.join(world.bin, "yoda"), YODA_JOBSCRIPTS=os.path.join(SOURCE, "jobscripts"), YODA_WATCH_S="1",
                       YODA_DUMP_WAIT_S=str(wait_s), **variables)
    return subprocess.Popen(["bash", os.path.join(SOURCE, "jobscripts", "local", "yoda.sh")], env=environment, cwd=world.folder,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@scenario
def the_job_script_tells_the_rest_and_waits_until_it_is_taken(world):
    point = Point(world)
    harvester = point.harvester
    harvester.feed_ranges(point.ranges(1, 20))
    point.fetch()
    point.end_of_ranges()
    # An old dump lies there when yoda ends.
    harvester.write(DUMP, {str(point.panda_id): []})
    script = run_script(point, 600)
    said = []
    reader = threading.Thread(target=lambda: said.append(script.communicate()[0]))
    reader.start()
    while reader.is_alive() and not (harvester.read(DUMP) or {}).get(str(point.panda_id)):
        reader.join(0.05)
    assert reader.is_alive(), said
    while reader.is_alive():
        harvester.monitor()
        reader.join(0.2)
    assert script.returncode == 0 and "ends although Harvester has not taken" not in said[0], said
    for _ in range(3):
        harvester.monitor("finished")
    assert harvester.worker_done and harvester.status == "finished" and not harvester.killed and not harvester.lost
    assert len(harvester.events) == 20 and set(harvester.events.values()) == {"finished"}, harvester.events


@scenario
def the_job_script_waits_for_harvester_no_longer_than_it_may(world):
    point = Point(world)
    point.harvester.feed_ranges(point.ranges(1, 20))
    point.fetch()
    point.end_of_ranges()
    script = run_script(point, 2)
    said = script.communicate()[0]
    assert script.returncode == 0 and "ends although Harvester has not taken" in said, said
    # All the same nothing is lost: the dump is complete, and is taken when the worker has ended.
    for _ in range(4):
        point.harvester.monitor("finished")
    assert len(point.harvester.events) == 20 and point.harvester.status == "finished" and not point.harvester.lost
    # Told to end, it ends at once.
    os.remove(os.path.join(point.run, "panda", "dumped-%d.log" % point.panda_id))
    script = run_script(point, 600)
    while script.poll() is None and not point.harvester.there(DUMP):
        time.sleep(0.02)
    script.send_signal(signal.SIGTERM)
    assert "ends although Harvester has not taken" in script.communicate()[0] and script.returncode == 0


if __name__ == "__main__":
    run_scenarios()
