#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What users and disks do wrong: a clear message, a documented exit code, nothing lost."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w

SMALL = ["disk.free_at_start=1 MB", "disk.free_running=1 MB", "payload.workers=2", "payload.starts=3"]


def script(world, name, text):
    path = world.path(name + ".py")
    with open(path, "w") as file:
        file.write("#!/usr/bin/python3\n" + text)
    os.chmod(path, 0o755)
    return path


def kit(world, name, body):
    return script(world, name, "import os, sys, time, yoda_payload\nkit = yoda_payload.Kit()\ndef work(todo, output):\n" +
                  "".join("    %s\n" % line for line in body.split("\n")) + "sys.exit(kit.run(work))\n")


class Cases:
    def __init__(self, world):
        self.world = world
        self.source = world.write_lhe("in.lhe", 10)
        self.number = 0
        self.checked = 0

    def refuse_new(self, words, *needles):
        done = self.world.harvest("new", self.world.path("never"), *words, check=False)
        assert done.returncode == 2, (words, done.returncode, done.stderr)
        for needle in needles:
            assert needle in done.stderr, (needle, done.stderr)
        assert not os.path.exists(self.world.path("never"))
        self.checked += 1

    def run(self, payload, settings=(), ranks=0, **more):
        self.number += 1
        run = self.world.new_run("run%d" % self.number, [self.source], payload, settings=[*SMALL, *settings], **more)
        code = self.world.run_to_end(run, ranks=ranks)
        return run, code, self.world.status(run)

    def expect_failures(self, payload, error_code, needle, settings=(), count=2, state="failed"):
        run, code, status = self.run(payload, settings)
        assert code == 1, (code, status)
        assert status["ranges"][state] == count, status["ranges"]
        failure = status["failures"][0]
        assert failure["error_code"] == error_code, failure
        assert needle in failure["why"], failure
        told = self.world.harvest("explain", run, failure["eventRangeID"]).stdout
        assert needle in told, told
        self.checked += 1


