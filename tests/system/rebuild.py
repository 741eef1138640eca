"""All heads are lost with their disks; the storage nodes give the files back."""
import hashlib
import os
import random
import shutil
import time

from head_members import dfsd_head, words_of
from people import GOOD_PASSWORD, first_password
from repair import fsck, wait_whole
from support import MIB, check, check_equal, make_bytes, test, wait_until, write_bytes

SETTINGS = """
[head]
repair-after = 2s
upload-lease = 2s
[storage]
reclaim-period = 1s
reclaim-grace = 0s
"""


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Tree:
    """Files under /tree with what happened to them, and what each must be in the end."""

    def __init__(self, t, cluster, count):
        self.cluster = cluster
        self.random = random.Random(4)
        self.local = os.path.join(t.memory, "tree")
        self.sums = {}  # by the path of the last writing
        for i in range(count):
            name = f"{i % 37:02}/{'übel & gut ' if i % 50 == 0 else 'file-'}{i}"
            self.make(name, self.random.randrange(5 * 1024, 64 * 1024))
        self.put()
        names = sorted(self.sums)
        share = max(count // 50, 2)
        self.overwritten, self.renamed, self.removed = (
            names[i * share:(i + 1) * share] for i in range(3))
        shutil.rmtree(self.local)
        for name in self.overwritten:
            self.make(name, self.random.randrange(5 * 1024, 64 * 1024))
        self.put()
        for name in self.renamed:
            cluster.ctl("mv", "/tree/" + name, "/tree/renamed-" + name.replace("/", "-"))
        for name in self.removed:
            cluster.ctl("rm", "/tree/" + name)
        shutil.rmtree(self.local)

    def make(self, name, size):
        path = os.path.join(self.local, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        write_bytes(path, self.random.randbytes(size))
        self.sums[name] = sha256(path)

    def put(self):
        self.cluster.ctl("put", "-r", self.local, "/", seconds=600)

    def right(self, t):
        """How many are where they were written to, with just that content."""
        got = os.path.join(t.memory, "got")
        self.cluster.ctl("get", "-r", "/tree", got, seconds=600)
        right = 0
        for name, digest in self.sums.items():
            path = os.path.join(got, name)
            right += os.path.exists(path) and sha256(path) == digest
        shutil.rmtree(got)
        return right


def put_large(t, cluster):
    """Files of many blocks: put from files, from a pipe, with and without a full last block."""
    sums = {}
    for i, (size, block) in enumerate([(90 * MIB + 12345, "1M"), (32 * MIB, "16M"),
                                       (5 * MIB + 1, "2M"), (1 * MIB, "1M")]):
        source = t.source(size, seed=100 + i, name=f"large-{i}")
        cluster.ctl("put", "--block-size", block, source, f"/large-{i}")
        sums[f"/large-{i}"] = sha256(source)
        with open(source, "rb") as stdin:
            cluster.ctl("put", "--block-size", block, "-", f"/stream-{i}", stdin=stdin)
        sums[f"/stream-{i}"] = sha256(source)
        os.unlink(source)
    return sums


def blocks_on_disk(cluster):
    return sum(node["heartbeat"]["blocks"] for node in cluster.status()["nodes"])


def lose_heads(cluster):
    heads = [name for name in cluster.names if name.startswith("head-")]
    cluster.kill_at_once(heads)
    for name in heads:
        shutil.rmtree(os.path.join(cluster.directory, "data", name))


def await_word(cluster, name, run, word, seconds=30):
    wait_until(lambda: word in words_of(cluster, name, run), f"{name} says {word}", seconds)


def refuse_a_plain_head(t, cluster):
    """A new cluster at the old address gets none of the nodes, not even one that starts again."""
    cluster.kill_at_once(["storage-3"])
    run = dfsd_head(t, cluster, "head-1", "--bootstrap")
    wait_until(lambda: cluster.begin("cluster", "status").wait() == 0, "the foreign head")
    cluster.start("storage-3")
    await_word(cluster, "head-1", run, "foreign node refused")
    time.sleep(3)  # long enough for a reclaim, were there one
    check_equal(cluster.status()["nodes"], [], "nodes of the foreign head")
    run.end()
    shutil.rmtree(os.path.join(cluster.directory, "data", "head-1"))


def found_again(t, cluster, identity):
    run = dfsd_head(t, cluster, "head-1", "--rebuild", identity)
    wait_until(lambda: cluster.begin("cluster", "status").wait() == 0, "the new head")
    status = cluster.status()
    check_equal(status["cluster"], identity, "identity")
    check_equal(status["health"], "unavailable", "health")
    check("rebuild" in status["reason"], f"the status says {status['reason']}")
    refused = cluster.ctl("mkdir", "/early", wanted=5)
    check("rebuild" in refused.err, f"mkdir says {refused.err}")
    asked = cluster.ctl("rebuild", wanted=2)
    check("--nodes" in asked.err, f"rebuild says {asked.err}")
    # A restart does not forget what the head is about.
    run.end()
    cluster.start("head-1")


@test
def rebuild_lets_nodes_in_with_a_token_alone(t):
    """The new head knows nobody; the nodes wait for a token, and take it as soon as it is there."""
    cluster = t.cluster(storages=2, heads=1, replicas=2, settings=SETTINGS, secure=True)
    identity = cluster.status()["cluster"]
    content = make_bytes(3 * MIB + 7)
    cluster.put_bytes(content, "/file")
    nodes = ["storage-1", "storage-2"]
    numbers = {name: cluster.node_of(name) for name in nodes}

    lose_heads(cluster)
    run = dfsd_head(t, cluster, "head-1", "--rebuild", identity)
    password = first_password(cluster)
    given = write_bytes(t.path("first"), f"{password}\n".encode())
    cluster.ctl("login", "admin", "--password-file", given)
    chosen = write_bytes(t.path("chosen"), f"{password}\n{GOOD_PASSWORD}\n".encode())
    cluster.ctl("passwd", "--password-file", chosen)
    for name in nodes:
        cluster.kill_at_once([name])
        cluster.start(name)
        await_word(cluster, name, run, "do not know this node any more")
        # What lies there is the token of the first time.
        await_word(cluster, name, run, "is not known")
        check("node token --uses" in words_of(cluster, name, run), f"{name} says not what to do")
    check_equal(cluster.status()["nodes"], [], "nodes without a token")

    token = cluster.ctl("node", "token", "--uses", "2").out
    write_bytes(os.path.join(cluster.directory, "conf", "join-token"), token.encode())
    cluster.wait_nodes("up", 2)
    check_equal({name: cluster.node_of(name) for name in nodes}, numbers, "the nodes' numbers")
    cluster.ctl("rebuild", "--nodes", "2")
    check_equal(cluster.get_bytes("/file"), content, "content")
    spent = cluster.ctl("--json", "node", "tokens").json[-1]
    check_equal(spent["tokens"], [], "tokens that are left")


@test
def A4_7_rebuild_brings_the_files_back(t):
    count = 10_000 if t.full else 300
    cluster = t.cluster(storages=4, heads=1, replicas=2, settings=SETTINGS)
    identity = cluster.status()["cluster"]
    tree = Tree(t, cluster, count)
    large = put_large(t, cluster)
    cluster.put_bytes(b"only the heads have this", "/inline")
    fsck(cluster)
    numbers = {name: cluster.node_of(name) for name in cluster.names if name != "head-1"}
    time.sleep(1)  # for heartbeats that tell of all blocks
    before = blocks_on_disk(cluster)

    lose_heads(cluster)
    refuse_a_plain_head(t, cluster)
    # The others still know the old map.
    cluster.kill_at_once(["storage-3"])
    found_again(t, cluster, identity)
    cluster.start("storage-3")
    cluster.wait_nodes("up", 4)
    time.sleep(3)  # long enough for what should not happen
    check_equal({name: cluster.node_of(name) for name in numbers}, numbers, "the nodes' numbers")
    check_equal(blocks_on_disk(cluster), before, "blocks on the nodes")

    dry = cluster.ctl("--json", "rebuild", "--dry-run", wanted=8, seconds=300).json
    begun = time.monotonic()
    run = cluster.begin("--json", "rebuild", "--nodes", "4")
    check_equal(run.wait(300), 8, f"exit status; it said {run.err[-2000:]}")
    took = time.monotonic() - begun
    summary = run.json[-1]
    check_equal(dry[-1]["certain"], summary["certain"], "certain files of the dry run")
    check_equal(dry[-1]["guessed"], summary["guessed"], "guessed files of the dry run")
    guesses = [line for line in run.json if line.get("certainty") == "guessed"]
    check(all(line["text"] for line in guesses), "a guess without a reason")

    again = cluster.begin("rebuild", "--nodes", "4")
    check_equal(again.wait(60), 1, "exit status of a second rebuild")
    right = tree.right(t)
    for path, digest in large.items():
        got = os.path.join(t.memory, "one")
        place = path
        if path in ("/stream-1", "/stream-3"):  # nobody can tell where these two ended
            place = next(line["path"] for line in guesses if line["written_to"] == path)
        cluster.ctl("get", place, got)
        check_equal(sha256(got), digest, f"content of {place}")
        os.unlink(got)
    check(not cluster.exists("/inline"), "/inline came back from nowhere")
    share = right / len(tree.sums)
    check(share >= 0.999, f"{right} of {len(tree.sums)} files are back")
    check_equal(len([line for line in guesses if line["why"] == "older"]), len(tree.overwritten),
                "former versions in lost+found")

    wait_whole(cluster)
    fsck(cluster)
    check(blocks_on_disk(cluster) >= before, "blocks were removed")
    cluster.put_bytes(b"x" * 9000, "/new")
    check_equal(cluster.get_bytes("/new"), b"x" * 9000, "a new file")
    cluster.put_bytes(b"y" * 9000, "/tree/" + tree.renamed[0])
    t.note(f"{right} of {len(tree.sums)} files back on their path with exact content, "
           f"{summary['certain']} certain, {summary['guessed']} guessed, {took:.1f} s for "
           f"{summary['copies']} copies of {summary['blocks']} blocks")
