"""Reads a run folder's table and journal by what docs/event_file.md and docs/journal.md say, with none of Yoda's code."""
import glob
import os
import struct

import h5py

STATES = ("ready", "sent", "finished", "failed", "fatal", "dropped")
READY, FINISHED, DROPPED = 0, 2, 5
NONE = 0xFFFFFFFF


def _make_crc_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC_TABLE = _make_crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283


def reseal(path):
    """Makes the seal of an HDF5 file right again after its content was changed."""
    with open(path, "r+b") as file:
        file.seek(512)
        line = b"yoda hdf5 1 bytes %d crc32c %08x\n" % (os.path.getsize(path), crc32c(file.read()))
        file.seek(0)
        file.write(line.ljust(512, b"\0"))


def frames(run):
    """(sequence, type, payload) of all whole frames, in order of writing."""
    for path in sorted(glob.glob(os.path.join(run, "journal", "*.journal"))):
        with open(path, "rb") as file:
            data = file.read()
        at = 0
        while at + 24 <= len(data):
            magic, length, crc, life, kind, version, sequence = struct.unpack_from("<IIIHBBQ", data, at)
            end = at + 24 + length
            if magic != 0x4C4A4459 or end > len(data) or crc32c(data[at + 12:end]) != crc:
                at += 1  # torn or damaged: the next whole frame, if there is one
                continue
            assert version == 1, version
            yield sequence, kind, data[at + 24:end]
            at = end


def read_states(run):
    """State of every range by checkpoint and journal; a hand-out is not recorded, so what was sent is ready."""
    with h5py.File(os.path.join(run, "events.h5"), "r") as file:
        count = len(file["ranges/first_event"])
    states, bundles = [READY] * count, [NONE] * count
    lost, after = set(), -1
    with h5py.File(os.path.join(run, "state.h5"), "r") as file:
        after = int(file.attrs["journal_sequence"])
        for i, (state, bundle) in enumerate(zip(file["ranges/state"][:], file["ranges/bundle"][:])):
            states[i], bundles[i] = int(state), int(bundle)
        lost = {i for i, is_lost in enumerate(file["bundles/lost"][:]) if is_lost}
    for sequence, kind, payload in frames(run):
        if sequence <= after:
            continue
        if kind == 2:
            bundle = struct.unpack_from("<I", payload)[0]
            for at in range(6, len(payload), 14):
                row = struct.unpack_from("<I", payload, at)[0]
                states[row], bundles[row] = FINISHED, bundle
        elif kind == 3:
            row, state = struct.unpack_from("<IB", payload)
            states[row] = state
        elif kind == 4:
            states[struct.unpack_from("<I", payload)[0]] = READY
        elif kind == 5 and payload[30] & 2:
            number = struct.unpack_from("<I", payload)[0]
            lost.add(number)
            states = [READY if state == FINISHED and bundle == number else state
                      for state, bundle in zip(states, bundles)]
        elif kind == 8:
            row = struct.unpack_from("<I", payload)[0]
            if row == len(states):
                states.append(READY)
                bundles.append(NONE)
            elif states[row] == DROPPED:
                states[row] = READY
    return states


def count_states(run):
    states = read_states(run)
    return {name: states.count(i) for i, name in enumerate(STATES)}
