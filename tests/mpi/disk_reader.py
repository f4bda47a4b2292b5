# SPDX-License-Identifier: Apache-2.0
"""Reads a run folder's table, journal and bundles by what docs/event_file.md and docs/journal.md say, with none of Yoda's
code."""
import glob
import json
import os
import struct
import tarfile
import zlib

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


def read_index(path):
    """(header, entries) of the index of a bundle of a run with an id; an entry is (range, epoch, begin, end, id, [(name, offset, bytes, adler32)])."""
    with open(path, "rb") as file:
        data = file.read()
    payloads, at = [], 0
    while at < len(data):
        length, crc = struct.unpack_from("<II", data, at)
        payload = data[at + 8:at + 8 + length]
        assert length > 0 and len(payload) == length and crc32c(payload) == crc, "%s is damaged at %d" % (path, at)
        payloads.append(payload)
        at += 8 + length
    magic, version, *header = struct.unpack("<8sIqIIIII", payloads[0])
    assert magic == b"YODAINDX" and version == 2, path
    entries = []
    for payload in payloads[1:]:
        def text(at):
            length = struct.unpack_from("<H", payload, at)[0]
            return payload[at + 2:at + 2 + length].decode(), at + 2 + length
        row, epoch, begin, end = struct.unpack_from("<IIQQ", payload)
        name, at = text(32)
        count = struct.unpack_from("<H", payload, at)[0]
        at += 2
        members = []
        for _ in range(count):
            member, at = text(at)
            members.append((member, *struct.unpack_from("<QQI", payload, at)))
            at += 20
        assert at == len(payload), path
        entries.append((row, epoch, begin, end, name, members))
    return header, entries


def check_bundles(run):
    """Recomputes every checksum of the sealed bundles, reads them with tarfile, and finds each finished range exactly once
    among the entries that the table names. Returns {member name: content} of these."""
    with h5py.File(os.path.join(run, "state.h5"), "r") as file:
        winners, states, bundles = (file["ranges/" + name][:] for name in ("winner", "state", "bundle"))
        table = {name: file["bundles/" + name][:] for name in ("panda_id", "life", "rank", "sequence", "epoch_life")}
    with open(os.path.join(run, "job.json")) as file:
        run_id = json.load(file)["run_id"]
    found, contents = {}, {}
    for path in sorted(glob.glob(os.path.join(run, "bundles", "*.manifest.json"))):
        with open(path) as file:
            manifest = json.load(file)
        tar_path = os.path.join(run, "bundles", manifest["bundle"])
        with open(tar_path, "rb") as file:
            data = file.read()
        assert len(data) == manifest["bytes"] and "%08x" % zlib.adler32(data) == manifest["adler32"], tar_path
        header, entries = read_index(tar_path[:-len("tar")] + "index")
        origin = (manifest["PandaID"], manifest["life"], manifest["rank"], manifest["sequence"])
        assert manifest["run_id"] == run_id and manifest["bundle"] == "EventService_premerge_%d_%s_%d_%d_%d.tar" % (
            origin[0], run_id, *origin[1:]), manifest
        assert (header[0], *header[2:]) == (*origin, int(run_id, 16)) and len(entries) == manifest["entry_count"], tar_path
        numbers = [i for i in range(len(table["life"])) if
                   tuple(int(table[name][i]) for name in ("panda_id", "life", "rank", "sequence")) == origin]
        with tarfile.open(tar_path) as tar:
            members = {member.name: (member.offset_data, member.size) for member in tar}
        assert sum(len(entry[5]) for entry in entries) == len(members), tar_path
        for row, epoch, begin, end, name, listed in entries:
            for member, offset, size, adler32 in listed:
                assert members[member] == (offset, size) and begin < offset and offset + size <= end, (tar_path, member)
                assert member.endswith("." + name), member
                assert zlib.adler32(data[offset:offset + size]) == adler32, (tar_path, member)
            for number in numbers:
                wins = states[row] == FINISHED and bundles[row] == number and \
                    epoch == int(table["epoch_life"][number]) << 16 | int(winners[row])
                if wins:
                    found[row] = found.get(row, 0) + 1
                    contents.update({member: data[offset:offset + size] for member, offset, size, _ in listed})
    finished = [row for row, state in enumerate(states) if state == FINISHED]
    assert sorted(found) == finished and set(found.values()) <= {1}, "outputs are not there once each"
    return contents
