#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Files that a user names: only a regular file of his, or a new name, is replaced; a tar also goes into standard output, a
device or a FIFO that is read; everything else is refused by name, before any work, and stays what it was."""
import os
import stat
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "mpi"))
import world as w

USAGE = 2
CANNOT_GO_ON = 4


class Outputs:
    """One of each kind of what may stand at a name. No device of the machine's own."""

    def __init__(self, world):
        self.world = world
        os.mkdir(world.path("out"))
        self.precious = self.path("precious")
        with open(self.precious, "w") as file:
            file.write("precious")
        self.refused = {"link": "a symbolic link", "dangling": "a symbolic link", "folder": "a folder"}
        os.symlink(self.precious, self.path("link"))
        os.symlink(self.path("nowhere"), self.path("dangling"))
        os.mkdir(self.path("folder"))
        os.mkfifo(self.path("fifo"))
        self.streams = {"fifo": "a FIFO"}
        try:
            os.mknod(self.path("null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.close(os.open(self.path("null"), os.O_WRONLY))
            self.streams["null"] = "a device"
        except OSError as why:
            print("no device: %s" % why)
        self.all = {**self.refused, **self.streams}
        self.before = self.look()

    def path(self, name):
        return self.world.path("out", name)

    def look(self):
        return {name: (os.lstat(self.path(name)).st_ino, os.lstat(self.path(name)).st_mode)
                for name in os.listdir(self.world.path("out"))}

    def unchanged(self):
        assert self.look() == self.before, self.look()
        with open(self.precious) as file:
            assert file.read() == "precious"

    def refuse(self, names, *words):
        """harvest with these words refuses each of the names."""
        for name, kind in names.items():
            done = self.world.harvest(*[word.replace("OUT", self.path(name)) for word in words], check=False)
            assert done.returncode == USAGE, (name, done)
            assert "%s: it is %s" % (self.path(name), kind) in done.stderr, (name, done.stderr)
            self.unchanged()


def merge_into_pipe(world, run, wanted):
    done = subprocess.run([os.path.join(world.bin, "harvest"), "merge", run, "-o", "-"], env=world.environment,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    assert done.stdout == wanted, "the tar, and nothing else"
    assert b"every checksum verified" in done.stderr, done.stderr


def merge_into_fifo(world, run, outputs, wanted):
    fifo = outputs.path("fifo")
    done = world.harvest("merge", run, "-o", fifo, check=False)
    assert done.returncode == USAGE and "nobody reads" in done.stderr, done
    # Opened before harvest looks: a FIFO is read, or it is refused.
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    os.set_blocking(reader, True)
    job = subprocess.Popen([os.path.join(world.bin, "harvest"), "merge", run, "-o", fifo], env=world.environment,
                           stdout=subprocess.DEVNULL)
    world.jobs.append(job)
    got = b""
    while True:
        block = os.read(reader, 1 << 16)
        got += block
        if not block and job.poll() is not None:
            break
    os.close(reader)
    assert job.returncode == 0 and got == wanted, (job.returncode, len(got))


def reader_goes(world, run):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([os.path.join(world.bin, "harvest"), "merge", run, "-o", "-"], env=world.environment,
                          stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert done.returncode == CANNOT_GO_ON and "Broken pipe" in done.stderr, done


def test(world, long):
    del long
    source = world.write_lhe("in.lhe", 40)
    payload = world.write_payload("good", channel="worker", executable="line_lengths", argument="{input}", output="opaque")
    run = world.new_run("run", [source], payload)
    assert world.run_to_end(run, ranks=0) == 0
    world.merge(run, "merged.tar")
    with open(world.path("merged.tar"), "rb") as file:
        wanted = file.read()
    assert len(wanted) > 8 * 512
    outputs = Outputs(world)

    outputs.refuse(outputs.refused, "merge", run, "-o", "OUT")
    merge_into_pipe(world, run, wanted)
    merge_into_fifo(world, run, outputs, wanted)
    reader_goes(world, run)
    if "null" in outputs.streams:
        world.harvest("merge", run, "-o", outputs.path("null"))
    outputs.unchanged()
    world.merge(run, "merged.tar")  # A file of one's own is replaced.

    # HDF5 is written here and there. It is refused before a range is looked for.
    hdf5 = world.write_payload("hdf5", channel="worker", executable="line_lengths", argument="{input}", output="hdf5")
    unfinished = world.new_run("unfinished", [source], hdf5)
    outputs.refuse(outputs.all, "merge", unfinished, "-o", "OUT")
    done = world.harvest("merge", unfinished, "-o", "-", check=False)
    assert done.returncode == USAGE and "standard output" in done.stderr and not done.stdout, done

    # The log of harvest is renamed when it is full; log tarballs get their names by rename.
    outputs.refuse(outputs.all, "push", run, "--log", "OUT")
    logs = world.path("logs")
    os.mkdir(logs)
    world.harvest("logs", run, "-o", logs)
    name, = os.listdir(logs)
    os.remove(os.path.join(logs, name))
    os.symlink(outputs.precious, os.path.join(logs, name))
    done = world.harvest("logs", run, "-o", logs, check=False)
    assert done.returncode == USAGE and "it is a symbolic link" in done.stderr, done
    assert os.path.islink(os.path.join(logs, name))
    outputs.unchanged()


if __name__ == "__main__":
    w.main(test)
