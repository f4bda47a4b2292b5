#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles every code example in the headers of src/ and payloads/ and in the pages of docs/, so that none of them
lags behind the code.

  example_code.py SOURCE_FOLDER CXX_COMPILER [INCLUDE_FOLDER...]

An example is
- in a header: lines of a comment that are indented by five blanks, the first one by exactly five (tables and drawings
  are indented by three). An example that is not a whole program is the body of a function; DECLARATIONS holds what
  that function is given.
- in a page: a block that is marked as cpp or python.

C++ is compiled with -fsyntax-only, Python is compiled and not run (docs_examples.py runs those of docs/payloads.md).
Exit code 0: all compile; 1: some do not, or a header is named below and has no example any more.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

BEGIN = re.compile(r"^\s*///? {5}(\S.*)$")
MORE = re.compile(r"^\s*///? {5}(.*)$")
PROGRAM = """
#include <string>
std::string read_table(char const* path);
template <class... What>
void write_result(What const&... what);
"""

# Header -> (further headers, parameters of the function, declarations before it). The functions that an example calls
# and that are not Yoda's take any arguments.
DECLARATIONS = {
    "src/core/journal/replay.hpp": (
        ["sys/run/event_file.hpp"],
        "EventTable& table, CheckpointInfo const& checkpoint, Life life, std::uint64_t first_sequence,"
        " journal::Record const& record, journal::FrameInfo const& info, JournalPlace const& place,"
        " Findings& findings",
        "",
    ),
    "src/droid/bundle_writer.hpp": (
        ["sys/base/poller.hpp"],
        "BundleWriter& writer, std::uint32_t sequence, RangeOutput const& output, Poller& poller,"
        " std::function<void()> on_news",
        "void tell(BundleWriter::News& news); void stop_reading_from_payloads();",
    ),
    "src/droid/resources/folder_meter.hpp": (
        [],
        "FolderMeter& meter, std::string const& folder, TimePoint now",
        "void judge(FolderUse const& use, TimePoint as_of);",
    ),
    "src/harvest/new/new_run_builder.hpp": (
        [],
        "Job const& definition, RangeView const& range, std::string_view pfn, PayloadConfig const& payload",
        "",
    ),
    "src/payload/yoda_payload.hpp": ([], None, PROGRAM),
    "src/sys/base/log.hpp": ([], "Log& log, std::string const& name", ""),
    "src/sys/hdf5/concatenation.hpp": (
        [],
        "std::vector<hdf5::Storage> const& sources, bool& ok",
        "using hdf5::Concatenation;",
    ),
    "src/sys/http/http.hpp": (
        [],
        "Clock const& clock, HttpRequest const& request, Duration longest_wait",
        "void take_answer(Result<HttpResponse> answer);",
    ),
    "src/sys/journal/file.hpp": (
        [],
        "JournalFile& journal, std::string_view frames, std::uint64_t& position",
        "void tell();",
    ),
    "src/sys/run/event_file_checkpoint.hpp": (
        [],
        "CheckpointWriter& checkpoint, std::string const& run, EventFileInfo const& info, std::uint64_t sequence,"
        " EventTable const& table",
        "void judge(Result<CheckpointInfo> const& done);",
    ),
    "src/yoda/held_words.hpp": (
        [],
        "HeldWords& words, Rank rank, std::uint32_t sequence, std::uint64_t appended, std::uint64_t durable",
        "",
    ),
}


def header_examples(root):
    """Yields (path, number of the first line, text) of each example."""
    for top in ("src", "payloads"):
        for folder, _, names in sorted(os.walk(os.path.join(root, top))):
            for name in sorted(names):
                if not name.endswith(".hpp"):
                    continue
                path = os.path.join(folder, name)
                with open(path, encoding="utf-8") as file:
                    lines = file.read().split("\n")
                begin, text = 0, []
                for number, line in enumerate([*lines, ""], 1):
                    match = (MORE if text else BEGIN).match(line)
                    if match:
                        begin = begin or number
                        text.append(match.group(1))
                    elif text:
                        yield os.path.relpath(path, root), begin, "\n".join(text) + "\n"
                        begin, text = 0, []


def page_examples(root):
    """Yields (path, number of the first line, language, text) of each example."""
    pages = [os.path.join(root, "README.md")]
    for folder, _, names in sorted(os.walk(os.path.join(root, "docs"))):
        pages += [os.path.join(folder, name) for name in sorted(names) if name.endswith(".md")]
    for path in pages:
        with open(path, encoding="utf-8") as file:
            page = file.read()
        for match in re.finditer(r"^```(cpp|python)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            line = page.count("\n", 0, match.start(2)) + 1
            yield os.path.relpath(path, root), line, match.group(1), match.group(2)


def source_of(path, line, text):
    """The example as a whole C++ source; compilers name its lines as those of the file that it stands in."""
    mark = f'#line {line} "{path}"\n'
    if path.endswith(".md"):
        return PROGRAM + mark + text
    headers, parameters, declarations = DECLARATIONS.get(path, ([], "", ""))
    includes = "".join(f'#include "{name}"\n' for name in [path.split("/", 1)[1], *headers])
    if parameters is None:
        return includes + declarations + mark + text
    body = f"void example({parameters})\n{{\n{mark}{text}}}\n"
    return f"{includes}\nnamespace yoda {{\n{declarations}\n{body}}}\n"


def compile_cxx(command, root, path, line, text):
    done = subprocess.run(
        [*command, "-x", "c++", "-"], cwd=root, input=source_of(path, line, text), capture_output=True, text=True,
        check=False,
    )
    return done.returncode == 0, done.stderr


def compile_python(path, line, text):
    try:
        compile("\n" * (line - 1) + text, path, "exec")
    except SyntaxError as error:
        return False, f"{path}:{error.lineno}: {error.msg}\n"
    return True, ""


def main(arguments):
    if len(arguments) < 2:
        print(__doc__)
        return 1
    root, compiler, *folders = arguments
    command = [compiler, "-std=c++20", "-fsyntax-only", "-Werror", "-I", "src", "-I", "payloads"]
    for folder in folders:
        command += ["-isystem", folder]
    headers = list(header_examples(root))
    pages = list(page_examples(root))
    bad = 0
    for path in sorted(set(DECLARATIONS) - {path for path, _, _ in headers}):
        print(f"{path}: has no example (lines of a comment that begin with five blanks), but example_code.py knows one")
        bad += 1
    # Two at a time: the compiler is what takes the time.
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        results = [pool.submit(compile_cxx, command, root, *example) for example in headers]
        for path, line, language, text in pages:
            if language == "cpp":
                results.append(pool.submit(compile_cxx, command, root, path, line, text))
            else:
                results.append(pool.submit(compile_python, path, line, text))
    for result in results:
        good, said = result.result()
        if not good:
            print(said, end="")
            bad += 1
    print(f"{len(headers)} examples in headers and {len(pages)} in pages, {bad} do not compile")
    if len(headers) < len(DECLARATIONS) or not pages:
        print("examples are missing")
        return 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