def test(world, long):
    cases = Cases(world)
    good = world.write_payload("good", channel="worker", executable="line_lengths", argument="{input}", output="opaque")

    # Making a run.
    def make(name, text):
        with open(world.path(name), "w") as file:
            file.write(text)
        return world.path(name)

    cases.refuse_new(["--input", world.path("nowhere.lhe"), "--payload", good], "nowhere.lhe")
    cases.refuse_new(["--input", make("empty.lhe", ""), "--payload", good], "empty.lhe")
    cases.refuse_new(["--input", make("cut.lhe", "<LesHouchesEvents>\n<init>\n</init>\n<event>\n1\n"), "--payload", good],
                     "cut.lhe")
    cases.refuse_new(["--input", cases.source, "--payload", world.path("nowhere.cfg")], "nowhere.cfg")
    cases.refuse_new(["--input", cases.source, "--payload", good, "--set", "range.trys=3"], "range.trys", "range.tries")
    cases.refuse_new(["--input", cases.source, "--payload", good, "--set", "bundle.size=3 parsecs"], "parsecs")
    cases.refuse_new(["--input", cases.source, "--payload", good, "--events-per-range", "0"], "events")
    weights = make("weights.lhe", "<LesHouchesEvents>\n<header>\n<initrwgt>\n</initrwgt>\n</header>\n<init>\n</init>\n" +
                   "<event>\n1\n</event>\n" * 5 + "</LesHouchesEvents>\n")
    made = world.harvest("new", world.path("weights"), "--input", weights, "--payload", good)
    assert "5 ranges" in made.stdout or "5 events" in made.stdout, made.stdout

    # A range beyond the file: where events cannot be counted beforehand, the payload says it, and once is enough.
    text = make("ten.txt", "line\n" * 10)
    beyond = world.path("beyond")
    world.harvest("new", beyond, "--input", text, "--events", "15", "-n", "5", "--payload", good,
                  *[word for setting in SMALL for word in ("--set", setting)])
    code, status = world.run_to_end(beyond, ranks=0), world.status(beyond)
    assert code == 1 and status["ranges"]["finished"] == 2 and status["ranges"]["fatal"] == 1, (code, status["ranges"])
    assert "the file has only 10 lines" in status["failures"][0]["why"], status["failures"]
    told = world.harvest("merge", beyond, "-o", world.path("beyond.tar"), check=False)
    assert told.returncode != 0 and "1 fatal" in told.stderr and "--partial" in told.stderr, told
    world.harvest("merge", beyond, "-o", world.path("beyond.tar"), "--partial")

    # The same eventRangeID twice: the note is refused as a whole, the run goes on.
    fed = world.new_run("fed", [cases.source], good, settings=[*SMALL, "run.open=yes"])
    with open(os.path.join(fed, "job.json")) as file:
        guid = json.load(file)["jobs"][0]["GUID"]
    entry = {"eventRangeID": "40000001-6900000001-1-77-10", "startEvent": 7, "lastEvent": 7, "LFN": "in.lhe", "GUID": guid,
             "scope": "local"}
    for number, note in enumerate(({"type": "more_ranges", "PandaID": 6900000001, "ranges": [entry, entry]}, {"type": "closed"}), 1):
        with open(os.path.join(fed, "inbox", "%06d-%s.json" % (number, note["type"])), "w") as file:
            json.dump({"version": 1, **note}, file)
    code, status = world.run_to_end(fed, ranks=0), world.status(fed)
    assert code == 0 and status["ranges"]["finished"] == status["ranges"]["total"] == 2, (code, status["ranges"])
    with open(os.path.join(fed, "outbox", "000001-more_ranges.json")) as file:
        answer = json.load(file)
    assert answer["applied"] is False and entry["eventRangeID"] in answer["why"], answer

    # Payloads.
    cases.expect_failures(world.write_payload("no_output", channel="command", executable="/bin/true"), 1165, "output")
    cases.expect_failures(world.write_payload("exit3", channel="command", executable="/bin/sh",
                                              argument=["-c", "exit 3"]), 1220, "exit code 3")
    cases.expect_failures(world.write_payload("empty", channel="command", executable="/bin/sh",
                                              argument=["-c", ": > $0", "{output}"]), 1191, "empty")
    outside = make("outside.txt", "secret\n")
    cases.expect_failures(world.write_payload("outside", executable=kit(world, "outside", "output.add(%r)" % outside)),
                          1220, "folder")
    cases.expect_failures(world.write_payload("link", channel="command", executable="/bin/ln",
                                              argument=["-s", outside, "{output}"]), 1220, "link")
    cases.expect_failures(world.write_payload("raises", executable=kit(world, "raises", "raise ValueError('no luck')")),
                          1220, "no luck")
    cases.expect_failures(world.write_payload("fatal", executable=kit(world, "fatal", "raise yoda_payload.Fatal('beyond')")),
                          1228, "beyond", state="fatal")
    cases.expect_failures(world.write_payload("dies", executable=kit(world, "dies", "os.kill(os.getpid(), 9)")),
                          1220, "died")
    cases.expect_failures(world.write_payload("silent", executable=kit(world, "silent", "time.sleep(1000)")), 1150,
                          "neither spoke nor wrote", ["range.silence=1 s", "disk.check_interval=0.2 s", "range.tries=1"])
    cases.expect_failures(world.write_payload("slow", executable=kit(world, "slow", "time.sleep(1000)")), 1150,
                          "longer than its limit", ["range.time_limit=1 s", "range.tries=1"])
    cases.expect_failures(world.write_payload("hungry", executable=kit(
        world, "hungry", "x = bytearray(300 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\ntime.sleep(1000)")), 1235,
        "memory", ["payload.memory=200 MB", "disk.check_interval=0.2 s", "range.tries=1"])

    cases.expect_failures(world.write_payload("bulky", executable=kit(
        world, "bulky", "open(output.file('o'), 'wb').write(b'x' * (20 << 20))\ntime.sleep(1000)")), 1098,
        "the limit is 5 MB", ["disk.work_folder=5 MB", "disk.check_interval=0.2 s", "range.tries=1"])

    # Limits of the node: no range is burnt.
    run, code, status = cases.run(good, ["disk.free_at_start=1000 TB"])
    assert code == 4 and status["ranges"]["ready"] == 2, (code, status)
    assert "too little work space" in status["why_stopped"] and "disk.free_at_start" in status["why_stopped"], status
    assert status["droids"][0]["trouble_code"] == 1098, status["droids"]
    cases.checked += 1

    run, code, status = cases.run(good, ["disk.free_running=1000 TB", "disk.check_interval=0.1 s"])
    assert code == 4 and status["ranges"]["ready"] == 2, (code, status)
    assert "no range could be started" in status["why_stopped"] and "disk.free_running" in status["why_stopped"], status
    assert status["droids"][0]["trouble_code"] == 1098, status["droids"]
    cases.checked += 1

    # The payload as a whole: it stops with the reason, and the ranges are not burnt.
    cases.refuse_new(["--input", cases.source, "--payload", world.write_payload("missing", executable="/nowhere/at/all")],
                     "/nowhere/at/all")
    for name, needle, body, settings in (
            ("removed", "No such file", None, []),
            ("crash", "before it was ready", "raise SystemExit(7)\n", []),
            ("hung", "neither spoke nor wrote", "import time\ntime.sleep(1000)\n", ["range.silence=1 s"])):
        program = script(world, name, body or "")
        run = world.new_run(name, [cases.source], world.write_payload(name, executable=program), settings=[*SMALL, *settings])
        if body is None:
            os.remove(program)
        code, status = world.run_to_end(run, ranks=0), world.status(run)
        assert code == 4, (name, code, status)
        assert needle in status["why_stopped"], status["why_stopped"]
        assert status["droids"][0]["trouble_code"] == (1150 if name == "hung" else 1110), status["droids"]
        assert status["ranges"]["ready"] == 2, status["ranges"]
        cases.checked += 1

    # Grandchildren in sessions of their own do not stay.
    run, code, status = cases.run(world.write_payload("daemon", executable=kit(
        world, "daemon", "if os.fork() == 0:\n    os.setsid()\n    time.sleep(1000)\nopen(output.file('o'), 'w').write('x')")))
    assert code == 0, status
    left = world.wait_for_no_process()
    assert not left, left
    # Launcher binding: there is one core; it is used, and said.
    run = world.new_run("bound", [cases.source], good, settings=SMALL[:2])
    assert world.run_to_end(run, ranks=2, mpi=("--bind-to", "core")) == 0
    with open(os.path.join(run, "logs", "droid_1.log")) as file:
        text = file.read()
    assert os.cpu_count() == 1 or "fewer_cores" in text, text

    # Run folders.
    done = subprocess.run([os.path.join(world.bin, "yoda"), world.path("no_such_run")], env=world.environment,
                          stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "there is no run folder" in done.stderr, (done.returncode, done.stderr)
    broken = world.new_run("broken", [cases.source], good, settings=SMALL)
    with open(os.path.join(broken, "events.h5"), "w") as file:
        file.write("this is no HDF5")
    done = subprocess.run([os.path.join(world.bin, "yoda"), broken], env=world.environment, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "events.h5" in done.stderr, (done.returncode, done.stderr)
    told = world.harvest("status", broken, check=False)
    assert told.returncode == 2 and "events.h5" in told.stderr, (told.returncode, told.stderr)
    # Two on one folder: the second is told who holds it.
    held = world.new_run("held", [cases.source], world.write_payload("sleepy", executable=kit(
        world, "sleepy", "time.sleep(3)\nopen(output.file('o'), 'w').write('x')")), settings=SMALL)
    job = world.start(held, ranks=0)
    while not os.path.exists(os.path.join(held, "lock")):
        assert job.poll() is None
    second = subprocess.run([os.path.join(world.bin, "yoda"), held], env=world.environment, stderr=subprocess.PIPE,
                            text=True, timeout=60)
    assert second.returncode == 3 and str(job.pid) in second.stderr, (second.returncode, second.stderr)
    assert world.wait(job) == 0
    print("%d cases of bad payloads and input" % cases.checked)


w.main(test)
