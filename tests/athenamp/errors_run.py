#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in AthenaMP is seen in `harvest explain` with code and text; what can go on goes on; what cannot ends
within bounds."""
import glob
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mpi"))
import world as w

SETTINGS = ["disk.free_at_start=1 MB", "disk.free_running=1 MB", "payload.stop_grace=2 s", "payload.workers=3",
            "payload.starts=3", "disk.check_interval=1 s", "range.tries=1", "range.payload_deaths=1"]


def starts(run, rank=1):
    with open(os.path.join(run, "logs", "droid_%d.log" % rank)) as log:
        return log.read().count("payload_starts")


def make(world, name, trouble, *more_settings, environment=(), **keys):
    marks = world.path(name + "_marks")
    os.mkdir(marks)
    keys.setdefault("executable", os.path.join(world.bin, "athenamp_mock"))
    payload = world.write_payload(name, channel="athenamp", output="opaque", finalisation="1 s",
                                  environment=["MOCK_TROUBLE=" + trouble, "MOCK_MARKS=" + marks, *environment], **keys)
    source = world.path("in.lhe")
    if not os.path.exists(source):
        world.write_lhe("in.lhe", 40)
    return world.new_run(name + "_run", [source], payload, events_per_range=1, settings=SETTINGS + list(more_settings))


def change_job(run, fields):
    """What a PanDA job says and `harvest new` does not."""
    path = os.path.join(run, "job.json")
    with open(path) as file:
        whole = json.load(file)
    whole["jobs"][0].update(fields)
    with open(path, "w") as file:
        json.dump(whole, file)


def explain(world, run, event=None):
    words = ["explain", run] + ([range_id(event)] if event else [])
    return world.harvest(*words).stdout


def range_id(event):
    return "40000001-6900000001-1-%d-10" % event


def test(world, long):
    # Errors of single ranges: the range has failed with code and text, all others are finished.
    bad = [(3, "crash", "1220", "Failed to process event range"),
           (5, "not_found", "1220", "Not found in the input file"),
           (7, "te_range", "1220", "ERR_TE_RANGE %s: Range contains wrong positional number" % range_id(7)),
           (9, "parse", "1220", "Wrong format"),
           (11, "seek", "1220", "Seek failed"),
           (13, "no_file", "1220", "Failed to make output file"),
           (15, "no_input", "1220", "Failed to set input file"),
           (17, "parse_values", "1220", "Wrong values of range fields"),
           (19, "parse_selector", "1220", "Unable to dyn-cast the event selector"),
           (21, "parse_input", "1220", "Unable to set input file name property"),
           (23, "missing", "1165", "No such file"),
           (25, "empty", "1191", "it is empty"),
           (27, "outside", "1220", "not in the worker's folder"),
           (29, "no_output", "1227", "without a word about 1 range")]
    run = make(world, "ranges", ";".join("%s:%d" % (kind, event) for event, kind, _, _ in bad))
    code = world.run_to_end(run, 2)
    assert code == 1, code
    counts = world.status(run)["ranges"]
    assert (counts["finished"], counts["failed"], counts["fatal"]) == (40 - len(bad), len(bad), 0), counts
    for event, kind, number, text in bad:
        told = explain(world, run, event)
        assert number in told and text in told, (kind, told)
    assert os.path.exists("/etc/hostname"), "a file outside of the worker's folder was touched"

    # Fatal errors: this range can never work, the payload starts anew, nobody else pays.
    fatal = [(5, "te_fatal", "1233", "resolve host name"),
             (10, "te_guid", "1231", "Invalid GUID length"),
             (15, "te_url", "1230", "URL Error 404"),
             (20, "te_tokens", "1232", "No tokens for GUID"),
             (25, "te_other", "1229", "it cannot go on"),
             (30, "fatal", "1228", "ERR_ATHENAMP_FATAL")]
    run = make(world, "fatal", ";".join("%s:%d" % (kind, event) for event, kind, _, _ in fatal),
               "payload.stop_grace=500 ms")
    code = world.run_to_end(run, 2)
    assert code == 1, code
    counts = world.status(run)["ranges"]
    assert (counts["finished"], counts["failed"], counts["fatal"]) == (40 - len(fatal), 0, len(fatal)), counts
    for event, kind, number, text in fatal:
        told = explain(world, run, event)
        assert number in told and text in told, (kind, told)

    # A fatal error in every start that names no range, or always the next: the number of starts is bounded.
    run = make(world, "always", ";".join("te_other:%d" % event for event in range(1, 41)), "payload.stop_grace=100 ms")
    code = world.run_to_end(run, 2)
    assert code in (1, 3, 4), code
    assert starts(run) == 3, starts(run)
    told = explain(world, run)
    assert "it cannot go on" in told, told

    # The whole payload ends before the end word: what was in flight is suspect, here at the first time.
    run = make(world, "died", "exit:5")
    code = world.run_to_end(run, 2)
    assert code == 1, code
    told = explain(world, run, 5)
    assert "1227" in told and "exit code 65 before the end word" in told, told
    assert world.status(run)["ranges"]["finished"] >= 37

    # One range too long: its worker goes, the payload stays.
    run = make(world, "long", "hang:6", "range.time_limit=2 s")
    code = world.run_to_end(run, 2)
    assert code == 1, code
    assert world.status(run)["ranges"]["finished"] == 39
    told = explain(world, run, 6)
    assert "1150" in told and "longer than its limit" in told, told

    # A worker that neither speaks nor writes.
    run = make(world, "silent", "hang:6", "range.silence=2 s")
    code = world.run_to_end(run, 2)
    assert code == 1, code
    assert world.status(run)["ranges"]["finished"] == 39
    told = explain(world, run, 6)
    assert "1150" in told and "neither spoke nor wrote" in told, told

    # Memory: 1 MB is less than any worker has.
    run = make(world, "memory", "hang:6", "payload.memory=10 KB")
    code = world.run_to_end(run, 2)
    told = explain(world, run, 6)
    assert "1235" in told and "memory" in told, told

    # Disk: 100 bytes are less than any run has; the worker with the largest folder pays.
    run = make(world, "disk", "hang:6", "disk.work_folder=100 B")
    code = world.run_to_end(run, 2)
    assert code == 1, code
    told = explain(world, run, 6)
    assert "1098" in told and "work folder" in told, told

    # A payload that never comes up: a bounded number of starts, and the reason.
    run = make(world, "no_start", "", environment=["MOCK_FAIL_START=1"])
    code = world.run_to_end(run, 2)
    assert code in (3, 4), code
    told = explain(world, run)
    assert "before it asked for a range" in told, told
    log = open(glob.glob(os.path.join(run, "logs", "droid_1.log"))[0]).read()
    assert log.count("payload_starts") == 3 and "1110" in log, log

    # What runs beside the payload dies: the payload is stopped with its code, a bounded number of times.
    for name, number, text, fields, keys in [
            ("prefetcher", "1243", "the prefetcher ended with exit code 1", {"usePrefetcher": "True"},
             {"prefetcher": "/bin/false"}),
            ("extractor", "1229", "the Token Extractor ended with exit code 1",
             {"jobPars": "--preExec 'jps.AthenaMPFlags.UseTokenExtractor=True'"}, {"token_extractor": "/bin/false"})]:
        run = make(world, name, "", "payload.stop_grace=200 ms", environment=["MOCK_START_MS=60000"], **keys)
        change_job(run, fields)
        code = world.run_to_end(run, 2)
        assert code in (3, 4), code
        assert starts(run) == 3, starts(run)
        with open(os.path.join(run, "logs", "droid_1.log")) as log:
            assert number in log.read()
        told = explain(world, run)
        assert text in told, told
        assert world.status(run)["ranges"]["failed"] == 0

    # No socket can be made: in a mount namespace of its own, /tmp is read-only.
    run = make(world, "read_only_tmp", "")
    probe = subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL)
    if probe.returncode != 0:
        print("no mount namespaces here: a /tmp that cannot be written is left out")
        return
    os.mkdir(world.path("work"))
    script = ("mount --bind '%s' /mnt && mount --bind /tmp /tmp && mount -o remount,ro,bind /tmp && "
              "cd / && exec '%s' \"$@\"" %
              (world.folder, os.path.join(world.bin, "yoda")))
    done = subprocess.run(["unshare", "-m", "sh", "-c", script, "sh", "/mnt/read_only_tmp_run", "--set",
                           "work.folder=/mnt/work"], env=dict(world.environment, TMPDIR="/mnt/tmp"),
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=120)
    assert done.returncode in (3, 4), (done.returncode, done.stderr)
    told = explain(world, run)
    assert "Read-only file system" in told and "/tmp" in told, told


w.main(test)
