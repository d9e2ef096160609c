"""What the benchmark asks of the machine: processes that end with it, processor time, memory, ports."""

import os
import re
import resource
import signal
import socket
import subprocess
import time

HOST = "127.0.0.1"


class Failure(Exception):
    """The run does not count: a message was lost, a server did not start, a load broke off."""


def free_port():
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        return listener.getsockname()[1]


def raise_descriptors(wanted=50000):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for limit in ((wanted, max(hard, wanted)), (hard, hard)):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
            return
        except (ValueError, OSError):
            continue


def descriptors():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def wait_until(probe, seconds, what):
    end = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > end:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(0.01)


def answers(port):
    try:
        with socket.create_connection((HOST, port), 1):
            return True
    except OSError:
        return False


def children():
    """pid to the pids of its children, over all processes."""
    tree = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_of(name)
            if fields:
                tree.setdefault(int(fields[1]), []).append(int(name))
    return tree


def stat_of(pid):
    """The fields of /proc/PID/stat behind the name, or nothing when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


class Group:
    """The processes below one command, and what they have used so far.

    A control group (version 2) counts every process and thread that ever was in it, in
    microseconds. Where none can be made, /proc/PID/stat counts in ticks of 10 ms."""

    mount = None

    def __init__(self, name):
        self.folder = None
        self.process = None
        if Group.mount:
            folder = f"{Group.mount}/mailweir-bench-{os.getpid()}-{name}"
            os.mkdir(folder)
            self.folder = folder

    @staticmethod
    def find():
        """Says how processor time will be measured."""
        with open("/proc/mounts", encoding="utf-8") as file:
            mounts = [line.split()[1] for line in file if line.split()[2] == "cgroup2"]
        for mount in mounts:
            trial = f"{mount}/mailweir-bench-{os.getpid()}-trial"
            try:
                os.mkdir(trial)
                usable = os.path.exists(f"{trial}/cpu.stat")
                os.rmdir(trial)
            except OSError:
                continue
            if usable:
                Group.mount = mount
                return "usage_usec of a control group a proxy (microseconds)"
        return "utime, stime, cutime and cstime of /proc/PID/stat (ticks of 10 ms)"

    def start(self, argv, **options):
        def enter():
            if self.folder:
                with open(f"{self.folder}/cgroup.procs", "w", encoding="ascii") as file:
                    file.write("0")
        self.process = subprocess.Popen(argv, preexec_fn=enter, start_new_session=True, **options)

    def pids(self):
        if self.folder:
            with open(f"{self.folder}/cgroup.procs", encoding="ascii") as file:
                return [int(line) for line in file]
        tree, found = children(), [self.process.pid]
        for pid in found:
            found.extend(tree.get(pid, []))
        return found

    def cpu(self):
        """Seconds, user and system."""
        if self.folder:
            with open(f"{self.folder}/cpu.stat", encoding="ascii") as file:
                return int(re.search(r"usage_usec (\d+)", file.read()).group(1)) / 1e6
        ticks = sum(sum(map(int, fields[11:15])) for fields in map(stat_of, self.pids()) if fields)
        return ticks / os.sysconf("SC_CLK_TCK")

    def pss(self):
        """Octets of all processes together, shared pages by their share; the kernel's own are not
        counted."""
        total = 0
        for pid in self.pids():
            try:
                with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                    total += int(re.search(r"^Pss: +(\d+)", file.read(), re.M).group(1)) * 1024
            except (OSError, AttributeError):
                continue
        return total

    def stop(self):
        if self.process:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(3)
                except subprocess.TimeoutExpired:
                    pass
            self.end_all()
            self.process.wait()
        if self.folder:
            wait_until(self.remove, 5, "the end of " + self.folder)

    def end_all(self):
        for pid in self.pids() if self.folder or self.process.poll() is None else []:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def remove(self):
        try:
            os.rmdir(self.folder)
            return True
        except OSError:
            return False


def shared_memory():
    """Octets of memory files and tmpfs on the whole machine: what passes PSS by."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return int(re.search(r"Shmem: +(\d+)", file.read()).group(1)) * 1024


def describe():
    """The machine in one line."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        match = re.search(r"model name\s*: (.+)", file.read())
    if match:
        model = match.group(1)
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (f"{os.cpu_count()} cores of {model}, {pages / 2**30:.0f} GiB, Linux {os.uname().release}, "
            f"load average {os.getloadavg()[0]:.1f} at the start")
