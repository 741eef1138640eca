"""dfs_load under way beside a test, and what its report says; see load.cc."""
import json
import os
import signal
import statistics
import time

from people import ticket_of
from support import (Failed, Run, brokers_of, check, check_equal, key_of, wait_until,
                     write_bytes)

DEADLINE_S = 10.0  # in which each operation of the load must have an answer


def ticket_file(cluster):
    """A file with a ticket of the administrator, of a session of its own."""
    password = os.path.join(cluster.directory, "conf", "admin-password")
    text = cluster.ctl("login", "admin", "--print-ticket", "--password-file", password).out
    return write_bytes(os.path.join(cluster.directory, "load.ticket"), ticket_of(text))


class Load:
    """Clients that change files of their own, and readers that each ask one broker."""

    def __init__(self, cluster, directory="/load", brokers=None, prefix=(), **options):
        """`prefix` goes before the command; `options` are those of dfs_load."""
        self.cluster = cluster
        self.directory = directory
        brokers = brokers or brokers_of(cluster)
        command = [*prefix, os.path.join(cluster.context.bin, "dfs_load"), ",".join(brokers),
                   directory, "--deadline", str(int(DEADLINE_S * 1000))]
        if cluster.secure:
            command += ["--cluster-key", key_of(cluster), "--ticket", ticket_file(cluster)]
        for name, value in options.items():
            command += ["--" + name, str(value)]
        self.run = Run(command, cluster.context.directory)
        cluster.runs.append(self.run)
        self.report = None

    def acked(self):
        """Changes acknowledged so far."""
        with open(self.run.out_path, "rb") as file:
            file.seek(max(0, os.path.getsize(self.run.out_path) - 400))
            lines = file.read().split(b"\n")
        # The last piece is empty or half a line; the first may be half a line too.
        for line in reversed(lines[:-1]):
            if line.startswith(b'{"acked"'):
                return json.loads(line)["acked"]
        return 0

    def wait_progress(self, changes=300, seconds=2 * DEADLINE_S):
        """Waits for so many more acknowledged changes."""
        wanted = self.acked() + changes

        def progressed():
            check(self.run.running(), f"{self.run} ended too early: {self.run.err}")
            return self.acked() >= wanted
        wait_until(progressed, f"{changes} more changes acknowledged", seconds)

    def finish(self, stop=True, seconds=60.0):
        """Ends the load, or waits until its --count is reached; returns the report."""
        if stop and self.run.running():
            os.kill(self.run.process.pid, signal.SIGTERM)
        self.run.finish(0, seconds)
        self.report = self.run.report
        return self.report

    def check(self, errors_allowed=False):
        """Nobody was told a wrong thing, and what is there is what was acknowledged."""
        report = self.report or self.finish()
        check_equal(report["violations"], [], "wrong answers")
        if not errors_allowed:
            check_equal(report["errors"], [], f"operations without answer in {DEADLINE_S:g} s")
            check(report["worst_ms"] <= DEADLINE_S * 1000, f"worst {report['worst_ms']} ms")
        check(report["changes"] > 0, "nothing was changed")
        self.check_model()

    def check_model(self):
        for directory, names in self.report["model"].items():
            self.check_directory(directory, names)

    def check_directory(self, directory, names):
        """Compares versions, sizes and checksums of all that is there."""
        listed = {entry["name"]: [entry["version"], entry["size"], int(entry["crc32c"], 16)]
                  for entry in self.cluster.ctl("--json", "ls", directory).json}
        for name, possible in names.items():
            found = listed.pop(name, [0, 0, 0])
            if found not in possible:
                raise Failed(f"{directory}/{name} is at [version, size, checksum] {found}; "
                             f"acknowledged was {' or '.join(map(str, possible))}")
        check_equal(listed, {}, f"names in {directory} that nobody made")

    def pauses(self, moments):
        """For each moment the longest time without an acknowledgement before the next one."""
        found = []
        for moment, following in zip(moments, [*moments[1:], float("inf")]):
            found.append(max((length for begin, length in self.report["gaps"]
                              if begin < following and begin + length > moment), default=0.0))
        return found


def summary_of(pauses):
    """For a note: median and worst."""
    return (f"without progress: median {statistics.median(pauses):.2f} s, "
            f"worst {max(pauses):.2f} s of {len(pauses)}")


def now():
    """The clock of the report's gaps."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)
