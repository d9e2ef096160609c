#!/usr/bin/env python3
"""Installs into a folder, then builds the example filter as its authors would: by its own meson.build,
against the installed headers and library alone. Runs its test, and loads it with the installed
programs, which refuse one that was built for another version of the interface.

    test-install-filter.py BUILD EXAMPLE SANITIZERS"""

import os
import pathlib
import re
import shutil
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from installed import check, exports, install, run  # the folder has to be named first

CONFIG = """hostname = "mx.example.org"
module-directory = "{folder}"
filter "quiet" {{ module = "no-noise" }}
route "r" {{ to = ["discard:"] }}
listener "mx" {{ bind = ["127.0.0.1:2525"]  filters = ["quiet"]  routes = ["r"] }}
"""
NOISY = "From: a@example.org\r\nX-Noise: yes\r\n\r\nHello\r\n"
QUIET = "From: a@example.org\r\nTo: b@example.net\r\n\r\nHello\r\n"


def build_example(example, root, sanitizers, environment):
    """A copy, so that nothing of the tree is beside it. The folder that it is built in."""
    source = f"{root}/example"
    shutil.copytree(example, source)
    # The example says nothing of sanitizers, and a library with them needs a program with them.
    setup = run("meson", "setup", f"{source}/build", source, "--prefix", f"{root}/own",
                f"-Db_sanitize={sanitizers}", "-Db_lundef=false", "-Dwerror=true",
                env=environment)
    built = run("ninja", "-C", f"{source}/build", env=environment)
    check(setup.returncode == 0 and built.returncode == 0, "the example builds against the installed "
          "headers")
    tested = run("meson", "test", "-C", f"{source}/build", "--no-rebuild", "--print-errorlogs",
                 env=environment)
    check(tested.returncode == 0 and re.search(r"^Ok: +1 *$", tested.stdout, re.M), "its test runs")
    return f"{source}/build"


def installs_into_moduledir(build, environment):
    moduledir = run("pkg-config", "--variable=moduledir", "mailweir-filter",
                    env=environment).stdout.strip()
    result = run("meson", "install", "-C", build, "--no-rebuild", "--quiet", env=environment)
    check(result.returncode == 0 and pathlib.Path(moduledir, "no-noise.so").exists()
          and pathlib.Path(moduledir, "headers.so").exists(), "it is installed beside our modules")


def uses_it(mailweir, root, folder, environment):
    config = pathlib.Path(root, "mailweir.conf")
    config.write_text(CONFIG.format(folder=folder), encoding="utf-8")
    checked = run(mailweir, "check", "-c", config, env=environment)
    check(checked.returncode == 0, "mailweir check loads it")
    for text, status, what in ((NOISY, 1, "550 5.7.1 No noise, please"), (QUIET, 0, "fields=2")):
        message = pathlib.Path(root, "message.eml")
        message.write_text(text, encoding="utf-8", newline="")
        tried = run(mailweir, "try", "-c", config, "--from", "a@example.org", "--to",
                    "b@example.net", message, env=environment)
        check(tried.returncode == status and what in tried.stdout
              and "runtime error" not in tried.stderr, f"mailweir try: {what}")
    return config


def refuses_another_abi(mailweir, config, source, build, environment):
    path = pathlib.Path(source, "no-noise.c")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("  WEIR_FILTER_HEADER,", "  .abi = 99, .size = sizeof (WeirFilter),"),
                    encoding="utf-8")
    built = run("ninja", "-C", build, env=environment)
    checked = run(mailweir, "check", "-c", config, env=environment)
    check(built.returncode == 0 and checked.returncode == 78 and "no-noise.so" in checked.stderr
          and "99" in checked.stderr, "another version of the interface is refused by name")
    tested = run("meson", "test", "-C", build, "--no-rebuild", "--print-errorlogs", env=environment)
    check(tested.returncode != 0 and "99" in tested.stdout, "and by the harness")


def main():
    build, example, sanitizers = sys.argv[1:]
    print("1..11")
    with tempfile.TemporaryDirectory() as root:
        pc_folder = install(build, root, "devel,runtime,libmailweir-test",
                            ["mailweir-filter.pc", "libmailweir-test.pc"])
        exports(root, "libmailweir-test.so", "weir_test_run")
        library = next(pathlib.Path(root).rglob("libmailweir-test.so")).parent
        environment = dict(os.environ, PKG_CONFIG_PATH=str(pc_folder), LD_LIBRARY_PATH=str(library))
        mailweir = str(next(path for path in pathlib.Path(root).rglob("mailweir")
                            if path.is_file() and path.parent.name == "bin"))
        folder = build_example(example, root, sanitizers, environment)
        installs_into_moduledir(folder, environment)
        config = uses_it(mailweir, root, folder, environment)
        refuses_another_abi(mailweir, config, f"{root}/example", folder, environment)


main()
