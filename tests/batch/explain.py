#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""harvest explain and status of a run that harvest cycle brings through: a bundle that no store has taken yet, one that a
store refuses, one that is stored and reported; the range in it; the run with its lives and jobs. What people read and what
--json says are the same."""
import glob
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for part in ("../panda", "../support"):
    sys.path.insert(0, os.path.join(HERE, part))
import loop_world  # noqa: E402

SPOOL = """payload = {payload}
config = {config}
fetch = {fetch}
disk_free = 1 MB
site.batch = local
site.settle = 1 s
site.yoda_arguments = --set payload.workers=2 --set status.interval=0.2
site.export = YODA_WATCH_S=1
site.export = OMPI_ALLOW_RUN_AS_ROOT=1
site.export = OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"""


class Explained:
    def __init__(self, world, run):
        self.world, self.run = world, run

    def __call__(self, *what):
        """(what people read, what programs read)"""
        text = self.world.harvest("explain", self.run, *what)
        return text, json.loads(self.world.harvest("explain", self.run, *what, "--json"))


def cycle_until(world, spool, condition, codes=(0, 3)):
    end = time.monotonic() + 120
    while not condition():
        world.harvest("cycle", spool, codes=codes)
        assert time.monotonic() < end, world.harvest("status", spool)


def test(world):
    world.write_config()
    world.make_task(file_count=1, events=40)
    spool = world.path("runs")

    def write_spool(fetch):
        with open(os.path.join(spool, "spool.cfg"), "w") as file:
            file.write(SPOOL.format(payload=world.write_payload(), config=world.config, fetch=fetch))

    write_spool("yes")
    os.rename(world.path("store"), world.path("store.away"))
    world.harvest("cycle", spool, codes=(0, 3))
    write_spool("no")
    run, = glob.glob(os.path.join(spool, "run-*[0-9]"))
    explain = Explained(world, run)
    url = "file://" + world.path("store")

    # The store is away: the bundle waits, and says for what.
    cycle_until(world, spool, lambda: glob.glob(os.path.join(run, "bundles", "*.manifest.json")))
    manifest = glob.glob(os.path.join(run, "bundles", "*.manifest.json"))[0]
    with open(manifest) as file:
        bundle = json.load(file)["bundle"]
    cycle_until(world, spool, lambda: "delivery" in explain(bundle)[1])
    text, told = explain(bundle)
    assert told["state"] == "sealed" and told["is_here"] and told["store"]["url"] == url, told
    assert told["delivery"]["failures"] > 0 and "is not there" in told["delivery"]["last_failure"], told
    assert "last failure: the store %s is not there" % world.path("store") in text, text
    assert "by store.es_events.url" in text, text

    # It is back: stored, reported, removed here.
    os.rename(world.path("store.away"), world.path("store"))
    cycle_until(world, spool, lambda: explain(bundle)[1]["delivery"]["stage"] == "cleaned")
    text, told = explain(bundle)
    delivery = told["delivery"]
    assert delivery["target"] == "es_events" and not told["is_here"] and not delivery.get("last_failure"), told
    assert delivery["sealed_unix_s"] <= delivery["verified_unix_s"] <= delivery["reported_unix_s"] <= delivery["cleaned_unix_s"]
    with open(delivery["url"][len("file://"):], "rb") as file:
        assert len(file.read()) == delivery["bytes"], delivery
    for line in ("delivery: cleaned, %d bytes" % delivery["bytes"], "to %s, by store.es_events.url" % delivery["url"],
                 "verified in the store", "reported to PanDA", "local data removed", "delivered and cleaned up"):
        assert text.count(line) == 1, (line, text)
    assert text.count(url) == 1 and text.count("by store.es_events.url") == 1, "the rule is told twice: " + text

    # A range in it has the same way.
    name = ids_of(run)[7]
    text, told = explain(name)
    assert told["eventRangeID"] == name and told["state"] == "finished" and told["bundle"] == bundle, told
    assert told["delivery"] == delivery and text.count(delivery["url"]) == 1, (told, text)

    # The run: its life, its job, what it waits for, and when nothing is left.
    text, told = explain()
    assert [life["exit_code"] for life in told["lives"]] == [0] and "life 1: " in text, told
    assert len(told["batch"]["submissions"]) == 1 and "job 1: " in text, told
    assert told["stores"][0]["url"] == url and text.count(url) == 1, text
    cycle_until(world, spool, lambda: "over: stored, reported" in world.harvest("status", spool))
    said = json.loads(world.harvest("status", spool, "--json"))
    assert said[0]["delivery"]["over"] and said[0]["step"] == "complete", said
    for wrong in ("EventService_premerge_no_such", "1-2-3-4-5"):
        assert "of this run" in world.harvest("explain", run, wrong, codes=(2,))


def ids_of(run):
    """All range ids, by h5py: an independent reader."""
    import h5py
    with h5py.File(os.path.join(run, "events.h5")) as table:
        files = [[table["files"][part][row] for part in ("task_id", "panda_id", "file_id")]
                 for row in range(len(table["files/file_id"]))]
        return ["-".join(map(str, [*files[file], process, attempt])) for file, process, attempt in
                zip(table["ranges/file"], table["ranges/job_processID"], table["ranges/attemptNr"])]


with loop_world.LoopWorld(sys.argv[1], "explain") as world:
    test(world)
print("explain: passed")
