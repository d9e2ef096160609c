#!/usr/bin/env python3
"""The last line of tools/test tells the truth: passes, failures, skips with their reasons, programs
that died behind their last good case, and a run of nothing, which is a failure."""

import json
import os
import subprocess
import sys
import tempfile

SUMMARY = sys.argv[1]


def record(name, result, stdout="", stderr=""):
    return {"name": name, "result": result, "stdout": stdout, "stderr": stderr}


# name, records (None: no log at all), the end of the output, exit code.
CASES = (
    ("tap", [record("a", "OK", "TAP version 13\n# random\nok 1 /a/x\nok 2 /a/y\n1..2\n")],
     "2 passed, 0 failed\n", 0),
    ("program", [record("a", "OK", "all fine\n"), record("b", "OK")], "2 passed, 0 failed\n", 0),
    ("failed-case", [record("a", "FAIL", "ok 1 /x\nnot ok 2 /y\nok 3 /z\n")],
     "failed: a: /y\n2 passed, 1 failed\n", 1),
    ("crash", [record("a", "ERROR", "ok 1 /x\n")], "failed: a\n1 passed, 1 failed\n", 1),
    ("timeout", [record("a", "TIMEOUT")], "failed: a\n0 passed, 1 failed\n", 1),
    ("failed-program", [record("a", "FAIL", "no\n"), record("b", "OK")],
     "failed: a\n1 passed, 1 failed\n", 1),
    ("skipped-case", [record("a", "OK", "ok 1 /x\nok 2 /y # SKIP no swaks\n")],
     "skipped: a: /y: no swaks\n1 passed, 0 failed, 1 skipped\n", 0),
    ("skipped-program", [record("a", "SKIP", "clang is missing\n"), record("b", "OK")],
     "skipped: a: clang is missing\n1 passed, 0 failed, 1 skipped\n", 0),
    ("only-skipped", [record("a", "SKIP", "", "no root\n")],
     "skipped: a: no root\n0 passed, 0 failed, 1 skipped\n", 1),
    ("nothing", [], "0 passed, 0 failed\n", 1),
    ("no-log", None, "0 passed, 0 failed\n", 1),
)


def summarize(records):
    with tempfile.TemporaryDirectory(prefix="mailweir-summary-") as folder:
        if records is not None:
            os.mkdir(os.path.join(folder, "meson-logs"))
            with open(os.path.join(folder, "meson-logs", "testlog.json"), "w",
                      encoding="utf-8") as file:
                file.writelines(json.dumps(one) + "\n" for one in records)
        return subprocess.run([sys.executable, SUMMARY, folder], capture_output=True, text=True,
                              check=False)


def main():
    print(f"1..{len(CASES)}")
    failed = False
    for number, (name, records, output, code) in enumerate(CASES, 1):
        result = summarize(records)
        good = result.stdout == output and result.returncode == code
        failed = failed or not good
        print(f"{'ok' if good else 'not ok'} {number} {name}")
        if not good:
            print(f"# said {result.returncode}: {result.stdout!r} {result.stderr!r}")
    sys.exit(1 if failed else 0)


main()
