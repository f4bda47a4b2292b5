#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reading a run back after its job was killed: RANGES ranges, all finished but the last ones, part of them in the journal only.
Usage: recovery.py BUILD_FOLDER [RANGES]

Prints one JSON line: seconds to read the tables, seconds to open the run as the next life does (tables, journal, bundles)."""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

build = os.path.abspath(sys.argv[1])
ranges = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000_000
binaries = os.path.join(build, "bin")
environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
folder = tempfile.mkdtemp(prefix="yoda_bench_")
try:
    with open(os.path.join(folder, "null.cfg"), "w") as file:
        file.write("name = null\nchannel = null\n")
    with open(os.path.join(folder, "input.dat"), "w") as file:
        file.write("no events in here\n")
    run = os.path.join(folder, "run")
    begin = time.monotonic()
    subprocess.run([os.path.join(binaries, "harvest"), "new", run, "--input", os.path.join(folder, "input.dat"), "--events",
                    str(ranges), "--payload", os.path.join(folder, "null.cfg")], check=True, stdout=subprocess.DEVNULL)
    made_s = time.monotonic() - begin
    job = subprocess.Popen(["mpirun", "-n", "2", "--oversubscribe", "--bind-to", "none", os.path.join(binaries, "yoda"), run,
                            "--quiet", "--set", "dispatch.batch=256", "--set", "dispatch.window=16",
                            "--set", "journal.checkpoint_bytes=%d" % (ranges * 7), "--set", "status.interval=0.2 s"],
                           env=environment, start_new_session=True)
    finished = 0
    while finished < 0.9 * ranges and job.poll() is None:
        time.sleep(0.05)
        try:
            with open(os.path.join(run, "status.json")) as file:
                finished = json.load(file)["ranges"]["finished"]
        except FileNotFoundError:
            pass
    if job.poll() is None:
        os.killpg(job.pid, signal.SIGKILL)
    job.wait()
    journal_bytes = sum(entry.stat().st_size for entry in os.scandir(os.path.join(run, "journal")))
    found = json.loads(subprocess.run([os.path.join(binaries, "bench_load"), run], check=True, stdout=subprocess.PIPE).stdout)
    # Killed between two syncs: what status.json told last was durable or is not counted in it.
    assert found["finished"] >= 0.9 * finished, (found, finished)
    print(json.dumps({"made_s": round(made_s, 1), "journal_mb": round(journal_bytes * 1e-6), "told_finished": finished, **found}))
finally:
    shutil.rmtree(folder)
