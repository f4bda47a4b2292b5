#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Payload for the kill tests: each range takes 10 to 60 ms, the same at every try, and its output depends on nothing
but its events."""
import hashlib
import sys
import time

import yoda_payload

kit = yoda_payload.Kit()


def work(todo, output):
    digest = hashlib.sha256(("%s %d" % (todo.lfn, todo.first)).encode()).digest()
    time.sleep(0.01 + digest[0] / 255 * 0.05)
    with open(output.file("digest.txt"), "w") as file:
        for event in range(todo.first, todo.last + 1):
            file.write("%s %d %s\n" % (todo.lfn, event, hashlib.md5(b"%d" % event).hexdigest()))


sys.exit(kit.run(work))
