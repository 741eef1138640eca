"""Blocks that are lost, damaged or in the wrong place come back to where they belong."""
import json
import os
import random
import shutil
import subprocess
import time

from support import (MIB, Skipped, check, check_equal, is_alive, make_file, md5_of, test,
                     wait_until)

# Seconds instead of minutes, so that a test sees what a day would bring.
SETTINGS = """
[head]
repair-after = "2s"
[storage]
reclaim-period = "1s"
reclaim-grace = "1s"
segment-size = "256M"
"""
SETTINGS_OF_A_SHORT_PAST = SETTINGS.replace("[storage]", 'history-retention = "1s"\n[storage]')
HEAL_SECONDS = 180


class Files:
    """Files in a cluster, with what they must hold."""

    def __init__(self, t, cluster, count, size, block="1M"):
        self.cluster = cluster
        self.context = t
        self.sums = {}
        for number in range(count):
            self.put(f"/file-{number}", size, number, block)

    def put(self, name, size, seed, block="1M"):
        source = make_file(os.path.join(self.context.memory, "put"), size, seed)
        self.cluster.ctl("put", "--block-size", block, source, name, seconds=300)
        self.sums[name] = md5_of(source)
        os.unlink(source)

    def verify(self):
        out = os.path.join(self.context.memory, "got")
        for name, wanted in self.sums.items():
            self.cluster.ctl("get", name, out, seconds=300)
            check_equal(md5_of(out), wanted, f"MD5 of {name}")
            os.unlink(out)

    @property
    def bytes(self):
        return sum(self.cluster.ctl("--json", "stat", name).report["size"] for name in self.sums)


def is_whole(cluster, without=()):
    """Every group in use has all its members, up and complete, and nobody is on the way."""
    described = cluster.map()
    replicas = {pool["id"]: pool["replicas"] for pool in described["pools"]}
    up = {node["node"] for node in described["nodes"] if node["state"] == 1}
    for group in described["groups"]:
        members = set(group["members"])
        if not group["used"]:
            continue
        if len(members) < replicas[group["pool"]] or not members <= up or members & set(without):
            return False
        if group["lacking"] or group["leaving"]:
            return False
    return True


def wait_whole(cluster, without=(), seconds=HEAL_SECONDS):
    begun = time.monotonic()
    wait_until(lambda: is_whole(cluster, without), "full redundancy", seconds)
    return time.monotonic() - begun


def findings(cluster):
    """What fsck finds, besides nodes that are down."""
    run = cluster.begin("--json", "fsck")
    code = run.wait(300)
    check(code in (0, 1), f"fsck ended with {code}: {run.err}")
    return [line for line in run.json if line.get("finding") not in (None, "silent-node")]


def fsck(cluster):
    check_equal(findings(cluster), [], "findings of fsck")


def node_status(cluster, number):
    return next(n for n in cluster.status()["nodes"] if n["view"]["node"] == number)


def blocks_on(cluster, number):
    return node_status(cluster, number)["heartbeat"]["blocks"]


class Listener:
    """What is published from now on."""

    def __init__(self, cluster):
        self.run = cluster.begin("--json", "events")
        time.sleep(0.3)  # a subscription is there soon; nothing says when

    def of(self, topic):
        found = []
        for line in self.run.out.splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue  # the last line may be on its way
            if event.get("topic") == topic:
                found.append(event)
        return found


