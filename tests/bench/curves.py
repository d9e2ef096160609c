"""How cost grows with the work, and what is left of the rate under overload.

A curve is a list of points; at each the figure of every subject is taken `repeats` times, the points
one after the other in each turn."""

import contextlib
import subprocess
import time
from dataclasses import dataclass
from statistics import median
from typing import Callable

import machine
import messages
import modes
from machine import Failure
from proxies import CHAINS, HAProxy, Mailweir, Postfix

LIMITS = ("message-size = 200M limits { header-fields = 20000 header-block = 4M parts = 20000 "
          "depth = 1000 }")
HEADERS, ATTACHMENTS = CHAINS["headers"], CHAINS["attachments"]


@dataclass
class Curve:
    title: str
    unit: str
    points: list
    quick: list         # the points of a quick run
    subjects: Callable  # (bench, point) -> constructors by name; one that can not is left out
    figure: Callable    # (bench, proxy, point) -> a number


def send(bench, proxy, text, count, sessions=20, name="point"):
    path = modes.message_file(bench, text, name)
    count = max(sessions, count // 8) if bench.quick else count
    return modes.cost(proxy, count, lambda: modes.source(proxy, path, sessions, count, True))


def warmed(bench, proxy, text, count, sessions=20):
    send(bench, proxy, text, min(count, 200), sessions)
    return send(bench, proxy, text, count, sessions)


def weir(bench, chain, settings=LIMITS, name="mailweir"):
    return lambda: Mailweir(bench, name, chain, settings)


def both_chains(bench, point):
    return {"headers": weir(bench, HEADERS), "attachments": weir(bench, ATTACHMENTS)}


def only_attachments(bench, point):
    return {"attachments": weir(bench, ATTACHMENTS)}


# ---- idle sessions ----

@contextlib.contextmanager
def idle_clients(proxy, count):
    """Holds them while the block runs; none of them may be lost."""
    if count == 0:
        yield
        return
    with subprocess.Popen(modes.load_argv(proxy, "--sessions", count, "--idle"), text=True,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
        if clients.stdout.readline() != f"ready {count}\n":
            raise Failure(f"{proxy.label}: not all of {count} idle clients were let in")
        yield
        if clients.communicate()[0] != f"alive {count}\n":
            raise Failure(f"{proxy.label}: not all of {count} idle clients stayed")


def beside_idle(bench, proxy, point):
    with idle_clients(proxy, point):
        return warmed(bench, proxy, messages.nested(4096), 10000, 50)


def idle_subjects(bench, point):
    found = {"empty": weir(bench, [])}
    if point < machine.descriptors() // 2 - 200:    # it needs two a client
        found["haproxy"] = lambda: HAProxy(bench)
    return found


# ---- size ----

def by_size(bench, proxy, point):
    """Microseconds a message; about 100 MB altogether, within bounds."""
    count = int(min(2000, max(4, 100 * 2**20 // point)))
    return warmed(bench, proxy, messages.nested(point), count, min(8, count))


def memory_by_size(bench, proxy, point):
    """MiB of PSS, at the highest, with four messages in flight."""
    mode = modes.Mode("memory-by-size", "", "MiB", modes.memory, {"sessions": 4, "size": point})
    return modes.memory(bench, mode, proxy)


def size_subjects(bench, point):
    return {"empty": weir(bench, []), "attachments": weir(bench, ATTACHMENTS)}


# ---- overload ----

def overload_subjects(bench, point):
    bench.postfix_processes = 100
    limits = "connections = 100 connections-per-client = 0"
    return {
        "empty": lambda: Mailweir(bench, "mailweir", [], listener=limits),
        "attachments": lambda: Mailweir(bench, "mailweir", ATTACHMENTS, listener=limits),
        "postfix": lambda: Postfix(bench),
    }


def accepted_rate(bench, proxy, point):
    """Messages a second that are accepted and counted while so many clients push."""
    seconds = 2 if bench.quick else 5
    path = modes.message_file(bench, messages.nested(4096), "nested")
    send(bench, proxy, messages.nested(4096), 200, 20)
    before = proxy.counted()
    result = modes.load(proxy, "--sessions", point, "--seconds", seconds, "--message", path)
    time.sleep(0.5)
    if proxy.counted() - before != result["accepted"]:
        raise Failure(f"{proxy.label}: {result['accepted']:.0f} accepted, "
                      f"{proxy.counted() - before} arrived")
    bench.detail("overload", f"{proxy.label} {point}", result)
    return result["accepted"] / result["seconds"]


CURVES = {
    "idle-cost": Curve("4 KB beside idle sessions, by their number", "µs a message",
                       [0, 1000, 9500], [0, 1000], idle_subjects, beside_idle),
    "filters": Curve("4 KB, by the number of `headers` filters in the chain", "µs a message",
                     [0, 1, 2, 5, 10, 20], [0, 1, 10],
                     lambda bench, point: {"headers": weir(bench, HEADERS * point)},
                     lambda bench, proxy, point: warmed(bench, proxy, messages.nested(4096), 4000)),
    "headers-count": Curve("a message by the number of its header fields", "µs a message",
                           [1, 10, 100, 1000, 10000], [1, 100, 1000], both_chains,
                           lambda bench, proxy, point: warmed(bench, proxy, messages.headers(point),
                                                              2000 if point < 1000 else 400)),
    "parts": Curve("a message by the number of its MIME parts", "µs a message",
                   [1, 10, 100, 1000, 10000], [1, 100, 1000], only_attachments,
                   lambda bench, proxy, point: warmed(bench, proxy, messages.parts(point),
                                                      2000 if point < 1000 else 100)),
    "nesting": Curve("a message by the depth of its MIME parts", "µs a message",
                     [1, 10, 100, 300, 990], [1, 50], only_attachments,
                     lambda bench, proxy, point: warmed(bench, proxy, messages.nesting(point), 1000)),
    "size": Curve("a message by its size in octets", "µs a message",
                  [1 << 10, 10 << 10, 100 << 10, 1 << 20, 10 << 20, 100 << 20],
                  [1 << 10, 1 << 20], size_subjects, by_size),
    "size-memory": Curve("peak PSS with four messages in flight, by their size", "MiB",
                         [1 << 20, 10 << 20, 100 << 20], [1 << 20], size_subjects, memory_by_size),
    "threads": Curve("4 KB, 50 sessions, by the number of event loops", "µs a message", [1, 2], [1, 2],
                     lambda bench, point: {"empty": weir(bench, [], f"threads = {point}")},
                     lambda bench, proxy, point: warmed(bench, proxy, messages.nested(4096), 10000, 50)),
    "overload": Curve("accepted messages by the number of clients that push, 100 are let in",
                      "messages a second", [25, 50, 100, 200, 400], [50, 200], overload_subjects,
                      accepted_rate),
}


def take(bench, name, curve, point, results):
    for label, make in curve.subjects(bench, point).items():
        proxy = make()
        try:
            value = curve.figure(bench, proxy, point)
        finally:
            proxy.stop()
        results.setdefault(label, {}).setdefault(point, []).append(value)
        bench.say(f"  {name} {point} {label}: {value:.1f} {curve.unit}")


def measure(bench, name):
    """Figures by subject and point."""
    curve, results = CURVES[name], {}
    for _ in range(bench.repeats):
        for point in curve.quick if bench.quick else curve.points:
            take(bench, name, curve, point, results)
    return {"name": name, "title": curve.title, "unit": curve.unit, "figures": results}


def table(result):
    lines = [f"{result['name']}: {result['title']} ({result['unit']}: median, min to max)"]
    points = sorted({point for values in result["figures"].values() for point in values})
    for point in points:
        cells = []
        for label, values in result["figures"].items():
            if point in values:
                low, high = min(values[point]), max(values[point])
                cells.append(f"{label} {median(values[point]):,.1f} ({low:,.1f} to {high:,.1f})")
        lines.append(f"  {point:>11,}  " + "   ".join(cells))
    return "\n".join([*lines, *summary(result, points)]) + "\n"


def summary(result, points):
    """What the curve is to show: the rate that is left at the end, or how cost grows there."""
    for label, values in result["figures"].items():
        taken = [point for point in points if point in values]
        if result["name"] == "overload":
            kept = [values[taken[-1]][turn] / max(values[point][turn] for point in taken)
                    for turn in range(len(values[taken[-1]]))]
            yield (f"  {label}: {100 * median(kept):.0f} % of the best rate is left with "
                   f"{taken[-1]} clients ({100 * min(kept):.0f} to {100 * max(kept):.0f})")
        elif len(taken) > 1 and taken[-2] > 0:
            work, cost = taken[-1] / taken[-2], median(values[taken[-1]]) / median(values[taken[-2]])
            yield f"  {label}: {work:.1f} times the work costs {cost:.1f} times as much at the end"
