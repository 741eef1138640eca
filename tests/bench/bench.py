#!/usr/bin/env python3
"""Measures a local cluster of real processes, and beside it what the machine can do at best.

Limits and candidates alternate within one run, after a warm-up; the table shows median (lowest to
highest). Sources and targets of transfers are in /dev/shm, the cluster's data on the disk of
--dir. CPU and memory come from /proc. `--quick` is smaller and only shows that everything works.
"""
import argparse
import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import repair  # noqa: E402  pylint: disable=wrong-import-position
import support  # noqa: E402  pylint: disable=wrong-import-position
import encrypted_pool  # noqa: E402  pylint: disable=wrong-import-position
import security  # noqa: E402  pylint: disable=wrong-import-position
from security import rate  # noqa: E402  pylint: disable=wrong-import-position
from support import MIB, status_field  # noqa: E402  pylint: disable=wrong-import-position

TICKS = os.sysconf("SC_CLK_TCK")
PARTS = ("large", "parallel", "small", "heads", "heal", "security", "encrypted")


class Results:
    """Samples by name, in the order of their first appearance."""

    def __init__(self):
        self.samples = {}
        self.units = {}

    def add(self, name, value, unit):
        self.samples.setdefault(name, []).append(value)
        self.units[name] = unit

    def median(self, name):
        return statistics.median(self.samples[name])

    def show(self):
        width = max(len(name) for name in self.samples)
        for name, values in self.samples.items():
            low, high = min(values), max(values)
            spread = f"  ({low:,.5g} … {high:,.5g})" if len(values) > 1 else ""
            print(f"{name:<{width}}  {self.median(name):>10,.5g} {self.units[name]}{spread}")

    def as_json(self):
        return {name: {"unit": self.units[name], "median": self.median(name), "samples": values}
                for name, values in self.samples.items()}


