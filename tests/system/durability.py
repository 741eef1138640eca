"""What a put promises, what the nodes hold of it, and what becomes of it when nobody wants it."""
import os
import signal
import subprocess

from support import MIB, check, check_equal, make_bytes, test, wait_until

SETTINGS = """
[head]
upload-lease = "4s"
history-retention = "2s"
[storage]
reclaim-period = "1s"
reclaim-grace = "1s"
"""


def fsck(cluster, wanted=0):
    """The findings and the summary."""
    lines = cluster.ctl("--json", "fsck", wanted=wanted).json
    check(lines[-1]["summary"], f"the last line is no summary: {lines[-1]}")
    return lines[:-1], lines[-1]


def blocks_held(cluster):
    _, summary = fsck(cluster)
    return sum(summary[kind]["blocks"] for kind in ("live", "dead", "stray", "surplus", "pending"))


@test
def levels_of_durability_and_who_keeps_them(t):
    cluster = t.cluster(storages=2)
    source = t.source(3 * MIB + 1)
    for level in ("one", "quorum", "all"):
        put = cluster.ctl("--json", "put", "--durability", level, source, f"/{level}").report
        check_equal((put["copies"], put["copies_wanted"]), (2, 2), f"copies with {level}")
    cluster.ctl("put", "--durability", "most", source, "/most", wanted=2)
    told = cluster.ctl("--json", "stat", "--durability", "/all").report["durability"]
    check(told["complete"] and told["checksum_right"], f"durability: {told}")
    check_equal((told["copies"], told["copies_wanted"]), (2, 2), "copies")
    check(told["verified_ms"] > 0, "when it was verified is not told")
    check_equal(fsck(cluster)[0], [], "findings of a sound cluster")

    cluster.kill("storage-2")
    cluster.wait_nodes("down", 1)
    cluster.ctl("--timeout", "3s", "put", "--durability", "all", source, "/more", wanted=4)
    check(not cluster.exists("/more"), "a put that failed left a file")
    put = cluster.ctl("--json", "put", source, "/less").report
    check_equal((put["copies"], put["copies_wanted"]), (1, 2), "copies with a node away")
    findings, summary = fsck(cluster, wanted=1)
    faults = {finding["finding"] for finding in findings}
    check({"too-few-copies", "silent-node"} <= faults, f"findings: {findings}")
    check(summary["copies_good"] < summary["copies_wanted"], f"summary: {summary}")
    told = cluster.ctl("--json", "stat", "--durability", "/all").report["durability"]
    check(not told["complete"] and told["copies"] == 1, f"durability: {told}")
    check_equal(len(told["blocks_short"]), 1, "blocks with too few copies")


@test
def space_of_what_nobody_wants_comes_back(t):
    cluster = t.cluster(storages=2, settings=SETTINGS)
    source = t.source(5 * MIB)
    for name in ("/kept", "/removed", "/replaced"):
        cluster.ctl("put", "--block-size", "1M", source, name)
    cluster.ctl("rm", "/removed")
    cluster.put_bytes(make_bytes(2 * MIB), "/replaced", "--block-size", "1M")
    wanted = 2 * (5 + 2)
    wait_until(lambda: blocks_held(cluster) == wanted, f"{wanted} blocks to be left")
    space = cluster.ctl("--json", "df").report
    check_equal((space["objects"], space["objects_dead"]), (2, 2), "objects, live and dead")
    check_equal(cluster.get_bytes("/replaced"), make_bytes(2 * MIB), "what replaced a file")

    # One writer dies, the other is only slow.
    dying = cluster.begin("put", "--block-size", "1M", "-", "/dying", stdin=subprocess.PIPE)
    slow = cluster.begin("put", "--block-size", "1M", "-", "/slow", stdin=subprocess.PIPE)
    for run in (dying, slow):
        run.process.stdin.write(make_bytes(4 * MIB))
        run.process.stdin.flush()
    wait_until(lambda: blocks_held(cluster) == wanted + 2 * 8, "the blocks of both")
    os.kill(dying.process.pid, signal.SIGKILL)
    wait_until(lambda: blocks_held(cluster) == wanted + 2 * 4, "the dead writer's blocks to go")
    slow.process.stdin.write(make_bytes(MIB))
    slow.process.stdin.close()
    slow.finish()
    check_equal(cluster.get_bytes("/slow"), make_bytes(4 * MIB) + make_bytes(MIB), "the slow file")
    wait_until(lambda: blocks_held(cluster) == wanted + 2 * 5, "nothing but files to be left")
    check(not cluster.exists("/dying"), "a writer that died left a file")
