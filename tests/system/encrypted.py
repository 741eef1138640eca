"""Encrypted pools: what storage nodes hold says nothing, and everything works as with others."""
import os
import re
import stat
import subprocess

from head_members import dfsd_head
from rebuild import lose_heads
from support import (MIB, check, check_equal, make_bytes, read_bytes, test, wait_until,
                     write_bytes)

# Strings that no compression takes apart, and that are nowhere by chance.
SECRET = b"9f2c7e1ab44d6083-the-secret-5e81c0d7723b"
NAME = "a7d3e95520cf-the-name-18b64e"
WORDS = (SECRET, NAME.encode())


def found_in(cluster, prefix, words):
    """Which of the words are anywhere in the files of the processes of this name."""
    found = set()
    for name in sorted(os.listdir(os.path.join(cluster.directory, "data"))):
        if not name.startswith(prefix):
            continue
        for folder, _, files in os.walk(os.path.join(cluster.directory, "data", name)):
            for file in files:
                data = read_bytes(os.path.join(folder, file))
                found.update(word for word in words if word in data)
    return found


def secret_bytes(size, seed=0):
    data = bytearray(make_bytes(size, seed))
    for place in range(0, size - len(SECRET), 64 * 1024):
        data[place:place + len(SECRET)] = SECRET
    return bytes(data)


def encrypted_cluster(t, **options):
    cluster = t.cluster(**options)
    cluster.ctl("pool", "create", "safe", "--replicas", "2", "--encrypted")
    cluster.ctl("mkdir", "/safe")
    cluster.ctl("setattr", "--pool", "safe", "/safe")
    return cluster


def put_all(cluster, directory):
    """A file of several blocks, one of a part of a block, and one that the heads keep."""
    files = {}
    for name, size in (("large", 3 * MIB + 4711), ("full-parts", 2 * (MIB - 16)),
                       ("small", 5000), ("inline", 300)):
        path = f"{directory}/{NAME}-{name}"
        files[path] = secret_bytes(size, len(files))
        cluster.put_bytes(files[path], path, "--block-size", "1M")
    return files


@test
def S5_an_encrypted_pool_says_nothing_on_disks(t):
    cluster = encrypted_cluster(t, storages=3)
    files = put_all(cluster, "/safe")
    for path, data in files.items():
        check_equal(cluster.get_bytes(path), data, f"content of {path}")
        got = t.path("cat")
        cluster.ctl("cat", path, stdout=got)
        check_equal(read_bytes(got), data, "what cat says")
        info = cluster.ctl("--json", "stat", path).json[0]
        check_equal((info["size"], info["encrypted"]), (len(data), True), f"stat of {path}")
        check("encrypted" in cluster.ctl("stat", path).out, "what stat says")
    check_equal(found_in(cluster, "storage", WORDS), set(), "what is readable on storage nodes")
    check_equal(found_in(cluster, "head", (SECRET,)), set(), "content that is readable on heads")
    # The same search finds all of it where nothing is encrypted.
    cluster.ctl("mkdir", "/plain")
    put_all(cluster, "/plain")
    check_equal(found_in(cluster, "storage", WORDS), set(WORDS), "what the search finds")
    check_equal(found_in(cluster, "head", (SECRET,)), {SECRET}, "what it finds on heads")
    pools = {pool["name"]: pool["encrypted"] for pool in cluster.ctl("--json", "pool", "list").json}
    check_equal(pools, {"default": False, "safe": True}, "pools")
    check("is encrypted" in cluster.ctl("explain", f"/safe/{NAME}-large").out, "what explain says")


@test
def S5_streams_checksums_and_copies_of_an_encrypted_pool(t):
    cluster = encrypted_cluster(t, storages=3)
    data = secret_bytes(33 * MIB + 17)
    local = t.path("local")
    write_bytes(local, data)
    with subprocess.Popen(["cat", local], stdout=subprocess.PIPE) as cat:
        cluster.ctl("put", "-", "/safe/stream", stdin=cat.stdout)
    check_equal(cluster.get_bytes("/safe/stream"), data, "content of a stream")
    cluster.put_bytes(data, "/safe/file")
    of = [cluster.ctl("--json", "checksum", *options, path).json[0]["checksum"]
          for path in ("/safe/file", "/safe/stream") for options in ((), ("--read",))]
    check_equal(len(set(of)), 1, "checksums recorded and read, of file and stream")
    cluster.ctl("fsck", "/")


