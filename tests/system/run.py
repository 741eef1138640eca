#!/usr/bin/env python3
"""System tests: real processes on loopback, driven through local_cluster.sh and dfsctl.

Each test has folders and clusters of its own, all gone when it ends. Names begin with the rows of
the feature list they show (S1_9, F5) or with the acceptance they belong to (A4).
"""
import argparse
import concurrent.futures
import fnmatch
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
import traceback

import support
import transfers  # noqa: F401  the imports register the tests
import names  # noqa: F401
import membership  # noqa: F401
import faults  # noqa: F401
import crashes  # noqa: F401
import commands  # noqa: F401
import heads  # noqa: F401
import head_members  # noqa: F401
import head_events  # noqa: F401
import hosts  # noqa: F401
import power  # noqa: F401
import repair  # noqa: F401
import durability  # noqa: F401
import rebuild  # noqa: F401
import node_create  # noqa: F401
import hostile  # noqa: F401
import locks  # noqa: F401
import capture  # noqa: F401
import rights  # noqa: F401
import secure  # noqa: F401
import secrets_kept  # noqa: F401
import users  # noqa: F401
import encrypted  # noqa: F401
import history  # noqa: F401
import file_commands  # noqa: F401
import shell  # noqa: F401
import self_description  # noqa: F401


SYSTEM_PYTHON = "/usr/bin/python3"
COUNTS = re.compile(r"\d+ passed, \d+ failed")  # the last line of a run


def wanted(name, patterns):
    return not patterns or any(
        fnmatch.fnmatchcase(name, pattern if "*" in pattern else f"*{pattern}*")
        for pattern in patterns)


def run_one(function, options):
    """PASS, FAIL or SKIP."""
    begun = time.monotonic()
    context = support.Context(options.bin, options.full, options.secure)
    problem = skipped = None
    try:
        function(context)
    except support.Skipped as reason:
        skipped = str(reason)
    except support.Failed as failure:
        problem = f"{failure}\n{place_of(failure)}"
    except Exception:  # pylint: disable=broad-except
        problem = traceback.format_exc()
    finally:
        log_lines = context.logs() if problem else []
        try:
            context.close(options.keep)
        except support.Failed as failure:
            problem = f"{problem}\n{failure}" if problem else f"cleaning up: {failure}"
    if skipped and not problem:
        print(f"SKIP           {function.__name__}  skipped: {skipped}", flush=True)
        return "SKIP"
    outcome = "FAIL" if problem else "PASS"
    notes = "  " + ", ".join(context.notes) if context.notes else ""
    print(f"{outcome} {time.monotonic() - begun:6.1f} s  {function.__name__}{notes}", flush=True)
    if problem:
        for line in problem.rstrip().splitlines() + log_lines:
            print("       " + line)
        if options.keep:
            print(f"       kept in {context.directory}")
        sys.stdout.flush()
    return outcome


def place_of(failure):
    """Where in a test file it happened."""
    frames = traceback.extract_tb(failure.__traceback__)
    ours = [frame for frame in frames if not frame.filename.endswith(("run.py", "support.py"))]
    frame = (ours or frames)[-1]
    return f"at {os.path.basename(frame.filename)}:{frame.lineno}: {frame.line}"


def run_in_processes(tests, options):
    """Each test in a process of its own, options.jobs of them at a time; then those that must be
    alone. Every test has folders and ports of its own, so they are in nobody's way."""
    children = set()

    def run(function):
        command = [sys.executable, os.path.abspath(__file__), "--bin", options.bin, "--exact",
                   *(["--keep"] if options.keep else []), *(["--full"] if options.full else []),
                   *(["--secure"] if options.secure else []), function.__name__]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace") as child:
            children.add(child)
            output = child.communicate()[0]
            children.discard(child)
        lines = output.splitlines()
        if COUNTS.match(lines[-1] if lines else ""):
            lines.pop()  # of this one test
        print("\n".join(lines), flush=True)
        if child.returncode != 0:
            return "FAIL"
        return "SKIP" if lines[0].startswith("SKIP") else "PASS"

    together = [function for function in tests if function.__name__ not in support.ALONE]
    others = [function for function in tests if function.__name__ in support.ALONE]
    outcomes = []
    for group, jobs in ((together, options.jobs), (others, 1)):
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            try:
                outcomes += pool.map(run, group)
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                for child in list(children):
                    child.terminate()  # it cleans up after itself
                raise
    return outcomes


def interrupt(_signal, _frame):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", default="build/release/bin", help="folder of dfsd and dfsctl")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN",
                        help="only tests whose name holds this, or matches it when it has a *")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="the same")
    parser.add_argument("--exact", action="store_true", help="patterns are whole names")
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="run N tests at a time; those marked alone run after the others")
    parser.add_argument("--list", action="store_true", help="print the names and end")
    parser.add_argument("--keep", action="store_true", help="leave the folders for inspection")
    parser.add_argument("--full", action="store_true",
                        help="fault tests with 3745 MiB too, where 1 GiB is the default")
    parser.add_argument("--secure", action="store_true",
                        help="clusters have keys and demand tickets, where a test allows it")
    options = parser.parse_args()
    patterns = options.patterns + options.only
    tests = [function for function in support.TESTS
             if (function.__name__ in patterns if options.exact
                 else wanted(function.__name__, patterns))]
    if options.list:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # its reader may have seen enough
        for function in tests:
            print(function.__name__)
        return 0
    for program in ("dfsd", "dfsctl", "dfs_load"):
        if not os.access(os.path.join(options.bin, program), os.X_OK):
            parser.error(f"no {program} in {options.bin}; build first or give --bin")
    signal.signal(signal.SIGTERM, interrupt)
    outcomes = (run_in_processes(tests, options) if options.jobs > 1
                else [run_one(function, options) for function in tests])
    passed, failed, skipped = map(outcomes.count, ("PASS", "FAIL", "SKIP"))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if outcomes and not failed else 1


def use_python_with_modules():
    """The modules zmq and msgpack are packages of the system's Python, which may not be this."""
    found = all(importlib.util.find_spec(name) for name in ("zmq", "msgpack"))
    if not found and sys.executable != SYSTEM_PYTHON and os.access(SYSTEM_PYTHON, os.X_OK):
        os.execv(SYSTEM_PYTHON, [SYSTEM_PYTHON, *sys.argv])


if __name__ == "__main__":
    use_python_with_modules()
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