@test
def repair_a_dead_node_is_replaced_and_may_come_back(t):
    size, count = (512 * MIB, 16) if t.full else (32 * MIB, 8)
    cluster = t.cluster(storages=5, replicas=2, settings=SETTINGS)
    files = Files(t, cluster, count, size, block="16M" if t.full else "1M")
    victim = cluster.node_of("storage-2")
    wait_until(lambda: blocks_on(cluster, victim) > 0, "a heartbeat that tells of blocks")
    held = sum(block["length"] for name in files.sums for block in cluster.blocks(name)["blocks"]
               if victim in block["nodes"])
    calm = cluster.ctl("--json", "get", "/file-0", os.path.join(t.memory, "got")).report
    cluster.kill("storage-2")
    cluster.wait_nodes("down", 1)
    begun = time.monotonic()
    slowest = calm["bytes_per_second"] if "bytes_per_second" in calm else None
    while not is_whole(cluster, without=[victim]):
        run = cluster.ctl("--json", "get", "/file-0", os.path.join(t.memory, "got"))
        if slowest:
            slowest = min(slowest, run.report["bytes_per_second"])
        check(time.monotonic() - begun < HEAL_SECONDS, "no full redundancy in time")
    took = time.monotonic() - begun
    fsck(cluster)
    files.verify()
    others = {n["view"]["node"]: n["heartbeat"]["bytes_written"]
              for n in cluster.status()["nodes"]}
    cluster.start("storage-2")
    cluster.wait_nodes("up", 5)
    wait_whole(cluster)
    # What it has is on others by now: it drops its copies, and nobody copies anything again.
    wait_until(lambda: blocks_on(cluster, victim) == 0, "the surplus copies are gone", 60)
    after = {n["view"]["node"]: n["heartbeat"]["bytes_written"] for n in cluster.status()["nodes"]}
    moved = sum(after.values()) - sum(others.values()) + others.get(victim, 0)
    check(moved <= 8 * MIB, f"{moved} bytes were written when the node came back")
    fsck(cluster)
    files.verify()
    t.note(f"{held // MIB} MiB made anew in {took:.1f} s, {held / MIB / took:.0f} MiB/s with the "
           f"wait of 2 s; {moved} bytes written when it came back")


@test
def repair_a_node_that_was_away_gets_what_it_missed_and_no_more(t):
    settings = SETTINGS.replace('repair-after = "2s"', 'repair-after = "10m"')
    cluster = t.cluster(storages=2, replicas=2, settings=settings)
    files = Files(t, cluster, 4, 16 * MIB)
    number = cluster.node_of("storage-1")
    cluster.kill("storage-1")
    cluster.wait_nodes("down", 1)
    files.put("/missed", 8 * MIB, 77)
    check_equal(cluster.blocks("/missed")["copies_min"], 1, "copies while a node is away")
    cluster.start("storage-1")
    cluster.wait_nodes("up", 2)
    wait_whole(cluster)
    check_equal(cluster.blocks("/missed")["copies_min"], 2, "copies afterwards")
    fsck(cluster)
    files.verify()
    written = lambda: node_status(cluster, number)["heartbeat"]["bytes_written"]
    wait_until(lambda: written() >= 8 * MIB, "a heartbeat that tells what was copied")
    check(written() <= 9 * MIB, f"it wrote {written()} bytes to catch up on 8 MiB")


