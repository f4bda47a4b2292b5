#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A job of several files, as a site would run it: in a namespace of its own as in a container, node commands, inputs
copied once per node and checked, prefetcher and Token Extractor; what comes out is read by other programs' means."""
import glob
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import xml.etree.ElementTree as tree
import zlib

import h5py

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mpi"))
import world as w

FILES, EVENTS = 5, 12
LOG_GUID = "6872598f-658b-4ecb-9a61-0e1945e44dac"
SETTINGS = ["disk.free_at_start=1 MB", "disk.free_running=1 MB", "payload.stop_grace=5 s", "payload.workers=2"]


def write_script(path, body):
    with open(path, "w") as file:
        file.write("#!/bin/sh\n" + body + "\n")
    os.chmod(path, stat.S_IRWXU)
    return path


def has_namespaces():
    return subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode == 0


def new_run(world, name, fields, settings=(), **keys):
    sources = [world.path("in%d.lhe" % n) for n in range(FILES)]
    for source in sources:
        if not os.path.exists(source):
            world.write_lhe(os.path.basename(source), EVENTS)
    payload = world.write_payload(name + "_payload", channel="athenamp", output="opaque", finalisation="2 s",
                                  deterministic="no", **keys)
    run = world.new_run(name, sources, payload, events_per_range=1,
                        settings=SETTINGS + ["work.folder=" + world.path(name + "_scratch"), *settings])
    path = os.path.join(run, "job.json")
    with open(path) as file:
        whole = json.load(file)
    job = whole["jobs"][0]
    job.update({"transformation": "Sim_tf.py", "outFiles": "HITS.1.pool.root.1,log.1.tgz", "logFile": "log.1.tgz",
                "logGUID": LOG_GUID, "inFilePosEvtNum": "True",
                "jobPars": "--inputEVNTFile=%s --maxEvents=1 --outputHITSFile=HITS.1.pool.root.1 %s" %
                           (job["inFiles"], fields.pop("more_pars", ""))})
    job.update(fields)
    with open(path, "w") as file:
        json.dump(whole, file)
    return run


def checksums(world):
    sums = []
    for n in range(FILES):
        with open(world.path("in%d.lhe" % n), "rb") as file:
            data = file.read()
        sums.append(hashlib.md5(data).hexdigest() if n == 1 else "ad:%08x" % zlib.adler32(data))
    return sums


def droid_logs(run):
    texts = []
    for path in sorted(glob.glob(os.path.join(run, "logs", "droid_*.log"))):
        with open(path) as file:
            texts.append(file.read())
    return texts


def outputs(world, run, name):
    """{(file, event)} of all lines in the merged output; each must be there once."""
    world.merge(run, name)
    seen = []
    with tarfile.open(world.path(name)) as tar:
        for member in tar:
            if not member.isfile() or "HITS" not in member.name:
                continue
            assert member.name.startswith("HITS.1.pool.root.1."), member.name
            text = tar.extractfile(member).read().decode()
            seen += re.findall(r"^(\S+) event (\d+) file 0 ", text, re.M)
    assert len(seen) == len(set(seen)), "an event twice"
    return set(seen)


def all_events():
    return {("in%d.lhe" % n, str(event)) for n in range(FILES) for event in range(1, EVENTS + 1)}


def catalogue(path):
    places = {}
    root = tree.parse(path).getroot()
    assert root.tag == "POOLFILECATALOG"
    for file in root.findall("File"):
        places[file.get("ID")] = file.find("physical/pfn").get("name")
    return places


