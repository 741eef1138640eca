"""Files go in and come out the same: sizes, bytes, blocks, memory."""
import itertools
import os
import re

from support import (MIB, alone, check, check_equal, make_bytes, md5_of, read_bytes, test,
                     write_bytes)

LARGE = 3745 * MIB
MEMORY_MAX_KIB = 256 * 1024


@test
def S1_1_blocks_are_split_on_upload_and_joined_on_download(t):
    cluster = t.cluster()
    source = t.source(10 * MIB + 1)
    cluster.ctl("put", "--block-size", "1M", source, "/file")
    blocks = cluster.blocks("/file")["blocks"]
    check_equal([block["length"] for block in blocks], [MIB] * 10 + [1], "lengths of the blocks")
    cluster.ctl("get", "/file", t.path("out"))
    check_equal(md5_of(t.path("out")), md5_of(source), "MD5")


@test
def S1_3_eighteen_blocks_over_four_jobs(t):
    cluster = t.cluster()
    source = t.source(18 * MIB)
    put = cluster.ctl("--json", "--jobs", "4", "put", "--block-size", "1M", source, "/file").report
    check_equal(put["blocks"], 18, "blocks")
    for jobs in ("1", "4", "18", "64"):
        cluster.ctl("--jobs", jobs, "get", "/file", t.path("out"))
        check_equal(md5_of(t.path("out")), md5_of(source), f"MD5 with {jobs} jobs")


@test
def S1_7_many_files_uploaded_many_times(t):
    cluster = t.cluster()
    folder = t.path("many")
    for directory in range(10):
        os.makedirs(f"{folder}/d{directory}/deep")
        for number in range(20):
            size = (number * 977) % 9000
            write_bytes(f"{folder}/d{directory}/deep/f{number}", make_bytes(size, number))
    for upload in (1, 2, 3):
        cluster.ctl("put", "-r", folder, "/many" if upload == 1 else "/")
        check_equal(cluster.ctl("--json", "stat", "/many/d7/deep/f13").report["version"], upload,
                    "version")
    cluster.ctl("get", "-r", "/many", t.path("back"))
    for directory in range(10):
        for number in range(20):
            name = f"d{directory}/deep/f{number}"
            check_equal(read_bytes(t.path(f"back/{name}")), read_bytes(f"{folder}/{name}"), name)
    check_equal(cluster.status()["files"], 200, "files in the cluster")


def round_trip(t, cluster, size):
    """Puts and gets a file as seed 000 did; every process stays within its memory."""
    source = t.source(size)
    digest = md5_of(source)
    options = ("--json", "--jobs", "10")
    put = cluster.ctl(*options, "put", "--block-size", "128M", source, "/film", seconds=300)
    get = cluster.ctl(*options, "get", "/film", t.path("film"), seconds=300)
    check_equal(md5_of(t.path("film")), digest, "MD5 before and after")
    check_equal(put.err + get.err, "", "what was said on stderr")
    peaks = {"put": put.peak_kib, "get": get.peak_kib}
    peaks.update((name, cluster.peak_kib(name)) for name in cluster.names)
    check(max(peaks.values()) < MEMORY_MAX_KIB, f"peak memory in KiB: {peaks}")
    check(min(peaks.values()) > 0, f"no peak memory: {peaks}")
    for run, word in ((put, "put"), (get, "get")):
        t.note(f"{word} {run.report['bytes_per_second'] / MIB:.0f} MiB/s")
    t.note(f"peak {max(peaks.values()) / 1024:.0f} MiB ({max(peaks, key=peaks.get)})")
    return cluster.blocks("/film")


@test
@alone
def S1_8_936_mib_with_four_and_three_storages(t):
    for storages in (4, 3):
        cluster = t.cluster(storages=storages, replicas=2)
        round_trip(t, cluster, 936 * MIB)
        cluster.down()


@test
@alone
def S1_8_F13_A2_3745_mib_with_four_storages_in_constant_memory(t):
    stat = round_trip(t, t.cluster(storages=4, replicas=2), LARGE)
    check_equal(len(stat["blocks"]), 30, "blocks of 128 MiB")
    check_equal(stat["copies_min"], 2, "copies of every block")


@test
@alone
def S1_8_F13_A2_3745_mib_with_three_storages_in_constant_memory(t):
    if t.full:
        round_trip(t, t.cluster(storages=3, replicas=2), LARGE)
    else:
        round_trip(t, t.cluster(storages=3, replicas=2), 1024 * MIB)