@test
def repair_rot_is_found_and_mended(t):
    cluster = t.cluster(storages=4, replicas=2, settings=SETTINGS + 'scrub-rate = "0"\n')
    files = Files(t, cluster, 6, 32 * MIB)
    name = "storage-3"
    number = cluster.node_of(name)
    chance = random.Random(3)
    rotten = 0
    listener = Listener(cluster)
    for remote in list(files.sums):
        blocks = [b for b in cluster.blocks(remote)["blocks"] if number in b["nodes"]]
        for block in chance.sample(blocks, max(1, len(blocks) // 100)):
            with open(make_file(os.path.join(t.memory, "same"), 32 * MIB,
                                int(remote.split("-")[1])), "rb") as file:
                file.seek(block["index"] * MIB + 4096)
                cluster.damage(name, file.read(64))
            rotten += 1
    files.verify()
    cluster.ctl("scrub", "start", str(number))
    wait_until(lambda: len(listener.of("block-corrupt")) >= rotten, "an event of each", 60)
    # What the scrub finds is known to the monitor with the node's next heartbeat.
    wait_until(lambda: node_status(cluster, number)["heartbeat"]["blocks_bad"] == 0
               and is_whole(cluster) and not findings(cluster), "no damaged block", 60)
    files.verify()
    t.note(f"{rotten} blocks damaged, {len(listener.of('block-corrupt'))} events")


@test
def repair_a_segment_that_lost_its_end(t):
    cluster = t.cluster(storages=3, replicas=2, settings=SETTINGS)
    files = Files(t, cluster, 4, 16 * MIB)
    cluster.kill("storage-1")
    segments = os.path.join(cluster.directory, "data", "storage-1", "segments")
    largest = max((os.path.join(segments, n) for n in os.listdir(segments)),
                  key=lambda path: os.stat(path).st_blocks)
    os.truncate(largest, 9 * MIB)
    cluster.start("storage-1")
    cluster.wait_nodes("up", 3)
    files.verify()
    cluster.ctl("scrub", "start")
    number = cluster.node_of("storage-1")
    wait_until(lambda: node_status(cluster, number)["heartbeat"]["blocks_bad"] == 0
               and is_whole(cluster) and not findings(cluster), "all is mended", 90)
    files.verify()


@test
def drain_a_node_under_load(t):
    cluster = t.cluster(storages=4, replicas=2, settings=SETTINGS)
    files = Files(t, cluster, 4, 16 * MIB)
    number = cluster.node_of("storage-2")
    refused = cluster.begin("node", "remove", str(number))
    check(refused.wait() not in (0, 2), f"remove without drain ended with {refused.code}")
    check("group" in refused.err, f"it said: {refused.err}")
    cluster.ctl("node", "drain", str(number))
    written = 0
    while blocks_on(cluster, number) > 0 or not is_whole(cluster, without=[number]):
        files.put(f"/during-{written}", 4 * MIB, 1000 + written)
        written += 1
        check(written < 400, f"not drained: {cluster.ctl('tasks').out}")
    pid = cluster.pid("storage-2")
    cluster.ctl("node", "remove", str(number))
    wait_until(lambda: not is_alive(pid), "the end of the removed node's process")
    check(number not in [n["node"] for n in cluster.map()["nodes"]], "the node is still listed")
    fsck(cluster)
    files.verify()
    t.note(f"{written} files put meanwhile")


@test
def drain_is_refused_where_it_would_endanger(t):
    """With as many nodes as copies nobody can take over; the node stays what it is."""
    cluster = t.cluster(storages=2, replicas=2, settings=SETTINGS)
    files = Files(t, cluster, 2, 8 * MIB)
    number = cluster.node_of("storage-1")
    cluster.begin("node", "drain", str(number)).wait()
    check(cluster.begin("node", "remove", str(number)).wait() not in (0, 2), "it was removed")
    cluster.begin("node", "undrain", str(number)).wait()
    files.verify()
    fsck(cluster)


@test
def loss_of_a_node_is_accepted(t):
    """What only a node had that will never come back is given up by one who was told what it is."""
    cluster = t.cluster(storages=2, replicas=1, settings=SETTINGS)
    files = Files(t, cluster, 2, 1 * MIB)
    number = cluster.node_of("storage-1")
    # Lots decide who gets a block, so the files are as many as it takes for both to have one.
    used = lambda: {m for g in cluster.map()["groups"] if g["used"] for m in g["members"]}
    while len(used()) < 2:
        check(len(files.sums) < 64, f"64 files, and all are on {used()}")
        files.put(f"/file-{len(files.sums)}", 1 * MIB, len(files.sums))
    cluster.kill("storage-1")
    shutil.rmtree(os.path.join(cluster.directory, "data", "storage-1"))
    cluster.wait_nodes("down", 1)
    refused = cluster.begin("node", "remove", str(number))
    check(refused.wait() not in (0, 2), "it was removed")
    check("--accept-loss" in refused.err, f"it said: {refused.err}")
    shown = cluster.begin("--json", "node", "remove", str(number), "--accept-loss")
    check_equal(shown.wait(60), 0, "status of the look")
    lost = {line["path"] for line in shown.json if line.get("finding") == "no-copy"}
    report = shown.json[-1]
    check(lost and len(report["losing"]) > 0, f"nothing is lost: {shown.out}")
    check(len(lost) < len(files.sums), "all is lost, so the test shows little")
    wrong = cluster.begin("node", "remove", str(number), "--accept-loss", "--confirm", "1-1-0")
    check(wrong.wait() not in (0, 2), "any word will do")
    check(number in [n["node"] for n in cluster.map()["nodes"]], "the node is gone already")
    cluster.ctl("node", "remove", str(number), "--accept-loss", "--confirm", report["confirm"])
    wait_whole(cluster)
    check_equal({f["path"] for f in findings(cluster)}, lost, "what fsck finds")
    for name in lost:
        got = cluster.begin("get", name, os.path.join(t.memory, "lost"))
        check(got.wait(60) not in (0, 2), f"{name} was read")
        check("block 0" in got.err and "storage/" in got.err, f"it said: {got.err}")
        del files.sums[name]
    files.put("/after", 1 * MIB, 99)
    files.verify()
    t.note(f"{len(lost)} files lost")


@test
def reclaim_gives_the_space_of_removed_files_back(t):
    cluster = t.cluster(storages=3, replicas=2, settings=SETTINGS_OF_A_SHORT_PAST)
    files = Files(t, cluster, 3, 16 * MIB)
    for number in range(4):
        files.put("/again", 8 * MIB, 50 + number)
    cluster.ctl("rm", "/file-0")
    del files.sums["/file-0"]
    wanted = 2 * (16 + 16 + 8)  # copies of blocks of 1 MiB
    total = lambda: sum(n["heartbeat"]["blocks"] for n in cluster.status()["nodes"])
    wait_until(lambda: total() == wanted, f"{wanted} copies of blocks are left", 90)
    files.verify()
    fsck(cluster)


class LoopDisk:
    """A small file system of its own."""

    def __init__(self, t, path, size):
        self.path = path
        self.ballast = os.path.join(path, "ballast")
        image = os.path.join(t.directory, "disk.img")
        with open(image, "wb") as file:
            file.truncate(size)
        os.makedirs(path)
        for command in (["mkfs.ext4", "-q", "-m", "0", image],
                        ["mount", "-o", "loop", image, path]):
            if shutil.which(command[0]) is None:
                raise Skipped(f"there is no {command[0]}")
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise Skipped(f"{' '.join(command)}: {done.stderr.strip()}")
        t.at_end(self.unmount)

    def fill(self, left):
        """Somebody else takes all but `left` bytes."""
        free = os.statvfs(self.path)
        with open(self.ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - left)

    def clear(self):
        os.unlink(self.ballast)

    def unmount(self):
        subprocess.run(["umount", "-l", self.path], check=False)


@test
def repair_a_full_disk_takes_nothing_new_and_comes_back(t):
    disks = []
    cluster = t.cluster(
        prepare=lambda c: disks.append(
            LoopDisk(t, os.path.join(c.directory, "data", "storage-3"), 1600 * MIB)),
        storages=3, replicas=2, settings=SETTINGS)
    number = cluster.node_of("storage-3")
    files = Files(t, cluster, 4, 32 * MIB)
    listener = Listener(cluster)
    takes = lambda: node_status(cluster, number)["heartbeat"]["accepts_writes"]
    check(takes(), "the node takes nothing from the beginning")
    disks[0].fill(left=20 * MIB)
    wait_until(lambda: not takes(), "the node says that it is full")
    wait_until(lambda: listener.of("disk-full"), "an event")
    files.put("/elsewhere", 64 * MIB, 99)
    check(all(number not in block["nodes"] for block in cluster.blocks("/elsewhere")["blocks"]),
          "the full node took blocks")
    files.verify()
    disks[0].clear()
    wait_until(takes, "the node takes blocks again", 60)
    wait_until(lambda: listener.of("disk-ok"), "an event of that")
    files.put("/afterwards", 32 * MIB, 98)
    files.verify()
    fsck(cluster)
