"""The compiled part of zarrc: a table of kernels and how they are built.

Environment
-----------
ZARRC_DEBUG=1
    Bounds checks, assertions and debug symbols; little optimisation.
ZARRC_SANITIZE=address,undefined
    Build with these sanitizers (implies debug symbols); a finding ends the process.
ZARRC_SYSTEM_LIBS=1
    Link the system's blosc, zstd, lz4 and zlib, found by pkg-config, instead
    of the static archive that the `blosc` wheel installs.
"""

import glob
import os
import shlex
import subprocess
import sys
from importlib.metadata import files

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup

DEBUG = os.environ.get("ZARRC_DEBUG") == "1"
SANITIZE = os.environ.get("ZARRC_SANITIZE", "")
SYSTEM_LIBS = os.environ.get("ZARRC_SYSTEM_LIBS") == "1"
JOBS = os.cpu_count() or 1

VARIANT = ["debug" if DEBUG else "release", "system" if SYSTEM_LIBS else "", *SANITIZE.split(",")]
BUILD = os.path.join("build", "-".join(filter(None, VARIANT)))

# kernel: the library of the archive that it calls, as pkg-config names it
KERNELS = {
    "codec": None,
    "pool": None,
    "copying": None,
    "projection": None,
    "files": None,
    "cache": None,
    "chain": None,
    "block": None,
    "ranges": None,
    "sharding": None,
    "tasks": None,
    "cached": None,
    "shard_tasks": None,
    "pinned": None,
    "pipeline": None,
    "streaming": None,
    "filters": None,
    "objects": None,
    "checksums": None,
    "blosc": "blosc",
    "zstd": "libzstd",
    "lz4": "liblz4",
    "deflate": "zlib",
}

# kernels that use NumPy's C interface; the others see plain memory
NUMPY_KERNELS = {"objects", "pipeline", "streaming"}

DIRECTIVES = {
    "language_level": "3",
    "freethreading_compatible": True,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "nonecheck": DEBUG,
    "embedsignature": True,
    "embedsignature.format": "python",
    "binding": False,
}


def common_options():
    """Compiler and linker flags that every kernel gets."""
    compile_args = ["-std=c++17", "-fvisibility=hidden", "-Wall", "-Wno-unused-function"]
    if DEBUG or SANITIZE:
        compile_args += ["-O1", "-g", "-UNDEBUG", "-D_GLIBCXX_ASSERTIONS"]
    else:
        compile_args += ["-O3", "-g0"]
    link_args = []
    if SANITIZE:
        compile_args += [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]
        link_args += [f"-fsanitize={SANITIZE}"]
    return {
        "extra_compile_args": compile_args,
        "extra_link_args": link_args,
        "include_dirs": ["zarrc/kernels"],
        "depends": glob.glob("zarrc/kernels/*.hpp"),
    }


def archive():
    """Return the paths of `libblosc.a` and of the folder of `blosc.h` in the blosc wheel."""
    wanted = ("libblosc.a", "blosc.h")
    found = {path.name: path.locate() for path in files("blosc") or () if path.name in wanted}
    if len(found) != 2:
        sys.exit(
            "zarrc is built with the package blosc, whose wheel installs libblosc.a and blosc.h: "
            "'pip install .' gets it; without isolation, 'pip install blosc' first, "
            "or set ZARRC_SYSTEM_LIBS=1 to use the system's libraries"
        )
    return os.path.abspath(found["libblosc.a"]), os.path.dirname(os.path.abspath(found["blosc.h"]))


def pkg_config(flag, library):
    return shlex.split(subprocess.check_output(["pkg-config", flag, library], text=True))


def link(options, library):
    """Add what `library` needs to the options of one kernel."""
    if SYSTEM_LIBS:
        options["extra_compile_args"] += pkg_config("--cflags", library)
        options["extra_link_args"] += pkg_config("--libs", library)
        return
    library_path, include = archive()
    options["include_dirs"] += [include]
    options["extra_objects"] = [library_path]
    options["depends"] += [library_path]
    if sys.platform.startswith("linux"):
        options["extra_link_args"] += ["-Wl,--exclude-libs,ALL"]
    options["extra_link_args"] += ["-lpthread"]


def extension(kernel, library):
    options = common_options()
    if kernel in NUMPY_KERNELS:
        options["include_dirs"].append(np.get_include())
        options["define_macros"] = [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
    if library is not None:
        link(options, library)
    return Extension(f"zarrc.kernels.{kernel}", [f"zarrc/kernels/{kernel}.pyx"], language="c++", **options)


def extensions():
    present = {k: v for k, v in KERNELS.items() if os.path.exists(f"zarrc/kernels/{k}.pyx")}
    return cythonize(
        [extension(*item) for item in present.items()],
        compiler_directives=DIRECTIVES,
        build_dir=os.path.join(BUILD, "cython"),
        emit_linenums=DEBUG,
        nthreads=JOBS,
    )


# Cython's helper processes may import this file again where processes are spawned.
if __name__ == "__main__":
    setup(
        ext_modules=extensions(),
        options={"build": {"build_base": BUILD}, "build_ext": {"parallel": JOBS}},
    )
