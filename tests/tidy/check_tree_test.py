#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants violations of each rule in a small tree and sees that they are found, and nothing else."""

import contextlib
import io
import os
import shutil
import tempfile
import unittest

import check_tree
import rules

CLEAN = {
    "src/core/table/table.hpp": '// A table.\n#pragma once\n\n#include <fmt/format.h>\n#include <vector>\n\n#include "core/base/types.hpp"\n',
    "src/core/base/types.hpp": "// Types.\n#pragma once\n\n#include <zlib.h>\n#include <cstdint>\n",
    "src/sys/base/files.cpp": '#include <unistd.h>\n\n#include <fstream>\n\n#include "core/base/types.hpp"\n#include "sys/base/files.hpp"\n',
    "src/sys/base/files.hpp": "// Files.\n#pragma once\n",
    "src/sys/base/clock.cpp": "long now() { return clock_gettime(0, nullptr); }\n",
    "src/sys/transport/mpi_transport.cpp": "#include <mpi.h>\n",
    "src/yoda/dispatcher.cpp": '#include "core/table/table.hpp"\n#include "yoda/dispatcher.hpp"\n',
    "src/yoda/dispatcher.hpp": "// Rank 0.\n#pragma once\n",
    "src/droid/droid.cpp": '#include <thread>\n\n#include "sys/base/files.hpp"\n',
    "src/harvest/stage_out/push.cpp": '#include "harvest/stage_out/push.hpp"\n',
    "src/harvest/stage_out/push.hpp": "// Push.\n#pragma once\n",
    "src/app/main_yoda.cpp": '#include "droid/droid.hpp"\n#include "yoda/dispatcher.hpp"\n'
    "auto begin = std::chrono::steady_clock::now();\n",
    "src/payload/kit.cpp": '#include "payload/kit.hpp"\n',
    "src/payload/kit.hpp": "// The kit.\n#pragma once\n",
    "tests/unit/core/table_test.cpp": '#include <thread>\n#include "support/tables.hpp"\n#include "core/table/table.hpp"\n',
    "docs/operations.md": "Put RUN on /scratch/you and look at root://host//work/file or https://a.b/home/page.\n",
    "docs/reference/panda.md": "# PanDA\n\n## 1. Calls\n\nAs in §1.2 and ../operations.md.\n\n### 1.2 Errors\n",
    "build/dev/generated.cpp": "#include <mpi.h>\n",
}
SLASH = "/"  # So that this file names no machine's path itself.


def right_licence(path):
    mark = {".cpp": "//", ".hpp": "//", ".py": "#"}.get(os.path.splitext(path)[1])
    if mark is None:
        return ""
    licence = rules.LICENCE_OF_THE_KIT if path.startswith("src/payload/") else rules.LICENCE
    return f"{mark} {rules.SPDX}{licence}\n"


