#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""--version names version, commit and MPI; the file that holds them is written again only when they change.

    version.py BIN CMAKE
"""
import os
import re
import subprocess
import sys
import tempfile

SOURCE = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BIN, CMAKE = sys.argv[1:3]


def output(*words, **options):
    return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True, timeout=60, **options).stdout.strip()


def project_version():
    with open(os.path.join(SOURCE, "CMakeLists.txt")) as file:
        return re.search(r"^project\(yoda VERSION (\S+)", file.read(), re.M)[1]


def check_programs():
    version, commit = re.escape(project_version()), r"(unknown|[0-9a-f]{12}(-dirty)?)"
    shown = output(os.path.join(BIN, "yoda"), "--version")
    assert re.fullmatch(r"yoda %s \(commit %s, (Open MPI v|MPICH Version:\s*)[0-9.]+\S*\)" % (version, commit), shown), shown
    shown = output(os.path.join(BIN, "harvest"), "--version")
    assert re.fullmatch(r"harvest %s \(commit %s, no MPI\)" % (version, commit), shown), shown
    libraries = output("ldd", os.path.join(BIN, "harvest"))
    assert "libmpi" not in libraries, libraries  # "no MPI" is true.


class Sources:
    """Sources in a folder of their own, and the file that a build of them writes."""

    def __init__(self, folder):
        self.folder = os.path.join(folder, "sources")
        self.file = os.path.join(folder, "build_version.cpp")
        os.mkdir(self.folder)

    def git(self, *words):
        names = [word for who in ("AUTHOR", "COMMITTER") for word in ("GIT_%s_NAME=x" % who, "GIT_%s_EMAIL=x" % who)]
        environment = {**os.environ, **dict(word.split("=") for word in names)}
        return output("git", "-C", self.folder, *words, env=environment)

    def write(self):
        """-> commit that the file names, and when it was written."""
        output(CMAKE, "-DSOURCE=" + self.folder, "-DVERSION=7.8.9", "-DFILE=" + self.file,
               "-P", os.path.join(SOURCE, "cmake", "write_build_version.cmake"))
        with open(self.file) as file:
            version, commit = re.search(r'build_version\{"(.*)", "(.*)"\}', file.read()).groups()
        assert version == "7.8.9"
        return commit, os.stat(self.file).st_mtime_ns


def check_writing(folder):
    sources = Sources(folder)
    assert sources.write()[0] == "unknown", "a folder without git has no commit"
    # Sources unpacked inside of another repository: its commit is not theirs.
    output("git", "-C", folder, "init", "-q")
    assert sources.write()[0] == "unknown", "the commit of a repository around the sources is not theirs"
    sources.git("init", "-q")
    with open(os.path.join(sources.folder, "file"), "w") as file:
        file.write("1\n")
    sources.git("add", "file")
    sources.git("commit", "-q", "-m", "one")
    first = sources.write()
    assert first[0] == sources.git("rev-parse", "--short=12", "HEAD"), first
    assert sources.write() == first, "an unchanged file was written again: everything would be linked again"
    with open(os.path.join(sources.folder, "file"), "w") as file:
        file.write("2\n")
    assert sources.write()[0] == first[0] + "-dirty"


check_programs()
with tempfile.TemporaryDirectory(prefix="yoda_version_") as scratch:
    check_writing(scratch)
print("version: passed")
