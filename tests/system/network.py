"""Network namespaces as hosts: each with an address of its own, on one switch, that can be cut off
from each other in either direction and slowed down. Needs root; nothing of it is seen outside."""
import os
import random
import shutil
import signal
import subprocess

from people import GOOD_PASSWORD, first_password
from support import Cluster, Failed, Run, Skipped, read_bytes, wait_until, write_bytes

# Nobody has it: what is sent there is flooded by the switch and dropped by everyone.
NOBODY = "02:00:00:00:00:01"


def ip(*arguments, may_fail=False):
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=30,
                          check=False)
    if done.returncode != 0 and not may_fail:
        raise Failed(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done


class Network:
    """Hosts by name, with addresses 10.0.0.1 and up."""

    def __init__(self, names):
        if os.geteuid() != 0:
            raise Skipped("needs root, for network namespaces")
        for program in ("ip", "tc"):
            if shutil.which(program) is None:
                raise Skipped(f"needs {program}, of the package iproute2")
        self.prefix = f"zdfs-{os.getpid():x}-{random.getrandbits(16):04x}"
        self.spaces = []
        self.addresses = {name: f"10.0.0.{i + 1}" for i, name in enumerate(names)}
        try:
            self.switch = self.add_space("switch")
            ip("-n", self.switch, "link", "add", "switch", "type", "bridge")
            ip("-n", self.switch, "link", "set", "switch", "up")
            for number, name in enumerate(names):
                self.add_host(name, number)
        except Failed as failure:
            self.close()
            raise Skipped(f"network namespaces do not work here: {failure}") from failure

    def add_space(self, name):
        space = f"{self.prefix}-{name}"
        ip("netns", "add", space)
        self.spaces.append(space)
        return space

    def add_host(self, name, number):
        space = self.add_space(name)
        ip("-n", space, "link", "add", "eth0", "type", "veth", "peer", "name", f"port{number}",
           "netns", self.switch)
        ip("-n", self.switch, "link", "set", f"port{number}", "master", "switch", "up")
        ip("-n", space, "addr", "add", self.addresses[name] + "/24", "dev", "eth0")
        for device in ("lo", "eth0"):
            ip("-n", space, "link", "set", device, "up")

    def space(self, name):
        return f"{self.prefix}-{name}"

    def inside(self, name):
        """What goes before a command that is to run on this host."""
        return ["ip", "netns", "exec", self.space(name)]

    def block(self, senders, receivers):
        """Whatever `senders` send to `receivers` is lost; not the other way round."""
        for sender in senders:
            for receiver in receivers:
                ip("-n", self.space(sender), "neigh", "replace", self.addresses[receiver],
                   "lladdr", NOBODY, "nud", "permanent", "dev", "eth0")

    def part(self, ones, others):
        self.block(ones, others)
        self.block(others, ones)

    def heal(self):
        for host in self.addresses:
            for other in self.addresses.values():
                ip("-n", self.space(host), "neigh", "del", other, "dev", "eth0", may_fail=True)

    def limit(self, name, rate):
        """What this host sends and what it is sent, each at most `rate`, such as 10mbit."""
        for space, device in self.ends_of(name):
            subprocess.run(["tc", "-n", space, "qdisc", "replace", "dev", device, "root", "tbf",
                            "rate", rate, "burst", "32kb", "latency", "100ms"], check=True)

    def unlimit(self, name):
        for space, device in self.ends_of(name):
            subprocess.run(["tc", "-n", space, "qdisc", "del", "dev", device, "root"], check=True)

    def ends_of(self, name):
        number = list(self.addresses).index(name)
        return (self.space(name), "eth0"), (self.switch, f"port{number}")

    def close(self):
        for space in self.spaces:
            ip("netns", "del", space, may_fail=True)
        self.spaces = []


class HostCluster(Cluster):
    """Heads on hosts of their own, and hosts for clients. dfsctl runs on the first of those."""

    def __init__(self, context, heads=3, clients=("client-1", "client-2"), secure=False,
                 settings=""):
        super().__init__(context, os.path.join(context.directory, "hosts"))
        self.names = [f"head-{i + 1}" for i in range(heads)]
        self.secure = secure
        self.clients = clients
        self.processes = {}
        for folder in ("conf", "data", "log", "run"):
            os.makedirs(os.path.join(self.directory, folder))
        self.network = Network([*self.names, *clients])
        context.clusters.append(self)
        self.write_settings(settings)
        for name in self.names:
            self.launch(name, *(["--bootstrap"] if name == "head-1" else
                                ["--join", self.broker("head-1")]))
        if secure:
            self.log_in_administrator()
        self.wait_heads(heads)

    def log_in_administrator(self):
        password = first_password(self)
        path = os.path.join(self.directory, "conf", "admin-password")
        write_bytes(path, f"{password}\n{GOOD_PASSWORD}\n".encode())
        self.ctl("login", "admin", "--password-file", path)
        self.ctl("passwd", "--password-file", path)
        write_bytes(path, GOOD_PASSWORD.encode())

    def broker(self, name):
        return f"tcp://{self.network.addresses[name]}:7000"

    def keys(self):
        """The settings for them, of heads and of clients."""
        if not self.secure:
            return "insecure = true\n", "insecure = true\n"
        folder = os.path.join(self.directory, "keys")
        Run([os.path.join(self.context.bin, "dfsd"), "init", "--dir", folder],
            self.context.directory).finish()
        public = read_bytes(os.path.join(folder, "cluster.pub")).decode()
        line = next(line for line in public.splitlines() if line.startswith("cluster-key"))
        return (f'keys = "{folder}"\n'
                f'first-password-file = "{self.directory}/conf/first-password"\n',
                f'{line}\nticket-dir = "{self.directory}/tickets"\n')

    def write_settings(self, settings):
        of_heads, of_clients = self.keys()

        def listed(names):
            return "[" + ", ".join(f'"{self.broker(name)}"' for name in names) + "]"
        for name in self.names:
            others = [other for other in self.names if other != name]
            with open(os.path.join(self.directory, "conf", name + ".conf"), "w",
                      encoding="ascii") as file:
                file.write(f'listen = "{self.broker(name)}"\nbroker = {listed(others)}\n'
                           f'data = "{self.directory}/data/{name}"\n'
                           f'log-file = "{self.directory}/log/{name}.log"\n'
                           f'ready-file = "{self.directory}/run/{name}.ready"\n'
                           f'{of_heads}{settings}')
        with open(self.environment["DFS_CONFIG"], "w", encoding="ascii") as file:
            file.write(f"broker = {listed(self.names)}\n{of_clients}")

    def launch(self, name, *flags):
        ready = os.path.join(self.directory, "run", name + ".ready")
        command = [*self.network.inside(name), os.path.join(self.context.bin, "dfsd"), "head",
                   "--config", os.path.join(self.directory, "conf", name + ".conf"), *flags]
        run = self.processes[name] = Run(command, self.context.directory)

        def is_ready():
            if not run.running():
                raise Failed(f"{name} ended with {run.code}: {run.err}")
            return os.path.exists(ready)
        wait_until(is_ready, f"{name} is ready")

    def begin(self, *arguments, on=None, **options):
        run = Run([*self.network.inside(on or self.clients[0]),
                   os.path.join(self.context.bin, "dfsctl"), *arguments],
                  self.context.directory, self.environment, **options)
        self.runs.append(run)
        return run

    def pid(self, name):
        return self.processes[name].process.pid

    def down(self):
        self.network.heal()
        for run in [*self.runs, *self.processes.values()]:
            if run.running():
                os.kill(run.process.pid, signal.SIGTERM)
        for run in [*self.runs, *self.processes.values()]:
            try:
                run.wait(10)
            except Failed:
                run.end()
        self.network.close()

    def end_all(self):
        for run in [*self.runs, *self.processes.values()]:
            run.end()
        self.network.close()