@test
def A3_every_block_on_distinct_nodes_spread_evenly(t):
    for storages, replicas in ((4, 2), (5, 3)):
        cluster = t.cluster(storages=storages, replicas=replicas)
        source = t.source(240 * MIB)
        cluster.ctl("put", "--block-size", "1M", source, "/file")
        stat = cluster.blocks("/file")
        for block in stat["blocks"]:
            check_equal(len(set(block["nodes"])), replicas, f"nodes of block {block['index']}")
        shares = [share["blocks"] for share in stat["nodes"].values()]
        check_equal(sum(shares), 240 * replicas, "copies")
        even = 240 * replicas / storages
        check(len(shares) == storages and all(abs(n - even) <= even / 4 for n in shares),
              f"{replicas} copies over {storages} nodes: {shares}, even is {even:g}")
        t.note(f"R={replicas}: {sorted(shares)}")
        cluster.down()


@test
def S1_10_time_and_speed_are_printed(t):
    cluster = t.cluster()
    source = t.source(20 * MIB)
    number = r"\d+(\.\d+)? "
    line = rf"20\.0 MiB +in {number}(ms|s) +{number}(M|G)iB/s"
    for arguments in (("put", source, "/file"), ("get", "/file", t.path("out"))):
        out = cluster.ctl(*arguments).out
        check(re.search(line, out), f"no size, time and speed in {out!r}")


@test
def F2_every_size_around_the_limits(t):
    cluster = t.cluster()
    block = MIB
    sizes = {0, 1, 2, 511, 512, 4095, 4096, 4097, 65535, 65536, 65537}
    for count, offset in itertools.product((1, 2, 3, 17), (-1, 0, 1)):
        sizes.add(count * block + offset)
    for size in sorted(sizes):
        data = make_bytes(size, size)
        report = cluster.put_bytes(data, f"/size-{size}", "--block-size", "1M")
        check_equal(report["bytes"], size, f"bytes reported of {size}")
        check_equal(cluster.get_bytes(f"/size-{size}"), data, f"content of {size} bytes")
        check_equal(cluster.ctl("--json", "stat", f"/size-{size}").report["size"], size, "size")
    check_equal(len(cluster.names_in("/")), len(sizes), "files")


@test
def F9_bytes_are_bytes(t):
    cluster = t.cluster()
    contents = {
        "crlf": b"one\r\ntwo\rthree\n\r\n" * 3000,
        "controls": bytes(range(32)) * 1000 + b"\x7f\x1b[2J\x1a\x04",
        "all": bytes(range(256)) * 20000,
        "nul": bytes(2 * MIB + 7),
        "marks": b"\xef\xbb\xbf\xff\xfe END EOF \x00 <<<",
    }
    for name, data in contents.items():
        cluster.put_bytes(data, f"/{name}", "--block-size", "1M")
        check_equal(cluster.get_bytes(f"/{name}"), data, name)


@test
def F1_lost_or_swapped_bytes_never_pass(t):
    cluster = t.cluster(storages=2, replicas=2)
    data = make_bytes(3 * MIB, 5)
    cluster.put_bytes(data, "/file", "--block-size", "1M")
    # One copy of one block goes bad: the other serves, whichever node is asked first.
    cluster.damage("storage-1", data[MIB + 4096:MIB + 4160])
    for name in ("storage-1", "storage-2"):
        run = cluster.ctl("get", "--from", str(cluster.node_of(name)), "/file", t.path("out"))
        check_equal(read_bytes(t.path("out")), data, f"content by way of {name}: {run.err}")
    # The other copy goes bad too: an error, the right exit status, and no file.
    cluster.damage("storage-2", data[MIB + 4096:MIB + 4160])
    failed = cluster.ctl("get", "/file", t.path("bad"), wanted=6)
    check("corrupt" in failed.err or "checksum" in failed.err, f"what is said: {failed.err}")
    left = [name for name in os.listdir(t.directory) if name.startswith("bad")]
    check_equal(left, [], "files left behind")


@test
def F13_streams_of_any_size_in_constant_memory(t):
    cluster = t.cluster(storages=2, replicas=2)
    size = 700 * MIB
    source = t.source(size)
    digest = md5_of(source)
    with open(source, "rb") as stdin:
        put = cluster.ctl("--jobs", "10", "put", "--block-size", "128M", "-", "/stream",
                          stdin=stdin)
    check_equal(cluster.ctl("--json", "stat", "/stream").report["size"], size, "size")
    cat = cluster.ctl("cat", "/stream", stdout=t.path("cat"))
    check_equal(md5_of(t.path("cat")), digest, "MD5 of cat")
    get = cluster.ctl("get", "/stream", "-", stdout=t.path("cat"))
    check_equal(md5_of(t.path("cat")), digest, "MD5 of get -")
    peaks = {"put": put.peak_kib, "cat": cat.peak_kib, "get": get.peak_kib}
    peaks.update((name, cluster.peak_kib(name)) for name in cluster.names)
    check(max(peaks.values()) < MEMORY_MAX_KIB, f"peak memory in KiB: {peaks}")
    t.note(f"peak {max(peaks.values()) / 1024:.0f} MiB ({max(peaks, key=peaks.get)})")
