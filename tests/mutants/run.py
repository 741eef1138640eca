#!/usr/bin/env python3
"""Breaks consensus and what keeps blocks safe on purpose, and sees that the tests notice.

Each *.patch beside this file is one mutant: a line that says what it breaks, and a unified diff.
The source is copied to a directory of its own and the first suite is built there; then each patch
is applied to the copy, what it changed is rebuilt, the suite runs, and the patch is taken back.
Mutants that it did not notice are tried with the next suite. One that no suite notices is a
failure, and so is a patch that no longer applies.

    run.py                     all of them
    run.py --list              their names, and what they break
    run.py --only NAME …       some of them
"""
import argparse
import glob
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
COPIED = ["CMakeLists.txt", "actors", "broker", "cli", "messages", "tests"]
SUITE_SECONDS_MAX = 240  # a mutant may well make a test wait for ever

# Name, build target, command after the program. The cheapest come first.
SUITES = [
    ("test_raft", "test_raft", ["--abort-after=1"]),
    ("test_replica", "test_replica", ["--abort-after=1"]),
    ("test_sim_group", "test_sim_group", ["--abort-after=1"]),
    ("test_monitor", "test_monitor", ["--abort-after=1"]),
    ("test_storage", "test_storage", ["--abort-after=1"]),
    ("test_locks", "test_locks", ["--abort-after=1"]),
    ("test_client", "test_client", ["--abort-after=1"]),
    ("dfs_sim, locks", "dfs_sim", ["--kind", "locks", "--seeds", "1..200", "--once"]),
    ("dfs_sim, group", "dfs_sim", ["--kind", "group", "--seeds", "1..60", "--once"]),
    ("dfs_sim, cluster", "dfs_sim", ["--seeds", "1..200", "--once"]),
]


class Mutant:
    def __init__(self, path):
        self.path = path
        self.name = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding="utf-8") as file:
            self.what = file.readline().strip()


