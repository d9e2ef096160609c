"""What is measured and what it is measured against: each proxy with a sink of its own behind it."""

import os
import pwd
import re
import shutil
import subprocess

import machine
from machine import Failure, Group, HOST

# The chains of the table; %s is the folder of modules.
CHAINS = {
    "empty": [],
    "headers": ['module = "headers" add = ["X-Gateway: mailweir"] remove = ["X-Internal-*"]'],
    "attachments": ['module = "attachments" deny = ["exe", "scr", "js", "vbs", "bat"]'],
}


class Sink:
    """smtp-sink, which counts what it took."""

    def __init__(self, folder, name):
        self.port = machine.free_port()
        self.path = f"{folder}/{name}.sink"
        self.group = Group(f"{name}-sink")
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        with open(self.path, "wb") as output:
            self.group.start(["smtp-sink", *user, "-c", "-m", "20000", f"{HOST}:{self.port}", "4096"],
                             stdout=output, stderr=subprocess.STDOUT)
        machine.wait_until(lambda: machine.answers(self.port), 10, "smtp-sink")

    def count(self):
        with open(self.path, "rb") as file:
            file.seek(max(0, os.path.getsize(self.path) - 400))
            found = re.findall(rb"mesg=(\d+)\s", file.read())
        return int(found[-1]) if found else 0

    def stop(self):
        self.group.stop()


class Proxy:
    """The base: no proxy at all, the load goes to the sink."""

    name = "direct"

    def __init__(self, bench, label=None, tls=False):
        self.bench = bench
        self.label = label or self.name
        self.tls = tls
        self.folder = f"{bench.folder}/{self.label.replace(' ', '-')}"
        os.mkdir(self.folder)
        os.chmod(self.folder, 0o755)
        self.sink = Sink(self.folder, self.label.replace(" ", "-"))
        self.port = self.sink.port
        self.group = self.sink.group
        try:
            self.begin()
            machine.wait_until(lambda: machine.answers(self.port), 15, self.label)
        except BaseException:
            self.stop()
            raise

    def begin(self):
        pass

    def start(self, argv):
        self.port = machine.free_port()
        self.group = Group(self.label.replace(" ", "-"))
        with open(f"{self.folder}/log", "wb") as log:
            self.group.start(argv(), stdout=log, stderr=subprocess.STDOUT, cwd=self.folder)

    def write(self, name, text):
        path = f"{self.folder}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def counted(self):
        return self.sink.count()

    def stop(self):
        if self.group is not self.sink.group:
            self.group.stop()
        self.sink.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class HAProxy(Proxy):
    """In TCP mode: it copies octets and parses nothing. Threads: its default, one a core."""

    name = "haproxy"

    def begin(self):
        self.start(lambda: ["haproxy", "-db", "-f", self.write("haproxy.cfg", f"""
global
  maxconn {min(20000, machine.descriptors() // 2 - 100)}
defaults
  mode tcp
  timeout connect 10s
  timeout client 10m
  timeout server 10m
listen smtp
  bind {HOST}:{self.port} backlog 4096
  server sink {HOST}:{self.sink.port}
""")])


class Postfix(Proxy):
    """smtpd_proxy_filter without a filter: smtpd asks, the sink answers. A private instance."""

    name = "postfix"

    def begin(self):
        user = pwd.getpwnam("postfix")
        for name, owned in (("config", False), ("queue", False), ("data", True)):
            os.mkdir(f"{self.folder}/{name}", 0o755)
            if owned:
                os.chown(f"{self.folder}/{name}", user.pw_uid, user.pw_gid)
        self.start(self.command)

    def command(self):
        tls = ""
        if self.tls:
            tls = (f"smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {self.bench.certificate}\n"
                   f"smtpd_tls_key_file = {self.bench.key}\nsmtpd_tls_loglevel = 0\n")
        self.write("config/main.cf", f"""
compatibility_level = 3.6
queue_directory = {self.folder}/queue
data_directory = {self.folder}/data
maillog_file = {self.folder}/mail.log
maillog_file_prefixes = {self.folder}
inet_interfaces = {HOST}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
myhostname = postfix.test
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_proxy_filter = {HOST}:{self.sink.port}
message_size_limit = 0
default_process_limit = {self.bench.postfix_processes}
{tls}""")
        self.write("config/master.cf", f"""
{HOST}:{self.port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
""")
        config = f"{self.folder}/config"
        subprocess.run(["postfix", "-c", config, "check"], check=True, capture_output=True)
        where = subprocess.run(["postconf", "-c", config, "-h", "daemon_directory"], check=True,
                               capture_output=True, text=True).stdout.strip()
        return [f"{where}/master", "-d", "-c", config]


class Mailweir(Proxy):
    """With a chain of its own, its defaults otherwise; the log goes to a file."""

    name = "mailweir"

    def __init__(self, bench, label, chain=(), settings="", listener="", tls=False):
        self.chain, self.settings, self.listener = list(chain), settings, listener
        super().__init__(bench, label, tls)

    def begin(self):
        self.start(self.command)

    def command(self):
        filters = "".join(f'filter "f{i}" {{ {text} }}\n' for i, text in enumerate(self.chain))
        names = ", ".join(f'"f{i}"' for i in range(len(self.chain)))
        limits = self.listener or "connections = 0 connections-per-client = 0"
        tls = ""
        if self.tls:
            tls = f'tls {{ certificate = "{self.bench.certificate}" key = "{self.bench.key}" }}\n'
            limits += ' tls = "starttls"'
        path = self.write("mailweir.conf", f"""
hostname = "gate.test"
module-directory = "{self.bench.build}/filters"
{self.settings}
{tls}listener "in" {{
  bind = ["{HOST}:{self.port}"]
  filters = [{names}]
  routes = ["out"]
  {limits}
}}
route "out" {{ to = ["smtp://{HOST}:{self.sink.port}"] tls = "off" }}
{filters}""")
        check = subprocess.run([f"{self.bench.build}/src/mailweir", "check", "-c", path],
                               capture_output=True, text=True, check=False)
        if check.returncode != 0:
            raise Failure("mailweir check: " + check.stderr + check.stdout)
        return [f"{self.bench.build}/src/mailweir", "run", "-c", path]


class BareTls(Proxy):
    """A sink that speaks TLS and does nothing else: what TLS costs anybody."""

    name = "bare TLS sink"

    def begin(self):
        self.port = machine.free_port()
        self.taken = 0
        self.group = Group("bare-tls")
        self.group.start([self.bench.load, "sink", "--port", str(self.port), "--certificate",
                          self.bench.certificate, "--key", self.bench.key],
                         stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def counted(self):
        return None  # it is client and server of our own: the client counts
