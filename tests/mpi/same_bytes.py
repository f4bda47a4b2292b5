#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The shower demo with 1, 2, 3 and 7 Droids and in one process: merged files are the same to the last bit, and h5py
reads what harvest says."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import disk_reader
import world as w


def test(world, long):
    events = 2000 if long else 300
    source = world.path("EVNT.lhe")
    subprocess.run([os.path.join(world.bin, "generate_events"), "--events", str(events), "--seed", "1", "--output",
                    source], check=True, stdout=subprocess.DEVNULL)
    payload = os.path.join(w.SOURCE, "config/payloads/shower.cfg")
    settings = ["disk.free_at_start=1 MB", "disk.free_running=1 MB"]
    sums = {}
    for droids in (0, 1, 2, 3, 7):
        run = world.new_run("run%d" % droids, [source], payload, settings=settings)
        code = world.run_to_end(run, ranks=droids + 1 if droids else 0)
        assert code == 0, "exit code %d with %d Droids" % (code, droids)
        sums[droids] = world.merge(run, "jets%d.h5" % droids)
    assert len(set(sums.values())) == 1, sums

    import h5py
    with h5py.File(world.path("jets3.h5"), "r") as file:
        numbers = file["events/number"][:]
        assert list(numbers) == list(range(1, events + 1)), "events are not there once each, in order"
        assert file["events/jet_count"][:].sum() == len(file["jets/pt"])
    with h5py.File(os.path.join(world.path("run3"), "events.h5"), "r") as file:
        assert (file["ranges/state"][:] == 2).all(), "the event table does not say finished"
    disk_reader.check_bundles(world.path("run3"))
    members = world.bundle_members(world.path("run3"))
    assert len(members) == events / 5 and set(members.values()) == {1}
    print("%d events, sha256 %s" % (events, sums[3]))


w.main(test)
