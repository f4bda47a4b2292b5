#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Generated events through the payloads `shower` and `jets`, dispatched over Droids and merged: the jets are those that
FastJet finds in the same events without any of our code (tests/payloads/jet_reference.cpp), bit by bit."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import world as w

EVENTS = 60
COLUMNS = ["pt", "eta", "rapidity", "phi", "mass", "energy", "px", "py", "pz"]


def reference(world, *words):
    """-> (number of jets of each event, {column: values}) as FastJet has them."""
    text = subprocess.run([os.path.join(world.bin, "jet_reference"), *words], check=True, stdout=subprocess.PIPE, text=True).stdout
    counts, columns = [], {name: [] for name in COLUMNS}
    for line in text.splitlines():
        if line.startswith("event "):
            counts.append(int(line[6:]))
        else:
            for name, value in zip(COLUMNS, line.split(), strict=True):
                columns[name].append(float.fromhex(value))
    return counts, columns


def check(world, name, source, payload, *words):
    run = world.new_run(name, [source], os.path.join(w.SOURCE, "config/payloads", payload), events_per_range=7,
                        settings=["disk.free_at_start=1 MB", "disk.free_running=1 MB"])
    assert world.run_to_end(run, ranks=4) == 0
    world.merge(run, name + ".h5")
    counts, columns = reference(world, *words)

    import h5py
    with h5py.File(world.path(name + ".h5"), "r") as file:
        assert file["events/number"][:].tolist() == list(range(1, EVENTS + 1))
        assert file["events/jet_count"][:].tolist() == counts, name
        for column in COLUMNS:
            assert file["jets/" + column][:].tolist() == columns[column], (name, column)
    assert len(columns["pt"]) > EVENTS, "too few jets to prove anything"
    print("%s: %d events, %d jets, %d numbers equal" % (name, EVENTS, len(columns["pt"]), len(columns["pt"]) * len(COLUMNS)))


def test(world, long):
    partons, particles = world.path("partons.lhe"), world.path("particles.hepmc3")
    subprocess.run([os.path.join(world.bin, "generate_events"), "--events", str(EVENTS), "--min-pt", "50",
                    "--output", partons], check=True)
    subprocess.run([os.path.join(world.bin, "jet_reference"), "shower", partons, particles], check=True)
    check(world, "shower", partons, "shower.cfg", "antikt", particles, "drop", "0.4", "20")
    check(world, "jets", particles, "jets.cfg", "antikt", particles, "drop", "0.4", "20")
    check(world, "durham", particles, "durham.cfg", "ee_kt", particles, "keep", "3")


w.main(test)
