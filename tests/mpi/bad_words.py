#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Payloads that say or write what they must not: outputs outside their folder, ranges they were not given, the same range
twice, a gigabyte on stderr, an MPI program as payload, death at start in every worker."""
import json
import os
import sys
import tarfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w

SMALL = ["disk.free_at_start=1 MB", "disk.free_running=1 MB", "payload.workers=2", "payload.starts=3"]
RANGES = 4

# The worker protocol without the kit, so that it can be broken: `answer(words, range, folder)` says what goes back.
RAW = """#!/usr/bin/python3
import json, os, socket, sys
control = socket.socket(fileno=int(os.environ["YODA_CONTROL_FD"]))

%s

def be_worker(line, folder):
    line.sendall(b"%%d\\n" %% os.getpid())
    at_start()
    words = line.makefile("r")
    while True:
        line.sendall(b"Ready for events\\n")
        text = words.readline()
        if not text.startswith("["):
            os._exit(0)
        todo = json.loads(text)[0]
        path = os.path.join(folder, "out." + todo["eventRangeID"])
        with open(path, "w") as file:
            file.write("range %%d\\n" %% todo["startEvent"])
        line.sendall(answer(path, todo["eventRangeID"], folder).encode())

control.send(b"Ready for workers")
children = []
while True:
    text, fds, _, _ = socket.recv_fds(control, 4096, 1)
    if not text or text == b"No more workers":
        break
    folder = text.decode().split(" ", 2)[2]
    child = os.fork()
    if child == 0:
        control.close()
        be_worker(socket.socket(fileno=fds[0]), folder)
    children.append(child)
    os.close(fds[0])
for child in children:
    os.waitpid(child, 0)
