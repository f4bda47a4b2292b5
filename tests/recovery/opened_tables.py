#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""People look into event tables with tools that open them read-write (h5py "a", pandas.HDFStore, HDFView), before, during and
after a run, and some of these tools are killed: status, yoda, merge and recover work, and no table is changed."""
import os
import stat
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "mpi"))
sys.path.insert(0, HERE)
import damage
import world as w

# Holds the file open read-write until it hears something; then it closes it, or dies with it open.
HOLDER = """
import os, sys, h5py
file = h5py.File(sys.argv[1], "a")
file.flush()
print("open", flush=True)
if sys.stdin.readline() == "die\\n":
    os._exit(0)
file.close()
"""


class Holder:
    def __init__(self, run, table):
        self.path = os.path.join(run, table)
        os.chmod(self.path, 0o644)  # So that whoever runs this test gets as far as root.
        # HDF5's own lock of the file would not keep yoda away, and is not there on many parallel file systems.
        self.process = subprocess.Popen([sys.executable, "-c", HOLDER, self.path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "open\n"

    def end(self, how):
        self.process.communicate(how + "\n")
        assert self.process.returncode == 0


def look_at_all(world, run, finished):
    ranges = world.status(run)["ranges"]
    assert ranges["total"] == 8 and ranges["finished"] == finished, ranges
    done = world.harvest("recover", run, "--check")
    assert "nothing is wrong" in done.stdout, done.stdout


def test(world, long):
    del long
    source = world.write_lhe("in.lhe", 40)
    payload = world.write_payload("good", channel="worker", executable="line_lengths", argument="{input}", output="opaque")
    undisturbed = world.new_run("undisturbed", [source], payload)
    assert world.run_to_end(undisturbed, ranks=0) == 0
    wanted = world.merge(undisturbed, "undisturbed.tar")

    run = world.new_run("run", [source], payload)
    for table in damage.TABLES:
        mode = stat.S_IMODE(os.stat(os.path.join(run, table)).st_mode)
        assert mode == 0o444, oct(mode)
    before = damage.read(os.path.join(run, "events.h5"))
    for how in ("close", "die"):
        holders = [Holder(run, table) for table in damage.TABLES]
        look_at_all(world, run, 0)
        for holder in holders:
            holder.end(how)
        look_at_all(world, run, 0)
    damage.opened_read_write(run)

    # A whole life beside them.
    holders = [Holder(run, table) for table in damage.TABLES]
    assert world.run_to_end(run, ranks=0) == 0
    look_at_all(world, run, 8)
    assert world.merge(run, "beside.tar") == wanted
    for holder in holders:
        holder.end("close")
    assert damage.read(os.path.join(run, "events.h5")) == before, "whoever closes the file takes his mark back"

    # Afterwards.
    damage.opened_read_write(run)
    look_at_all(world, run, 8)
    assert world.merge(run, "after.tar") == wanted
    assert "nothing is wrong" in world.harvest("recover", run).stdout
    assert world.run_to_end(run, ranks=0) == 0, "a life more has nothing to do"
    assert world.merge(run, "recovered.tar") == wanted


if __name__ == "__main__":
    w.main(test)
