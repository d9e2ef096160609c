"""The rows of the table: what is sent, what is measured, who takes part, and what has to be reached."""

import re
import subprocess
import time
from dataclasses import dataclass, field
from typing import Callable

import machine
import messages
from machine import Failure, HOST
from proxies import BareTls, CHAINS, HAProxy, Mailweir, Postfix, Proxy

PEERS = {"haproxy": HAProxy, "postfix": Postfix}


@dataclass
class Mode:
    name: str
    title: str
    unit: str
    measure: Callable           # (bench, mode, proxy) -> a figure
    sent: dict = field(default_factory=dict)    # what `measure` is told
    goals: dict = field(default_factory=dict)   # by label: a ratio, or a figure where `absolute`
    absolute: bool = False
    base: type = HAProxy        # whom the ratios are taken to
    tls: bool = False
    fresh: bool = False         # a new proxy for each repeat
    warm: bool = True
    chains: tuple = ("empty", "headers", "attachments")


def run(argv, seconds=600, **options):
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds, check=False, **options)
    if done.returncode != 0 or "fatal" in done.stderr or "warning" in done.stderr:
        raise Failure(f"{argv[0]} failed: {(done.stderr + done.stdout).strip()[-500:]}")
    return done.stdout


def message_file(bench, text, name):
    path = f"{bench.folder}/{name}.eml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def source(proxy, path, sessions, count, reuse):
    run(["smtp-source", *(["-d"] if reuse else []), "-s", str(sessions), "-m", str(count), "-F", path,
         "-f", "a@load.test", "-t", "b@load.test", f"{HOST}:{proxy.port}"])


def load_argv(proxy, *options):
    return [proxy.bench.load, "clients", "--port", str(proxy.port), *map(str, options)]


def figures(text):
    return {name: float(value) for name, value in re.findall(r"^(\S+) ([\d.]+)$", text, re.M)}


def load(proxy, *options):
    return figures(run(load_argv(proxy, *options)))


def counted(proxy, count, send, patience=10):
    """Sends, and fails unless exactly `count` messages came out at the far end."""
    before = proxy.counted()
    result = send()
    if before is not None:
        try:
            machine.wait_until(lambda: proxy.counted() - before >= count, patience, "the last message")
        except Failure:
            pass
        if proxy.counted() - before != count:
            raise Failure(f"{proxy.label}: of {count} messages {proxy.counted() - before} arrived")
    if result is not None and result["accepted"] != count:
        raise Failure(f"{proxy.label}: of {count} messages {result['accepted']:.0f} were accepted")
    return result


def cost(proxy, count, send):
    """Microseconds of processor time a message."""
    before = proxy.group.cpu()
    counted(proxy, count, send)
    time.sleep(0.05)
    return (proxy.group.cpu() - before) / count * 1e6


# ---- the measurements ----