def the_whole_way(world):
    """Transform found in PATH, in a mount namespace, two Droids on one node, inputs copied and checked."""
    os.mkdir(world.path("programs"))
    shutil.copy(os.path.join(world.bin, "athenamp_mock"), world.path("programs", "Sim_tf.py"))
    told = world.path("told")
    site = write_script(world.path("site.sh"), 'echo "$1" >> %s; [ "$1" = cleanup ] || cp /etc/hostname %s' %
                        (told, world.path("unpacked")))
    prefix = ["unshare", "--mount", "--"] if has_namespaces() else ["env"]
    if prefix == ["env"]:
        print("no mount namespaces here: the payload's prefix is env")
    frames = world.path("frames")
    world.write_lhe("in0.lhe", EVENTS)
    run = new_run(world, "whole", {}, ["node.setup=%s setup" % site, "node.cleanup=%s cleanup" % site],
                  prefix=prefix, stage_in="yes",
                  environment=["PATH=%s:/usr/bin:/bin" % world.path("programs"), "MOCK_RECORD=" + frames,
                               "MOCK_RANGE_MS=30"])
    path = os.path.join(run, "job.json")
    with open(path) as file:
        whole = json.load(file)
    whole["jobs"][0]["checksum"] = ",".join(checksums(world))
    guids = whole["jobs"][0]["GUID"].split(",")
    with open(path, "w") as file:
        json.dump(whole, file)
    code = world.run_to_end(run, 3)
    if code != 0:
        world.show_log()
    assert code == 0, code
    assert outputs(world, run, "whole.tar") == all_events()

    with open(told) as file:
        assert file.read().split() == ["setup", "cleanup"], "once per node, not once per Droid"
    copied = [entry for text in droid_logs(run) for entry in re.findall(r"input_copied.*?(in\d\.lhe)", text)]
    assert sorted(copied) == ["in%d.lhe" % n for n in range(FILES)], copied
    assert not glob.glob(world.path("whole_scratch", "*")), "the node's scratch is clean"
    assert not glob.glob("/tmp/zmq_EventService_*_6900000001_*"), "a channel's socket is left"

    # What the payload was told: each range with the copy of its own file.
    with open(frames, "rb") as file:
        said = file.read().decode()
    ranges = re.findall(r'"LFN": "([^"]+)".*?"PFN": "([^"]+)"', said)
    assert len(ranges) == FILES * EVENTS, len(ranges)
    for lfn, pfn in ranges:
        assert pfn.startswith(world.path("whole_scratch", "yoda_inputs_6900000001_")) and pfn.endswith("/" + lfn), pfn
    kept = glob.glob(os.path.join(run, "logs", "payload_*.start_0"))
    assert len(kept) == 2, kept
    for folder in kept:
        whole_places = {}
        for path in sorted(glob.glob(os.path.join(folder, "PoolFileCatalog*.xml"))):
            places = catalogue(path)
            assert set(places) == set(guids), places
            whole_places.update(places)
        with open(os.path.join(folder, "processes.json")) as file:
            account = json.load(file)
        workers = {entry["folder"] for entry in account["processes"] if entry["folder"].startswith("worker_")}
        assert workers == {"worker_0", "worker_1"}, account
        assert all(entry["peak_memory_bytes"] > 100_000 for entry in account["processes"]), account
        assert account["payload"]["ended"] == "ended with exit code 0", account

    # CPU and wall of each range, as the payload told: in the table, by h5py.
    with h5py.File(os.path.join(run, "events.h5"), "r") as table:
        assert set(table["ranges/cpu_ms"][:]) == {1000} and set(table["ranges/wall_ms"][:]) == {2000}
    range_id = "40000001-6900000001-1-3-10"
    told = world.harvest("explain", run, range_id).stdout
    assert "CPU 1.000 s, wall 2.000 s" in told, told

    told = world.harvest("logs", run).stdout
    assert "log.1.tgz: GUID " + LOG_GUID in told, told
    with tarfile.open(os.path.join(run, "log.1.tgz"), "r:gz") as tar:
        names = tar.getnames()
    for ending in [r"jobReport\.json", r"processes\.json", r"PoolFileCatalog\.xml", r"droid_1\.log", r"node_\d\.log"]:
        assert any(re.search("/" + ending + "$", name) for name in names), (ending, names)


