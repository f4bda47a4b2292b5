#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Durable dispatch over MPI with a null payload in one Droid, against the raw limit (bench_limit) with the same batch,
window and sync interval, in turn within one run. Usage: dispatch.py BUILD_FOLDER [RANGES] [ROUNDS]

Prints one JSON line for each window (grants in flight) and batch: medians of both rates and the median of the ratios pair by pair."""
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile

build = os.path.abspath(sys.argv[1])
ranges = int(sys.argv[2]) if len(sys.argv) > 2 else 3_000_000
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
mpirun = ["mpirun", "-n", "2", "--oversubscribe", "--bind-to", "none"]


def call(*words):
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit("%s: exit code %d" % (" ".join(words), done.returncode))
    return done.stdout


folder = tempfile.mkdtemp(prefix="yoda_bench_")
try:
    with open(os.path.join(folder, "null.cfg"), "w") as file:
        file.write("name = null\nchannel = null\n")
    with open(os.path.join(folder, "input.dat"), "w") as file:
        file.write("no events in here\n")
    template = os.path.join(folder, "template")
    call(os.path.join(build, "bin/harvest"), "new", template, "--input", os.path.join(folder, "input.dat"),
         "--events", str(ranges), "--payload", os.path.join(folder, "null.cfg"))
    for window, batch in itertools.product((2, 16), (1, 16, 256)):
        ours, limits = [], []
        count = ranges if batch > 1 else ranges // 4
        for _ in range(rounds):
            run = os.path.join(folder, "run")
            shutil.copytree(template, run)
            call(*mpirun, os.path.join(build, "bin/yoda"), run, "--quiet", "--set", "dispatch.batch=%d" % batch,
                 "--set", "dispatch.window=%d" % window, "--set", "journal.commit_interval=10 ms")
            with open(os.path.join(run, "status.json")) as file:
                status = json.load(file)
            assert status["ranges"]["finished"] == ranges, status["ranges"]
            ours.append(ranges / status["dispatch_s"])
            shutil.rmtree(run)
            limits.append(json.loads(call(*mpirun, os.path.join(build, "bin/bench_limit"), str(count), str(batch),
                                          str(window), "10", os.path.join(folder, "limit.journal")))["ranges_per_s"])
        print(json.dumps({"window": window, "batch": batch, "yoda_per_s": round(statistics.median(ours)),
                          "limit_per_s": round(statistics.median(limits)),
                          "ratio": round(statistics.median(a / b for a, b in zip(ours, limits)), 3)}), flush=True)
finally:
    shutil.rmtree(folder)
