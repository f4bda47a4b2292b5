# SPDX-License-Identifier: Apache-2.0
"""What befalls a run folder, done to real ones: other runs' files, newer versions, gaps, second writers, missing parts."""
import json
import os
import shutil
import struct
import subprocess
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def read(path):
    with open(path, "rb") as file:
        return file.read()


def write(path, data):
    if os.path.exists(path):
        os.chmod(path, 0o644)  # Event tables are read-only.
    with open(path, "wb") as file:
        file.write(data)


# -- the journal (docs/journal.md)

def segments(run):
    folder = os.path.join(run, "journal")
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]


def frames(path):
    data, at, found = read(path), 0, []
    while at < len(data):
        assert data[at:at + 4] == b"YDJL", "a journal frame begins at %d of %s" % (at, path)
        end = at + 24 + struct.unpack_from("<I", data, at + 4)[0]
        found.append(data[at:end])
        at = end
    return found


def changed_frame(frame, *places):
    frame = bytearray(frame)
    for offset, kind, value in places:
        struct.pack_into(kind, frame, offset, value)
    struct.pack_into("<I", frame, 8, crc32c(bytes(frame[12:])))
    return bytes(frame)


def change_frames(run, change):
    path = segments(run)[0]
    write(path, b"".join(change(frames(path))))


def newer_journal(run):
    change_frames(run, lambda all: [all[0], changed_frame(all[1], (15, "<B", 2)), *all[2:]])


def journal_gap(run):
    """The record of finished ranges is missing."""
    def cut(all):
        which = [i for i, frame in enumerate(all) if frame[14] == 2]
        assert which, "some ranges finished"
        return [frame for i, frame in enumerate(all) if i != which[0]]
    change_frames(run, cut)


def copied_segment(run):
    path = segments(run)[0]
    shutil.copy(path, path.replace("-0000000001", "-0000000002"))


def second_life_beside(run):
    """A second writer took the run in the middle of the first one's life; both went on."""
    later = [changed_frame(frame, (12, "<H", 2)) for frame in frames(segments(run)[0])[2:]]
    write(os.path.join(run, "journal", "00002-0000000002.journal"), b"".join(later))


# -- events.h5, state.h5 (docs/event_file.md)

TABLES = ("events.h5", "state.h5")


def seal_as_before(path):
    """The seal that yoda wrote first, over all bytes as they are."""
    data = bytearray(read(path))
    at = data.index(b"\x89HDF")
    line = b"yoda hdf5 1 bytes %d crc32c %08x\n" % (len(data), crc32c(bytes(data[at:])))
    data[:at] = line.ljust(at, b"\0")
    write(path, bytes(data))


def newer_state(run):
    import h5py
    path = os.path.join(run, "state.h5")
    os.chmod(path, 0o644)
    with h5py.File(path, "r+") as file:
        file.attrs.modify("version", file.attrs["version"] + 1)
    seal_as_before(path)


def made_by_an_older_yoda(run):
    """Files that may be written, with old seals; in the superblock what HDF5 leaves there when it makes a file: the cached
    symbol table of the root group (cache type 1, B-tree at 136, local heap at 680)."""
    for name in TABLES:
        path = os.path.join(run, name)
        data = bytearray(read(path))
        at = data.index(b"\x89HDF")
        assert data[at + 8] == 0, "superblock 0"
        struct.pack_into("<I4xQQ", data, at + 72, 1, 136, 680)
        write(path, bytes(data))
        seal_as_before(path)


def opened_read_write(run):
    """As by a colleague who only looks; one of his programs is killed while it looks."""
    for name in TABLES:
        path = os.path.join(run, name)
        os.chmod(path, 0o644)
        for script in ("import h5py; h5py.File(path, 'r+').close()", "import h5py; h5py.File(path, 'a').close()",
                       "import pandas; pandas.HDFStore(path).close()",
                       "import h5py, os; f = h5py.File(path, 'a'); f.flush(); os._exit(0)"):
            subprocess.run([sys.executable, "-c", "import sys; path = sys.argv[1]; " + script, path], check=True)


# -- bundles

def bundles(run):
    names = sorted(os.listdir(os.path.join(run, "bundles")))
    return [os.path.join(run, "bundles", name[:-len(".manifest.json")]) for name in names if name.endswith(".manifest.json")]


def no_manifest(run):
    os.remove(bundles(run)[0] + ".manifest.json")


def manifest_alone(run):
    os.remove(bundles(run)[0] + ".tar")
    os.remove(bundles(run)[0] + ".index")


def data_cleaned_up(run):
    os.remove(bundles(run)[0] + ".tar")


def bit_rot(run):
    """One bit of an output in the tar changes, long after it was written."""
    path = bundles(run)[0] + ".tar"
    data = bytearray(read(path))
    data[512] ^= 1  # the first byte of the first member's content
    write(path, bytes(data))


def cut_tar(run):
    path = bundles(run)[0] + ".tar"
    with open(path, "r+b") as file:
        file.truncate(os.path.getsize(path) // 2)


def same_hand_outs_twice(run):
    """A second sealed bundle that says it made the very same hand-outs."""
    name = bundles(run)[0]
    other = name[:name.rindex("_")] + "_9"
    shutil.copy(name + ".tar", other + ".tar")
    index = bytearray(read(name + ".index"))
    length = struct.unpack_from("<I", index, 0)[0]
    struct.pack_into("<I", index, 8 + 32, 9)  # the sequence: behind magic, version, PandaID, job, life and rank
    struct.pack_into("<I", index, 4, crc32c(bytes(index[8:8 + length])))
    write(other + ".index", bytes(index))
    manifest = json.loads(read(name + ".manifest.json"))
    manifest["bundle"] = os.path.basename(other) + ".tar"
    manifest["sequence"] = 9
    write(other + ".manifest.json", json.dumps(manifest, indent=1).encode())
