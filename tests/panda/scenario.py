# SPDX-License-Identifier: Apache-2.0
"""Scenarios: each a function of a world of its own; a file of them is a program.

    FILE.py BIN [NAME...]
"""
import json
import os
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loop_world import LoopWorld  # noqa: E402

SCENARIOS = []


def scenario(function, panda_words=()):
    SCENARIOS.append((function, panda_words))
    return function


def scenario_with(*panda_words):
    """With a server that is started with these words."""
    return lambda function: scenario(function, panda_words)


def fetch(world, name="run", *words, payload=None):
    run = world.path("runs", name)
    world.harvest("fetch", run, "--payload", payload or world.write_payload(), *words)
    return run


def finish(world, run, *words, codes=(0, 3)):
    """push and report until all jobs have ended."""
    for _ in range(40):
        world.harvest("push", run, codes=(0, 3))
        said = tell(world, run, *words, codes=codes)
        if said["all_ended"]:
            return said
    raise AssertionError("never ended: %s" % said)


def tell(world, run, *words, codes=(0, 3)):
    output = world.harvest("report", run, "--json", *words, codes=codes)
    return json.loads(output[output.index("{\n"):])


def job(world, panda_id):
    return next(j for j in world.panda.tell("jobs")["jobs"] if j["PandaID"] == panda_id)


def final_state(world, panda_id):
    """The last state that we told, and its columns."""
    about = job(world, panda_id)
    return about["states"][-1], about["columns"]


def run_scenarios():
    names = sys.argv[2:]
    failed = 0
    for function, panda_words in SCENARIOS:
        if names and function.__name__ not in names:
            continue
        began = time.monotonic()
        try:
            with LoopWorld(sys.argv[1], "scenario", panda_words) as world:
                function(world)
            print("ok      %s (%.1f s)" % (function.__name__, time.monotonic() - began), flush=True)
        except Exception as problem:  # Each scenario stands for itself.
            failed += 1
            print("FAILED  %s: %s: %s" % (function.__name__, type(problem).__name__, str(problem)[-3000:]), flush=True)
    sys.exit(1 if failed else 0)