class Workshop:
    """A copy of the source with a build of its own."""

    def __init__(self, jobs):
        self.jobs = jobs
        self.directory = tempfile.mkdtemp(prefix="zdfs-mutants-")
        self.source = os.path.join(self.directory, "source")
        self.build = os.path.join(self.directory, "build")
        # The same files at another place come out of the compiler's cache all the same.
        self.environment = dict(os.environ, CCACHE_BASEDIR=self.directory, CCACHE_NOHASHDIR="1")

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def run(self, command, seconds=None):
        """(status, output); the status of what took too long is None."""
        process = subprocess.Popen(command, cwd=self.directory, env=self.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            output, _ = process.communicate(timeout=seconds)
            return process.returncode, output.decode(errors="replace")
        except subprocess.TimeoutExpired:
            return None, f"it was not done after {seconds} s"
        finally:
            if process.poll() is None:
                # ninja ends its compilers when it is asked to end.
                process.terminate()
                try:
                    process.communicate(timeout=10)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.communicate()

    def must(self, what, command):
        status, output = self.run(command)
        if status != 0:
            raise SystemExit(f"run.py: {what} failed:\n{tail(output, 40)}")

    def prepare(self):
        os.makedirs(self.source)
        for name in COPIED:
            origin = os.path.join(ROOT, name)
            target = os.path.join(self.source, name)
            if os.path.isdir(origin):
                shutil.copytree(origin, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(origin, target)
        # A mutant may leave something unused behind, and that is no reason not to build it.
        lists = os.path.join(self.source, "CMakeLists.txt")
        with open(lists, encoding="utf-8") as file:
            text = file.read()
        with open(lists, "w", encoding="utf-8") as file:
            file.write(text.replace(" -Werror", ""))
        self.must("configuring", ["cmake", "-S", self.source, "-B", self.build, "-G", "Ninja",
                                  "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1 -w"])

    def ninja(self, suite):
        return ["ninja", "-C", self.build, "-j", str(self.jobs), suite[1]]

    def program(self, suite):
        return os.path.join(self.build, "bin", suite[1])

    def fingerprint(self, suite):
        with open(self.program(suite), "rb") as file:
            return hashlib.sha256(file.read()).digest()

    def apply(self, mutant, *options):
        return self.run(["patch", "-p1", "--batch", "--no-backup-if-mismatch", "--reject-file=-",
                         "-d", self.source, "-i", mutant.path] + list(options))


def tail(text, lines):
    return "\n".join("    | " + line for line in text.splitlines()[-lines:])


def reason(output):
    """The line that tells best what a suite noticed."""
    for pattern in (r"^(?:TEST CASE|fault):\s*(.*)$", r"^\s*fault: (.*)$",
                    r"(assertion failed: .*)$", r"^(.*FAILED.*)$"):
        found = re.search(pattern, output, re.MULTILINE)
        if found:
            return found.group(1).strip()
    lines = output.strip().splitlines()
    return lines[-1] if lines else "it ended without a word"


class Verdict:
    def __init__(self):
        self.seconds = 0.0
        self.suite = None  # that noticed
        self.said = ""
        self.broken = ""  # why it could not be tried

    def open(self):
        return self.suite is None and not self.broken


def begin(workshop, suite):
    """Builds the suite without a mutant, and sees that it passes: else it would notice anything."""
    begun = time.monotonic()
    workshop.must(f"building {suite[0]}", workshop.ninja(suite))
    built = time.monotonic()
    status, output = workshop.run([workshop.program(suite)] + suite[2], SUITE_SECONDS_MAX)
    if status != 0:
        raise SystemExit(f"run.py: {suite[0]} fails without a mutant:\n{tail(output, 30)}")
    show("(no mutant)", "passed", suite[0], time.monotonic() - built,
         f"built in {built - begun:.0f} s")
    return workshop.fingerprint(suite)


def judge(workshop, suite, sound, verdict):
    """Builds the suite as the source is now, and runs it if it is another then."""
    status, output = workshop.run(workshop.ninja(suite))
    if status != 0:
        verdict.broken = "it does not build:\n" + tail(output, 20)
    elif workshop.fingerprint(suite) != sound:
        status, output = workshop.run([workshop.program(suite)] + suite[2], SUITE_SECONDS_MAX)
        if status != 0:
            verdict.suite, verdict.said = suite[0], reason(output)


def try_one(workshop, suite, sound, mutant, verdict):
    begun = time.monotonic()
    status, output = workshop.apply(mutant, "--forward", "--dry-run")
    if status != 0:
        verdict.broken = "the patch does not apply any more:\n" + tail(output, 10)
        return
    workshop.apply(mutant, "--forward")
    judge(workshop, suite, sound, verdict)
    status, output = workshop.apply(mutant, "--reverse")
    if status != 0:
        raise SystemExit(f"run.py: {mutant.name} cannot be taken back:\n{tail(output, 10)}")
    verdict.seconds += time.monotonic() - begun


def show(name, verdict, suite, seconds, said):
    print(f"{name:<32} {verdict:<8} {suite:<16} {seconds:6.1f} s  {said}", flush=True)


def run_all(mutants, jobs):
    verdicts = {mutant.name: Verdict() for mutant in mutants}
    workshop = Workshop(jobs)
    try:
        workshop.prepare()
        for suite in SUITES:
            left = [mutant for mutant in mutants if verdicts[mutant.name].open()]
            if not left:
                break
            sound = begin(workshop, suite)
            for mutant in left:
                verdict = verdicts[mutant.name]
                try_one(workshop, suite, sound, mutant, verdict)
                if verdict.suite:
                    show(mutant.name, "caught", verdict.suite, verdict.seconds, verdict.said)
    finally:
        workshop.remove()
    failed = 0
    for mutant in mutants:
        verdict = verdicts[mutant.name]
        if verdict.suite is None:
            failed += 1
            why = "BROKEN" if verdict.broken else "SURVIVED"
            show(mutant.name, why, "-", verdict.seconds, verdict.broken or mutant.what)
    print(f"{len(mutants) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="print the mutants and do nothing")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="try these mutants alone")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2,
                        help="compilers to run at the same time")
    options = parser.parse_args()
    mutants = [Mutant(path) for path in sorted(glob.glob(os.path.join(HERE, "*.patch")))]
    if options.list:
        for mutant in mutants:
            print(f"{mutant.name:<32} {mutant.what}")
        return 0
    if options.only:
        unknown = set(options.only) - {mutant.name for mutant in mutants}
        if unknown:
            parser.error("there is no mutant called " + ", ".join(sorted(unknown)))
        mutants = [mutant for mutant in mutants if mutant.name in options.only]
    for name in ("cmake", "ninja", "patch"):
        if shutil.which(name) is None:
            raise SystemExit(f"run.py: {name} is missing; deploy/packages.sh --tests installs it")
    # What is told to stop clears up first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    return run_all(mutants, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
