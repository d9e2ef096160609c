#!/usr/bin/env python3
"""Runs the benchmark short for one mode: it must count right, and notice a message that is missing.
Of the times that it measures nothing is asked."""

import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
# pylint: disable=wrong-import-position
import machine
import messages
import modes


class LossyProxy:
    """Counts one message less than was sent."""

    label = "lossy"

    def __init__(self):
        self.counts = iter([0] + [2] * 5000)

    def counted(self):
        return next(self.counts)


def loss_is_noticed():
    try:
        modes.counted(LossyProxy(), 3, lambda: None, patience=0.1)
    except machine.Failure as failure:
        return "of 3 messages 2 arrived" in str(failure)
    return False


def messages_have_their_size():
    sizes = {size: len(messages.nested(size).replace("\n", "\r\n")) for size in (4096, 1 << 20)}
    return all(abs(got - size) < size / 20 for size, got in sizes.items())


def quick_run(build, folder):
    command = [f"{HERE}/run", "--quick", "--repeats", "1", "--mode", "reused", "--chain", "empty",
               "--build", build, "--out", folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        print("\n".join("# " + line for line in (done.stdout + done.stderr).split("\n")))
        return False
    with open(f"{folder}/results.json", encoding="utf-8") as file:
        rows = json.load(file)["rows"]
    with open(f"{folder}/ratios.svg", encoding="utf-8") as file:
        picture = file.read()
    return ([row["label"] for row in rows] == ["haproxy", "empty"] and picture.startswith("<svg")
            and all(row["figure"]["median"] > 0 for row in rows))


def main():
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    folder = tempfile.mkdtemp(prefix="mailweir-bench-test-")
    lacking = [name for name in ("haproxy", "smtp-sink", "openssl") if not shutil.which(name)]
    print("1..3")
    try:
        report(1, "messages have their size", messages_have_their_size())
        report(2, "a loss is noticed", loss_is_noticed())
        if lacking:
            print("ok 3 - a quick run counts # SKIP not installed: " + ", ".join(lacking))
        else:
            report(3, "a quick run counts", quick_run(os.path.abspath(sys.argv[1]), folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def report(number, name, fine):
    print(f"{'ok' if fine else 'not ok'} {number} - {name}", flush=True)


main()
