#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""harvest recover on real run folders that something has happened to: --check tells and changes nothing; without it the
run is repaired, nothing is deleted, and the next yoda finishes it with the same merged output."""
import hashlib
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "mpi"))
sys.path.insert(0, HERE)
import damage
import world as w


def look(run):
    """Everything in the folder: names, contents (of events.h5 without the seal), times."""
    seen = {}
    for folder, _, names in os.walk(run):
        for name in names:
            path = os.path.join(folder, name)
            content = damage.read(path)[512 if name == "events.h5" else 0:]
            seen[os.path.relpath(path, run)] = (os.stat(path).st_mtime_ns, hashlib.sha256(content).hexdigest())
    return seen


class Cases:
    def __init__(self, world):
        self.world = world
        self.count = 0
        source = world.write_lhe("in.lhe", 40)
        self.payload = world.write_payload("good", channel="worker", executable="line_lengths", argument="{input}",
                                           output="opaque")
        self.run = self.make("run", source, 6900000001)
        self.other = self.make("other", source, 6900000002)
        self.merged = world.merge(self.copy("merged"), "merged.out")

    def make(self, name, source, panda_id):
        """A run that has worked to its end, as it would be had its last checkpoint not been made: all that it did
        stands in the journal."""
        run = self.world.path(name)
        self.world.harvest("new", run, "--events-per-range", "5", "--payload", self.payload, "--panda-id", str(panda_id),
                           "--task-id", "40000001", "--input", source, "--set", "payload.workers=2")
        shutil.copy(os.path.join(run, "state.h5"), run + ".begin")
        assert self.world.run_to_end(run, ranks=0) == 0
        shutil.copy(os.path.join(run, "state.h5"), run + ".end")
        damage.write(os.path.join(run, "state.h5"), damage.read(run + ".begin"))
        return run

    def copy(self, name):
        return shutil.copytree(self.run, self.world.path(name))

    def begin(self, change):
        self.count += 1
        run = self.copy("case%d" % self.count)
        change(run)
        return run

    def recover(self, run, *words):
        done = self.world.harvest("recover", run, *words, check=False)
        return done.returncode, done.stdout + done.stderr

    def check(self, run, code, needles):
        before = look(run)
        got, text = self.recover(run, "--check")
        assert look(run) == before, "--check has changed something"
        assert got == code, (got, text)
        for needle in needles:
            assert needle in text, (needle, text)

    def refused(self, change, *needles):
        """Files that recovery cannot judge: it touches nothing and says what to do."""
        run = self.begin(change)
        self.check(run, 2, needles)
        before = look(run)
        code, text = self.recover(run)
        assert code == 2, (code, text)
        after = look(run)
        after.pop("lock", None)
        before.pop("lock", None)
        assert after == before, "what was refused has been changed"
        return run

    def repaired(self, change, is_damage, *needles, mergeable=True):
        run = self.begin(change)
        self.check(run, 4 if is_damage else 0, needles)
        before = look(run)
        got, text = self.recover(run)
        assert got == 0, (got, text)
        for needle in needles:
            assert needle in text, (needle, text)
        self.nothing_deleted(before, look(run))
        got, text = self.recover(run, "--check")
        assert got == 0, ("a second look", got, text)
        self.finish(run, mergeable)
        return run

    @staticmethod
    def nothing_deleted(before, after):
        left = {content for _, content in after.values()}
        for name, (_, content) in before.items():
            replaced = name in ("state.h5", "lock") or name.startswith("journal/")
            assert replaced or content in left, "%s has been deleted" % name

    def finish(self, run, mergeable=True):
        assert self.world.run_to_end(run, ranks=0) == 0
        ranges = self.world.status(run)["ranges"]
        assert ranges["finished"] == ranges["total"] == 8, ranges
        if mergeable:
            assert self.world.merge(run, os.path.basename(run) + ".out") == self.merged, "another merged output"


def test(world, long):
    del long
    cases = Cases(world)
    cases.repaired(lambda run: None, False, "nothing is wrong")

    # Journal and checkpoint.
    def foreign_journal(run):
        for segment in damage.segments(cases.other):
            shutil.copy(segment, os.path.join(run, "journal"))

    def foreign_state(run):
        damage.write(os.path.join(run, "state.h5"), damage.read(cases.other + ".end"))

    cases.refused(foreign_journal, "are of another run", "6900000002", "put back the files")
    run = cases.refused(foreign_state, "it belongs to run", "--rebuild-state")
    code, text = cases.recover(run, "--rebuild-state")
    assert code == 0 and "it is made anew" in text, (code, text)
    assert os.path.exists(os.path.join(run, "quarantine", "state.h5"))
    cases.finish(run)
    cases.refused(damage.newer_journal, "is of another version", "format 2", "use the yoda that wrote it")
    cases.refused(damage.newer_state, "version 2")
    cases.repaired(damage.journal_gap, True, "are missing", "taken from the bundles")
    cases.repaired(damage.copied_segment, True, "two writers, or a copied segment")
    cases.repaired(damage.second_life_beside, True, "a newer life had begun", "two writers")

    # Event tables that somebody has opened read-write.
    def old_and_opened(run):
        damage.made_by_an_older_yoda(run)
        damage.opened_read_write(run)

    cases.repaired(damage.opened_read_write, 0, "nothing is wrong")
    cases.repaired(damage.made_by_an_older_yoda, 0, "nothing is wrong")
    run = cases.begin(old_and_opened)
    assert cases.world.status(run)["ranges"]["finished"] == 8
    assert cases.world.merge(run, "opened.out") == cases.merged
    cases.finish(run)
    run = cases.repaired(old_and_opened, 0, "events.h5: another program opened it read-write", "sealed anew")

    # Bundles.
    cases.repaired(damage.no_manifest, False, "it was left open, 8 of 8 outputs in it count", "sealed under a new name")
    cases.repaired(damage.manifest_alone, True, "it has no index", "8 finished ranges are looked for in other bundles")
    cases.repaired(damage.data_cleaned_up, False, "nothing is wrong", mergeable=False)
    cases.repaired(damage.cut_tar, True, "not what its manifest says")
    # Sizes are right, so only who reads the data sees it: merge does, and says how it is found and mended.
    run = cases.begin(damage.bit_rot)
    merged = cases.world.harvest("merge", run, "-o", cases.world.path("rot.out"), check=False)
    assert merged.returncode == 4 and "cannot be used" in merged.stderr and "harvest recover --data" in merged.stderr, merged
    assert not os.path.exists(cases.world.path("rot.out"))
    code, text = cases.recover(run, "--check")
    assert code == 0, (code, text)
    before = look(run)
    code, text = cases.recover(run, "--data")
    assert code == 0 and "its manifest says" in text and "their ranges are run again" in text, (code, text)
    cases.nothing_deleted(before, look(run))
    code, text = cases.recover(run, "--data", "--check")
    assert code == 0 and "nothing is wrong" in text, (code, text)
    cases.finish(run)
    cases.repaired(damage.same_hand_outs_twice, True, "from one hand-out", "what is in the other one counts", "set aside")
    print("%d cases" % cases.count)


if __name__ == "__main__":
    w.main(test)