class PlantedTest(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="yoda-tidy-")
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in CLEAN.items():
            self.plant(path, text)

    def plant(self, path, text, licence=None):
        if licence is None:
            licence = right_licence(path)
        whole = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(whole), exist_ok=True)
        with open(whole, "w", encoding="utf-8") as file:
            file.write(licence + text)

    def add(self, path, line):
        with open(os.path.join(self.root, path), "a", encoding="utf-8") as file:
            file.write(line + "\n")

    def expect(self, path, text):
        """Exactly one finding: in `path`, saying `text`."""
        findings = check_tree.find_all(self.root)
        self.assertEqual([finding.path for finding in findings], [path], findings)
        self.assertIn(text, findings[0].text)

    def expect_none(self):
        self.assertEqual(check_tree.find_all(self.root), [])

    def test_a_clean_tree_has_no_findings(self):
        self.expect_none()

    def test_core_includes_no_other_layer(self):
        self.add("src/core/table/table.hpp", '#include "sys/base/files.hpp"')
        findings = check_tree.find_all(self.root)
        self.assertEqual({finding.path for finding in findings}, {"src/core/table/table.hpp"})
        self.assertIn('core may not include "sys/base/files.hpp"', [finding.text for finding in findings])

    def test_angle_brackets_do_not_hide_a_layer(self):
        self.add("src/sys/base/files.cpp", "#include <yoda/dispatcher.hpp>")
        self.expect("src/sys/base/files.cpp", "sys may not include")

    def test_siblings_do_not_include_each_other(self):
        for path, included in [
            ("src/yoda/loop.cpp", "droid/core/droid_core.hpp"),
            ("src/droid/loop.cpp", "yoda/dispatcher.hpp"),
            ("src/harvest/loop.cpp", "yoda/dispatcher.hpp"),
            ("src/yoda/loop.cpp", "harvest/stage_out/push.hpp"),
            ("src/sys/base/loop.cpp", "app/main.hpp"),
            ("src/yoda/loop.cpp", "payload/kit.hpp"),
            ("src/payload/loop.cpp", "core/base/types.hpp"),
        ]:
            with self.subTest(path=path, included=included):
                self.plant(path, f'#include "{included}"\n')
                self.expect(path, f'may not include "{included}"')
                os.remove(os.path.join(self.root, path))

    def test_an_indented_include_counts(self):
        self.add("src/sys/base/files.cpp", '#  include   "droid/droid.hpp"')
        self.expect("src/sys/base/files.cpp", "may not include")

    def test_includes_are_written_from_src(self):
        self.add("src/sys/base/files.cpp", '#include "files.hpp"')
        self.expect("src/sys/base/files.cpp", "write the path from src/")

    def test_a_new_layer_must_be_documented(self):
        self.plant("src/extra/new.cpp", "int x;\n")
        self.expect("src/extra/new.cpp", "no layer")

    def test_folders_of_a_layer_use_each_other_one_way(self):
        self.add("src/core/base/types.hpp", '#include "core/table/event_table.hpp"')
        self.expect("src/core/base/types.hpp", 'core/base may not include "core/table/event_table.hpp"')

    def test_a_new_folder_must_be_in_the_table(self):
        self.plant("src/core/extra/new.cpp", "int x;\n")
        self.expect("src/core/extra/new.cpp", "not a folder of core")

    def test_the_table_of_folders_has_no_circle(self):
        for layer, known in rules.FOLDERS.items():
            left = {folder: set(uses.split()) for folder, uses in known.items()}
            while free := [folder for folder, uses in left.items() if not uses & set(left)]:
                for folder in free:
                    del left[folder]
            self.assertEqual(left, {}, layer)
            self.assertEqual({use for uses in known.values() for use in uses.split()} - set(known), set(), layer)

    def test_an_exception_that_is_over_is_found(self):
        path, name = "src/core/base/types.hpp", "core/table/event_table.hpp"
        rules.FOLDER_EXCEPTIONS[path, name] = "planted"
        self.addCleanup(rules.FOLDER_EXCEPTIONS.pop, (path, name))
        self.expect(path, "no longer includes")
        self.add(path, f'#include "{name}"')
        self.expect_none()

    def test_core_and_the_state_machines_are_pure(self):
        for path in ["src/core/base/types.hpp", "src/yoda/dispatcher.cpp"]:
            for name in [
                "unistd.h", "sys/stat.h", "fstream", "iostream", "thread", "mutex", "chrono", "ctime", "filesystem",
                "hdf5.h", "curl/curl.h", "zmq.h", "spdlog/spdlog.h", "time.h", "netinet/in.h", "random",
            ]:
                with self.subTest(path=path, name=name):
                    self.plant(path, CLEAN[path] + f"#include <{name}>\n")
                    self.expect(path, f"may not include <{name}>")
            self.plant(path, CLEAN[path])
        self.expect_none()

    def test_a_state_machine_does_not_include_sys(self):
        self.add("src/yoda/dispatcher.cpp", '#include "sys/base/files.hpp"')
        self.expect("src/yoda/dispatcher.cpp", "pure part")

    def test_mpi_stays_in_its_transport(self):
        for path in ["src/sys/base/files.cpp", "src/app/main_yoda.cpp"]:
            with self.subTest(path=path):
                self.plant(path, CLEAN[path] + "#include <mpi.h>\n")
                self.expect(path, "mpi.h")
                self.plant(path, CLEAN[path])

    def test_clocks_are_read_only_where_they_may(self):
        for read in [
            "auto t = std::chrono::steady_clock::now();", "clock_gettime(CLOCK_MONOTONIC, &t);",
            "gettimeofday(&t, nullptr);", "long t = time(nullptr);", "long t = ::time(0);", "long t = std::time(&x);",
            "double t = MPI_Wtime();",
        ]:
            with self.subTest(read=read):
                self.plant("src/droid/droid.cpp", read + "\n")
                self.expect("src/droid/droid.cpp", "reads a clock")

    def test_words_about_clocks_are_no_reads(self):
        self.plant(
            "src/droid/droid.cpp",
            '// clock_gettime is called elsewhere\nauto text = "time(nullptr)";\nlife_time(0);\nx.time(0);\n'
            "runtime(nullptr);\nauto t = clock_.now();\n",
        )
        self.expect_none()

    def test_long_files_are_found(self):
        self.plant("src/sys/base/long.cpp", "int x;\n" * 501)
        self.expect("src/sys/base/long.cpp", "501 lines")

    def test_a_long_file_with_a_reason_has_a_limit_too(self):
        limit, _ = rules.LONG_FILES["src/droid/droid.cpp"]
        self.plant("src/droid/droid.cpp", "int x;\n" * limit)
        self.expect_none()
        self.plant("src/droid/droid.cpp", "int x;\n" * (limit + 1))
        self.expect("src/droid/droid.cpp", "split it")

    def test_headers_say_what_they_are_and_are_guarded(self):
        self.plant("src/sys/base/files.hpp", "#pragma once\n")
        self.expect("src/sys/base/files.hpp", "opens with a comment")
        self.plant("src/sys/base/files.hpp", "// Files.\n")
        self.expect("src/sys/base/files.hpp", "#pragma once")

    def test_a_source_without_its_licence_is_found(self):
        wrong = [
            ("src/sys/base/files.cpp", "", "int x;\n"),
            ("src/sys/base/files.cpp", f"// {rules.SPDX}MIT\n", "int x;\n"),
            ("src/payload/kit.cpp", f"// {rules.SPDX}Apache-2.0\n", "int x;\n"),
            ("tests/batch/runs.py", "", "#!/usr/bin/env python3\nprint()\n"),
            ("jobscripts/slurm/yoda", "", "#!/bin/bash\n"),
            ("src/sys/CMakeLists.txt", "", "yoda_add_layer(sys)\n"),
        ]
        for path, licence, text in wrong:
            with self.subTest(path=path, licence=licence):
                self.plant(path, text, licence)
                self.expect(path, "the first line of a source says SPDX-License-Identifier: Apache-2.0")
                if path in CLEAN:
                    self.plant(path, CLEAN[path])
                else:
                    os.remove(os.path.join(self.root, path))

    def test_the_licence_stands_after_the_interpreter(self):
        self.plant("tests/batch/runs.py", f"#!/usr/bin/env python3\n# {rules.SPDX}Apache-2.0\nprint()\n", "")
        self.plant("cmake/layers.cmake", f"# {rules.SPDX}Apache-2.0\n", "")
        self.expect_none()

    def test_machine_paths_are_found(self):
        for line in [
            f"see {SLASH}home/me/yoda", f'auto path = "{SLASH}root/run";', f"cp x={SLASH}work/y", f"({SLASH}Users/me/z)"
        ]:
            for path in ["docs/operations.md", "src/sys/base/files.cpp", "config/site.cfg", ".ci/run"]:
                with self.subTest(line=line, path=path):
                    self.plant(path, CLEAN.get(path, "") + line + "\n")
                    self.expect(path, "absolute path")
                    if path in CLEAN:
                        self.plant(path, CLEAN[path])
                    else:
                        os.remove(os.path.join(self.root, path))

    def test_pages_that_are_named_exist(self):
        for line, text in [
            ("// see docs/nowhere.md", "docs/nowhere.md does not exist"),
            ("// see operations.md", "operations.md does not exist"),  # Only pages beside it need no folder.
            ("// docs/reference/panda.md §7", "docs/reference/panda.md has no section 7"),
            ("// docs/reference/panda.md §1, §1.3", "docs/reference/panda.md has no section 1.3"),
            ("// as docs/reference/panda.md\n// §7 says", "docs/reference/panda.md has no section 7"),
            ("// as §1 says", "say of which page"),
        ]:
            with self.subTest(line=line):
                self.plant("src/sys/base/files.cpp", CLEAN["src/sys/base/files.cpp"] + line + "\n")
                self.expect("src/sys/base/files.cpp", text)
        self.plant("src/sys/base/files.cpp", CLEAN["src/sys/base/files.cpp"] + "// a\n// docs/nowhere.md\n// b\n")
        self.assertEqual([finding.line for finding in check_tree.find_all(self.root)], [9])

    def test_pages_may_name_their_own_sections_and_pages_beside_them(self):
        self.add("docs/operations.md", "See reference/panda.md §1.2 and docs/reference/panda.md §1.")
        self.add("src/sys/base/files.cpp", "// docs/reference/panda.md\n// §1, §1.2; https://a.b/c/page.md; sums.md5 = 1")
        self.expect_none()
        self.add("docs/reference/panda.md", "See §9.")
        self.expect("docs/reference/panda.md", "has no section 9")

    def test_files_beside_the_repository_are_for_oracles_only(self):
        self.plant("tests/oracle/a_test.cpp", 'auto x = "../shared/data";\n')
        self.expect_none()
        self.plant("tests/unit/core/b_test.cpp", 'auto x = SOURCE "/../shared/data";\n')
        self.expect("tests/unit/core/b_test.cpp", "../shared")

    def test_skips_go_one_way(self):
        self.plant("tests/oracle/a_test.cpp", 'GTEST_SKIP() << "no file";\n')
        self.plant("tests/support/skip.hpp", "// Skips.\n#pragma once\n#define YODA_SKIP(why) GTEST_SKIP() << why\n")
        self.expect_none()
        self.plant("tests/unit/core/b_test.cpp", 'GTEST_SKIP() << "no root";\n')
        self.expect("tests/unit/core/b_test.cpp", "YODA_SKIP")
        os.remove(os.path.join(self.root, "tests/unit/core/b_test.cpp"))
        self.plant("tests/mpi/c.py", "sys.exit(77)\n")
        self.expect("tests/mpi/c.py", "skipping.py")

    def run_main(self, *arguments):
        with contextlib.redirect_stdout(io.StringIO()) as output:
            code = check_tree.main(list(arguments))
        return code, output.getvalue()

    def test_findings_decide_the_exit_code(self):
        self.assertEqual(self.run_main(self.root), (0, "0 findings\n"))
        self.add("src/sys/base/files.cpp", "#include <mpi.h>")
        code, output = self.run_main(self.root)
        self.assertEqual(code, 1)
        self.assertIn("src/sys/base/files.cpp:8: only src/sys/transport/mpi*", output)

    def test_another_folder_is_refused(self):
        code, _ = self.run_main(os.path.join(self.root, "src"))
        self.assertEqual(code, 1)

    def test_formatting_is_checked(self):
        if check_tree.find_clang_format() is None:
            check_tree.skipping.report("clang-format is not installed, so its check was not tried")
            return
        with open(os.path.join(self.root, ".clang-format"), "w", encoding="utf-8") as file:
            file.write("BasedOnStyle: Google\n")
        for path in CLEAN:
            if path.endswith((".cpp", ".hpp")):
                self.plant(path, "int x;\n")
        self.assertEqual(self.run_main(self.root, "--format")[0], 0)
        self.plant("src/sys/base/files.cpp", "int   x ;\n")
        code, output = self.run_main(self.root, "--format")
        self.assertEqual(code, 1)
        self.assertIn("src/sys/base/files.cpp:1: not formatted", output)


if __name__ == "__main__":
    unittest.main()
