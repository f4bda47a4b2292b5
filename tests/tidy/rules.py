# SPDX-License-Identifier: Apache-2.0
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

# The second level: which folders of its own layer a folder may use, "." for the layer's own. The arrows run one way
# (tidy.planted sees to it); a new one is a decision, to be written here.
FOLDERS = {
    "core": {
        "base": "",
        ".": "base",
        "event_text": "base",
        "table": "base",
        "job": "base table",
        "messages": "base table",
        "config": "base job table",
        "journal": "base messages table",
    },
    "sys": {
        "base": "",
        "bundle": "base",
        "http": "base",
        "journal": "base",
        "process": "base",
        "transport": "base",
        "hdf5": "base process",
        "lease": "base process",
        "run": "base bundle hdf5 journal",
    },
    "yoda": {
        ".": "",
    },
    "droid": {
        "core": "",
        "inputs": "",
        "resources": "",
        "channel": "core resources",
        "athenamp": "channel",
        "node": "channel",
        ".": "athenamp channel core inputs node resources",
    },
    "harvest": {
        "batch/base": "",
        "config": "",
        "new": "",
        "stores/base": "",
        "batch/local": "batch/base",
        "batch/pbs": "batch/base",
        "batch/slurm": "batch/base",
        "stores/dav": "stores/base",
        "stores/posix": "stores/base",
        "stores/s3": "stores/base",
        "stores/xrootd": "stores/base",
        "stores": "stores/base stores/dav stores/posix stores/s3 stores/xrootd",
        "panda/wire": "stores stores/base",
        "stage_out": "stores stores/base",
        "explain": "config panda/wire stage_out",
        "merge": "stage_out stores/base",
        "panda/run": "panda/wire",
        "panda/fetch": "config new panda/run panda/wire stores stores/base",
        "panda/report": "panda/run panda/wire stage_out stores stores/base",
        ".": "config panda/fetch panda/report panda/run panda/wire stage_out",
        "panda/access_point": "new panda/fetch panda/report panda/run panda/wire stage_out",
        "batch": ". batch/base batch/slurm explain new panda/report panda/wire",
    },
    "payload": {
        ".": "",
        "examples": ".",
    },
    "app": {
        "commands": "",
        ".": "commands",
    },
}
# Includes against those arrows that are still there, and how each will go away.
FOLDER_EXCEPTIONS = {
    ("src/harvest/stage_out/push_worker.cpp", "harvest/panda/report/log_upload.hpp"): "making logs becomes a hook of PushOptions",
}

# State machines outside core that must be as pure as core: no clock, file, socket, process or MPI.
PURE = [
    "src/core/*",
    "src/yoda/dispatch*",
    "src/yoda/droid_info*",
    "src/yoda/status_report*",
    "src/droid/core/droid_core*",
    "src/droid/core/droid_effects*",
    "src/droid/core/droid_policy*",
    "src/droid/core/range_work*",
    "src/droid/inputs/input_stage_core*",
    "src/harvest/stage_out/stager.*",
    "src/harvest/merge/order*",
]
# Headers of the C++ library that stand for the outside world or for another thread.
IMPURE_STANDARD = {
    "atomic", "barrier", "chrono", "condition_variable", "csignal", "ctime", "filesystem", "fstream", "future",
    "iostream", "latch", "mutex", "random", "semaphore", "shared_mutex", "stop_token", "thread",
}
# Headers that are not of the C++ library, but do nothing besides computing.
PURE_LIBRARIES = re.compile(r"fmt/|nlohmann/|zlib\.h$|nmmintrin\.h$")

MPI_FILES = "src/sys/transport/mpi*"
CLOCK_FILES = ["src/sys/base/clock*", "src/app/*"]
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
    "src/core/table/event_table.cpp": (560, "one table, whose counts and queues change together"),
}