def amount(bench, mode):
    count = mode.sent["count"]
    return max(count // 8, min(count, 8)) if bench.quick else count


def throughput(bench, mode, proxy, count=None):
    size, sessions = mode.sent["size"], mode.sent["sessions"]
    count = count or amount(bench, mode)
    path = message_file(bench, messages.nested(size), f"nested-{size}")
    spent = cost(proxy, count, lambda: source(proxy, path, sessions, count, mode.sent["reuse"]))
    return spent / (size / 2**20) if mode.unit.endswith("MB") else spent


def secure(bench, mode, proxy, count=None):
    count = count or amount(bench, mode)
    path = message_file(bench, messages.nested(mode.sent["size"]), "nested")
    options = ["--sessions", mode.sent["sessions"], "--messages", count, "--tls", "--message", path]
    resume = mode.sent.get("resume", False)
    results = []

    def send():
        flags = ["--reuse"] if mode.sent["reuse"] else ["--resume"] if resume else []
        results.append(load(proxy, *options, *flags))
        return results[0]

    spent = cost(proxy, count, send)
    if resume:
        bench.detail(mode.name, proxy.label, {"resumed": results[0]["resumed"] / count})
        if results[0]["resumed"] < count / 2:
            raise Failure(f"{proxy.label}: of {count} TLS sessions only "
                          f"{results[0]['resumed']:.0f} were resumed")
    return spent


def latency(bench, mode, proxy, count=None):
    count = count or amount(bench, mode)
    path = message_file(bench, messages.nested(4096), "nested")
    result = counted(proxy, count, lambda: load(
        proxy, "--messages", count, "--reuse", "--message", path))
    bench.detail(mode.name, proxy.label, {name: result[name] for name in ("p90", "p99", "max")})
    return result["p50"]


def idle(bench, mode, proxy, count=None):
    """Octets of PSS that one client adds."""
    clients = bench.postfix_processes - 10 if proxy.name == "postfix" else mode.sent["count"]
    throughput(bench, MODES["reused"], proxy, 200)
    before = proxy.group.pss()
    options = ["--sessions", clients, "--idle", *(["--tls"] if mode.tls else [])]
    with subprocess.Popen(load_argv(proxy, *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as clients_process:
        ready = clients_process.stdout.readline()
        after = proxy.group.pss()
        said = clients_process.communicate()[0]
    if ready != f"ready {clients}\n" or said != f"alive {clients}\n":
        raise Failure(f"{proxy.label}: {clients} idle clients: {ready.strip()} {said.strip()}")
    return (after - before) / clients


def memory(bench, mode, proxy, count=None):
    """MiB: the highest PSS while eight messages are in flight, all final dots held back until the
    rest of all is sent."""
    sessions, size = mode.sent["sessions"], mode.sent["size"]
    path = message_file(bench, messages.nested(size), f"nested-{size}")
    throughput(bench, MODES["reused"], proxy, 200)
    shared, peak, peak_shared = machine.shared_memory(), 0, 0

    def send():
        nonlocal peak, peak_shared
        with subprocess.Popen(load_argv(proxy, "--sessions", sessions, "--hold", "--message", path),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while process.poll() is None:
                peak = max(peak, proxy.group.pss())
                peak_shared = max(peak_shared, machine.shared_memory() - shared)
                time.sleep(0.005)
            output, errors = process.communicate()
        if process.returncode != 0:
            raise Failure(f"{proxy.label}: {errors.strip()}")
        return figures(output)

    counted(proxy, sessions, send)
    bench.detail(mode.name, proxy.label, {"memory files MiB": round(peak_shared / 2**20, 1)})
    return peak / 2**20


MODES = {mode.name: mode for mode in (
    Mode("reused", "4 KB, 50 sessions, connections reused", "µs a message", throughput,
         {"size": 4096, "sessions": 50, "count": 20000, "reuse": True},
         {"empty": 0.95, "headers": 1.15, "attachments": 1.75}),
    Mode("one", "4 KB, 50 sessions, one message a connection", "µs a message", throughput,
         {"size": 4096, "sessions": 50, "count": 10000, "reuse": False},
         {"empty": 0.6, "headers": 0.95, "attachments": 1.1}),
    Mode("10mb", "10 MB, 8 sessions", "µs a MB", throughput,
         {"size": 10 << 20, "sessions": 8, "count": 40, "reuse": True},
         {"empty": 1.0, "attachments": 1.75}),
    Mode("idle", "5,000 idle clients after EHLO, PSS each", "octets", idle, {"count": 5000},
         {"empty": 1024}, absolute=True, fresh=True, chains=("empty", "attachments")),
    Mode("idle-tls", "the same under TLS", "octets", idle, {"count": 5000}, {"empty": 16384},
         absolute=True, base=BareTls, tls=True, fresh=True, chains=("empty",)),
    Mode("memory", "8 messages of 25 MB at once, peak PSS", "MiB", memory,
         {"size": 25 << 20, "sessions": 8}, {"empty": 16, "attachments": 48}, absolute=True,
         fresh=True, chains=("empty", "attachments")),
    Mode("latency", "one client, 4 KB, reused, p50 of a message", "µs", latency, {"count": 5000},
         {"empty": 80, "attachments": 170}, absolute=True, base=Proxy,
         chains=("empty", "headers", "attachments")),
    Mode("tls", "STARTTLS inbound, RSA-2048, one message a connection", "µs a message", secure,
         {"size": 4096, "sessions": 50, "count": 3000, "reuse": False}, {"empty": 850},
         absolute=True, base=BareTls, tls=True, chains=("empty",)),
    Mode("tls-resumed", "the same with session tickets", "µs a message", secure,
         {"size": 4096, "sessions": 50, "count": 5000, "reuse": False, "resume": True}, {},
         absolute=True, base=BareTls, tls=True, chains=("empty",)),
    Mode("tls-reused", "STARTTLS inbound, connections reused", "µs a message", secure,
         {"size": 4096, "sessions": 50, "count": 20000, "reuse": True}, {"empty": 160},
         absolute=True, base=BareTls, tls=True, chains=("empty",)),
)}


def subjects(bench, mode, peers, chains):
    """Constructors by label, the one that the ratios are taken to first."""
    makers = {}
    if "haproxy" not in peers and mode.base is HAProxy:
        mode_base = [PEERS[peers[0]]]
    else:
        mode_base = [mode.base]
    others = [PEERS[peer] for peer in peers if not (mode.tls and peer == "haproxy")]
    for kind in mode_base + [other for other in others if other not in mode_base]:
        makers[kind.name] = lambda kind=kind: kind(bench, tls=mode.tls)
    for chain in mode.chains:
        if chain in chains:
            makers[chain] = lambda chain=chain: Mailweir(bench, chain, CHAINS[chain], tls=mode.tls)
    return makers


def warm_up(bench, mode, proxy):
    if mode.warm and not mode.fresh:
        count = min(mode.sent["count"], 500 if mode.sent.get("size", 4096) < 65536 else 8)
        mode.measure(bench, mode, proxy, count)


def measure(bench, mode, makers):
    """Figures by label, one a repeat; the order turns from repeat to repeat."""
    results = {label: [] for label in makers}
    running = {}
    try:
        if not mode.fresh:
            for label, make in makers.items():
                running[label] = make()
                warm_up(bench, mode, running[label])
        labels = list(makers)
        for turn in range(bench.repeats):
            for label in labels[turn % len(labels):] + labels[:turn % len(labels)]:
                proxy = running.get(label) or makers[label]()
                try:
                    results[label].append(mode.measure(bench, mode, proxy))
                finally:
                    if mode.fresh:
                        proxy.stop()
                bench.say(f"  {mode.name} {turn + 1}/{bench.repeats} {label}: "
                          f"{results[label][-1]:.1f} {mode.unit}")
    finally:
        for proxy in running.values():
            proxy.stop()
    return results
