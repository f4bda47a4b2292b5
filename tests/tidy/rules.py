"""The rules of docs/architecture.md that a program can check. Each rule takes a Tree and yields Findings."""

import fnmatch
import os
import re
from collections import namedtuple

Finding = namedtuple("Finding", "path line text")

# Which folders of src/ a layer may include from.
LAYERS = {
    "core": {"core"},
    "sys": {"core", "sys"},
    "yoda": {"core", "sys", "yoda"},
    "droid": {"core", "sys", "droid"},
    "harvest": {"core", "sys", "harvest"},
    "app": {"core", "sys", "yoda", "droid", "harvest", "app"},
    "payload": {"payload"},
}

# State machines outside core that must be as pure as core: no clock, file, socket, process or MPI.
PURE = [
    "src/core/*",
    "src/yoda/dispatch*",
    "src/yoda/droid_info*",
    "src/yoda/status_report*",
    "src/droid/droid_core*",
    "src/droid/droid_effects*",
    "src/droid/droid_policy*",
    "src/droid/range_work*",
    "src/droid/input_stage_core*",
    "src/harvest/stager.*",
    "src/harvest/merge_order*",
]
# Headers of the C++ library that stand for the outside world or for another thread.
IMPURE_STANDARD = {
    "atomic", "barrier", "chrono", "condition_variable", "csignal", "ctime", "filesystem", "fstream", "future",
    "iostream", "latch", "mutex", "random", "semaphore", "shared_mutex", "stop_token", "thread",
}
# Headers that are not of the C++ library, but do nothing besides computing.
PURE_LIBRARIES = re.compile(r"fmt/|nlohmann/|zlib\.h$|nmmintrin\.h$")

MPI_FILES = "src/sys/mpi*"
CLOCK_FILES = ["src/sys/clock*", "src/app/*"]
# The kit uses nothing of ours; it measures the CPU and wall time of a range in the worker.
CLOCK_FILES_OF_THE_KIT = ["src/payload/worker_loop.cpp", "src/payload/yoda_payload.py"]
CLOCK_READS = re.compile(
    r"_clock::now\b|\bclock_gettime\b|\bgettimeofday\b|\btimespec_get\b|(?:(?<![\w.>:])|(?<!\w)::|\bstd::)time\s*\(\s*(?:nullptr|NULL|0|&)"
    r"|__rdtsc\b|\bMPI_Wtime\b"
)

MAX_LINES = {"src": 500, "payloads": 500, "bench": 500, "tests": 800}
# Longer files, how long they may be, and why.
LONG_FILES = {
    "src/droid/droid.cpp": (560, "a Droid's loop with all that it connects"),
    "src/core/event_table.cpp": (560, "one table, whose counts and queues change together"),
}

# Folders where people's and machines' own files live.
MACHINE_PATHS = re.compile(r"(?:^|[\s\"'=(:,<>`\[])/(?:home|root|work|Users)/[\w.]")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
CODE_SUFFIXES = (".cpp", ".hpp")
SKIPPED_FOLDERS = {".git", "build", "__pycache__", ".cache"}
TEXT_SUFFIXES = (".cpp", ".hpp", ".py", ".sh", ".md", ".cmake", ".txt", ".cfg", ".json", ".f90", ".awk", ".in")


def matches(path, patterns):
    return any(fnmatch.fnmatch(path, pattern) for pattern in patterns)


class Tree:
    """The text files below `root`, by their path from there with '/' between folders."""

    def __init__(self, root):
        self.root = root
        self.paths = []
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if name not in SKIPPED_FOLDERS)
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")
                is_script = "." not in name and path.split("/")[0] in ("jobscripts", ".ci")
                if name.endswith(TEXT_SUFFIXES) or is_script or name in ("CMakeLists.txt", "bootstrap.sh"):
                    self.paths.append(path)
        self._lines = {}

    def lines(self, path):
        if path not in self._lines:
            with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as file:
                self._lines[path] = file.read().splitlines()
        return self._lines[path]

    def code(self, *folders):
        return [
            path for path in self.paths
            if path.endswith(CODE_SUFFIXES) and (not folders or path.split("/")[0] in folders)
        ]

    def includes(self, path):
        """(line number, '<' or '"', name) of each include."""
        for number, line in enumerate(self.lines(path), 1):
            if found := INCLUDE.match(line):
                yield number, found[1], found[2]


def without_comment(line):
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', line).split("//")[0]


def layers(tree):
    """Each file of src/ includes only from the layers below its own."""
    for path in tree.code("src"):
        layer = path.split("/")[1]
        allowed = LAYERS.get(layer)
        if allowed is None:
            yield Finding(path, 1, f"src/{layer} is no layer that docs/architecture.md knows")
            continue
        for number, kind, name in tree.includes(path):
            first = name.split("/")[0]
            if kind == '"' and "/" not in name:
                yield Finding(path, number, f'"{name}": write the path from src/, as in "core/result.hpp"')
            elif (kind == '"' or first in LAYERS and f"src/{name}" in tree.paths) and first not in allowed:
                yield Finding(path, number, f'{layer} may not include "{name}"')


def purity(tree):
    """core and the state machines include nothing that reaches outside."""
    for path in tree.code("src"):
        if not matches(path, PURE):
            continue
        for number, kind, name in tree.includes(path):
            if kind == '"':
                if name.startswith("sys/"):
                    yield Finding(path, number, f'a pure part may not include "{name}"')
                continue
            is_standard = re.fullmatch(r"[a-z_]+", name) is not None
            if name in IMPURE_STANDARD or not is_standard and not PURE_LIBRARIES.match(name):
                yield Finding(path, number, f"a pure part may not include <{name}>")


def mpi(tree):
    """Only the MPI transport knows MPI."""
    for path in tree.code("src"):
        if matches(path, [MPI_FILES]):
            continue
        for number, _, name in tree.includes(path):
            if name == "mpi.h":
                yield Finding(path, number, f"only {MPI_FILES} may include <mpi.h>")


def clocks(tree):
    """Only the clock and the programs' top read a clock."""
    for path in tree.code("src"):
        if matches(path, CLOCK_FILES + CLOCK_FILES_OF_THE_KIT):
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if found := CLOCK_READS.search(without_comment(line)):
                yield Finding(path, number, f"reads a clock ({found[0].strip()}): take the time as an argument")


def lengths(tree):
    """No file is too long to have one idea, or it says why."""
    for path in tree.code():
        limit = MAX_LINES.get(path.split("/")[0])
        if limit is None:
            continue
        limit, why = LONG_FILES.get(path, (limit, ""))
        count = len(tree.lines(path))
        if count > limit:
            reason = f" (allowed so far: {why})" if why else ""
            yield Finding(path, limit + 1, f"{count} lines, at most {limit}{reason}: split it")


def headers(tree):
    """A header opens with what it is, and is included once."""
    for path in tree.code("src", "tests", "bench", "payloads"):
        if not path.endswith(".hpp"):
            continue
        lines = tree.lines(path)
        if not lines or not lines[0].startswith(("//", "/*")):
            yield Finding(path, 1, "a header opens with a comment that says what it is")
        if "#pragma once" not in lines:
            yield Finding(path, 1, "#pragma once is missing")


def machine_paths(tree):
    """Nothing depends on where somebody keeps his files."""
    for path in tree.paths:
        for number, line in enumerate(tree.lines(path), 1):
            if found := MACHINE_PATHS.search(line):
                yield Finding(path, number, f"absolute path of one machine: {found[0].strip()}...")


RULES = [layers, purity, mpi, clocks, lengths, headers, machine_paths]
