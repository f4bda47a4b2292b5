#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Reference e+e- events through the FastJet payload, dispatched over Droids and merged: all 300 jets of the outside
oracle, to every printed digit."""
import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "mpi"))
import world as w  # noqa: E402

DATA = os.path.join(w.SOURCE, "..", "shared", "data")


def test(world, long):
    events_zst = os.path.join(DATA, "events.eeH.hepmc3.zst")
    jets_zst = os.path.join(DATA, "jet-collections-fastjet-njets3-Durham-eeH.json.zst")
    if not os.path.exists(events_zst):
        print("SKIPPED: no reference data in ../shared/data")
        sys.exit(w.skipping.SKIPPED)  # Also with CI=true: these files are of others.
    source = world.path("events.eeH.hepmc3")
    subprocess.run(["zstd", "-q", "-d", "-o", source, events_zst], check=True)
    reference = json.loads(subprocess.run(["zstd", "-q", "-dc", jets_zst], check=True, stdout=subprocess.PIPE).stdout)
    run = world.new_run("run", [source], os.path.join(w.SOURCE, "config/payloads/durham.cfg"), events_per_range=1,
                        settings=["disk.free_at_start=1 MB", "disk.free_running=1 MB"])
    assert world.run_to_end(run, ranks=4) == 0
    world.merge(run, "jets.h5")

    import h5py
    with h5py.File(world.path("jets.h5"), "r") as file:
        counts = file["events/jet_count"][:]
        names = {"pt": "pt", "rap": "rapidity", "phi": "phi"}
        columns = {key: file["jets/" + name][:] for key, name in names.items() if name in file["jets"]}
    assert len(reference) == len(counts) == 100
    row, compared = 0, 0
    for event, count in zip(reference, counts):
        assert len(event["jets"]) == count
        ours = [{key: column[row + i] for key, column in columns.items()} for i in range(count)]
        row += count
        # The oracle's order is its own: both are sorted alike.
        for theirs, mine in zip(sorted(event["jets"], key=lambda jet: -jet["pt"]),
                                sorted(ours, key=lambda jet: -jet["pt"])):
            for key in set(theirs) & set(mine):
                # The oracle prints ten decimals.
                assert "%.10f" % theirs[key] == "%.10f" % mine[key], (key, theirs, mine)
                compared += 1
    assert compared == 300 * 3, "only %d numbers were compared" % compared
    print("100 events, %d jets, %d numbers equal" % (row, compared))


w.main(test)
