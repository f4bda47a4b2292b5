# SPDX-License-Identifier: Apache-2.0
# A Spack recipe: copy this file to REPO/packages/yoda-event-service/package.py of a Spack repository of your own.
# Not run here: its syntax is checked by a test, and the names of the dependencies are those of Spack's builtin repository.
from spack.package import *


class YodaEventService(CMakePackage):
    """Event Service for supercomputers: event ranges of PanDA or your own, processed by one MPI job."""

    git = "file:///path/to/yoda"  # the repository that you use

    version("main", branch="main")

    variant("xrootd", default=False, description="Stores behind root:// URLs")
    variant("payloads", default=False, description="Sample payload jets (its binary is GPL-3.0-or-later)")

    license("Apache-2.0")

    depends_on("c", type="build")
    depends_on("cxx", type="build")
    depends_on("fortran", type="build", when="+payloads")
    depends_on("cmake@3.23:", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi")
    depends_on("hdf5~mpi")
    depends_on("boost+program_options")
    depends_on("fmt")
    depends_on("spdlog+fmt_external")
    depends_on("nlohmann-json")
    depends_on("hwloc")
    depends_on("libarchive")
    depends_on("libzmq")
    depends_on("curl")
    depends_on("openssl")
    depends_on("zlib-api")
    depends_on("xrootd", when="+xrootd")
    depends_on("fastjet", when="+payloads")

    conflicts("%gcc@:11", msg="C++20 as g++ 12 or clang 14 take it is needed")

    def cmake_args(self):
        return [
            self.define("YODA_TESTS", False),
            self.define("YODA_BENCH", False),
            self.define_from_variant("YODA_XROOTD", "xrootd"),
            self.define_from_variant("YODA_PAYLOADS", "payloads"),
        ]
