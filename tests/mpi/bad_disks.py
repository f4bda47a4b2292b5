#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Run folders on disks that are full or read-only, half-made, of another version, or damaged: a clear message, a documented
exit code, nothing lost, and the run goes on where it can."""
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "support")]
import disk_reader
import own_mounts
import skipping
import world as w

SMALL = ["disk.free_at_start=1 MB", "disk.free_running=1 MB", "payload.workers=2", "status.interval=1 s"]
RANGES = 12


def yoda(world, run):
    done = subprocess.run([os.path.join(world.bin, "yoda"), run], env=world.environment, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=240)
    return done.returncode, done.stdout + done.stderr


def test(world, long):
    source = world.write_lhe("in.lhe", 5 * RANGES)
    # 200 kB that do not compress, the same for the same range.
    payload_text = ("#!/usr/bin/python3\nimport random, sys, yoda_payload\nkit = yoda_payload.Kit()\n"
                    "def work(todo, output):\n"
                    "    with open(output.file('noise'), 'wb') as file:\n"
                    "        file.write(random.Random(todo.first).randbytes(200000))\n"
                    "sys.exit(kit.run(work))\n")
    with open(world.path("noise.py"), "w") as file:
        file.write(payload_text)
    os.chmod(world.path("noise.py"), 0o755)
    payload = world.write_payload("noise", executable=world.path("noise.py"))
    words = ["--events-per-range", "5", "--payload", payload, "--panda-id", "6900000001", "--task-id", "40000001", "--input", source]
    for setting in SMALL:
        words += ["--set", setting]

    def new(name):
        world.harvest("new", world.path(name), *words)
        return world.path(name)

    reference = new("reference")
    assert world.run_to_end(reference, ranks=0) == 0
    expected = world.merge(reference, "reference.tar")
    checked = 0

    def is_complete(run):
        status = world.status(run)
        assert status["ranges"]["finished"] == RANGES, status["ranges"]
        assert world.merge(run, os.path.basename(run) + ".tar") == expected
        os.remove(world.path(os.path.basename(run) + ".tar"))

    if own_mounts.enter():
        # A full disk: what fits is kept, the reason is told, and with room again the run completes.
        full = world.path("full")
        os.mkdir(full)
        own_mounts.mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", full)
        try:
            world.harvest("new", full + "/run", *words)
            code, told = yoda(world, full + "/run")
            assert code in (3, 4), (code, told)
            status = world.status(full + "/run")
            everything = told + json.dumps(status) + world.harvest("explain", full + "/run").stdout
            assert "No space left" in everything, everything
            assert status["ranges"]["failed"] == status["ranges"]["fatal"] == 0, status["ranges"]
            own_mounts.mount("-o", "remount,size=64m", full)
            code, told = yoda(world, full + "/run")
            assert code == 0, (code, told)
            is_complete(full + "/run")
            # No room for a run at all: said, and nothing half-made stays.
            own_mounts.mount("-o", "remount,size=64m", full)
            filler = os.open(full + "/filler", os.O_CREAT | os.O_WRONLY)
            try:
                while True:
                    os.write(filler, b"x" * 4096)
            except OSError:
                pass
            finally:
                os.close(filler)
            done = world.harvest("new", full + "/another", *words, check=False)
            assert done.returncode == 4 and "No space left" in done.stderr, (done.returncode, done.stderr)
            assert not os.path.exists(full + "/another"), os.listdir(full + "/another")
        finally:
            subprocess.run(["umount", full], check=True)
        checked += 2

        # A read-only disk.
        ready = new("ready")
        own_mounts.mount("--bind", ready, ready)
        own_mounts.mount("-o", "remount,bind,ro", ready)
        try:
            code, told = yoda(world, ready)
            assert code == 4 and "Read-only" in told and ready in told, (code, told)
            assert world.status(ready)["ranges"]["ready"] == RANGES
        finally:
            subprocess.run(["umount", ready], check=True)
        code, told = yoda(world, ready)
        assert code == 0, (code, told)
        is_complete(ready)
        checked += 1
    else:
        skipping.report("there is no mount namespace here, so a full and a read-only disk were not tried")

    def refuse(run, expected, *needles):
        """The exit code, and the reason on stderr and in status.json."""
        code, told = yoda(world, run)
        assert code == expected, (code, told)
        with open(run + "/status.json") as file:
            last_word = json.load(file)
        assert last_word["state"] == "ended" and last_word["exit_code"] == expected, last_word
        for needle in needles:
            assert needle in told, (needle, told)
            assert needle in last_word["why_stopped"], (needle, last_word)
        return told

    # The lock of a yoda on another host: it is known to live by its beats, and who it is is said.
    if own_mounts.enter():
        held = new("held")
        gate = world.path("gate")
        os.mkfifo(gate)
        waiting = world.write_payload("waiting", channel="command", executable="/bin/sh",
                                      argument=["-c", "read line < $0; echo done > $1", gate, "{output}"])
        shutil.copy(waiting, held + "/payload.cfg")
        elsewhere = subprocess.Popen(
            ["unshare", "--uts", "sh", "-c", "hostname elsewhere; exec \"$0\" \"$1\"",
             os.path.join(world.bin, "yoda"), held], env=world.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        world.jobs.append(elsewhere)
        while not os.path.exists(held + "/status.json"):
            assert elsewhere.poll() is None
        code, told = yoda(world, held)
        assert code == 3, (code, told)
        assert "elsewhere" in told and str(elsewhere.pid) in told, told
        assert elsewhere.poll() is None
        assert world.status(held)["live"], "the one that was refused has spoilt the other's status"
        elsewhere.kill()
        elsewhere.wait()
        assert not world.wait_for_no_process()
        if long:
            # Nothing tells from here that it is dead, but its silence, a minute of it.
            os.remove(held + "/payload.cfg")
            shutil.copy(payload, held + "/payload.cfg")
            code, told = yoda(world, held)
            assert code == 0 and "waiting_for_lock" in told, (code, told)
        checked += 1

    # Settings that are none.
    for line, needle in (("range.trys = 3", "did you mean 'range.tries'?"), ("bundle.size = 3 parsecs", "parsecs")):
        wrong = new("wrong_" + line.split()[0].replace(".", "_"))
        with open(wrong + "/yoda.cfg") as file:
            settings = file.read()
        with open(wrong + "/yoda.cfg", "a") as file:
            file.write(line + "\n")
        refuse(wrong, 2, "yoda.cfg:%d" % (settings.count("\n") + 1), needle)
        with open(wrong + "/yoda.cfg", "w") as file:
            file.write(settings)
        code, told = yoda(world, wrong)
        assert code == 0, (code, told)
        is_complete(wrong)
        checked += 1

    # Half-made: each part that harvest new writes missing in turn.
    for part in ("job.json", "payload.cfg", "events.h5"):
        half = new("half_" + part.replace(".", "_"))
        os.rename(half + "/" + part, half + "/aside")
        told = world.harvest("status", half, check=False)
        assert told.returncode == 2 and "is not whole: it has no " + part in told.stderr, (told.returncode, told.stderr)
        if part == "payload.cfg":
            refuse(half, 2, half, part)
        else:
            code, told = yoda(world, half)
            assert code == 2 and part in told and "is not whole" in told, (code, told)
        os.rename(half + "/aside", half + "/" + part)
        code, told = yoda(world, half)
        assert code == 0, (part, code, told)
        is_complete(half)
        checked += 1

    # Of another version.
    other = new("other_version")
    script = ("import h5py, sys\nwith h5py.File(sys.argv[1], 'r+') as f:\n"
              "    f.attrs.modify('version', 42)\n")
    subprocess.run([sys.executable, "-c", script, other + "/events.h5"], check=True)
    refuse(other, 2, "events.h5", "was changed")
    disk_reader.reseal(other + "/events.h5")
    refuse(other, 2, "version 42", "events.h5")
    checked += 1

    # Damage to a run that was stopped: the journal torn at each byte of its last frame, zeros in the middle, a bundle shorter
    # than its index. The run goes on, and what comes out is the same.
    stopped = new("stopped")
    job = world.start(stopped, ranks=0)
    while not os.path.isdir(stopped + "/bundles") or sum(
            os.path.getsize(os.path.join(stopped, "bundles", name)) for name in os.listdir(stopped + "/bundles")
            if ".tar" in name) < 400_000:
        assert job.poll() is None or job.returncode == 0
        if job.poll() is not None:
            break
    job.kill()
    job.wait()
    assert not world.wait_for_no_process()

    def damaged(name, damage):
        nonlocal checked
        copy = world.path(name)
        shutil.copytree(stopped, copy, symlinks=True)
        what = damage(copy)
        code, told = yoda(world, copy)
        assert code == 0, (name, what, code, told)
        is_complete(copy)
        shutil.rmtree(copy)
        checked += 1

    def journal_of(run):
        folder = os.path.join(run, "journal")
        return max((os.path.join(folder, name) for name in os.listdir(folder)), key=os.path.getsize)

    length = os.path.getsize(journal_of(stopped))
    cuts = range(1, 80) if long else (1, 2, 7, 16, 33)
    for cut in cuts:
        damaged("torn_%d" % cut, lambda run: os.truncate(journal_of(run), length - min(cut, length)))

    def zeros(run):
        with open(journal_of(run), "r+b") as file:
            file.seek(length // 2)
            file.write(b"\0" * min(512, length - length // 2))
    damaged("zeros", zeros)

    def short_bundle(run):
        folder = os.path.join(run, "bundles")
        tars = [name for name in os.listdir(folder) if ".tar" in name]
        path = os.path.join(folder, max(tars, key=lambda name: os.path.getsize(os.path.join(folder, name))))
        os.truncate(path, os.path.getsize(path) // 2)
        return path
    damaged("short", short_bundle)
    print("%d cases of bad disks and folders" % checked)


own_mounts.enter()
w.main(test)
