#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A task of very many ranges, fetched, done and reported: memory of harvest, seconds and bytes per 10,000 ranges.

    many_ranges.py BIN [RANGES] [--api classic|v1]       (default 20,000; long form 1,000,000)
"""
import argparse
import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from loop_world import LoopWorld  # noqa: E402

LIMIT_MB = 500


def measured(world, *words):
    """(seconds, peak RSS in MB, JSON answer) of one call of harvest."""
    began = time.monotonic()
    process = subprocess.Popen([os.path.join(world.bin, "harvest"), *words, "--json", "--config", world.config],
                               env=world.environment, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 3), "%s: %d %s" % (words[0], process.returncode, output)
    return time.monotonic() - began, usage.ru_maxrss / 1024, json.loads(output)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bin")
    parser.add_argument("ranges", nargs="?", type=int, default=1_000_000 if os.environ.get("YODA_LONG_TESTS") else 20_000)
    parser.add_argument("--api", choices=("classic", "v1"), default="classic")
    options = parser.parse_args()
    with LoopWorld(options.bin, "many") as world:
        world.write_config(panda__api=options.api, panda__timeout="600 s", yoda__bundle__size="100 MB")
        files = max(1, options.ranges // 10_000)
        world.make_task(file_count=files, events=options.ranges // files)
        run = world.path("runs", "run")
        total = options.ranges // files * files
        fetch_s, fetch_mb, fetched = measured(world, "fetch", run, "--payload", world.write_payload(
            channel="null", executable="/bin/true", output="none"))
        assert fetched["ranges"] == total, fetched
        began = time.monotonic()
        world.run_yoda(run)
        yoda_s = time.monotonic() - began
        report_s = report_bytes = report_mb = 0
        for _ in range(20):
            seconds, megabytes, said = measured(world, "report", run)
            report_s, report_mb = report_s + seconds, max(report_mb, megabytes)
            report_bytes += said["sent_bytes"]
            if said["all_ended"]:
                break
        assert said["all_ended"], said
        counts = world.panda.tell("counts")
        assert counts["events"] == {"done": total}, counts
        per = total / 10_000
        print("%d ranges over %s: fetch %.1f s, %.0f MB, %.2f s and %.2f MB per 10,000; yoda %.1f s; report %.1f s, %.0f MB, "
              "%.2f s and %.2f MB per 10,000" % (total, options.api, fetch_s, fetch_mb, fetch_s / per, fetched["received_bytes"] / per / 1e6,
                                                yoda_s, report_s, report_mb, report_s / per, report_bytes / per / 1e6))
        assert max(fetch_mb, report_mb) < LIMIT_MB, "more than %d MB" % LIMIT_MB


if __name__ == "__main__":
    main()
