#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""fetch -> yoda -> push -> report, until PanDA's table is all done and its merge job made; nothing twice, nothing lost.
harvest is killed at random moments and PanDA is down half of the time.

    loop.py BIN [quiet|killed] [--long] [--api classic|v1] [--store file|radosgw] [--seed N]
"""
import argparse
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loop_world import LoopWorld  # noqa: E402


def weather(world, rough):
    """Up or down, by the toss of a coin."""
    if rough:
        world.panda.tell("down" if world.dice.random() < 0.5 else "up")


def fetch_run(world, payload, number, rough):
    """Until there is a run, or PanDA has no jobs."""
    run = world.path("runs", "run%d" % number)
    for attempt in range(400):
        weather(world, rough)
        code = world.call_or_kill("fetch", run, "--payload", payload, "--settle", chance=0.75 if rough else 0)
        if os.path.exists(os.path.join(run, "job.json")):
            return run
        if code == 0:
            return None
        assert code in (-9, 3), "fetch: %s %s" % (code, world.last_output)
    raise AssertionError("no run after 400 calls")


def drain(world, run, rough):
    """push and report as cron would call them, until PanDA has the final state of all jobs."""
    for tick in range(400):
        weather(world, rough)
        code = world.call_or_kill("push", world.path("runs"), chance=0.75 if rough else 0)
        assert code in (-9, 0, 3), "push: %s %s" % (code, world.last_output)
        code = world.call_or_kill("report", run, "--json", chance=0.75 if rough else 0)
        assert code in (-9, 0, 3), "report: %s %s" % (code, world.last_output)
        if code == 0 and '"all_ended": true' in world.last_output:
            return tick + 1
    raise AssertionError("not reported after 400 ticks: " + world.last_output)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("mode", choices=("quiet", "killed"), nargs="?", default="quiet")
    parser.add_argument("--long", action="store_true", default=bool(os.environ.get("YODA_LONG_TESTS")))
    parser.add_argument("--api", choices=("classic", "v1"), default="classic")
    parser.add_argument("--store", choices=("file", "radosgw"), default="file")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rough = options.mode == "killed"
    events = 2000 if options.long and rough else 150
    kills_wanted = (200 if options.long else 50) if rough else 0
    with LoopWorld(options.bin, "loop", ("--seed", str(options.seed))) as world:
        world.dice.seed(options.seed)
        settings = {"panda__api": options.api, "fetch__chunk": 40, "fetch__jobs": 2, "panda__report_chunk": 37,
                    "yoda__bundle__size": "40 KB"}
        if options.store == "radosgw":
            gateway = world.add_gateway()
            settings.update({"store__es_events__url": "s3+http://%s/bundles" % gateway.ready["endpoint"],
                             "store__es_events__create_bucket": "yes"})
        world.write_config(**settings)
        world.make_task(file_count=2, events=events, attempts=40, max_attempt=60, jobs=2)
        payload = world.write_payload()
        runs = losses = 0
        while True:
            run = fetch_run(world, payload, runs, rough)
            if run is None:
                world.panda.tell("up")
                if set(world.panda.tell("counts")["events"]) == {"done"} or losses == 20:
                    break
                # A fetch died between PanDA's answer and its own journal: PanDA gives such jobs up, and others for them.
                losses += 1
                world.panda.tell("advance", seconds=4 * 3600)
                continue
            runs += 1
            assert runs < 60, "too many rounds"
            world.run_yoda(run)
            drain(world, run, rough)
            world.panda.tell("up")
            # Enough is enough only when enough was killed.
            if world.kill_count < kills_wanted and set(world.panda.tell("counts")["events"]) == {"done"}:
                world.make_task(task=40000001 + runs, file_count=1, events=events, attempts=40, max_attempt=60)
        counts = world.panda.tell("counts")
        total = world.check_nothing_twice()
        assert counts["events"] == {"done": total}, counts["events"]
        if options.store == "file":
            bundles = world.stored_bundles()
            world.check_merge_inputs(bundles)
            assert len(bundles) == counts["zips"], "%d in the store, %d reported" % (len(bundles), counts["zips"])
        else:
            assert counts["merge_jobs"]
        assert world.kill_count >= kills_wanted, world.kill_count
        print("%d ranges done, %d bundles, %d runs, %d calls of harvest, %d killed, %d requests, %d times jobs lost by a kill" % (
            total, counts["zips"], runs, world.call_count, world.kill_count, counts["requests"], losses))


if __name__ == "__main__":
    main()
