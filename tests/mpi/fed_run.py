#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A run that gets its ranges while it works, killed whenever: right after a checkpoint that took added ranges into
events.h5, and at random moments. Every range is done once, and the merged output is that of a run which had them all from
the start."""
import json
import os
import random
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk_reader
import world as w

EVENTS = 120
FIRST = 20
NOTE = 10
IDS = ["--panda-id", "6900000001", "--task-id", "40000001"]


def rows_of(run):
    """Ranges that events.h5 has by now; it is replaced while we look."""
    import h5py
    try:
        with h5py.File(os.path.join(run, "events.h5"), "r") as file:
            return len(file["ranges/first_event"])
    except (OSError, KeyError):
        return 0


def put_note(run, number, kind, **more):
    name = "%06d-%s.json" % (number, kind)
    part = os.path.join(run, "inbox", "." + name)
    with open(part, "w") as file:
        json.dump({"version": 1, "type": kind, **more}, file)
    os.rename(part, os.path.join(run, "inbox", name))
    return os.path.join(run, "outbox", name)


def test(world, long):
    rng = random.Random(int(os.environ.get("YODA_SEED", "20260102")))
    source = world.write_lhe("in.lhe", EVENTS)
    payload = world.write_payload("slow_lines", output="opaque",
                                  executable=os.path.join(w.SOURCE, "tests/support/slow_lines.py"))
    words = ["-n", "1", "--payload", payload, "--input", source, *IDS]
    for setting in ("payload.workers=2", "range.tries=15", "disk.free_at_start=1 MB", "disk.free_running=1 MB"):
        words += ["--set", setting]
    whole = world.path("whole")
    world.harvest("new", whole, *words)
    world.resume_until_done(whole, ranks=0)
    expected = world.merge(whole, "whole.tar")

    run = world.path("fed")
    world.harvest("new", run, *words, "--events", str(FIRST), "--set", "run.open=yes", "--set",
                  "journal.checkpoint_interval=200 ms")
    with open(os.path.join(run, "job.json")) as file:
        guid = json.load(file)["jobs"][0]["GUID"]
    fed, number, kills, grown, answer = FIRST, 0, 0, 0, None
    code = None
    while code != 0:
        assert kills < (200 if long else 40), "it does not get on"
        job = world.start(run, ranks=0 if kills % 2 else 3)
        before = rows_of(run)
        wait_for_growth = fed < EVENTS and kills % 3 != 2
        deadline = time.monotonic() + rng.uniform(0.5, 2.0)
        while job.poll() is None:
            # The next one when the last one has been answered, so that every life gets some.
            if fed < EVENTS and (answer is None or os.path.exists(answer)):
                number += 1
                ranges = [{"eventRangeID": "40000001-6900000001-1-%d-10" % event, "startEvent": event, "lastEvent": event,
                           "LFN": "in.lhe", "GUID": guid, "scope": "local"} for event in range(fed + 1, fed + NOTE + 1)]
                answer = put_note(run, number, "more_ranges", PandaID=6900000001, ranges=ranges)
                fed += NOTE
                if fed == EVENTS:
                    number += 1
                    put_note(run, number, "closed")
            if wait_for_growth and rows_of(run) > before:
                grown += 1
                break
            if not wait_for_growth and time.monotonic() > deadline:
                break
            time.sleep(0.02)
        if job.poll() is None:
            kills += 1
            victim = world.ranks().get(0, job.pid) if rng.random() < 0.5 else job.pid
            try:
                os.kill(victim, signal.SIGKILL)
            except ProcessLookupError:
                pass
        code = world.wait(job)
        assert code not in (1, 2, 4), (code, world.show_log())
        assert not world.wait_for_no_process()
        told = world.status(run)["ranges"]
        found = disk_reader.count_states(run)
        assert told["finished"] == found["finished"] and told["total"] == sum(found.values()), (told, found)
    assert grown >= 2, "no checkpoint took added ranges into events.h5"
    assert rows_of(run) == EVENTS
    assert world.status(run)["ranges"]["finished"] == EVENTS
    assert all(count == 1 for count in world.bundle_members(run).values())
    assert world.merge(run, "fed.tar") == expected, "merged output differs"

    # All is done; then a bundle turns out to be lost. The next life reads that before it finds nothing to do.
    bundle = sorted(name for name in os.listdir(os.path.join(run, "bundles")) if name.endswith(".tar"))[0]
    put_note(run, number + 1, "bundle_lost", bundle=bundle)
    assert world.run_to_end(run, ranks=3) == 0
    assert world.status(run)["ranges"]["finished"] == EVENTS
    assert world.merge(run, "again.tar") == expected, "merged output differs after a lost bundle"
    print("%d ranges fed by %d notes, %d kills, %d of them after events.h5 had grown" % (EVENTS - FIRST, number, kills, grown))


w.main(test)
