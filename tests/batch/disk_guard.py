#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The disk guard of harvest cycle on a small disk that is nearly full: no job is fetched and no range is fed, what is not
reported stays though its store is away, the summary, --json and the exit code say so; what is under way is stored and
reported all the same; with room again the loop goes on by itself until PanDA's table is complete."""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
for part in ("../panda", "../support"):
    sys.path.insert(0, os.path.join(HERE, part))
import batch_world as b  # noqa: E402
import loop_world  # noqa: E402
import own_mounts  # noqa: E402

DISK_MB, GUARD_MB, LEFT_MB = 96, 48, 24
SPOOL = """payload = {payload}
config = {config}
runs_max = 2
disk_free = %d MB
clean_after = 1 s
feed_ranges = 10
site.batch = local
site.settle = 1 s
site.retry_after = 1 s
site.lost_after = 2 s
site.submissions_max = 1000
site.fruitless_max = 1000
site.yoda_arguments = --set payload.workers=1 --set status.interval=0.2
site.export = YODA_WATCH_S=1
site.export = OMPI_ALLOW_RUN_AS_ROOT=1
site.export = OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
""" % GUARD_MB


def cycle(world, spool, codes):
    said = world.harvest("cycle", spool, "--json", codes=codes)
    return json.loads(said[said.index("{"):])


def cycle_until(world, spool, codes, what, condition, seconds=120):
    """Called as cron would, each call looked at; the last call's summary."""
    end = time.monotonic() + seconds
    while True:
        summary = cycle(world, spool, codes)
        if condition(summary):
            return summary
        assert time.monotonic() < end, "%s: %s" % (what, json.dumps(summary, indent=1))


def fill(disk, left_mb):
    """Leaves `left_mb` free."""
    free = os.statvfs(disk)
    with open(os.path.join(disk, "filler"), "wb") as file:
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left_mb * 1000000)


def given_count(world):
    """Ranges that PanDA has given to us, ever."""
    return sum(count for state, count in world.panda.tell("counts")["events"].items() if state != "ready")


def taken_jobs(world):
    return [job for job, state in world.states().items() if state != "activated"]


def bundles(spool):
    """{path: bytes} of what no store has."""
    found = {}
    for folder, _, names in os.walk(spool):
        for name in names:
            if name.endswith(".tar"):
                with open(os.path.join(folder, name), "rb") as file:
                    found[os.path.join(folder, name)] = file.read()
    return found


def check_guarded(world, summary, given):
    assert summary["disk_low"] and summary["fetched"] == 0, summary
    assert summary["note"].startswith("nothing fetched: too little free space"), summary
    assert [line for line in summary["troubles"] if "less than disk_free = 0.05 GB" in line], summary
    assert given_count(world) == given, "ranges were fed to a full disk"
    assert len(taken_jobs(world)) == 1, "a job was fetched to a full disk"


def test(world):
    spool = world.path("runs")
    own_mounts.mount_memory(spool, DISK_MB)
    # Each job is fetched with 20 ranges, and fed while it works.
    world.write_config(fetch__open="yes", fetch__walltime="20 s", fetch__overhead="0 s", fetch__seconds_per_event="1 s",
                       fetch__chunk=20, yoda__bundle__size="40 KB")
    world.make_task(file_count=1, events=120, jobs=2)
    payload = world.write_payload(channel="worker", executable=os.path.join(world.bin, "noop_payload"), argument="5000",
                                  output="opaque")
    with open(os.path.join(spool, "spool.cfg"), "w") as file:
        file.write(SPOOL.format(payload=payload, config=world.config))
    os.rename(world.path("store"), world.path("store.away"))
    first = cycle_until(world, spool, (0, 3), "a first run", lambda summary: summary["fetched"] == 1)
    assert not first["disk_low"], first
    fill(spool, LEFT_MB)
    given = given_count(world)
    assert 0 < given < 120, given

    # The store is away: nothing may go. clean_after is long over at the end of this.
    kept = {}
    sealed_since = None

    def nothing_lost(summary):
        nonlocal kept, sealed_since
        check_guarded(world, summary, given)
        now = bundles(spool)
        assert all(now.get(path) == data for path, data in kept.items()), "data that nobody else has was removed"
        kept = now
        if kept and sealed_since is None:
            sealed_since = time.monotonic()
        return sealed_since is not None and time.monotonic() - sealed_since > 3

    cycle_until(world, spool, (3,), "bundles", nothing_lost)
    said = world.harvest("cycle", spool, codes=(3,))
    assert said.count("nothing fetched: too little free space (disk_free)") == 1 and "less than disk_free" in said, said
    assert "nothing fetched" in next(line for line in said.splitlines() if line.startswith("runs: ")), said

    # The store is back: what there is goes its way, and still nothing is taken in.
    os.rename(world.path("store.away"), world.path("store"))

    def all_reported(summary):
        check_guarded(world, summary, given)
        return not bundles(spool) and world.panda.tell("counts")["events"].get("finished", 0) + \
            world.panda.tell("counts")["events"].get("done", 0) > 0

    quiet = cycle_until(world, spool, (3,), "all reported", all_reported)
    assert quiet["alarms"] == [], quiet
    quiet = cycle_until(world, spool, (3,), "only the disk", lambda summary: len(summary["troubles"]) == 1)
    check_guarded(world, quiet, given)

    os.unlink(os.path.join(spool, "filler"))
    after = cycle(world, spool, (0, 3))
    assert not after["disk_low"] and (after["fetched"] or given_count(world) > given), after
    cycle_until(world, spool, (0, 3), "all done", lambda summary: not summary["runs"] and
                set(world.panda.tell("counts")["events"]) == {"done"}, 200)
    total = world.check_nothing_twice()
    assert total == 120, total
    world.check_merge_inputs(world.stored_bundles())
    print("%d ranges given, then none until there was room, then all %d" % (given, total))


if not own_mounts.enter():
    b.skip("no mount namespace for a small disk")
with loop_world.LoopWorld(sys.argv[1], "disk_guard") as world:
    try:
        test(world)
    finally:
        own_mounts.unmount(world.path("runs"))
print("disk_guard: passed")