"""
GOOD_ANSWER = "return path + ',ID:' + name + ',CPU:0.1,WALL:0.1\\n'"
GOOD_START = "def at_start():\n    pass\n"


def test(world, long):
    source = world.write_lhe("in.lhe", 5 * RANGES)

    def raw(name, answer, at_start=GOOD_START):
        path = world.path(name + ".py")
        with open(path, "w") as file:
            file.write(RAW % (at_start + "\ndef answer(path, name, folder):\n    " + answer))
        os.chmod(path, 0o755)
        payload = world.write_payload(name, executable=path)
        with open(payload, "a") as file:
            file.write("name = raw\n")  # The outputs' LFN, so that those of all can be compared.
        return payload

    def run(name, payload, settings=()):
        folder = world.new_run(name, [source], payload, settings=[*SMALL, *settings])
        return folder, world.run_to_end(folder, ranks=0, limit_s=240), world.status(folder)

    def expect_failed(name, payload, needle):
        folder, code, status = run(name, payload)
        assert code == 1, (name, code, status)
        assert status["ranges"]["failed"] == RANGES, (name, status["ranges"])
        failure = status["failures"][0]
        assert needle in failure["why"], (name, failure)
        assert not world.bundle_members(folder), name
        return folder

    # Said right, the raw worker works: what follows fails for its own reason.
    folder, code, status = run("plain", raw("plain", GOOD_ANSWER))
    assert code == 0 and status["ranges"]["finished"] == RANGES, (code, status)
    plain = world.merge(folder, "plain.tar")

    secret = world.path("secret.txt")
    with open(secret, "w") as file:
        file.write("not yours\n")
    expect_failed("dots", raw("dots", "return folder + '/../../../../%s,ID:' + name + ',CPU:0,WALL:0\\n'" %
                              os.path.relpath(secret, "/")), "goes up by")
    expect_failed("absolute", raw("absolute", "return %r + ',ID:' + name + ',CPU:0,WALL:0\\n'" % secret), "folder")
    expect_failed("linked", raw("linked", "os.remove(path); os.symlink(%r, path); "
                                "return path + ',ID:' + name + ',CPU:0,WALL:0\\n'" % secret), "link")
    expect_failed("linked_folder", raw(
        "linked_folder", "os.path.islink(folder + '/d') or os.symlink(%r, folder + '/d'); "
        "return folder + '/d/secret.txt,ID:' + name + ',CPU:0,WALL:0\\n'" % world.folder), "symbolic link")
    with open(secret) as file:
        assert file.read() == "not yours\n"

    expect_failed("stranger", raw("stranger", "return path + ',ID:1-2-3-4-5,CPU:0,WALL:0\\n'"), "was not given")
    expect_failed("nonsense", raw("nonsense", "return 'how do you do?\\n'"), "something unknown")
    expect_failed("stranger_error", raw("stranger_error", "return 'ERR_PAYLOAD_RANGE 1-2-3-4-5: no\\n'"), "was not given")
    expect_failed("no_end", raw("no_end", "return 'x' * 300000"), "without end")

    # The same range twice counts once; the worker that did it is replaced.
    folder, code, status = run("twice", raw("twice", "return (path + ',ID:' + name + ',CPU:0.1,WALL:0.1\\n') * 2"))
    assert code == 0 and status["ranges"]["finished"] == RANGES, (code, status)
    assert world.merge(folder, "twice.tar") == plain
    assert all(count == 1 for count in world.bundle_members(folder).values())

    # Death at start, in every worker: an end with a reason, no range burnt.
    folder, code, status = run("stillborn", raw("stillborn", "return ''", "def at_start():\n    os._exit(9)\n"))
    assert code == 4, (code, status)
    assert status["ranges"]["ready"] == RANGES, status["ranges"]
    assert "worker" in status["why_stopped"] or "payload" in status["why_stopped"], status["why_stopped"]

    # A gigabyte on stderr is kept up to the limit, by default 2 GB; over the limit the payload is stopped with a reason.
    loud = ("block = b'x' * (1 << 20)\n"
            "def at_start():\n    pass\n"
            "def shout():\n    for i in range(%d):\n        os.write(2, block)\n" % (1024 // RANGES))
    answer = "shout(); return path + ',ID:' + name + ',CPU:0.1,WALL:0.1\\n'"
    folder, code, status = run("loud", raw("loud", answer, loud))
    assert code == 0 and status["ranges"]["finished"] == RANGES, (code, status)
    assert os.path.getsize(os.path.join(folder, "logs", "payload_1_0.err")) >= 1 << 30
    assert world.merge(folder, "loud.tar") == plain
    for name in os.listdir(os.path.join(folder, "logs")):
        os.truncate(os.path.join(folder, "logs", name), 0)
    endless = loud.replace("range(%d)" % (1024 // RANGES), "range(1 << 30)")
    folder, code, status = run("louder", raw("louder", answer, endless), ["payload.stdout=50 MB", "payload.starts=2"])
    assert code == 4 and status["ranges"]["ready"] == RANGES, (code, status)
    told = json.dumps(status) + world.harvest("explain", folder).stdout
    assert "the limit is 50 MB" in told, told
    # What is kept leaves room: a payload that has learnt to be quiet goes on where that one was stopped.
    raw("louder", GOOD_ANSWER)
    code = world.run_to_end(folder, ranks=0, words=["--set", "range.tries=15"], limit_s=240)
    assert code == 0 and world.status(folder)["ranges"]["finished"] == RANGES, (code, world.status(folder))
    assert world.merge(folder, "louder.tar") == plain

    # A payload that is an MPI program is one of its own, not one of our ranks.
    mpi = world.write_payload("mpi", channel="command", executable=os.path.join(world.bin, "mpi_payload"),
                              argument="{output}")
    folder = world.new_run("mpi", [source], mpi, settings=SMALL)
    assert world.run_to_end(folder, ranks=3, limit_s=240) == 0, world.status(folder)
    assert world.harvest("merge", folder, "-o", world.path("mpi.tar")).returncode == 0
    with tarfile.open(world.path("mpi.tar")) as tar:
        texts = {tar.extractfile(member).read() for member in tar if member.isfile() and b"rank" in tar.extractfile(member).read()}
    assert texts == {b"rank 0 of 1\n"}, texts


w.main(test)
