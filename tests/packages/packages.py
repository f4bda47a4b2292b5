#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Installs what was built, elsewhere and as Debian packages, and uses it as a newcomer would.

    packages.py prefix|debian|recipes SOURCES BUILD
"""
import ast
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../support"))
from skipping import skip  # noqa: E402

EVENTS = 200
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")


def run(*words, cwd=None, env=None, check=True):
    done = subprocess.run(words, cwd=cwd, env=dict(ENVIRONMENT, **(env or {})), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, text=True)
    if check and done.returncode != 0:
        raise AssertionError("%s: %d\n%s" % (" ".join(words), done.returncode, done.stdout))
    return done.stdout


def main_job(prefix, folder):
    """The demo's main job with what lies in `prefix`: events, rank 0 and three Droids, merged output."""
    program = lambda name: os.path.join(prefix, "bin", name)
    payloads = os.path.join(prefix, "share/yoda/payloads")
    run(program("generate_events"), "--events", str(EVENTS), "--seed", "1", "--output", os.path.join(folder, "EVNT.lhe"))
    run(program("harvest"), "new", os.path.join(folder, "run"), "--input", os.path.join(folder, "EVNT.lhe"),
        "--events-per-range", "5", "--payload", os.path.join(payloads, "shower.cfg"))
    run("mpirun", "-n", "4", "--oversubscribe", "--bind-to", "none", program("yoda"), os.path.join(folder, "run"), "--quiet")
    said = run(program("harvest"), "merge", os.path.join(folder, "run"), "-o", os.path.join(folder, "jets.h5"))
    assert "%d events" % EVENTS in said and "every checksum verified" in said, said


def use_kit(prefix, sources, folder):
    """A payload built outside of the source tree, with CMake and with pkg-config, gives the same program."""
    project = os.path.join(folder, "mine")
    os.mkdir(project)
    shutil.copy(os.path.join(sources, "src/payload/examples/line_lengths.cpp"), project)
    with open(os.path.join(project, "CMakeLists.txt"), "w") as file:
        file.write("cmake_minimum_required(VERSION 3.16)\nproject(mine CXX)\nfind_package(yoda_payload 0.2 REQUIRED)\n"
                   "add_executable(line_lengths line_lengths.cpp)\ntarget_link_libraries(line_lengths yoda::payload)\n")
    run("cmake", "-G", "Ninja", "-S", project, "-B", project + "/build", "-DCMAKE_PREFIX_PATH=" + prefix)
    run("cmake", "--build", project + "/build")
    words = shlex.split(run("pkg-config", "--cflags", "--libs", "yoda_payload",  # it escapes blanks in the prefix
                            env={"PKG_CONFIG_PATH": os.path.join(prefix, "lib/pkgconfig")}))
    run("c++", "-std=c++20", "line_lengths.cpp", "-o", "by_pkg_config", *words, cwd=project)
    text = os.path.join(folder, "in.txt")
    with open(text, "w") as file:
        file.writelines("line %d\n" % n for n in range(100))
    for program in (project + "/build/line_lengths", project + "/by_pkg_config"):
        config = os.path.join(folder, "mine.cfg")
        with open(config, "w") as file:
            file.write("name = mine\nchannel = worker\nexecutable = %s\nargument = {input}\noutput = opaque\n" % program)
        made = os.path.join(folder, os.path.basename(program))
        run(os.path.join(prefix, "bin/harvest"), "new", made, "--input", text, "--events-per-range", "10", "--events", "100",
            "--payload", config)
        run(os.path.join(prefix, "bin/yoda"), made, "--quiet")
    modules = glob.glob(os.path.join(prefix, "lib/python3*/*-packages"))
    assert modules, "there is no folder of Python modules"
    run("/usr/bin/python3", "-c", "import yoda_payload; yoda_payload.Kit", env={"PYTHONPATH": modules[0]})


def test_prefix(sources, build, folder):
    first, prefix = os.path.join(folder, "first"), os.path.join(folder, "second place")
    run("cmake", "--install", build, "--prefix", first, "--strip")
    os.rename(first, prefix)  # nothing may remember where it was installed
    sizes = {name: os.path.getsize(os.path.join(prefix, "bin", name)) for name in ("yoda", "harvest")}
    assert all(size < 10_000_000 for size in sizes.values()), sizes
    main_job(prefix, folder)
    use_kit(prefix, sources, folder)
    # The job scripts are found beside the programs, wherever these are.
    said = run(os.path.join(prefix, "bin/harvest"), "submit", os.path.join(folder, "run"), "--batch", "slurm", "--dry-run", check=False)
    assert "no run_yoda.sh" not in said, said
    for name in ("share/yoda/jobscripts/run_yoda.sh", "share/yoda/sites/generic.cfg", "share/yoda/yoda.cfg"):
        assert os.path.exists(os.path.join(prefix, name)), name
    print("installed: %s" % sizes)