@test
def S5_damage_and_dead_nodes_need_no_keys(t):
    cluster = encrypted_cluster(t, storages=4)
    data = secret_bytes(24 * MIB, 3)
    cluster.put_bytes(data, "/safe/file", "--block-size", "1M")
    cluster.kill("storage-2")
    check_equal(cluster.get_bytes("/safe/file"), data, "content with a node away")
    cluster.start("storage-2")
    wait_until(lambda: cluster.status()["health"] == "ok", "a healthy cluster", 60)
    number = cluster.node_of("storage-1")
    cluster.ctl("node", "drain", str(number))
    wait_until(lambda: drained(cluster, number), "the drained node", 120)
    check_equal(cluster.get_bytes("/safe/file"), data, "content after a drain")
    check_equal(found_in(cluster, "storage", WORDS), set(), "what is readable after that")


def drained(cluster, number):
    groups = cluster.map()["groups"]
    return not any(number in group["members"] + group["leaving"] for group in groups)


@test
def S5_keys_of_pools_are_rotated_and_exported(t):
    cluster = encrypted_cluster(t, heads=3, storages=3, secure=True,
                                settings='[head]\nauthentication = "off"\n')
    first = secret_bytes(2 * MIB)
    cluster.put_bytes(first, "/safe/first")
    cluster.put_bytes(SECRET, "/safe/inline")
    cluster.ctl("pool", "rotate-key", "safe")
    cluster.put_bytes(first[::-1], "/safe/second")
    cluster.kill(cluster.leader())
    check_equal(cluster.get_bytes("/safe/first"), first, "content of before")
    check_equal(cluster.get_bytes("/safe/second"), first[::-1], "content of after")
    check_equal(cluster.get_bytes("/safe/inline"), SECRET, "small content")
    file = t.path("keys")
    cluster.ctl("pool", "export-key", "safe", "--output", file)
    check_equal(stat.S_IMODE(os.stat(file).st_mode), 0o600, "mode of the file")
    keys = re.findall(r"^[0-9a-f]{16} ([0-9a-f]{64}) safe$", read_bytes(file).decode(), re.M)
    check_equal(len(keys), 2, "keys exported")
    words = [bytes.fromhex(key) for key in keys] + [key.encode() for key in keys]
    check_equal(found_in(cluster, "", words), set(), "keys that are readable anywhere")
    again = cluster.begin("pool", "export-key", "safe", "--output", file)
    check(again.wait() != 0, "keys are written over a file")


@test
def S5_exported_keys_bring_an_encrypted_pool_back(t):
    cluster = encrypted_cluster(t, storages=3)
    data = secret_bytes(3 * MIB + 5)
    cluster.put_bytes(data, f"/safe/{NAME}", "--block-size", "1M")
    cluster.put_bytes(data[::-1], "/safe/later", "--block-size", "1M")
    keys = t.path("keys")
    cluster.ctl("pool", "export-key", "safe", "--output", keys)
    identity = cluster.status()["cluster"]
    lose_heads(cluster)
    run = dfsd_head(t, cluster, "head-1", "--rebuild", identity)
    wait_until(lambda: cluster.begin("cluster", "status").wait() == 0, "the new head")
    run.end()
    cluster.start("head-1")
    cluster.wait_nodes("up", 3)
    cluster.ctl("rebuild", "--nodes", "3", "--keys", keys)
    check_equal(cluster.get_bytes(f"/safe/{NAME}"), data, "content of a file with its name")
    check_equal(cluster.get_bytes("/safe/later"), data[::-1], "content of another")
    info = cluster.ctl("--json", "stat", f"/safe/{NAME}").json[0]
    check_equal((info["size"], info["encrypted"]), (len(data), True), "what stat says")
    cluster.ctl("fsck", "/")
    check_equal(found_in(cluster, "", WORDS[:1]), set(), "content that is readable")
