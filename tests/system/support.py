"""What the system tests share: a test's own cluster and folders, dfsctl, waiting, made-up files."""
import contextlib
import glob
import hashlib
import json
import mmap
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

from checks import (Failed, Skipped, check, check_equal, shorten,  # noqa: F401  for the tests
                    wait_until)

MIB = 1 << 20
ROLE_FOLLOWER = 2  # messages/heads.h
LAG_SMALL = 5000  # entries, under load
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLUSTER_SCRIPT = os.path.join(ROOT, "deploy", "local_cluster.sh")

TESTS = []  # every function marked @test, in the order of their files
ALONE = set()  # names of those that no other test runs beside


def test(function):
    TESTS.append(function)
    return function


def alone(function):
    """For a test whose figures another one would be part of, or that fills the machine."""
    ALONE.add(function.__name__)
    return function


def make_file(path, size, seed=0):
    """Bytes that no two MiB share, so that neither a lost nor a swapped part goes unnoticed."""
    base = random.Random(seed).randbytes(MIB)
    with open(path, "wb") as file:
        for index in range(0, size, MIB):
            piece = index.to_bytes(8, "little") + base[8:]
            file.write(piece[: min(MIB, size - index)])
    return path


def make_bytes(size, seed=0):
    return random.Random(seed).randbytes(size)