# Folders where people's and machines' own files live.
MACHINE_PATHS = re.compile(r"(?:^|[\s\"'=(:,<>`\[])/(?:home|root|work|Users)/[\w.]")

# The first line of every source, after a "#!". The payload kit may be linked by anybody's payload.
SPDX = "SPDX-License-Identifier: "
SPDX_LINES = tuple(mark + SPDX for mark in ("// ", "# ", "! "))
LICENCE = "Apache-2.0"
LICENCE_OF_THE_KIT = "Apache-2.0 OR MIT"
SOURCE_SUFFIXES = (".cpp", ".hpp", ".py", ".sh", ".cmake", ".awk", ".f90")

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
                yield Finding(path, number, f'"{name}": write the path from src/, as in "core/base/result.hpp"')
            elif (kind == '"' or first in LAYERS and f"src/{name}" in tree.paths) and first not in allowed:
                yield Finding(path, number, f'{layer} may not include "{name}"')


def folders(tree):
    """Within a layer each folder includes only from those that FOLDERS gives it."""
    used = set()
    for path in tree.code("src"):
        parts = path.split("/")
        layer, folder = parts[1], "/".join(parts[2:-1]) or "."
        known = FOLDERS.get(layer)
        if known is None:
            continue
        if folder not in known:
            yield Finding(path, 1, f"{folder} is not a folder of {layer} that FOLDERS (tests/tidy/rules.py) knows")
            continue
        for number, kind, name in tree.includes(path):
            other = "/".join(name.split("/")[1:-1]) or "."
            if name.split("/")[0] != layer or other == folder or other in known[folder].split():
                continue
            if (path, name) in FOLDER_EXCEPTIONS:
                used.add((path, name))
            elif kind == '"' or f"src/{name}" in tree.paths:
                yield Finding(path, number, f'{layer}/{folder} may not include "{name}" (FOLDERS)')
    for path, name in FOLDER_EXCEPTIONS:
        if path in tree.paths and (path, name) not in used:
            yield Finding(path, 1, f'no longer includes "{name}": strike the exception in tests/tidy/rules.py')


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
        count = sum(not line.startswith(SPDX_LINES) for line in tree.lines(path))
        if count > limit:
            reason = f" (allowed so far: {why})" if why else ""
            yield Finding(path, limit + 1, f"{count} lines, at most {limit}{reason}: split it")


def headers(tree):
    """A header opens with what it is, and is included once."""
    for path in tree.code("src", "tests", "bench", "payloads"):
        if not path.endswith(".hpp"):
            continue
        lines = [line for line in tree.lines(path) if not line.startswith(SPDX_LINES)]
        if not lines or not lines[0].startswith(("//", "/*")):
            yield Finding(path, 1, "a header opens with a comment that says what it is")
        if "#pragma once" not in lines:
            yield Finding(path, 1, "#pragma once is missing")


def licences(tree):
    """Each source names its licence in its first line (or the line after "#!")."""
    for path in tree.paths:
        lines = tree.lines(path)
        is_script = bool(lines) and lines[0].startswith("#!")
        if not (path.endswith(SOURCE_SUFFIXES) or path.split("/")[-1] == "CMakeLists.txt" or is_script):
            continue
        wanted = LICENCE_OF_THE_KIT if path.startswith("src/payload/") else LICENCE
        line = lines[is_script] if len(lines) > is_script else ""
        if line not in tuple(begin + wanted for begin in SPDX_LINES):
            yield Finding(path, is_script + 1, f"the first line of a source says {SPDX}{wanted}")


def machine_paths(tree):
    """Nothing depends on where somebody keeps his files."""
    for path in tree.paths:
        for number, line in enumerate(tree.lines(path), 1):
            if found := MACHINE_PATHS.search(line):
                yield Finding(path, number, f"absolute path of one machine: {found[0].strip()}...")


