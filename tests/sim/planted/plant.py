#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Plants bugs one by one and tells which check of the simulation found each, after how many worlds.

Of the sources nothing is changed: the file with the bug is written to the work folder, compiled, and linked in front of
the library of all others. Fails if a bug is not found, or if a text to replace is not in its file any more."""
import argparse
import os
import re
import subprocess
import sys
import time

from bugs import BUGS, WHERE


def build(options, bug):
    name, path, old, new = bug
    with open(os.path.join(options.sources, path)) as file:
        text = file.read()
    if text.count(old) != 1:
        sys.exit("%s: its text is %d times in %s: the list of bugs must follow the sources" % (name, text.count(old), path))
    folder = os.path.join(options.work, name)
    os.makedirs(folder, exist_ok=True)
    source = os.path.join(folder, os.path.basename(path))
    with open(source, "w") as file:
        file.write(text.replace(old, new))
    program = os.path.join(folder, "sim_worlds")
    subprocess.run([options.compiler, *options.flags.split(), "-std=c++20", "-O1", "-w", "-DFMT_SHARED",
                    "-iquote", os.path.join(options.sources, os.path.dirname(path)),
                    "-I", os.path.join(options.sources, "src"), "-o", program, source, *options.objects.split(";"), options.library,
                    "-lfmt", "-lz"], check=True)
    return program


def search(program, worlds, where):
    begin = time.monotonic()
    first, scale = where
    words = [program, "--seeds", "%d:%d" % (first, worlds), "--first", "--no-shrink", *(["--scale", scale] if scale else [])]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    found = re.search(r"^seed (\d+): ([^:]+): (.*)$", done.stdout, re.M)
    check = re.search(r"check failed: (.*)$", done.stdout, re.M)
    if not found:
        return None, "not found", done.stdout.strip().splitlines()[-1:], time.monotonic() - begin
    kind, what = found.group(2), found.group(3)
    if check:
        kind, what = "YODA_CHECK", check.group(1)
    return int(found.group(1)), kind, what, time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--library", required=True, help="libyoda_sim.a of the good sources")
    parser.add_argument("--objects", required=True, help="the main program's object files")
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--flags", default="")
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("names", nargs="*", help="bugs; none: all")
    options = parser.parse_args()
    unknown = set(options.names) - {bug[0] for bug in BUGS}
    if unknown:
        sys.exit("no such bugs: %s" % ", ".join(sorted(unknown)))
    missed = []
    print("| bug | found in world | by the check | what it said |\n|---|---|---|---|")
    for bug in BUGS:
        if options.names and bug[0] not in options.names:
            continue
        seed, kind, what, _ = search(build(options, bug), options.worlds, WHERE.get(bug[0], (1, None)))
        print("| %s | %s | %s | %s |" % (bug[0].replace("_", " "), seed, kind, what), flush=True)
        if seed is None:
            missed.append(bug[0])
    if missed:
        sys.exit("not found within %d worlds: %s" % (options.worlds, ", ".join(missed)))


if __name__ == "__main__":
    main()
