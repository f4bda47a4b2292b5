#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Yoda against what Debian offers instead, on the same work in turn within one run. Usage: peers.py BUILD_FOLDER [--long]

  A  no-op tasks, 2 workers            tasks/s        yoda (worker protocol), mpi4py.futures, Dask
  B  one process a task, /bin/true     tasks/s        yoda (command channel), xargs -P2, GNU parallel -j2, mpi4py.futures, Dask
  C  50 ms, every 50th 500 ms (sleep)  utilisation    all of B, with 2 workers
  D  32 workers x 10 s (--long)        utilisation    yoda, xargs -P32

Utilisation: the tasks' own time / (workers x wall time of the dispatching part). A peer whose package is missing is said to be
skipped. Yoda journals every range durably; none of the others does."""
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time

build = os.path.abspath(sys.argv[1])
long = "--long" in sys.argv
binaries = os.path.join(build, "bin")
environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", PYTHONPATH=binaries,
                   OMPI_MCA_mpi_yield_when_idle="1")
mpirun = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n"]
folder = tempfile.mkdtemp(prefix="yoda_peers_")
counts = {"A": 100_000, "B": 3000, "C": 2000 if long else 400, "D": 64}


def sleep_s(i):
    return 0.5 if i % 50 == 0 else 0.05


work_s = sum(sleep_s(i) for i in range(1, counts["C"] + 1))


def write(name, text, mode=0o755):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(textwrap.dedent(text))
    os.chmod(path, mode)
    return path


def timed(words, text=None):
    begin = time.monotonic()
    subprocess.run(words, input=text, text=True, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


# -- yoda

number = 0


def yoda_s(count, workers, **payload):
    """Seconds from the first Droid's hello to the last range's end, all records durable."""
    global number
    number += 1
    config = write("payload%d.cfg" % number, "name = peer\noutput = none\n" +
                   "".join("%s = %s\n" % entry for entry in payload.items()))
    run = os.path.join(folder, "run%d" % number)
    words = [os.path.join(binaries, "harvest"), "new", run, "--input", os.path.join(folder, "input.dat"), "--events", str(count),
             "--payload", config]
    for setting in ("payload.workers=%d" % workers, "disk.free_at_start=1 MB", "disk.free_running=1 MB"):
        words += ["--set", setting]
    subprocess.run(words, env=environment, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*mpirun, "2", os.path.join(binaries, "yoda"), run, "--quiet"], env=environment, check=True)
    with open(os.path.join(run, "status.json")) as file:
        status = json.load(file)
    assert status["ranges"]["finished"] == count, status["ranges"]
    shutil.rmtree(run)
    return status["dispatch_s"]


KIT = """\
    #!/usr/bin/python3
    import sys, time, yoda_payload
    kit = yoda_payload.Kit()
    def work(todo, output):
        time.sleep(%s)
    sys.exit(kit.run(work))
    """


def yoda(workload):
    if workload == "A":
        return yoda_s(counts["A"], 2, channel="worker", executable="noop_payload")
    if workload == "B":
        return yoda_s(counts["B"], 2, channel="command", executable="/bin/true", argument="{first}")
    if workload == "C":
        return yoda_s(counts["C"], 2, channel="worker",
                      executable=write("c.py", KIT % "0.5 if todo.first % 50 == 0 else 0.05"))
    return yoda_s(counts["D"], 32, channel="worker", executable=write("d.py", KIT % "10"))


# -- peers; each returns seconds, or None where it has no such mode

sleeper = None


def numbers(count):
    return "\n".join(map(str, range(1, count + 1))) + "\n"


def command_of(workload):
    return {"B": ["/bin/true"], "C": [sleeper], "D": ["/bin/sleep", "10"]}.get(workload)


def xargs(workload):
    command = command_of(workload)
    if not command:
        return None
    if workload == "D":
        return timed(["xargs", "-P32", "-I{}", *command], numbers(counts["D"]))
    return timed(["xargs", "-P2", "-n1", *command], numbers(counts[workload]))


def parallel(workload):
    command = command_of(workload)
    return timed(["parallel", "-j2", *command], numbers(counts[workload])) if command and workload != "D" else None


PEER = """\
    import subprocess, sys, time
    workload, count = sys.argv[1], int(sys.argv[2])
    def task(i):
        if workload == "B":
            subprocess.run(["/bin/true"], check=True)
        elif workload == "C":
            time.sleep(0.5 if i %% 50 == 0 else 0.05)
    %s
    """
MPI4PY = """\
from mpi4py.futures import MPICommExecutor
    with MPICommExecutor() as pool:
        if pool is not None:
            begin = time.monotonic()
            for _ in pool.map(task, range(1, count + 1)):
                pass
            print(time.monotonic() - begin)"""
DASK = """\
if __name__ == "__main__":
        from distributed import Client, LocalCluster
        cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        client = Client(cluster)
        begin = time.monotonic()
        client.gather(client.map(task, range(1, count + 1), pure=False))
        print(time.monotonic() - begin)
        client.close()
        cluster.close()"""


def script_s(words, workload, count):
    done = subprocess.run([*words, workload, str(count)], env=environment, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1]) * counts[workload] / count


def mpi4py(workload):
    if workload == "D":
        return None
    script = write("peer_mpi4py.py", PEER % MPI4PY)
    return script_s([*mpirun, "3", sys.executable, script], workload, min(counts[workload], 20_000))


def dask(workload):
    if workload == "D":
        return None
    script = write("peer_dask.py", PEER % DASK)
    return script_s([sys.executable, script], workload, min(counts[workload], 2000))


PEERS = {"yoda": (yoda, None), "xargs": (xargs, "xargs"), "GNU parallel": (parallel, "parallel"),
         "mpi4py.futures": (mpi4py, "module mpi4py"), "Dask": (dask, "module distributed")}


def is_there(needs):
    if needs is None:
        return True
    if needs.startswith("module "):
        return importlib.util.find_spec(needs[7:]) is not None
    return shutil.which(needs) is not None


try:
    with open(os.path.join(folder, "input.dat"), "w") as file:
        file.write("no events in here\n")
    sleeper = write("sleeper.sh", "#!/bin/sh\n[ $(($1 % 50)) -eq 0 ] && exec sleep 0.5\nexec sleep 0.05\n")
    rows = []
    for name, (peer, needs) in PEERS.items():
        if not is_there(needs):
            print("%s: skipped, not installed" % name)
            continue
        row = {"what": name}
        for workload in "ABCD" if long else "ABC":
            seconds = peer(workload)
            if seconds is None:
                continue
            if workload in "AB":
                row[workload] = counts[workload] / seconds
            elif workload == "C":
                row["C"] = work_s / (2 * seconds)
            else:
                row["D"] = counts["D"] * 10 / (32 * seconds)
        rows.append(row)
    ours = rows[0]
    print("%-16s %12s %8s %12s %8s %8s %8s" % ("", "A tasks/s", "yoda/it", "B tasks/s", "yoda/it", "C util.", "D util."))
    for row in rows:
        def rate(key):
            return ("%12.0f %8.2f" % (row[key], ours[key] / row[key])) if key in row else "%12s %8s" % ("-", "-")
        def share(key):
            return "%8.4f" % row[key] if key in row else "%8s" % "-"
        print("%-16s %s %s %s %s" % (row["what"], rate("A"), rate("B"), share("C"), share("D")))
finally:
    shutil.rmtree(folder)
