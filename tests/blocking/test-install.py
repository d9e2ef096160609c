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

EXAMPLES = ("relay", "save-to-maildir", "access-list")
LINES = 60
COMPILERS = (("c", ["gcc", "-std=gnu11"]), ("c++", ["g++", "-x", "c++", "-std=c++17"]))
count = 0


def check(good, what):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {what}", flush=True)


def run(*command, **more):
    result = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if result.returncode != 0:
        print("#", " ".join(command))
        for line in (result.stdout + result.stderr).splitlines():
            print("#", line)
    return result


def install(build, destination):
    result = run("meson", "install", "-C", build, "--no-rebuild", "--destdir", destination,
                 "--tags", "devel,libmailweir")
    found = list(pathlib.Path(destination).rglob("libmailweir.pc"))
    check(result.returncode == 0 and len(found) == 1, "install")
    return found[0]


def pkg_config(file, destination):
    """The flags, with the two folders where they really are: DESTDIR is in no .pc file."""
    environment = dict(os.environ, PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1", PKG_CONFIG_ALLOW_SYSTEM_LIBS="1",
                       PKG_CONFIG_PATH=str(file.parent))

    def ask(*words):
        return run("pkg-config", *words, "libmailweir", env=environment).stdout.split()

    folders = {f"-{letter}{ask('--variable=' + name)[0]}" for letter, name
               in (("I", "includedir"), ("L", "libdir"))}
    flags = [word[:2] + destination + word[2:] if word in folders else word
             for word in ask("--cflags", "--libs")]
    check(ask("--modversion") != [] and sum(destination in flag for flag in flags) == 2, "pkg-config")
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


def exports(destination):
    library = str(next(pathlib.Path(destination).rglob("libmailweir.so")))
    words = run("nm", "-D", "--defined-only", library).stdout.split()
    names = [word for word in words if len(word) > 1 and not word.isalnum()]
    check("weir_server_new" in names, "the library exports its functions")
    check(all(name.startswith("weir_") for name in names), "and nothing else")


def main():
    build, source, *sanitizers = sys.argv[1:]
    print("1..13")
    if shutil.which("g++") is None or shutil.which("gcc") is None:
        print("Bail out! gcc and g++ are needed")
        sys.exit(1)
    with tempfile.TemporaryDirectory() as destination:
        file = install(build, destination)
        flags = pkg_config(file, destination)
        build_examples(source, destination, flags, sanitizers)
        exports(destination)


main()
