#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One Droid with real payload processes. Usage: payloads.py BUILD_FOLDER [noop|small|processes|tail|waiting|athenamp ...]

Prints JSON lines: ranges/s of the worker protocol with no output and with 4 KiB outputs, of one process per range
against `xargs -P2`, the utilisation at short tasks with a heavy tail, the CPU of ranks that only wait, and what 64
workers of AthenaMP's look-alike (a build with tests) cost both ranks at 300 ranges/s."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

build = os.path.abspath(sys.argv[1])
parts = sys.argv[2:] or ["noop", "small", "processes", "tail", "waiting", "athenamp"]
binaries = os.path.join(build, "bin")
environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", PYTHONPATH=binaries)
mpirun = ["mpirun", "-n", "2", "--oversubscribe", "--bind-to", "none"]
folder = tempfile.mkdtemp(prefix="yoda_bench_")
settings = ["payload.workers=2", "disk.free_at_start=1 MB", "disk.free_running=1 MB", "droid.heartbeat=1 s"]


def payload(name, **keys):
    path = os.path.join(folder, name + ".cfg")
    with open(path, "w") as file:
        file.write("name = %s\n" % name)
        for key, value in keys.items():
            for one in value if isinstance(value, list) else [value]:
                file.write("%s = %s\n" % (key, one))
    return path


def new_run(name, config, ranges, more=()):
    path = os.path.join(folder, name)
    words = [os.path.join(binaries, "harvest"), "new", path, "--input", os.path.join(folder, "input.dat"), "--events",
             str(ranges), "--payload", config]
    for setting in [*settings, *more]:
        words += ["--set", setting]
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    return path


def yoda(path):
    return [*mpirun, os.path.join(binaries, "yoda"), path, "--quiet"]


def take_status(path, ranges):
    """Of a run that has ended; the run is removed."""
    with open(os.path.join(path, "status.json")) as file:
        status = json.load(file)
    assert status["ranges"]["finished"] == ranges, status["ranges"]
    shutil.rmtree(path)
    return status


def run(name, config, ranges, more=()):
    path = new_run(name, config, ranges, more)
    subprocess.run(yoda(path), env=environment, check=True)
    return take_status(path, ranges)


def show(**figures):
    print(json.dumps(figures), flush=True)


def cpu_s(pid):
    """CPU seconds of a process's threads so far: {(id, name): s}."""
    used = {}
    for thread in os.listdir("/proc/%d/task" % pid):
        place = "/proc/%d/task/%s/" % (pid, thread)
        with open(place + "comm") as name, open(place + "schedstat") as file:
            used[int(thread), name.read().strip()] = int(file.read().split()[0]) * 1e-9
    return used


def percent_used(path, seconds):
    """What each rank of this run uses of a core from now on: [{(thread, name): percent}]."""
    ranks = []
    for pid in [int(name) for name in os.listdir("/proc") if name.isdigit()]:
        try:
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                words = file.read().split(b"\0")
            if words[0].endswith(b"/yoda") and path.encode() in words and len(os.listdir("/proc/%d/task" % pid)) > 1:
                ranks.append(pid)  # With one thread it is a rank's spawner.
        except OSError:
            pass
    before = {pid: cpu_s(pid) for pid in ranks}
    begin = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - begin
    return [{thread: 100 * (used - before[pid].get(thread, 0)) / took for thread, used in cpu_s(pid).items()}
            for pid in sorted(ranks)]


def noop():
    status = run("noop", payload("noop", channel="worker", executable="noop_payload", output="none"), 400_000)
    show(what="worker protocol, no output, 2 workers", ranges_per_s=round(400_000 / status["dispatch_s"]))


def files_per_s(where, count=20_000):
    """What the file system allows: files of 4 KiB made and removed again a little later, by one process."""
    content = b"x" * 4096
    begin = time.monotonic()
    for i in range(count + 500):
        if i < count:
            with open(os.path.join(where, str(i)), "wb") as file:
                file.write(content)
        if i >= 500:
            os.unlink(os.path.join(where, str(i - 500)))
    return count / (time.monotonic() - begin)