def md5_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def read_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def write_bytes(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return path


# --- processes -----------------------------------------------------------------------------------


def status_field(pid, field):
    """A number of /proc/PID/status, such as VmHWM in KiB; 0 when the process is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            return int(re.search(rf"^{field}:\s*(\d+)", file.read(), re.M).group(1))
    except (OSError, AttributeError):
        return 0


class Run:
    """A dfsctl (or another program) under way, and what became of it."""

    def __init__(self, command, directory, environment=None, stdin=None, stdout=None):
        self.command = command
        self.out_path = os.path.join(directory, f"out.{random.getrandbits(48):x}")
        self.err_path = self.out_path + ".err"
        self.code = None
        self.peak_kib = 0
        with open(stdout or self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self.process = subprocess.Popen(
                command, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err,
                env=environment, start_new_session=True)

    def running(self):
        return self.code is None and self._reap(os.WNOHANG) is None

    def _reap(self, flags):
        pid, status, usage = os.wait4(self.process.pid, flags)
        if pid == 0:
            return None
        self.code = self.process.returncode = os.waitstatus_to_exitcode(status)
        self.peak_kib = usage.ru_maxrss
        return self.code

    def wait(self, seconds=120.0):
        """The exit status."""
        wait_until(lambda: not self.running(), f"the end of {self}", seconds)
        return self.code

    def finish(self, wanted=0, seconds=120.0):
        code = self.wait(seconds)
        if code != wanted:
            raise Failed(f"{self} ended with {code}, not {wanted}: {shorten(self.err)}")
        return self

    @contextlib.contextmanager
    def paused(self):
        """Stands still while the block runs."""
        check(self.running(), f"{self} ended too early: {shorten(self.err)}")
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def end(self):
        if self.running():
            os.killpg(self.process.pid, signal.SIGKILL)
            self._reap(0)

    @property
    def out(self):
        return read_bytes(self.out_path).decode(errors="surrogateescape")

    @property
    def err(self):
        return read_bytes(self.err_path).decode(errors="surrogateescape")

    @property
    def json(self):
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def report(self):
        """The one line of --json that closes a transfer."""
        return self.json[-1]

    def io(self, field):
        """Bytes moved by system calls so far: rchar (read) or wchar (written)."""
        try:
            with open(f"/proc/{self.process.pid}/io", encoding="ascii") as file:
                return int(re.search(rf"^{field}: (\d+)", file.read(), re.M).group(1))
        except (OSError, AttributeError):
            return 0

    def wait_io(self, field, count):
        """Waits until so many bytes have moved; fails when the program ends before."""
        def moved():
            if self.io(field) >= count:
                return True
            check(self.running(), f"{self} ended too early: {shorten(self.err)}")
            return False
        wait_until(moved, f"{self} moved {count} bytes", 60)

    def __str__(self):
        return " ".join(os.path.basename(self.command[0]) if i == 0 else shorten(word)
                        for i, word in enumerate(self.command))


class Cluster:
    """A local cluster of real processes, in a folder of its own."""

    def __init__(self, context, directory):
        self.context = context
        self.directory = directory
        self.runs = []
        self.of_processes = {}  # what their environment has besides
        self.secure = False
        self.node_conf = os.path.join(directory, "node.conf")  # of storage nodes and agents
        self.environment = dict(os.environ, DFS_CONFIG=os.path.join(directory, "client.conf"),
                                XDG_STATE_HOME=os.path.join(directory, "state"))

    def script(self, *arguments, wanted=0):
        command = [CLUSTER_SCRIPT, *arguments, "--dir", self.directory]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                              env=dict(os.environ, **self.of_processes))
        if done.returncode != wanted:
            raise Failed(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def up(self, storages=4, heads=1, replicas=None, settings="", agents=0, secure=None):
        self.secure = self.context.secure if secure is None else secure
        arguments = ["up", "--storages", str(storages), "--heads", str(heads), "--port", "auto",
                     "--agents", str(agents), "--bin", self.context.bin]
        if self.secure:
            arguments.append("--secure")
        if replicas:
            arguments += ["--replicas", str(replicas)]
        if settings:
            path = os.path.join(self.context.directory, "settings.conf")
            arguments += ["--config", write_bytes(path, settings.encode())]
        self.script(*arguments)
        self.names = [f"head-{i + 1}" for i in range(heads)]
        self.names += [f"storage-{i + 1}" for i in range(storages)]
        self.names += [f"agent-{i + 1}" for i in range(agents)]
        self.wait_nodes("up", storages)
        wait_until(lambda: self.status()["health"] == "ok", "a healthy cluster")
        return self

    def down(self):
        for run in self.runs:
            run.end()
        if os.path.isdir(self.directory):
            self.script("down")

    def end_all(self):
        """Without the script, for when that failed: kills what the pid files name."""
        folder = os.path.join(self.directory, "run")
        for name in os.listdir(folder) if os.path.isdir(folder) else []:
            try:
                pid = int(read_bytes(os.path.join(folder, name)))
                if self.directory.encode() in read_bytes(f"/proc/{pid}/cmdline"):
                    os.kill(pid, signal.SIGKILL)
            except (OSError, ValueError):
                pass  # not a pid file, or gone already

    def kill(self, name):
        self.script("kill", name)

    def start(self, name):
        self.script("start", name)

    def stop(self, name):
        self.script("stop", name)

    def freeze(self, name):
        self.script("freeze", name)

    def thaw(self, name):
        self.script("thaw", name)

    def pid(self, name):
        return int(read_bytes(os.path.join(self.directory, "run", name + ".pid")))

    def kill_at_once(self, names):
        """kill -9 of several processes with nothing in between."""
        pids = [self.pid(name) for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        gone = lambda: all(status_field(p, "Tgid") == 0 for p in pids)
        wait_until(gone, f"the end of {names}")

    def peak_kib(self, name):
        return status_field(self.pid(name), "VmHWM")

    def begin(self, *arguments, **options):
        """Starts dfsctl and does not wait for it."""
        run = Run([os.path.join(self.context.bin, "dfsctl"), *arguments], self.context.directory,
                  self.environment, **options)
        self.runs.append(run)
        return run

    def begin_shell(self, script):
        """The same with a shell, in which dfsctl finds the cluster."""
        run = Run(["sh", "-c", script], self.context.directory, self.environment)
        self.runs.append(run)
        return run

    def ctl(self, *arguments, wanted=0, seconds=120.0, **options):
        """Runs dfsctl to its end, which must have the exit status `wanted`."""
        return self.begin(*arguments, **options).finish(wanted, seconds)

    def get_bytes(self, remote):
        path = os.path.join(self.context.directory, f"got.{random.getrandbits(48):x}")
        self.ctl("get", "--", remote, path)
        data = read_bytes(path)
        os.unlink(path)
        return data

    def put_bytes(self, data, remote, *options):
        path = os.path.join(self.context.directory, f"put.{random.getrandbits(48):x}")
        write_bytes(path, data)
        run = self.ctl("--json", "put", *options, "--", path, remote)
        os.unlink(path)
        return run.report

    def names_in(self, remote):
        return sorted(entry["name"] for entry in self.ctl("--json", "ls", "--", remote).json)

    def exists(self, remote):
        run = self.begin("stat", "--", remote)
        code = run.wait()
        check(code in (0, 3), f"stat of {remote} ended with {code}: {run.err}")
        return code == 0

    def status(self):
        return self.ctl("--json", "cluster", "status").report

    def map(self):
        return self.ctl("--json", "cluster", "map").report

    def blocks(self, remote):
        return self.ctl("--json", "stat", "--blocks", "--", remote).report

    def wait_nodes(self, state, count, seconds=30.0):
        """Waits until exactly `count` nodes are up (1) or down (2), as the monitor sees them."""
        number = {"up": 1, "down": 2}[state]

        def reached():
            run = self.begin("--json", "cluster", "status")
            if run.wait() != 0:
                return False
            nodes = run.report["nodes"]
            return sum(node["view"]["state"] == number for node in nodes) == count
        wait_until(reached, f"{count} nodes {state}", seconds)

    def node_of(self, name):
        """The number of the node that the process `name` is; processes are hosts to the map."""
        nodes = self.map()["nodes"]
        return next(node["node"] for node in nodes if node["host"] == name)

    def name_of(self, number):
        nodes = self.map()["nodes"]
        return next(node["host"] for node in nodes if node["node"] == number)

    def setting(self, name, key):
        """A setting of one process, as local_cluster.sh wrote it."""
        text = read_bytes(os.path.join(self.directory, "conf", name + ".conf")).decode()
        return re.search(rf'^{key} = "?([^"\n]*)', text, re.M).group(1)

    def head_name(self, number):
        """The process that is head `number`."""
        heads = self.ctl("--json", "head", "list").report["heads"]
        broker = next(head["broker"] for head in heads if head["head"] == number)
        return next(name for name in self.names
                    if name.startswith("head-") and self.setting(name, "listen") == broker)

    def head_number(self, name):
        heads = self.ctl("--json", "head", "list").report["heads"]
        broker = self.setting(name, "listen")
        return next(head["head"] for head in heads if head["broker"] == broker)

    def leader(self):
        """The process that is the leading head."""
        return self.head_name(self.ctl("--json", "head", "list").report["leader"])

    def wait_heads(self, count, seconds=30.0):
        """Waits until `count` heads vote and have all but the last moments of the log."""
        def together():
            run = self.begin("--timeout", "2s", "--json", "head", "list")
            if run.wait() != 0:
                return False
            listed = run.report
            return len(listed["heads"]) == count and all(
                head["head"] == listed["leader"] or head["role"] == ROLE_FOLLOWER
                and head["silent_ms"] < 1000 and head["lag"] < LAG_SMALL
                and not head["installing"] for head in listed["heads"])
        wait_until(together, f"{count} heads together", seconds)

    def damage(self, name, pattern):
        """Flips a byte of `pattern` where the disk of storage node `name` has it."""
        flipped = 0
        for folder, _, files in os.walk(os.path.join(self.directory, "data", name)):
            for file in files:
                flipped += flip_in(os.path.join(folder, file), pattern)
        check(flipped == 1, f"the pattern is {flipped} times on the disk of {name}")


def is_alive(pid):
    """Whether a process of this pid lives; a zombie has ended."""
    try:
        state = re.search(rb"^State:\s*(\S)", read_bytes(f"/proc/{pid}/status"), re.M)
    except OSError:
        return False
    return state is not None and state.group(1) not in (b"Z", b"X")


def key_of(cluster):
    """The public key of a secure one."""
    with open(os.path.join(cluster.directory, "client.conf"), encoding="ascii") as file:
        return re.search(r'cluster-key = "([0-9a-f]{64})"', file.read()).group(1)


def brokers_of(cluster):
    with open(cluster.environment["DFS_CONFIG"], encoding="ascii") as file:
        return re.findall(r'"(tcp:[^"]+)"', file.read())


def flip_in(path, pattern):
    """Changes the middle byte of `pattern` where it stands in the file; returns how often."""
    if os.path.getsize(path) < len(pattern):
        return 0
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as data:
        at = data.find(pattern)
        if at < 0:
            return 0
        data[at + len(pattern) // 2] ^= 0x55
        data.flush()
        os.fsync(file.fileno())
        return 1


class Context:
    """What one test gets: folders that vanish with it, and clusters that stop with it."""

    def __init__(self, bin_directory, full, secure=False):
        self.bin = os.path.abspath(bin_directory)
        self.full = full
        self.secure = secure  # of clusters of which a test does not say
        self.directory = tempfile.mkdtemp(prefix="zdfs-system-")
        self.memory = tempfile.mkdtemp(prefix="zdfs-system-", dir="/dev/shm")
        self.clusters = []
        self.ends = []  # called when all processes are gone
        self.notes = []  # figures worth printing beside PASS

    def cluster(self, prepare=None, **options):
        """A running cluster; prepare(cluster) is called before its first process starts."""
        directory = os.path.join(self.directory, f"cluster-{len(self.clusters) + 1}")
        cluster = Cluster(self, directory)
        self.clusters.append(cluster)
        if prepare:
            prepare(cluster)
        return cluster.up(**options)

    def source(self, size, seed=0, name="source"):
        """A made-up file in memory."""
        return make_file(os.path.join(self.memory, name), size, seed)

    def path(self, name):
        return os.path.join(self.directory, name)

    def note(self, text):
        self.notes.append(text)

    def at_end(self, function):
        self.ends.append(function)

    def logs(self):
        """The last words of every process that complained."""
        lines = []
        for cluster in self.clusters:
            folder = os.path.join(cluster.directory, "log")
            for name in sorted(os.listdir(folder) if os.path.isdir(folder) else []):
                path = os.path.join(folder, name)
                text = read_bytes(path).decode(errors="replace")
                lines += [f"{name}: {line}" for line in text.splitlines()
                          if re.search(r"warn|error|assert|Sanitizer|terminate", line)][-8:]
        return lines

    def sanitizer_reports(self):
        """The beginnings of what a sanitizer has said of any process, those included that ended."""
        paths = glob.glob(os.path.join(self.directory, "*.err"))
        for cluster in self.clusters:
            paths += glob.glob(os.path.join(cluster.directory, "log", "*.out"))
        reports = []
        for path in sorted(paths):
            text = read_bytes(path).decode(errors="replace")
            found = re.search(r"^.*(\w+Sanitizer|runtime error): .*", text, re.M)
            if found:
                reports.append(f"{os.path.basename(path)}: {text[found.start():][:3000]}")
        return reports

    def close(self, keep):
        problem = None
        for cluster in self.clusters:
            try:
                cluster.down()
            except Failed as failure:
                problem = failure
                cluster.end_all()
        for function in self.ends:
            function()
        reports = self.sanitizer_reports()
        if reports:
            problem = Failed("\n".join(([str(problem)] if problem else []) + reports))
        shutil.rmtree(self.memory, ignore_errors=True)
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)
        if problem:
            raise problem
