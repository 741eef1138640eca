"""dfsctl as its users see it, and a client that is not ours."""
import os
import subprocess
import time

from support import (MIB, ROOT, Run, check, check_equal, make_bytes, md5_of, read_bytes, test,
                     wait_until)


@test
def S2_1_the_commands_of_the_interactive_client(t):
    cluster = t.cluster(storages=2)
    source = t.source(2 * MIB + 1)
    cluster.ctl("put", source, "/file")                       # upload
    check_equal(cluster.ctl("ls", "/").out, "file\n", "ls")
    check("file" in cluster.ctl("ls", "-l", "/").out, "ls -l")
    cluster.ctl("get", "/file", t.path("out"))                # download
    check_equal(md5_of(t.path("out")), md5_of(source), "MD5")
    cluster.ctl("put", "-", "/empty")                         # create
    check_equal(cluster.ctl("cat", "/empty").out, "", "content of the created file")
    cluster.ctl("mv", "/empty", "/renamed")
    cluster.ctl("rm", "/renamed")                             # delete
    check_equal(cluster.names_in("/"), ["file"], "names afterwards")
    check_equal(cluster.ctl("checksum", "--md5", "/file").out.split()[0], md5_of(source), "MD5")
    helped = cluster.ctl("--help").out
    for word in ("put", "get", "ls", "rm", "Exit", "3"):
        check(word.lower() in helped.lower(), f"{word} is not in --help")
    check("dfsctl" in cluster.ctl("version").out, "version")


@test
def exit_codes_and_clear_errors(t):
    cluster = t.cluster(storages=2)
    cluster.ctl("mkdir", "/dir")
    cases = [
        (2, ["frobnicate"]), (2, ["put"]), (2, ["--no-such-option", "ls"]),
        (2, ["put", "--block-size", "3", t.source(10), "/x"]), (2, []),
        (3, ["get", "/nothing", t.path("x")]), (3, ["stat", "/nothing"]), (3, ["rm", "/nothing"]),
        (3, ["mv", "/nothing", "/x"]), (3, ["ls", "/nothing"]), (3, ["cat", "/nothing"]),
        (1, ["put", t.path("no-such-file"), "/x"]), (1, ["cat", "/dir"]), (1, ["mkdir", "/dir"]),
    ]
    for code, arguments in cases:
        run = cluster.ctl(*arguments, wanted=code)
        check(run.err.strip(), f"nothing was said by {run}")
        check("terminate" not in run.err and len(run.err) < 4000, f"what {run} said: {run.err}")
        check_equal(run.out, "", f"stdout of {run}")
    check_equal(cluster.names_in("/"), ["dir"], "names afterwards")


@test
def S2_8_without_a_cluster_a_clear_message_soon(t):
    run = Run([os.path.join(t.bin, "dfsctl"), "--insecure", "--broker", "tcp://127.0.0.1:9", "ls",
               "/"], t.directory)
    begun = time.monotonic()
    run.finish(wanted=4, seconds=10)
    t.note(f"{time.monotonic() - begun:.1f} s")
    check("127.0.0.1:9" in run.err, f"what was said: {run.err}")
    cluster = t.cluster(storages=1)
    cluster.script("down")
    run = cluster.ctl("ls", "/", wanted=4, seconds=10)
    check(run.err.strip(), "nothing was said")


@test
def json_everywhere(t):
    cluster = t.cluster(storages=2)
    source = t.source(3 * MIB)
    cases = [
        (["put", source, "/file"], {"command", "path", "bytes", "seconds", "receipt"}),
        (["get", "/file", t.path("out")], {"command", "path", "bytes", "longest_stall_ms"}),
        (["ls", "/"], {"name", "size", "type"}), (["stat", "/file"], {"size", "version"}),
        (["stat", "--blocks", "/file"], {"blocks", "nodes", "copies_min"}),
        (["stat", "--durability", "/file"], {"durability"}),
        (["df"], {"total_bytes", "used_bytes", "free_bytes", "objects_dead", "nodes"}),
        (["fsck"], {"summary", "findings", "copies_good", "dead"}),
        (["checksum", "--md5", "/file"], {"checksum", "algorithm"}),
        (["mkdir", "/dir"], {"path", "receipt"}), (["mv", "/file", "/dir"], {"path", "to"}),
        (["rm", "-r", "/dir"], {"path", "receipt"}),
        (["cluster", "status"], {"health", "nodes"}), (["cluster", "map"], {"epoch", "groups"}),
        (["version"], {"version", "protocol"}),
    ]
    for arguments, keys in cases:
        run = cluster.ctl("--json", *arguments)
        for line in run.json:
            check(keys <= set(line), f"{run}: {sorted(keys - set(line))} missing in {line}")
        check(run.json, f"{run} printed nothing")


