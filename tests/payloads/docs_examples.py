#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The two payloads that docs/payloads.md shows, taken from the page as they stand there, are built from a copy of the
kit's files and run without a Droid. Usage: docs_examples.py SOURCE_FOLDER CXX_COMPILER"""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

source, compiler = os.path.abspath(sys.argv[1]), sys.argv[2]
with open(os.path.join(source, "docs/payloads.md")) as file:
    page = file.read()

# What a reader has to bring along: the functions that the examples call.
CXX_WORK = """
#include <fstream>
#include <string>
static std::string read_table(char const* path) { std::ifstream in(path); std::string word; in >> word; return word; }
template <class Number>
static void write_result(std::string const& path, std::string const& table, std::string const& pfn, Number first, Number last)
{
    std::ofstream(path) << table << ' ' << pfn << ' ' << first << ' ' << last << '\\n';
}
"""
PYTHON_WORK = """
def read_table(path):
    return open(path).read().strip()
def result_of(table, pfn, first, last):
    return "%s %s %d %d\\n" % (table, pfn, first, last)
"""


def block(language):
    found = re.findall(r"```%s\n(.*?)```" % language, page, re.S)
    assert len(found) == 1, "docs/payloads.md has %d examples in %s" % (len(found), language)
    return found[0]


def check(words, folder):
    environment = dict(os.environ, YODA_STANDALONE="events.dat:1-4:2")
    done = subprocess.run([*words, "table"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done
    results = sorted(open(path).read() for path in glob.glob(os.path.join(folder, "result.txt*")))
    events = os.path.join(os.path.realpath(folder), "events.dat")
    assert results == ["42 %s 1 2\n" % events, "42 %s 3 4\n" % events], results
    for path in glob.glob(os.path.join(folder, "result.txt*")):
        os.remove(path)


with tempfile.TemporaryDirectory(prefix="yoda_docs_") as folder:
    with open(os.path.join(folder, "table"), "w") as file:
        file.write("42\n")
    with open(os.path.join(folder, "events.dat"), "w") as file:
        file.write("events\n")
    shutil.copy(os.path.join(source, "src/payload/yoda_payload.py"), folder)
    with open(os.path.join(folder, "my_payload.py"), "w") as file:
        file.write(PYTHON_WORK + block("python"))
    check([sys.executable, "my_payload.py"], folder)

    main = block("cpp")
    head, _, body = main.partition("int main(")
    with open(os.path.join(folder, "my_payload.cpp"), "w") as file:
        file.write(head + CXX_WORK + "int main(" + body)
    shutil.copytree(os.path.join(source, "src/payload"), os.path.join(folder, "payload"))
    sources = sorted(glob.glob(os.path.join(folder, "payload", "*.cpp")))
    subprocess.run([compiler, "-std=c++20", "-I", ".", "-o", "my_payload", "my_payload.cpp", *sources], cwd=folder,
                   check=True)
    check(["./my_payload"], folder)
print("both examples of docs/payloads.md build and run")
