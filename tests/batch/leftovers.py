#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A run that reaches its limit of jobs is given up by harvest cycle: what it has is stored and reported, its PanDA jobs get
their final state, and what is left goes back to PanDA, which gives it to the next job, until all is done. Nothing twice."""
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
runs_max = 1
disk_free = 1 MB
clean_after = 1 s
site.batch = local
site.submissions_max = 1
site.yoda_arguments = --set payload.workers=2 --set status.interval=0.2 --set walltime=8 --set walltime.drain=1 --set walltime.seal=0.1
site.export = YODA_WATCH_S=1
site.export = OMPI_ALLOW_RUN_AS_ROOT=1
site.export = OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"""


def test(world):
    world.write_config(fetch__jobs=1)
    world.make_task(file_count=1, events=40, attempts=30, max_attempt=40, jobs=1)
    slow = world.path("slow.py")
    with open(slow, "w") as file:
        file.write("#!/usr/bin/python3\nimport sys, time\nsys.path.insert(0, %r)\nimport yoda_payload\nkit = yoda_payload.Kit()\n"
                   "def work(todo, output):\n    time.sleep(0.7)\n"
                   "    with open(output.file('out'), 'w') as file:\n        file.write('%%d\\n' %% todo.first)\n"
                   "sys.exit(kit.run(work))\n" % world.bin)
    os.chmod(slow, 0o755)
    spool = world.path("runs")
    with open(os.path.join(spool, "spool.cfg"), "w") as file:
        file.write(SPOOL.format(payload=world.write_payload("slow", channel="worker", executable=slow, output="opaque"),
                                config=world.config))
    given_up = set()
    deadline = time.monotonic() + 240
    while True:
        assert time.monotonic() < deadline, world.panda.tell("counts")
        said = world.harvest("cycle", spool, "--json", codes=(0, 3, 4))
        summary = json.loads(said[said.index("{"):])  # Warnings go before it, to stderr.
        for alarm in summary["alarms"]:
            assert "is given up: 1 jobs were submitted, the limit (submissions_max)" in alarm, alarm
            given_up.add(alarm.split()[0])
        counts = world.panda.tell("counts")
        if set(counts["events"]) == {"done"} and not summary["runs"]:
            break
        if not summary["fetched"] and not summary["running"] and not summary["waiting"]:
            # PanDA gives out again what was released when its own clock says so.
            world.panda.tell("advance", seconds=3600)
    assert given_up, "no run was given up"
    states = set(world.states().values())
    assert not states & {"sent", "starting", "running", "transferring", "holding"}, states
    total = world.check_nothing_twice()
    assert counts["events"] == {"done": total}, counts["events"]
    world.check_merge_inputs(world.stored_bundles())
    print("%d runs given up, %d ranges done by others" % (len(given_up), total))


with loop_world.LoopWorld(sys.argv[1], "leftovers") as world:
    test(world)
print("leftovers: passed")
