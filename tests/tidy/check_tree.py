#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks that the sources keep to the rules of docs/architecture.md (tests/tidy/rules.py).

  check_tree.py FOLDER            layers, folders, purity, MPI, clocks, lengths, headers, licences, paths
  check_tree.py FOLDER --format   clang-format; skipped where the right one is not installed

Exit code 0: all is well; 1: findings, one a line as path:line: text; 77: skipped.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys

import rules

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import skipping  # noqa: E402

CLANG_FORMAT_VERSION = "14"  # Other versions format differently. Debian 12 has this one.


def find_all(root):
    tree = rules.Tree(root)
    return [finding for rule in rules.RULES for finding in rule(tree)]


def find_clang_format():
    for name in (f"clang-format-{CLANG_FORMAT_VERSION}", "clang-format"):
        program = shutil.which(name)
        if not program:
            continue
        version = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        if re.search(rf"version {CLANG_FORMAT_VERSION}\.", version):
            return program
    return None


def check_format(root):
    program = find_clang_format()
    if not program:
        skipping.skip(f"clang-format {CLANG_FORMAT_VERSION} is not installed, so nobody has looked at the formatting")
    paths = rules.Tree(root).code("src", "tests", "bench", "payloads")
    bad = []
    for begin in range(0, len(paths), 50):
        part = paths[begin : begin + 50]
        result = subprocess.run(
            [program, "--dry-run", "-Werror", *part], cwd=root, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            bad += sorted(set(re.findall(r"^(\S+):\d+:\d+: error", result.stderr, re.MULTILINE)) or {part[0]})
    for path in bad:
        print(f"{path}:1: not formatted: run clang-format -i on it")
    print(f"{len(paths)} files, {len(bad)} not formatted")
    return 1 if bad else 0


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--format", action="store_true", help="check the formatting instead")
    options = parser.parse_args(arguments)
    if not os.path.isdir(os.path.join(options.folder, "src")):
        print(f"{options.folder} has no src/: not the sources of yoda")
        return 1
    if options.format:
        return check_format(options.folder)
    findings = find_all(options.folder)
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.text}")
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
