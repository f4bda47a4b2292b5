#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Lists what was skipped in a ctest run, and why.

    list_skips.py FOLDER    the build folder's Testing/Temporary, where ctest leaves the output of all tests

Prints one line a skip: the test's name, and what its SKIPPED line or GoogleTest says. Never fails a run.
"""
import os
import re
import sys


def read_log(folder):
    """The log of the last run; while ctest ends it still has its temporary name."""
    for name in ("LastTest.log.tmp", "LastTest.log"):
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
    return ""


def find_skips(log):
    """-> [(test, reason)] in the order of the log, each once however often its test was tried."""
    skips = []
    test, reason = "", []
    is_reason = False
    for line in log.splitlines():
        if started := re.match(r"\d+/\d+ Test: (.*)", line):
            test, reason, is_reason = started[1], [], False
        elif line.startswith("SKIPPED: "):
            skips.append((test, line[9:]))
        elif re.match(r"\S+:\d+: Skipped$", line):
            reason, is_reason = [], True
        elif line.startswith("[  SKIPPED ] ") and is_reason:
            name = line[13:].split(" (")[0]
            skips.append((test if test.endswith(name) else "%s (%s)" % (test, name), " ".join(reason)))
            is_reason = False
        elif is_reason and line:
            reason.append(line)
    return list(dict.fromkeys(skips))


def main():
    log = read_log(sys.argv[1])
    if " Test: " not in log:
        return  # `ctest -N` runs nothing.
    skips = find_skips(log)
    print("\n%s" % ("Skipped, and why:" if skips else "Nothing was skipped."))
    for test, reason in skips:
        print("  %s: %s" % (test, reason))


if __name__ == "__main__":
    main()