def wrong_inputs(world):
    """A wrong file fails its own ranges, with the code that says what is wrong; the others are finished."""
    run = new_run(world, "wrong", {}, ["range.tries=1"], stage_in="yes",
                  executable=os.path.join(world.bin, "athenamp_mock"))
    path = os.path.join(run, "job.json")
    with open(path) as file:
        whole = json.load(file)
    job = whole["jobs"][0]
    sums, sizes, paths = checksums(world), job["fsize"].split(","), job["inFilePaths"].split(",")
    sums[1], sums[2], sizes[3] = "0" * 32, "ad:00000001", str(int(sizes[3]) + 1)
    gone = world.path("gone.lhe")
    os.rename(paths[4], gone)
    job["checksum"], job["fsize"] = ",".join(sums), ",".join(sizes)
    with open(path, "w") as file:
        json.dump(whole, file)
    code = world.run_to_end(run, 2)
    os.rename(gone, paths[4])
    assert code == 1, code
    counts = world.status(run)["ranges"]
    assert (counts["finished"], counts["failed"]) == (EVENTS, 4 * EVENTS), counts
    with h5py.File(os.path.join(run, "events.h5"), "r") as table:
        names = [name.decode() if isinstance(name, bytes) else name for name in table["files/lfn"][:]]
    for n, number in [(1, "1145"), (2, "1171"), (3, "1175"), (4, "1103")]:
        file_id = names.index("in%d.lhe" % n) + 1
        told = world.harvest("explain", run, "40000001-6900000001-%d-2-10" % file_id).stdout
        assert number in told, (number, told)


def companions(world):
    """Old releases: a Token Extractor beside the payload; and the prefetcher, whose local files are what is read."""
    started = world.path("started")
    extractor = write_script(world.path("extractor.sh"), 'echo "$@" >> %s; exec sleep 1000' % started)
    script = write_script(world.path("run.sh"), 'echo release is set up; exec %s/athenamp_mock "$@"' % world.bin)
    run = new_run(world, "tokens", {"more_pars": "--preExec 'jps.AthenaMPFlags.UseTokenExtractor=True'"},
                  executable=script, token_extractor=extractor,
                  environment=["EVENT_INDEX_URL=http://127.0.0.1:1/index?guid="])
    assert world.run_to_end(run, 2) == 0
    assert outputs(world, run, "tokens.tar") == all_events()
    with open(started) as file:
        assert file.read() == "-v -e -s http://127.0.0.1:1/index?guid=\n"
    with open(os.path.join(run, "logs", "payload_1_0.out")) as file:
        text = file.read()
    assert "release is set up" in text and "argument 1: Sim_tf.py" in text, text

    mock = os.path.join(world.bin, "athenamp_mock")
    frames = world.path("prefetch_frames")
    run = new_run(world, "prefetch", {"usePrefetcher": "True"}, executable=mock,
                  prefetcher=[mock, "--outputEVNT_MRGFile=local"], environment=["MOCK_RECORD=" + frames])
    assert world.run_to_end(run, 2) == 0
    assert world.status(run)["ranges"]["finished"] == FILES * EVENTS
    with open(frames) as file:
        text = file.read()
    local = re.findall(r'"PFN": "(\S+/prefetcher/\S+/local_000\.[0-9-]+)"', text)
    assert len(set(local)) == FILES * EVENTS, len(local)


def running_numbers(world):
    """Numbers that run over all files: the payload has them all on its command line, a range names none."""
    mock = os.path.join(world.bin, "athenamp_mock")
    frames = world.path("running_frames")
    run = new_run(world, "running", {"inFilePosEvtNum": "NULL"}, executable=mock, environment=["MOCK_RECORD=" + frames])
    assert world.run_to_end(run, 2) == 0
    assert world.status(run)["ranges"]["finished"] == FILES * EVENTS
    with open(frames) as file:
        text = file.read()
    assert len(re.findall('"eventRangeID"', text)) == FILES * EVENTS and '"PFN"' not in text, text[:400]
    with open(os.path.join(run, "logs", "payload_1_0.out")) as file:
        named = re.search(r"--inputEVNTFile=(\S+)", file.read()).group(1).split(",")
    assert named == [world.path("in%d.lhe" % n) for n in range(FILES)], named


def test(world, long):
    the_whole_way(world)
    running_numbers(world)
    wrong_inputs(world)
    companions(world)


w.main(test)
