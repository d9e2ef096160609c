#!/usr/bin/env python3
"""Installs into a folder, then builds the examples as anybody would: with the installed header and
library, by pkg-config, as C and as C++; and looks at what the library exports.

    test-install.py BUILD SOURCE [FLAG of the compilers...]"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from installed import check, exports, install, run  # the folder has to be named first

EXAMPLES = ("relay", "save-to-maildir", "access-list")
LINES = 60
COMPILERS = (("c", ["gcc", "-std=gnu11"]), ("c++", ["g++", "-x", "c++", "-std=c++17"]))
def pkg_config(folder, destination):
    environment = dict(os.environ, PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1", PKG_CONFIG_ALLOW_SYSTEM_LIBS="1",
                       PKG_CONFIG_PATH=str(folder))
    version = run("pkg-config", "--modversion", "libmailweir", env=environment).stdout
    flags = run("pkg-config", "--cflags", "--libs", "libmailweir", env=environment).stdout.split()
    check(version != "" and sum(destination in flag for flag in flags) == 2, "pkg-config")
    return flags


def build_examples(source, destination, flags, sanitizers):
    libraries = str(next(pathlib.Path(destination).rglob("libmailweir.so")).parent)
    environment = dict(os.environ, LD_LIBRARY_PATH=libraries)
    for name in EXAMPLES:
        path = f"{source}/examples/{name}.c"
        with open(path, encoding="utf-8") as file:
            check(len(file.readlines()) <= LINES, f"{name}.c has at most {LINES} lines")
        for language, compiler in COMPILERS:
            program = f"{destination}/{name}-{language}"
            built = run(*compiler, "-Wall", *sanitizers, path, "-o", program, *flags)
            ran = subprocess.run([program], env=environment, capture_output=True, text=True,
                                 check=False) if built.returncode == 0 else None
            check(ran is not None and ran.returncode == 1 and "usage" in ran.stderr,
                  f"{name} as {language}")


def main():
    build, source, *sanitizers = sys.argv[1:]
    print("1..13")
    if shutil.which("g++") is None or shutil.which("gcc") is None:
        print("Bail out! gcc and g++ are needed")
        sys.exit(1)
    with tempfile.TemporaryDirectory() as destination:
        folder = install(build, destination, "devel,libmailweir", ["libmailweir.pc"])
        flags = pkg_config(folder, destination)
        build_examples(source, destination, flags, sanitizers)
        exports(destination, "libmailweir.so", "weir_server_new")


main()
