"""A server dies, freezes or comes back while files move: the user does not notice."""
import fcntl
import os
import re
import threading

from support import (MIB, alone, check, check_equal, make_bytes, md5_of, read_bytes, test,
                     wait_until)

STALL_MS_MAX = 3000
MEMORY_MAX_KIB = 256 * 1024
OPTIONS = ("--json", "--log-level", "warn", "--jobs", "10")


def size_of(t):
    return (3745 if t.full else 1024) * MIB


def check_quiet(t, run, word, failed_nodes=1):
    """No error, at most one line per failed node, no long stall, little memory."""
    lines = run.err.splitlines()
    check(len(lines) <= failed_nodes, f"{len(lines)} lines for {failed_nodes} failed node: {lines}")
    stall = run.report["longest_stall_ms"]
    check(stall < STALL_MS_MAX, f"longest stall of {word}: {stall} ms")
    check(run.peak_kib < MEMORY_MAX_KIB, f"peak memory of {word}: {run.peak_kib} KiB")
    t.note(f"{word}: stall {stall} ms, {run.report['seconds']:.1f} s")


def put_with_fault(t, fault, storages=4):
    cluster = t.cluster(storages=storages, replicas=2)
    source = t.source(size_of(t))
    put = cluster.begin(*OPTIONS, "put", "--block-size", "128M", source, "/file")
    put.wait_io("rchar", size_of(t) // 4)
    getattr(cluster, fault)("storage-2")
    put.finish(seconds=300)
    check_quiet(t, put, f"put with one {fault}")
    check(put.report["copies"] >= 1, f"copies: {put.report}")
    get = cluster.ctl(*OPTIONS, "get", "/file", t.path("out"), seconds=300)
    check_quiet(t, get, "get afterwards")
    check_equal(md5_of(t.path("out")), md5_of(source), "MD5")
    if fault == "freeze":
        cluster.thaw("storage-2")
        cluster.wait_nodes("up", storages)
    for name in cluster.names:
        if name != "storage-2":
            check(cluster.peak_kib(name) < MEMORY_MAX_KIB, f"peak memory of {name}")


def get_with_fault(t, fault, storages=4):
    cluster = t.cluster(storages=storages, replicas=2)
    source = t.source(size_of(t))
    cluster.ctl(*OPTIONS, "put", "--block-size", "128M", source, "/file", seconds=300)
    get = cluster.begin(*OPTIONS, "get", "/file", t.path("out"))
    get.wait_io("wchar", size_of(t) // 4)
    getattr(cluster, fault)("storage-2")
    get.finish(seconds=300)
    check_quiet(t, get, f"get with one {fault}")
    check_equal(md5_of(t.path("out")), md5_of(source), "MD5")
    if fault == "freeze":
        cluster.thaw("storage-2")


@test
@alone
def S1_9_get_with_one_server_dead(t):
    cluster = t.cluster(storages=4, replicas=2)
    source = t.source(64 * MIB + 3)
    cluster.ctl("put", "--block-size", "4M", source, "/file")
    digest = md5_of(source)
    for name in ("storage-1", "storage-2", "storage-3", "storage-4"):
        cluster.kill(name)
        get = cluster.ctl(*OPTIONS, "get", "/file", t.path("out"))
        check_equal(md5_of(t.path("out")), digest, f"MD5 without {name}")
        check_quiet(t, get, f"without {name}")
        cluster.start(name)
        cluster.wait_nodes("up", 4)


@test
def S2_7_the_client_chooses_the_server_to_read_from(t):
    cluster = t.cluster(storages=2, replicas=2)
    data = make_bytes(20 * MIB)
    cluster.put_bytes(data, "/file", "--block-size", "1M")

    for chosen, other in (("storage-1", "storage-2"), ("storage-2", "storage-1")):
        before = node_bytes(cluster)
        number = cluster.node_of(chosen)
        cluster.ctl("get", "--from", str(number), "/file", t.path("out"))
        check_equal(read_bytes(t.path("out")), data, f"content from {chosen}")
        wait_until(lambda: node_bytes(cluster)[chosen] - before[chosen] >= 20 * MIB,
                   f"{chosen} tells that it was read")
        check_equal(node_bytes(cluster)[other], before[other], f"bytes read from {other}")
    cluster.ctl("get", "--from", "99", "/file", t.path("out"))


def node_bytes(cluster):
    return {n["view"]["host"]: n["heartbeat"]["bytes_read"] for n in cluster.status()["nodes"]}


@test
@alone
def F5_a_server_killed_in_mid_upload_is_not_noticed(t):
    put_with_fault(t, "kill")


@test
def F5_without_another_server_an_upload_fails_loudly(t):
    cluster = t.cluster(storages=1, replicas=1)
    old = make_bytes(2 * MIB)
    cluster.put_bytes(old, "/file", "--block-size", "1M")
    size = 700 * MIB
    source = t.source(size)
    put = cluster.begin("--timeout", "3s", "put", "--block-size", "16M", source, "/file")
    put.wait_io("rchar", size // 8)
    # It must not be done before the server is dead, however long that takes.
    with put.paused():
        cluster.kill("storage-1")
    check(put.wait(120) in (1, 4), f"exit status {put.code}")
    check(put.err.strip(), "nothing was said")
    cluster.start("storage-1")
    cluster.wait_nodes("up", 1)
    check_equal(cluster.get_bytes("/file"), old, "the old version")
    check_equal(cluster.ctl("--json", "stat", "/file").report["version"], 1, "version")


@test
def F6_a_download_just_after_a_death_is_whole_or_an_error(t):
    cluster = t.cluster(storages=2, replicas=1)
    source = t.source(64 * MIB)
    cluster.ctl("put", "--block-size", "1M", source, "/file")
    cluster.kill("storage-1")
    get = cluster.begin("--timeout", "2s", "get", "/file", t.path("part"))
    check(get.wait() in (1, 4), f"exit status {get.code}: {get.err}")
    check(get.err.strip(), "nothing was said")
    left = [name for name in os.listdir(t.directory) if name.startswith("part")]
    check_equal(left, [], "files left behind")
    cluster.start("storage-1")
    cluster.wait_nodes("up", 2)
    cluster.ctl("get", "/file", t.path("part"))
    check_equal(md5_of(t.path("part")), md5_of(source), "MD5 when it is back")


@test
@alone
def A2_a_server_killed_in_mid_get_is_not_noticed(t):
    get_with_fault(t, "kill")


@test
@alone
def A2_a_server_frozen_in_mid_put_is_not_noticed(t):
    put_with_fault(t, "freeze")


@test
@alone
def A2_a_server_frozen_in_mid_get_is_not_noticed(t):
    get_with_fault(t, "freeze")


@test
@alone
def A2_three_servers_one_killed_in_mid_put(t):
    put_with_fault(t, "kill", storages=3)


@test
@alone
def two_of_two_copies_one_server_frozen(t):
    """With two servers there is no other place: the put goes on with one copy and says so."""
    cluster = t.cluster(storages=2, replicas=2)
    source = t.source(1024 * MIB)
    put = cluster.begin(*OPTIONS, "put", "--block-size", "16M", source, "/file")
    put.wait_io("rchar", 64 * MIB)
    cluster.freeze("storage-1")
    put.finish(seconds=120)
    check_equal(put.report["copies"], 1, "copies that the receipt tells")
    cluster.ctl("get", "/file", t.path("out"))
    check_equal(md5_of(t.path("out")), md5_of(source), "MD5")
    cluster.thaw("storage-1")


@test
def a_daemon_waits_for_the_last_thread_of_the_one_before(t):
    cluster = t.cluster(storages=2)
    cluster.kill("storage-1")
    with open(os.path.join(cluster.directory, "data/storage-1/process.lock"), "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        release = threading.Timer(0.5, fcntl.flock, (file, fcntl.LOCK_UN))
        release.start()
        cluster.start("storage-1")
        release.join()
    cluster.wait_nodes("up", 2)


@test
def every_role_is_killed_and_restarted_while_a_put_and_a_get_run(t):
    cluster = t.cluster(storages=4, replicas=2, heads=3)
    size = 512 * MIB
    source = t.source(size)
    digest = md5_of(source)
    cluster.ctl("put", "--block-size", "16M", source, "/there")
    for name in ("head-1", "head-2", "storage-1", "storage-4"):
        put = cluster.begin(*OPTIONS, "put", "--block-size", "16M", source, "/new")
        get = cluster.begin(*OPTIONS, "get", "/there", t.path("out"))
        put.wait_io("rchar", size // 4)
        cluster.kill(name)
        cluster.start(name)
        put.finish(seconds=120)
        get.finish(seconds=120)
        check_equal(md5_of(t.path("out")), digest, f"MD5 of the get while {name} restarts")
        cluster.wait_nodes("up", 4)
        cluster.ctl("get", "/new", t.path("out"))
        check_equal(md5_of(t.path("out")), digest, f"MD5 of the put while {name} restarts")


@test
def a_broker_dies_for_good_while_a_put_runs(t):
    cluster = t.cluster(storages=3, replicas=2, heads=3)
    with open(f"{cluster.directory}/client.conf", encoding="ascii") as file:
        brokers = re.findall(r'"([^"]+)"', file.read())
    order = ["--broker", brokers[1], "--broker", brokers[2], "--broker", brokers[0]]
    source = t.source(512 * MIB)
    put = cluster.begin(*order, *OPTIONS, "put", "--block-size", "16M", source, "/file")
    put.wait_io("rchar", 128 * MIB)
    cluster.kill("head-2")
    put.finish()
    cluster.ctl(*order, "get", "/file", t.path("out"))
    check_equal(md5_of(t.path("out")), md5_of(source), "MD5")
