# SPDX-License-Identifier: Apache-2.0
"""yoda at work on a run of PanDA's, for scenarios that meddle with it."""
import json
import os
import subprocess
import time

SLOW = """
import sys, time
time.sleep(float(sys.argv[3]))
print("payload did", sys.argv[1], flush=True)
open(sys.argv[2], "w").write("done " + sys.argv[1])
"""


def slow_payload(world, seconds=0.05):
    with open(world.path("slow.py"), "w") as file:
        file.write(SLOW)
    return world.write_payload("slow", channel="command", executable="/usr/bin/python3",
                               argument=[world.path("slow.py"), "{first}", "{output}", str(seconds)], output="opaque")


class RunningYoda:
    """yoda at work on a run; killed if the scenario fails."""

    def __init__(self, world, run):
        self.run = run
        self.process = subprocess.Popen([os.path.join(world.bin, "yoda"), run], env=world.environment, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def status(self):
        try:
            with open(os.path.join(self.run, "status.json")) as file:
                return json.load(file)
        except (FileNotFoundError, ValueError):
            return {}

    def wait_for(self, what, limit_s=60):
        """Until the status says so; how it stood then."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "yoda ended: " + self.process.stdout.read()
            status = self.status()
            if status and what(status):
                return status
            time.sleep(0.02)
        raise AssertionError("waited in vain: %s" % self.status())

    def end(self, codes=(0,)):
        output = self.process.communicate(timeout=120)[0]
        assert self.process.returncode in codes, output


def read_text(path):
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def ranges(status):
    return status.get("ranges", {})