# A page that is named, and the sections that are named with it: "docs/reference/panda.md §8", "panda.md §3, §4".
PAGE = re.compile(r"(?P<page>[\w./-]*\w\.md)\b(?![\w(])(?P<sections>(?:,?(?: and)? §[\d.]*\d)*)")
SECTION = re.compile(r"§([\d.]*\d)")
# What begins a line of a comment or of a list, so that a name and its section may stand on two lines.
LINE_BREAK = re.compile(r"\n[ \t]*(?:///?<?|#+|\*|;)?[ \t]*")
# These make pages up, to see that they are missed.
PAGES_OF_OTHERS = {"tests/tidy/check_tree_test.py", "tests/tidy/rules.py"}


def pages(tree):
    """Each page (*.md) that is named anywhere exists, and has the sections that are named with it."""
    for path in tree.paths:
        if path in PAGES_OF_OTHERS:
            continue
        text = "\n".join(tree.lines(path))
        if ".md" not in text and "§" not in text:
            continue
        yield from pages_of(tree, path, text)


def pages_of(tree, path, text):
    # Line breaks become blanks; where each character came from tells its line.
    joined, origin, at = [], [], 0
    for found in LINE_BREAK.finditer(text):
        joined.append(text[at:found.start()] + " ")
        origin += range(at, found.start() + 1)
        at = found.end()
    joined.append(text[at:])
    origin += range(at, len(text))
    flat = "".join(joined)
    line_of = lambda position: text.count("\n", 0, origin[position]) + 1
    cited = set()
    for found in PAGE.finditer(flat):
        if found["page"].startswith("//"):
            continue  # part of a web address
        page = found_page(tree, path, found["page"])
        if page is None:
            yield Finding(path, line_of(found.start()), f"{found['page']} does not exist")
            continue
        for section in SECTION.finditer(found["sections"]):
            cited.add(found.start("sections") + section.start())
            if section[1] not in sections_of(tree, page):
                yield Finding(path, line_of(found.start()), f"{page} has no section {section[1]}")
    for section in SECTION.finditer(flat):
        if section.start() in cited:
            continue
        # In a page a section alone is one of the page itself.
        if not path.endswith(".md"):
            yield Finding(path, line_of(section.start()), f"§{section[1]}: say of which page")
        elif section[1] not in sections_of(tree, path):
            yield Finding(path, line_of(section.start()), f"{path} has no section {section[1]}")


def found_page(tree, path, name):
    """The path of the page that is meant: from the top of the tree, or from where it is named."""
    for folder in ("", os.path.dirname(path)):
        candidate = os.path.normpath(os.path.join(folder, name))
        if candidate in tree.paths:
            return candidate
    return None


def sections_of(tree, page):
    """Numbers of the headings: "## 3. Title" and "### 3.1 Title"."""
    return {found[1] for line in tree.lines(page) if (found := re.match(r"#+ ([\d.]*\d)\.? ", line))}


def files_of_others(tree):
    """Only tests with the label oracle know of files beside the repository."""
    for path in tree.paths:
        if path.startswith("tests/oracle/") or path in PAGES_OF_OTHERS:
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if re.search(r"\.\./shared\b", line):
                yield Finding(path, number, "only tests/oracle may know of ../shared")


def skips(tree):
    """Tests are skipped in one way, which fails with CI=true; only oracles may skip there too."""
    for path in tree.paths:
        if not path.startswith("tests/") or path.startswith("tests/oracle/") or path in PAGES_OF_OTHERS:
            continue
        for number, line in enumerate(tree.lines(path), 1):
            if "GTEST_SKIP" in line and path != "tests/support/skip.hpp":
                yield Finding(path, number, "GTEST_SKIP: use YODA_SKIP of support/skip.hpp")
            elif re.search(r"exit\(77\)", line):
                yield Finding(path, number, "exit code 77: use skip() of tests/support/skipping.py")


RULES = [layers, folders, purity, mpi, clocks, lengths, headers, licences, machine_paths, pages, files_of_others, skips]
