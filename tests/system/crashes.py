"""kill -9 at any moment: what was acknowledged is there, and nothing is half there."""
import os
import random
import threading
import time

from support import (MIB, Failed, check, check_equal, make_bytes, md5_of, read_bytes, test,
                     wait_until)

SMALL_SIZES = (0, 1, 900, 4096, 4097, 70_000, MIB, 2 * MIB + 5)


class Driver(threading.Thread):
    """Puts, renames and removes files in a directory of its own and remembers what must be there.

    A request that failed may have happened or not, and nothing else: `possible` then holds both
    outcomes, until look() sees which it was.
    """

    def __init__(self, cluster, folder, seed):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.folder = folder
        self.random = random.Random(seed)
        self.possible = [{}]  # name → seed of its content
        self.acknowledged = 0
        self.unknown = 0
        self.problem = None
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                if len(self.possible) > 1:
                    self.look()
                else:
                    self.step()
        except Failed as failure:
            self.problem = failure

    def step(self):
        before = self.possible[0]
        after = dict(before)
        name = f"n{self.random.randrange(8)}"
        kind = self.random.choice(("put", "put", "put", "mv", "rm"))
        if kind == "put" or not before:
            after[name] = self.random.getrandbits(32)
            done = self.put(name, after[name])
        elif kind == "mv":
            old = self.random.choice(sorted(before))
            after[name] = after.pop(old)
            done = self.request("mv", f"{self.folder}/{old}", f"{self.folder}/{name}")
        else:
            old = self.random.choice(sorted(before))
            del after[old]
            done = self.request("rm", f"{self.folder}/{old}")
        self.possible = [after] if done else [before, after]
        self.acknowledged += done
        self.unknown += not done

    def put(self, name, seed):
        path = os.path.join(self.cluster.context.memory, self.folder[1:] + ".put")
        with open(path, "wb") as file:
            file.write(content_of(seed))
        return self.request("put", "--block-size", "1M", path, f"{self.folder}/{name}")

    def request(self, *arguments):
        """True when it was acknowledged. Nothing but the cluster's absence is an excuse."""
        run = self.cluster.begin("--timeout", "1s", *arguments)
        code = run.wait()
        if code not in (0, 4):
            raise Failed(f"{run} ended with {code}: {run.err}")
        return code == 0

    def look(self):
        """Reads the directory; fails unless it is what one of the possible outcomes says."""
        listing = self.cluster.begin("--timeout", "2s", "--json", "ls", self.folder)
        if listing.wait() == 4:
            return
        check_equal(listing.code, 0, f"exit status of {listing}: {listing.err}")
        crcs = {entry["name"]: (entry["size"], entry["crc32c"]) for entry in listing.json}
        fitting = [p for p in self.possible if {n: summary_of(s) for n, s in p.items()} == crcs]
        check(fitting, f"{self.folder} holds {crcs}, possible were {self.possible}")
        self.possible = fitting[:1]

    def verify(self):
        """Reads every byte."""
        wait_until(lambda: self.look() or len(self.possible) == 1, "a listing")
        self.look()
        for name, seed in self.possible[0].items():
            check_equal(self.cluster.get_bytes(f"{self.folder}/{name}"), content_of(seed),
                        f"content of {self.folder}/{name}")


def content_of(seed):
    return make_bytes(SMALL_SIZES[seed % len(SMALL_SIZES)], seed)


SUMMARIES = {}


def summary_of(seed):
    """Size and CRC-32C of a content, as dfsctl shows them."""
    if seed not in SUMMARIES:
        data = content_of(seed)
        SUMMARIES[seed] = (len(data), f"{crc32c(data):08x}")
    return SUMMARIES[seed]


TABLE = list(range(256))
for _ in range(8):
    TABLE = [(crc >> 1) ^ (0x82F63B78 if crc & 1 else 0) for crc in TABLE]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def with_drivers(cluster, count, between):
    """Runs `count` drivers while between() does its harm; every byte is compared at the end."""
    drivers = [Driver(cluster, f"/d{i}", seed=100 + i) for i in range(count)]
    for driver in drivers:
        cluster.ctl("mkdir", driver.folder)
    for driver in drivers:
        driver.start()
    try:
        between(drivers)
    finally:
        for driver in drivers:
            driver.stopping.set()
        for driver in drivers:
            driver.join(60)
    for driver in drivers:
        if driver.problem:
            raise driver.problem
        driver.verify()
    return drivers


def check_alive(drivers):
    for driver in drivers:
        if driver.problem:
            raise driver.problem