class Bench:
    def __init__(self, options):
        self.options = options
        self.bin = os.path.abspath(options.bin)
        self.results = Results()
        self.context = support.Context(self.bin, full=False)
        if options.dir:
            os.rmdir(self.context.directory)
            self.context.directory = tempfile.mkdtemp(prefix="zdfs-bench-", dir=options.dir)
        self.cluster = None

    def program(self, name, *arguments):
        command = [os.path.join(self.bin, name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            raise support.Failed(f"{' '.join(command)}: {done.stderr}")
        return json.loads(done.stdout)

    # --- limits ---

    def limit_direct(self, label, user_bytes, copies):
        """MiB/s of user data, when `copies` times as much is written by two writers at once."""
        done = self.program("dfs_limits", "direct", self.context.directory, user_bytes * copies, 2)
        self.results.add(f"limit: {label}, O_DIRECT write of the same bytes",
                         user_bytes / MIB / done["seconds"], "MiB/s")

    def limit_copy(self, label, size):
        """MiB/s when two writers at once read what they write from other files, past the cache."""
        done = self.program("dfs_limits", "copy", self.context.directory, size, 2)
        self.results.add(f"limit: {label}, O_DIRECT copy of the same bytes",
                         size / MIB / done["seconds"], "MiB/s")

    def limit_read(self, label, size):
        done = self.program("dfs_limits", "read", self.context.directory, size, 2)
        self.results.add(f"limit: {label}, O_DIRECT read of the same bytes",
                         size / MIB / done["seconds"], "MiB/s")

    def limit_streams(self, size):
        for kind, name in (("zmq", "ZeroMQ stream"), ("tcp", "raw TCP stream")):
            done = self.program("dfs_limits", kind, size)
            self.results.add(f"limit: loopback {name}", done["per_second"] / MIB, "MiB/s")

    def limit_append(self):
        done = self.program("dfs_limits", "append", self.context.directory,
                            300 if self.options.quick else 3000)
        self.results.add("limit: 4 KiB append + fdatasync", done["per_second"], "/s")

    # --- processes ---

    def cpu_seconds(self):
        return {name: cpu_of(self.cluster.pid(name)) for name in self.cluster.names}

    def add_cpu(self, label, before, user_bytes, client_seconds):
        """CPU seconds per GiB of user data: the client, each role, and all together."""
        gib = user_bytes / (1 << 30)
        used = {name: cpu - before[name] for name, cpu in self.cpu_seconds().items()}
        head = sum(s for name, s in used.items() if name.startswith("head"))
        storage = [s for name, s in used.items() if name.startswith("storage")]
        unit = "CPU s/GiB"
        self.results.add(f"{label}: client", client_seconds / gib, unit)
        self.results.add(f"{label}: head", head / gib, unit)
        self.results.add(f"{label}: each storage, mean", sum(storage) / len(storage) / gib, unit)
        self.results.add(f"{label}: all together", (sum(used.values()) + client_seconds) / gib,
                         unit)

    def add_peaks(self, label):
        for role in ("head", "storage"):
            peak = max(status_field(self.cluster.pid(name), "VmHWM")
                       for name in self.cluster.names if name.startswith(role))
            self.results.add(f"{label}: peak memory of a {role}", peak / 1024, "MiB")

    def transfer(self, *arguments):
        run = TimedRun(self.cluster, "--json", "--jobs", str(self.options.jobs), *arguments)
        run.run.finish(seconds=600)
        return run

    # --- large files ---

    def large_file(self, replicas):
        options = self.options
        size = options.large
        source = self.context.source(size, name="large")
        target = os.path.join(self.context.memory, "back")
        self.cluster = self.context.cluster(storages=4, replicas=replicas)
        label = f"R={replicas}"
        for round_number in range(options.runs + 1):
            warm_up = round_number == 0
            if not warm_up:
                self.limit_direct(f"R={replicas}", size, replicas)
                if replicas == 2:
                    self.limit_read(label, size)
                    self.limit_streams(size)
            cpu = self.cpu_seconds()
            put = self.transfer("put", source, "/large")
            if not warm_up:
                self.add_transfer(f"put {label}", put, size, cpu)
            if not warm_up and drop_caches():
                cold = self.transfer("get", "/large", target)
                self.results.add(f"get {label}, cold", rate(cold), "MiB/s")
                os.unlink(target)
            self.transfer("get", "/large", target)
            os.unlink(target)
            cpu = self.cpu_seconds()
            get = self.transfer("get", "/large", target)
            if not warm_up:
                self.add_transfer(f"get {label}, warm", get, size, cpu)
            os.unlink(target)
            self.cluster.ctl("rm", "/large")
        self.add_peaks(f"large files {label}")
        self.finish_cluster()
        os.unlink(source)

    def add_transfer(self, label, run, size, cpu):
        self.results.add(label, rate(run), "MiB/s")
        self.add_cpu(label, cpu, size, run.cpu)
        self.results.add(f"{label}: peak memory of the client", run.run.peak_kib / 1024, "MiB")

    def parallel_files(self):
        options = self.options
        size = options.large // 4
        source = self.context.source(size, name="quarter")
        self.cluster = self.context.cluster(storages=4, replicas=2)
        for round_number in range(options.runs + 1):
            put = self.parallel(lambda i: ("put", source, f"/p{i}"))
            get = self.parallel(lambda i: ("get", f"/p{i}", f"{self.context.memory}/p{i}"))
            for i in range(4):
                self.cluster.ctl("rm", f"/p{i}")
            if round_number > 0:
                name = f"4 × {size // MIB} MiB at once, R=2"
                self.results.add(f"put {name}", 4 * size / MIB / put, "MiB/s")
                self.results.add(f"get {name}", 4 * size / MIB / get, "MiB/s")
        self.finish_cluster()

    def parallel(self, arguments_of):
        started = time.monotonic()
        runs = [self.cluster.begin("--json", "--jobs", str(self.options.jobs), *arguments_of(i))
                for i in range(4)]
        for run in runs:
            run.finish(seconds=600)
        return time.monotonic() - started

    # --- small files and names ---

    def small_files(self):
        options = self.options
        self.cluster = self.context.cluster(storages=4, replicas=2)
        with open(os.path.join(self.cluster.directory, "client.conf"), encoding="ascii") as file:
            broker = re.search(r'"([^"]+)"', file.read()).group(1)
        plan = [("create", "16 KiB files created", options.small // 2),
                ("create", "4 KiB files created", options.small),
                ("read", "4 KiB files read", options.small),
                ("stat", "stat", options.small * 5),
                ("list", f"directory of {options.small:,} listed", options.small // 20),
                ("rename", "rename", options.small), ("remove", "files removed", options.small),
                ("mkdir", "mkdir", options.small)]
        for round_number in range(options.runs + 1):
            if round_number > 0:
                self.limit_append()
            for clients in (1, 8):
                folder = f"/small-{round_number}-{clients}"
                self.cluster.ctl("mkdir", folder)
                for operation, name, count in plan:
                    self.small_step(broker, folder, operation, name, count, clients,
                                    round_number > 0)
                self.cluster.ctl("rm", "-r", folder)
        self.add_peaks("small files")
        self.finish_cluster()

    def small_step(self, broker, folder, operation, name, count, clients, counts):
        # stat goes over the same names several times, or it would be over too soon.
        passes = max(1, count // self.options.small)
        more = []
        if name.startswith("16 KiB"):  # more than an inode holds
            more = ["--bytes", 16384]
            folder += "-blocks"
            self.cluster.ctl("mkdir", "-p", folder)
        # rename left every file as NAME.new, so those to remove are made anew.
        if operation == "remove":
            self.program("dfs_bench", broker, "create", folder, "--count", count, "--clients", 8)
        done = self.program("dfs_bench", broker, operation, folder, "--count", count // passes,
                            "--clients", clients, "--passes", passes, *more)
        if more:
            self.cluster.ctl("rm", "-r", folder)
        if counts:
            label = f"{name}, {clients} client{'s' if clients > 1 else ''}"
            self.results.add(label, done["per_second"], "/s")
            self.results.add(f"{label}: p50", done["p50_us"], "µs")
            self.results.add(f"{label}: p99", done["p99_us"], "µs")

    # --- healing ---

    def heal(self):
        """One of five nodes dies for good: how fast its copies are made anew, idle and in use."""
        size = self.options.large
        source = self.context.source(size, name="large")
        target = os.path.join(self.context.memory, "back")
        for _ in range(self.options.runs):
            self.cluster = self.context.cluster(
                storages=5, replicas=2, settings='[head]\nrepair-after = "0s"\n')
            files = 4 if self.options.quick else 8
            for number in range(files):
                self.transfer("put", source, f"/file-{number}")
            calm = statistics.median(self.cold_gets(range(3), target))
            self.limit_direct("healing", files * size * 2 // 5, 1)
            self.limit_copy("healing", files * size * 2 // 5)
            self.heal_one("idle", "storage-5", files)
            self.cluster.start("storage-5")
            self.cluster.wait_nodes("up", 5)
            slowest = self.heal_one("during gets", "storage-4", files, target)
            self.results.add("get while a node is replaced, share of the rate before",
                             slowest / calm, "")
            self.finish_cluster()
        os.unlink(source)

    def heal_one(self, label, name, files, target=None):
        """Kills a node; returns the rate of the slowest get meanwhile."""
        number = self.cluster.node_of(name)
        held = sum(block["length"] for i in range(files)
                   for block in self.cluster.blocks(f"/file-{i}")["blocks"]
                   if number in block["nodes"])
        self.cluster.kill(name)
        self.cluster.wait_nodes("down", 1)
        gets = self.cold_gets(itertools.cycle(range(files)), target) if target else None
        begun = time.monotonic()
        slowest = float("inf")
        while not repair.is_whole(self.cluster, without=[number]):
            if time.monotonic() - begun > 600:
                raise support.Failed("no full redundancy within 10 minutes")
            if gets:
                slowest = min(slowest, next(gets))
        seconds = time.monotonic() - begun
        self.results.add(f"copies of a dead node made anew, {label}", held / MIB / seconds, "MiB/s")
        self.results.add(f"copies of a dead node made anew, {label}: time", seconds, "s")
        return slowest

    def cold_gets(self, numbers, target):
        """Rates of gets of these files, each once in a round since the caches were emptied: what
        was read before would come from memory, and copies that are new would not."""
        drop_caches()
        for number in numbers:
            yield rate(self.transfer("get", f"/file-{number}", target))

    # --- heads ---

    def heads(self):
        """Changes of the namespace and lookups, with one head and with three, by turns."""
        clusters = {count: self.context.cluster(heads=count, storages=1, replicas=1)
                    for count in (1, 3)}
        for round_number in range(self.options.runs + 1):
            if round_number > 0:
                self.limit_append()
            for count, self.cluster in clusters.items():
                self.heads_round(count, round_number)
        for count, self.cluster in clusters.items():
            self.add_peaks(heads_label(count))
            self.finish_cluster()

    def heads_round(self, count, round_number):
        label = heads_label(count)
        brokers = ",".join(support.brokers_of(self.cluster))
        many, one = (f"/{name}-{round_number}" for name in ("many", "one"))
        names = self.options.small * 10
        for folder in (many, one):
            self.cluster.ctl("mkdir", folder)
        before = self.log_of_leader()
        created = self.program("dfs_bench", brokers, "create", many, "--count", names,
                               "--clients", 16, "--bytes", 0)
        after = self.log_of_leader()
        alone = self.program("dfs_bench", brokers, "create", one, "--count",
                             self.options.small // 2, "--clients", 1, "--bytes", 0)
        looked = self.program("dfs_bench", brokers, "stat", many, "--count", names, "--clients",
                              16, "--passes", 3)
        locked = self.program("dfs_bench", brokers, "lock", many, "--count", names, "--clients", 16)
        for folder in (many, one):
            self.cluster.ctl("rm", "-r", folder)
        self.wait_calm()
        if round_number == 0:
            return
        add = self.results.add
        add(f"{label}: creates, 16 clients", created["per_second"], "/s")
        add(f"{label}: creates, 16 clients: p50", created["p50_us"], "µs")
        add(f"{label}: creates, 16 clients: p99", created["p99_us"], "µs")
        add(f"{label}: create, 1 client: p50", alone["p50_us"], "µs")
        add(f"{label}: create, 1 client: p99", alone["p99_us"], "µs")
        add(f"{label}: lookups, 16 clients", looked["per_second"], "/s")
        # Each takes one lock and gives it back: two entries of the lock actors' log, both fsynced
        # by most of the heads before they are answered.
        add(f"{label}: lock operations, 16 clients", 2 * locked["per_second"], "/s")
        add(f"{label}: lock and release, 16 clients: p50", locked["p50_us"], "µs")
        add(f"{label}: lock and release, 16 clients: p99", locked["p99_us"], "µs")
        if before["from"] == after["from"]:
            add(f"{label}: log fsyncs per create, 16 clients",
                (after["log_syncs"] - before["log_syncs"]) / names, "")
        else:
            print(f"{label}: the leader changed while files were created", file=sys.stderr)

    def wait_calm(self):
        """Until what was removed is pruned: the next round is not to pay for it."""
        applied, before = self.cluster.status()["applied"], -1
        while applied != before:
            time.sleep(1)
            applied, before = self.cluster.status()["applied"], applied

    def log_of_leader(self):
        return self.cluster.ctl("--json", "head", "list").report

    def finish_cluster(self):
        self.cluster.script("down", "--purge")
        self.context.clusters.remove(self.cluster)
        self.cluster = None

    def verdicts(self):
        """The floors this project holds itself to, with what was measured."""
        results = self.results
        if "put R=2" in results.samples:
            for label in ("R=2", "R=3"):
                if f"put {label}" in results.samples:
                    limit = results.median(f"limit: {label}, O_DIRECT write of the same bytes")
                    yield (f"put {label}, share of the O_DIRECT limit",
                           results.median(f"put {label}") / limit, 0.65)
            if "get R=2, cold" in results.samples:
                limit = results.median("limit: R=2, O_DIRECT read of the same bytes")
                yield ("get R=2 cold, share of the O_DIRECT read rate",
                       results.median("get R=2, cold") / limit, 0.7)
            yield ("get R=2 warm, of 1.2 GiB/s", results.median("get R=2, warm") / 1228.8, 1)
            stream = results.median("limit: loopback ZeroMQ stream")
            yield ("get R=2 warm, of 900 MiB/s or 45 % of the ZeroMQ stream",
                   results.median("get R=2, warm") / min(900, 0.45 * stream), 1)
        for name, floor in (("4 KiB files created, 1 client", 2500),
                            ("4 KiB files created, 8 clients", 6000),
                            ("16 KiB files created, 1 client", 1000),
                            ("16 KiB files created, 8 clients", 3000), ("stat, 8 clients", 20000)):
            if name in results.samples:
                yield f"{name}, of {floor}/s", results.median(name) / floor, 1
        name = "copies of a dead node made anew, idle"
        if name in results.samples:
            # Of writing alone, and of a copy: here the disk that is read is the same one.
            for what in ("write", "copy"):
                limit = results.median(f"limit: healing, O_DIRECT {what} of the same bytes")
                yield f"{name}, share of the O_DIRECT {what}", results.median(name) / limit, 0.5
            name = "get while a node is replaced, share of the rate before"
            yield name, results.median(name), 0.5
        yield from self.verdicts_of_heads()
        yield from security.verdicts(results)
        yield from encrypted_pool.verdicts(results)

    def verdicts_of_heads(self):
        """The more the better, and what must not be exceeded."""
        results = self.results
        label = heads_label(3)
        for name, floor in (("creates, 16 clients", 5000), ("lookups, 16 clients", 20000)):
            name = f"{label}: {name}"
            if name in results.samples:
                yield f"{name}, of {floor}/s", results.median(name) / floor, 1
        for name, most in (("create, 1 client: p50", 1500),
                           ("log fsyncs per create, 16 clients", 0.2)):
            name = f"{label}: {name}"
            if name in results.samples:
                yield f"{name}, {most} over it", most / results.median(name), 1


class TimedRun:
    """A dfsctl that ran to its end, with the CPU seconds it took."""

    def __init__(self, cluster, *arguments):
        before = os.times()
        self.run = cluster.begin(*arguments)
        self.run.wait(600)
        after = os.times()
        self.cpu = (after.children_user + after.children_system
                    - before.children_user - before.children_system)


def heads_label(count):
    return f"{count} head{'s' if count > 1 else ''}"


def cpu_of(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def drop_caches():
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3\n")
        return True
    except OSError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="build/release/bin", help="folder of the programs")
    parser.add_argument("--dir", help="folder on the disk to measure; default: the temporary one")
    parser.add_argument("--runs", type=int, default=5, help="counted runs, after a warm-up")
    parser.add_argument("--jobs", type=int, default=4, help="blocks under way per transfer")
    parser.add_argument("--only", action="append", choices=PARTS)
    parser.add_argument("--replicas", type=int, action="append", help="of large; default 1, 2, 3")
    parser.add_argument("--out", metavar="FILE", help="write the samples as JSON")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for program in ("dfsd", "dfsctl", "dfs_bench", "dfs_limits"):
        if not os.access(os.path.join(options.bin, program), os.X_OK):
            parser.error(f"no {program} in {options.bin}; build first or give --bin")
    options.large = (64 if options.quick else 1024) * MIB
    options.small = 200 if options.quick else 2000
    if options.quick:
        options.runs = 1
    bench = Bench(options)
    parts = options.only or PARTS
    try:
        if "large" in parts:
            for replicas in options.replicas or (1, 2, 3):
                bench.large_file(replicas)
        if "parallel" in parts:
            bench.parallel_files()
        if "small" in parts:
            bench.small_files()
        if "heads" in parts:
            bench.heads()
        if "heal" in parts:
            bench.heal()
        if "security" in parts:
            security.run(bench)
        if "encrypted" in parts:
            encrypted_pool.run(bench)
    finally:
        bench.context.close(keep=False)
    bench.results.show()
    print()
    for name, value, floor in bench.verdicts():
        print(f"{name}: {value:.2f} (floor {floor}) {'ok' if value >= floor else 'MISSED'}")
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(bench.results.as_json(), file, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