@test
def events_show_what_happens(t):
    cluster = t.cluster(storages=2)
    tap = cluster.begin("--json", "events", "file-", "directory-", "removed", "--count", "4")
    # What happened before a tap was open may be shown or not, so it is opened well before.
    wait_until(lambda: established(tap.process.pid) >= 2, "the tap's connections")
    cluster.ctl("mkdir", "/dir")
    cluster.put_bytes(b"x", "/dir/file")
    cluster.ctl("mv", "/dir/file", "/dir/other")
    cluster.ctl("rm", "/dir/other")
    topics = [event["topic"] for event in tap.finish(seconds=20).json]
    check_equal(topics, ["directory-made", "file-committed", "file-renamed", "removed"], "topics")
    indexes = [event["index"] for event in tap.json]
    check(indexes == sorted(set(indexes)) and indexes[0] > 0, f"indexes: {indexes}")


def established(pid):
    """TCP connections of a process."""
    inodes = set()
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            inodes.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    except OSError:
        return 0
    with open("/proc/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return sum(row[3] == "01" and f"socket:[{row[9]}]" in inodes for row in rows)


@test
def streams_in_a_pipe(t):
    cluster = t.cluster(storages=2)
    source = t.source(20 * MIB + 11)
    tool = os.path.join(t.bin, "dfsctl")
    script = (f"'{tool}' put --block-size 1M - /a < '{source}' && "
              f"'{tool}' cat /a | '{tool}' put - /b")
    subprocess.run(["bash", "-o", "pipefail", "-c", script], env=cluster.environment, check=True,
                   timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cluster.ctl("get", "/b", t.path("out"))
    check_equal(md5_of(t.path("out")), md5_of(source), "MD5")
    # A reader that leaves early is no reason to hang.
    script = f"'{tool}' cat /a | head -c 100 > '{t.path('head')}'"
    subprocess.run(["bash", "-c", script], env=cluster.environment, check=True, timeout=60,
                   stderr=subprocess.DEVNULL)
    check_equal(read_bytes(t.path("head")), read_bytes(source)[:100], "the first 100 bytes")


@test
def S1_6_U8_a_python_client_over_the_open_protocol(t):
    cluster = t.cluster(storages=3, replicas=2, secure=False)  # it has no keys
    with open(f"{cluster.directory}/client.conf", encoding="ascii") as file:
        broker = file.read().split('"')[1]
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
    program = os.path.join(ROOT, "tests", "interop", "client.py")
    check(len(read_bytes(program).splitlines()) <= 200, "it is longer than 200 lines")

    def begin(*arguments):
        run = Run([python, program, broker, *arguments], t.directory)
        cluster.runs.append(run)
        return run

    tap = begin("tail", "3", "file-")
    wait_until(lambda: established(tap.process.pid) >= 1, "the tap's connection")
    large, small = t.source(7 * MIB + 123), t.path("small")
    with open(small, "wb") as file:
        file.write(make_bytes(1000))
    begin("put", large, "/large", "2").finish()
    begin("put", small, "/small").finish()
    for name, local in (("/large", large), ("/small", small)):
        cluster.ctl("get", name, t.path("ours"))
        check_equal(md5_of(t.path("ours")), md5_of(local), f"{name} put by Python, got by dfsctl")
    check_equal(cluster.blocks("/large")["copies_min"], 2, "copies of what Python put")
    cluster.ctl("put", "--block-size", "1M", large, "/ours")
    begin("get", "/ours", t.path("theirs")).finish()
    check_equal(md5_of(t.path("theirs")), md5_of(large), "put by dfsctl, got by Python")
    check_equal(begin("list", "/").finish().out.split()[1::2], ["large", "ours", "small"], "list")
    cluster.kill("storage-1")
    begin("get", "/large", t.path("theirs")).finish()
    check_equal(md5_of(t.path("theirs")), md5_of(large), "got by Python with a server dead")
    check_equal(tap.finish(seconds=20).out.count("event/file-committed"), 3, "events")
    refused = begin("get", "/nothing", t.path("x"))
    check_equal(refused.wait(), 1, "exit status of a refusal")
    check("error 300" in refused.err, f"what it said: {refused.err}")
