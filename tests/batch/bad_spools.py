#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Spools on disks that are read-only or full, run folders moved or deleted while a job is at work, and harvest submit
--batch local as a workstation's launcher: what is said, that it ends, and that the run then goes on with nothing lost."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_world as b
import own_mounts

RANGES = 400
SPOOL = "fetch = no\npush = no\nsite.batch = local\nsite.export = YODA_WATCH_S=1\nsite.export = YODA_GRACE_S=3\n"


def call(world, *words, code=0):
    done = world.harvest(*words, check=False)
    assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def wait_until(what, condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def step(world, run):
    return json.loads(world.harvest("poll", run, "--json", check=False).stdout)[0]


def make_spool(world, name):
    os.mkdir(world.path(name))
    with open(world.path(name, "spool.cfg"), "w") as file:
        file.write(SPOOL)
    return world.path(name)


def local_launcher(world, expected):
    """Submitted, killed, cancelled, submitted again: complete, and no process is left in between."""
    run = world.slow_run("local", RANGES, 1, ["payload.workers=4"])
    said = call(world, "submit", run, "--batch", "local")
    assert "submitted as job" in said, said
    wait_until("20 ranges", lambda: world.finished(run) >= 20)
    said = call(world, "submit", run, "--batch", "local")
    assert "is running" in said, said
    with open(os.path.join(run, "batch", "current")) as file:
        name = file.read().strip()
    with open(os.path.join(run, "logs", name + ".log")) as file:
        command = file.read()
    assert "mpirun --enable-recovery" in command and "--bind-to none" in command and "-n 2" in command, command
    # Whoever kills all of it finds it gone on at the next poll.
    for pid, (line, _, _) in world.processes().items():
        if "run_yoda" in line or "yoda" in line or "mpirun" in line:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    wait_until("a second job", lambda: len(step(world, run)["submissions"]) == 2)
    before = world.finished(run)
    wait_until("it goes on", lambda: world.finished(run) > before)
    call(world, "cancel", run)
    assert not world.wait_for_no_process(60), "processes outlive harvest cancel"
    assert step(world, run)["step"] == "held"
    call(world, "submit", run)
    wait_until("complete", lambda: step(world, run)["step"] == "complete")
    world.check_complete(run, RANGES, expected)


def moved(world, expected):
    """A run folder that is moved while its job works: the job ends, the run goes on at its new place."""
    run = world.slow_run("moved", RANGES, 1, ["payload.workers=1", "yoda.silence=10 s"])
    call(world, "submit", run, "--batch", "local", "--set", "export=YODA_WATCH_S=1", "--set", "export=YODA_GRACE_S=3",
         "--set", "settle=1 s")
    wait_until("20 ranges", lambda: world.finished(run) >= 20)
    os.rename(run, run + ".elsewhere")
    said = call(world, "poll", run, code=2)
    assert "moved or deleted" in said, said
    left = world.wait_for_no_process(120)
    assert not left, left
    assert not os.path.exists(run) or not os.listdir(run), "the old place came back: %s" % os.listdir(run)
    run += ".elsewhere"
    wait_until("complete", lambda: step(world, run)["step"] == "complete")
    # The old job may have done all of it without leaving a result: its status is that of before the move.
    assert world.status(run)["ranges"]["finished"] == RANGES, world.status(run)
    assert set(world.bundle_members(run).values()) == {1} and len(world.bundle_members(run)) == RANGES
    assert world.merge(run, "moved.tar") == expected


def deleted(world):
    """A run folder that is deleted while its job works: the job ends, and harvest says that the folder is gone."""
    spool = make_spool(world, "spool")
    kept = world.slow_run("spool/kept", 50, 1)
    gone = world.slow_run("spool/gone", RANGES, 1, ["payload.workers=1", "yoda.silence=10 s"])
    call(world, "cycle", spool)
    wait_until("20 ranges", lambda: world.finished(gone) >= 20)
    shutil.rmtree(gone, ignore_errors=True)
    shutil.rmtree(gone, ignore_errors=True)  # What was written meanwhile.
    wait_until("the other run", lambda: "1 complete" in call(world, "cycle", spool) or "1 over" in call(world, "cycle", spool))
    left = world.wait_for_no_process(120)
    assert not left, left
    assert step(world, kept)["step"] == "complete"
    said = call(world, "status", gone, code=2) if not os.path.exists(gone) else ""
    print("deleted: " + said.strip())


def missing_settings(world):
    """Every missing key of all files that a spool names is told at once, and nothing is begun."""
    spool = world.path("unfinished")
    os.mkdir(spool)
    for name, text in (("spool.cfg", "site = site.cfg\nconfig = harvest.cfg\n"), ("harvest.cfg", ""),
                       ("site.cfg", "batch = slurm\nrequires = account\nnodes_max = 3\n")):
        with open(os.path.join(spool, name), "w") as file:
            file.write(text)
    said = call(world, "cycle", spool, code=2)
    for key in ("payload (or fetch = no)", "site.walltime_max", "site.cores_per_node", "site.account", "panda.url", "panda.site"):
        assert key in said, (key, said)
    assert "nodes_max" not in said, said
    said = call(world, "fetch", world.path("nothing"), "--payload", world.write_payload("null", channel="null"), code=2)
    assert "settings are missing: panda.url, panda.site" in said, said


def two_cycles(world):
    """The second one says that another is at work, and changes nothing; the first one then goes on."""
    spool = make_spool(world, "pair")
    run = world.slow_run("pair/run", 50, 1)
    first = None
    while first is None:  # A cycle takes some milliseconds: it is to be stopped in the middle of them.
        first = subprocess.Popen([os.path.join(world.bin, "harvest"), "cycle", spool], env=world.environment,
                                 stdout=subprocess.DEVNULL)
        while first.poll() is None and not os.path.exists(os.path.join(spool, "lock")):
            time.sleep(0.0005)
        first.send_signal(signal.SIGSTOP)
        if not os.path.exists(os.path.join(spool, "lock")):
            first.send_signal(signal.SIGCONT)
            first.wait()
            first = None
    said = call(world, "cycle", spool)
    assert said.startswith("another cycle is at work: "), said
    assert json.loads(call(world, "cycle", spool, "--json"))["busy"], "--json does not say so"
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 0
    wait_until("complete", lambda: "1 complete" in call(world, "cycle", spool) or "1 over" in call(world, "cycle", spool))
    assert len(step(world, run)["submissions"]) == 1, "submitted by both"


def read_only(world, disk, expected):
    own_mounts.mount_memory(disk, 200)
    with open(os.path.join(disk, "spool.cfg"), "w") as file:
        file.write(SPOOL)
    run = world.slow_run("disk/run", RANGES, 1, ["payload.workers=4"])
    own_mounts.mount("-o", "remount,ro", disk)
    for words in (["cycle", disk], ["submit", run, "--batch", "local"], ["poll", run]):
        said = call(world, *words, code=4)
        assert "Read-only file system" in said, said
    said = call(world, "status", disk)
    assert "%d of %d ranges to do" % (RANGES, RANGES) in said, said
    own_mounts.mount("-o", "remount,rw", disk)
    call(world, "cycle", disk)
    wait_until("10 ranges", lambda: world.finished(run) >= 10)
    return run


def full(world, disk, run, expected):
    """The disk fills up under a job: it stops and says why; with room again cron's next turns complete the run."""
    filler = os.open(os.path.join(disk, "filler"), os.O_CREAT | os.O_WRONLY)
    try:
        while True:
            os.write(filler, b"x" * 65536)
    except OSError:
        pass
    said = world.harvest("cycle", disk, check=False)
    assert said.returncode in (3, 4) and "No space left" in said.stdout + said.stderr, (said.stdout, said.stderr)
    assert not world.wait_for_no_process(120), "the job goes on for ever"
    said = world.harvest("submit", run, check=False)
    assert said.returncode == 4 and "No space left" in said.stderr + said.stdout, (said.stdout, said.stderr)
    os.close(filler)
    os.unlink(os.path.join(disk, "filler"))
    wait_until("complete", lambda: "1 over" in world.harvest("cycle", disk, check=False).stdout)
    world.check_complete(run, RANGES, expected)


own = own_mounts.enter()
with b.BatchWorld(sys.argv[1], "bad_spools") as world:
    expected = world.reference(RANGES, 1)
    local_launcher(world, expected)
    moved(world, expected)
    deleted(world)
    missing_settings(world)
    two_cycles(world)
    if own:
        disk = world.path("disk")
        os.mkdir(disk)
        try:
            run = read_only(world, disk, expected)
            full(world, disk, run, expected)
        finally:
            own_mounts.unmount(disk)
    else:
        print("no mount namespace: disks not looked at")
print("bad_spools: passed")