def test_debian(sources, build, folder):
    if os.geteuid() != 0 or os.environ.get("CI") != "true":
        skip("packages are installed on this machine only by root with CI=true")
    run("cpack", "-G", "DEB", "-B", folder, cwd=build)
    packages = sorted(glob.glob(folder + "/*.deb"))
    names = {os.path.basename(path).split("_")[0] for path in packages}
    assert names == {"yoda", "yoda-dev", "python3-yoda-event-service", "yoda-payloads"}, packages
    there = run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *names, check=False)
    assert not any(line.endswith(("ii ", "rc ")) for line in there.splitlines()), "some are installed already, and this test removes them at its end: " + there
    kept = ("licences/LICENSE", "licences/NOTICE", "licences/GPL-3.0-or-later.txt", "licences/MIT.txt", "copyright")
    try:
        run("dpkg", "-i", *packages)
        for name in names:
            for file in kept:
                assert os.path.getsize("/usr/share/doc/%s/%s" % (name, file)) > 0, (name, file)
        main_job("/usr", folder)
        use_kit("/usr", sources, folder)
        print(run("/usr/bin/yoda", "--version").strip())
    finally:
        said = run("dpkg", "-P", *names, check=False)
    left = [path for pattern in ("bin/yoda", "bin/harvest", "bin/jets", "lib/yoda", "share/yoda", "share/doc/*yoda*", "include/payload")
            for path in glob.glob("/usr/" + pattern)]
    assert not left, (left, said)
    left = run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *names, check=False)
    assert not any(line.endswith(("ii ", "rc ")) for line in left.splitlines()), (left, said)


def test_recipes(sources, build, folder):
    """What cannot be run here is at least well-formed, and names things that exist."""
    del build
    with open(os.path.join(sources, "CMakeLists.txt")) as file:
        options = set(re.findall(r"^option\((\w+)", file.read(), re.MULTILINE))
    with open(os.path.join(sources, "packaging/spack/package.py")) as file:
        recipe = file.read()
    ast.parse(recipe)
    named = set(re.findall(r"YODA_\w+", recipe))
    assert named and named <= options, named - options

    with open(os.path.join(sources, "packaging/apptainer/yoda.def")) as file:
        text = file.read()
    script = text.split("%post\n")[1].split("\n%")[0]
    run("bash", "-n", "-c", script)
    assert text.startswith("#") and "Bootstrap:" in text and "%runscript" in text
    # Its commands as they stand: which packages they ask for, and that CMake takes their options.
    line = lambda word: next(line.strip() for line in script.splitlines() if line.strip().startswith(word))
    asked = run("bash", "-c", line("apt-get install").replace("apt-get install", "echo", 1), cwd=sources).split()
    packages = [word for word in asked if not word.startswith("-")]
    assert {"g++", "libhdf5-dev", "libopenmpi-dev", "zlib1g-dev"} <= set(packages) and "libgtest-dev" not in packages, packages
    listed = subprocess.run(["bash", "-c", "git ls-files -z | xargs -0 cp --parents -t " + shlex.quote(folder)], cwd=sources)
    assert listed.returncode == 0
    run("bash", "-c", line("cmake --preset"), cwd=folder)
    # A compute node's build: all that can be left out is, and no package is made of it.
    less = ["-D%s=OFF" % name for name in sorted(options) if name != "YODA_WERROR"]
    run("cmake", "--preset", "release", "-B", "less", *less, cwd=folder)
    with open(os.path.join(folder, "less/CPackConfig.cmake")) as file:
        components = re.search(r'CPACK_COMPONENTS_ALL "([^"]*)"', file.read()).group(1)
    assert components == "yoda;yoda-dev;python3-yoda-event-service", components
    with open(os.path.join(sources, "packaging/module/yoda.lua")) as file:
        module = file.read()
    assert module.count("(") == module.count(")")


def main():
    part, sources, build = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="yoda-packages-") as folder:
        globals()["test_" + part](sources, build, folder)


if __name__ == "__main__":
    main()
