# SPDX-License-Identifier: Apache-2.0
"""How tests in Python are skipped: what this machine lacks ends a test with its reason; with CI=true, which promises
everything, it fails. ctest lists all skips at its end (list_skips.py).

    skipping.py WHY    stands for tests that the build had to leave out
"""
import os
import shutil
import sys

SKIPPED = 77  # As in SKIP_RETURN_CODE.


def report(why):
    """Prints that something was skipped, and why. With CI=true it ends the test, which has failed."""
    if os.environ.get("CI") == "true":
        print("FAILED: with CI=true nothing may be missing: " + why, flush=True)
        sys.exit(1)
    print("SKIPPED: " + why, flush=True)


def skip(why):
    report(why)
    sys.exit(SKIPPED)


def need_programs(*names):
    """Skips the test unless each program is installed."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [name for name in names if not shutil.which(name, path=path)]
    if missing:
        skip(", ".join(missing) + " not installed")


if __name__ == "__main__":
    skip(sys.argv[1])