@test
def A4_the_head_is_killed_at_random_moments(t):
    cluster = t.cluster(storages=3, replicas=2)
    moments = random.Random(4)
    kills = 50 if t.full else 15

    def harm(drivers):
        for _ in range(kills):
            done = sum(d.acknowledged for d in drivers)
            wait_until(lambda: check_alive(drivers) or sum(d.acknowledged for d in drivers)
                       >= done + 4, "four more acknowledged requests")
            # Not to wait for anything: this is the random moment.
            time.sleep(moments.random() * 0.1)
            cluster.kill_at_once(["head-1"])
            cluster.start("head-1")

    drivers = with_drivers(cluster, 3, harm)
    acknowledged = sum(d.acknowledged for d in drivers)
    check(acknowledged >= 4 * kills, f"only {acknowledged} requests were acknowledged")
    t.note(f"{kills} kills, {acknowledged} acknowledged, {sum(d.unknown for d in drivers)} unknown")


@test
def A5_all_storages_are_killed_during_puts(t):
    cluster = t.cluster(storages=3, replicas=2)
    storages = [name for name in cluster.names if name.startswith("storage")]
    moments = random.Random(5)

    def harm(drivers):
        for _ in range(8 if t.full else 4):
            done = sum(d.acknowledged for d in drivers)
            wait_until(lambda: check_alive(drivers) or sum(d.acknowledged for d in drivers)
                       >= done + 6, "six more acknowledged requests")
            time.sleep(moments.random() * 0.1)  # the random moment
            cluster.kill_at_once(storages)
            for name in storages:
                cluster.start(name)
            cluster.wait_nodes("up", 3)

    drivers = with_drivers(cluster, 3, harm)
    t.note(f"{sum(d.acknowledged for d in drivers)} acknowledged, "
           f"{sum(d.unknown for d in drivers)} unknown")


@test
def A5_large_puts_cut_by_the_death_of_all_storages(t):
    cluster = t.cluster(storages=3, replicas=2)
    storages = [name for name in cluster.names if name.startswith("storage")]
    size = 300 * MIB
    source = t.source(size)
    cluster.ctl("put", "--block-size", "16M", source, "/before")
    put = cluster.begin("--timeout", "20s", "put", "--block-size", "16M", source, "/during")
    put.wait_io("rchar", size // 3)
    cluster.kill_at_once(storages)
    for name in storages:
        cluster.start(name)
    code = put.wait()
    cluster.wait_nodes("up", 3)
    check(code in (0, 1, 4), f"exit status {code}: {put.err}")
    names = cluster.names_in("/")
    check_equal(names, ["before", "during"] if code == 0 else ["before"], "names")
    for name in names:
        cluster.ctl("get", f"/{name}", t.path("out"))
        check_equal(md5_of(t.path("out")), md5_of(source), f"MD5 of {name}")


@test
def F15_success_means_that_it_is_kept(t):
    cluster = t.cluster(storages=3, replicas=2)
    for round_number in range(5):
        data = make_bytes(3 * MIB + round_number, round_number)
        report = cluster.put_bytes(data, f"/f{round_number}", "--block-size", "1M")
        check_equal(report["copies"], 2, "copies that the receipt tells")
        check(report["receipt"]["synced"] and report["receipt"]["index"] > 0,
              f"receipt: {report['receipt']}")
        # Nobody gets the time to write anything later.
        cluster.kill_at_once(cluster.names)
        cluster.script("up", "--storages", "3", "--heads", "1")
        cluster.wait_nodes("up", 3)
        check_equal(cluster.get_bytes(f"/f{round_number}"), data, "content after the crash")
        check_equal(cluster.blocks(f"/f{round_number}")["copies_min"], 2, "copies")


@test
def F15_no_success_without_the_servers(t):
    cluster = t.cluster(storages=2, replicas=2)
    source = t.source(5 * MIB)
    for name in ("storage-1", "storage-2"):
        cluster.kill(name)
    failed = cluster.begin("--timeout", "2s", "put", source, "/file")
    check(failed.wait() in (1, 4), f"exit status {failed.code}")
    check(failed.err.strip() and not failed.out.strip(), f"said: {failed.out!r} {failed.err!r}")
    check_equal(cluster.exists("/file"), False, "the file exists")


@test
def a_damaged_copy_does_not_survive_the_reading(t):
    """A node that restarts with a damaged block still serves everything else."""
    cluster = t.cluster(storages=2, replicas=1)
    data = make_bytes(8 * MIB)
    cluster.put_bytes(data, "/file", "--block-size", "1M")
    stat = cluster.blocks("/file")
    victim = cluster.name_of(stat["blocks"][2]["nodes"][0])
    cluster.damage(victim, data[2 * MIB + 100:2 * MIB + 164])
    cluster.kill(victim)
    cluster.start(victim)
    cluster.wait_nodes("up", 2)
    cluster.ctl("get", "/file", t.path("out"), wanted=6)
    cluster.put_bytes(data, "/file", "--block-size", "1M")
    cluster.ctl("get", "/file", t.path("out"))
    check_equal(read_bytes(t.path("out")), data, "content after it was put again")
