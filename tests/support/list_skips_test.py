#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The list of skips holds each skip of a log once, with its reason, and nothing else."""
import os
import subprocess
import sys
import tempfile
import unittest

import list_skips
import skipping

LOG = """Start testing: now
----------------------------------------------------------
1/4 Testing: batch.runs
1/4 Test: batch.runs
Output:
----------------------------------------------------------
SKIPPED: no slurmd
<end of output>
1/4 Testing: batch.runs
1/4 Test: batch.runs
SKIPPED: no slurmd
2/4 Test: store.Xrootd
[ RUN      ] Xrootd.One/http
tests/servers/xrootd_test.cpp:28: Skipped
this machine gives no network
of its own

[  SKIPPED ] Xrootd.One/http (0 ms)
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] Xrootd.One/http
3/4 Test: sys.Lease.FullDisk
tests/unit/sys/lease/lease_test.cpp:343: Skipped
no mount namespaces
[  SKIPPED ] Lease.FullDisk (1 ms)
4/4 Test: core.Good
[       OK ] Good.One (0 ms)
the word SKIPPED: in the middle of a line is not one
"""


class ListSkips(unittest.TestCase):
    def test_each_skip_is_listed_once_with_its_reason(self):
        self.assertEqual(list_skips.find_skips(LOG), [
            ("batch.runs", "no slurmd"),
            ("store.Xrootd (Xrootd.One/http)", "this machine gives no network of its own"),
            ("sys.Lease.FullDisk", "no mount namespaces"),
        ])

    def test_the_log_of_a_run_that_is_ending_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(list_skips.read_log(folder), "")
            for name in ("LastTest.log", "LastTest.log.tmp"):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(name)
                self.assertEqual(list_skips.read_log(folder), name)


class Skipping(unittest.TestCase):
    def skip(self, ci, call="skip('no moon')"):
        environment = {**os.environ, "CI": ci, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}
        done = subprocess.run([sys.executable, "-B", "-c", "import skipping; skipping.%s; print('goes on')" % call],
                              env=environment, stdout=subprocess.PIPE, text=True, check=False)
        return done.returncode, done.stdout

    def test_what_is_missing_is_a_skip_and_in_ci_a_failure(self):
        self.assertEqual(self.skip(""), (skipping.SKIPPED, "SKIPPED: no moon\n"))
        code, text = self.skip("true")
        self.assertEqual(code, 1)
        self.assertIn("no moon", text)

    def test_a_part_that_is_left_out_is_told_and_the_test_goes_on(self):
        self.assertEqual(self.skip("", "report('no moon')"), (0, "SKIPPED: no moon\ngoes on\n"))
        self.assertEqual(self.skip("true", "report('no moon')")[0], 1)

    def test_programs_are_looked_for(self):
        self.assertEqual(self.skip("", "need_programs('python3')"), (0, "goes on\n"))
        code, text = self.skip("", "need_programs('python3', 'no-such-program')")
        self.assertEqual((code, text), (skipping.SKIPPED, "SKIPPED: no-such-program not installed\n"))


if __name__ == "__main__":
    unittest.main()