def small():
    """Bundles and index on the disk of TMPDIR; outputs there too, and on a memory file system, as most compute nodes have it."""
    with open(os.path.join(folder, "four_kib.py"), "w") as file:
        file.write("#!/usr/bin/python3\nimport sys, yoda_payload\nkit = yoda_payload.Kit()\ntext = b'x' * 4096\n"
                   "def work(todo, output):\n    with open(output.file('out'), 'wb') as file:\n        file.write(text)\n"
                   "sys.exit(kit.run(work))\n")
    os.chmod(os.path.join(folder, "four_kib.py"), 0o755)
    config = payload("small", channel="worker", executable=os.path.join(folder, "four_kib.py"))
    for what, parent in (("memory", "/dev/shm"), ("disk", None)):
        if parent and not os.path.isdir(parent):
            continue
        with tempfile.TemporaryDirectory(prefix="yoda_bench_", dir=parent) as scratch:
            status = run("small", config, 40_000, ["work.folder=" + scratch])
            raw = files_per_s(scratch)
        rate = 40_000 / status["dispatch_s"]
        show(what="worker protocol, 4 KiB outputs, 2 workers, outputs in " + what, ranges_per_s=round(rate),
             files_made_and_removed_per_s=round(raw), ratio=round(rate / raw, 2))


def processes():
    """Three pairs in turn: the machine's speed of making processes drifts."""
    count = 4000
    ratios = []
    for _ in range(3):
        begin = time.monotonic()
        numbers = "\n".join(map(str, range(count)))
        subprocess.run(["xargs", "-P2", "-n1", "/bin/true"], input=numbers, text=True, check=True)
        xargs = count / (time.monotonic() - begin)
        status = run("true", payload("true", channel="command", executable="/bin/true", argument="{first}", output="none"), count)
        ours = count / status["dispatch_s"]
        ratios.append((ours / xargs, ours, xargs))
    ratio, ours, xargs = sorted(ratios)[1]
    show(what="one process per range, /bin/true", processes_per_s=round(ours), xargs_per_s=round(xargs), ratio=round(ratio, 3))


def tail():
    with open(os.path.join(folder, "sleeper.py"), "w") as file:
        file.write("#!/usr/bin/python3\nimport sys, time, yoda_payload\nkit = yoda_payload.Kit()\n"
                   "def work(todo, output):\n    time.sleep(0.5 if todo.first % 50 == 0 else 0.05)\nsys.exit(kit.run(work))\n")
    os.chmod(os.path.join(folder, "sleeper.py"), 0o755)
    count = 2000
    ideal = (count * 0.05 + count // 50 * 0.45) / 2
    status = run("tail", payload("tail", channel="worker", executable=os.path.join(folder, "sleeper.py"), output="none"), count)
    show(what="2,000 x 50 ms, every 50th 500 ms, 2 workers", utilisation=round(ideal / status["dispatch_s"], 4))


def waiting():
    """Both ranks wait for ranges that never come."""
    path = new_run("wait", payload("waiting", channel="worker", executable="noop_payload", output="none"), 10, ["run.open=yes"])
    job = subprocess.Popen(yoda(path), env=environment)
    time.sleep(3)
    used = percent_used(path, 10)
    with open(os.path.join(path, "inbox", "00000000000000000001-1-closed.json"), "w") as file:
        file.write('{"version": 1, "type": "closed"}')
    job.wait()
    show(what="cpu of a rank that waits, percent", most=round(max(sum(threads.values()) for threads in used), 2))


def athenamp():
    """The look-alike's 64 workers take 0.21 s a range."""
    mock = os.path.join(binaries, "athenamp_mock")
    if not os.path.exists(mock):
        return show(what="AthenaMP's look-alike", skipped="a build without tests")
    count = 6000
    config = payload("athenamp", channel="athenamp", executable=mock, output="opaque", environment="MOCK_RANGE_MS=210",
                     argument="--inputEVNTFile=input.dat")
    path = new_run("athenamp", config, count, ["payload.workers=64"])
    job = subprocess.Popen(yoda(path), env=environment)
    time.sleep(6)
    zero, droid = percent_used(path, 10)
    job.wait()
    status = take_status(path, count)
    main = min(droid)
    zmq = sum(used for (_, name), used in droid.items() if name.startswith("ZMQ"))
    show(what="64 workers of AthenaMP's look-alike, percent of a core", ranges_per_s=round(count / status["dispatch_s"]),
         rank_0=round(sum(zero.values()), 2), droid=round(sum(droid.values()), 2), its_loop=round(droid[main], 2),
         its_libzmq=round(zmq, 2), its_bundles=round(sum(droid.values()) - droid[main] - zmq, 2))


try:
    with open(os.path.join(folder, "input.dat"), "w") as file:
        file.write("no events in here\n")
    for part in parts:
        globals()[part]()
finally:
    shutil.rmtree(folder)
