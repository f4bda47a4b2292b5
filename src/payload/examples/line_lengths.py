#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""Example payload: events are the lines of a text file; the output holds their lengths, one line each.
The file is read once, before the workers are forked, and shared by all of them."""
import sys

import yoda_payload


def read_lines(path):
    with open(path, newline="\n") as file:
        return [line.rstrip("\n") for line in file]


kit = yoda_payload.Kit()
lines = kit.initialise(lambda: read_lines(sys.argv[1]))


def work(range, output):
    if range.last > len(lines):
        raise yoda_payload.Fatal("the file has only %d lines" % len(lines))
    with open(output.file("lengths.txt"), "w") as lengths:
        for event, line in enumerate(lines[range.first - 1 : range.last], range.first):
            lengths.write("%d %d\n" % (event, len(line)))


sys.exit(kit.run(work))
