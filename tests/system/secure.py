"""Keys: who gets in, who does not, and that all goes on as without them."""
import contextlib
import os
import re
import stat
import threading
import time

from support import (MIB, Run, brokers_of, check, check_equal, key_of, make_bytes, read_bytes,
                     test, wait_until, write_bytes)


def client_conf(cluster):
    return read_bytes(cluster.environment["DFS_CONFIG"]).decode()


def dfsctl(t, *arguments):
    """Without the settings of any cluster."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("DFS_")}
    return Run([os.path.join(t.bin, "dfsctl"), *arguments], t.directory, environment)


def dfsd(t, *arguments):
    return Run([os.path.join(t.bin, "dfsd"), *arguments], t.directory)


def log_of(cluster, name):
    return read_bytes(os.path.join(cluster.directory, "log", name + ".log")).decode()


@test
def F11_a_secure_cluster_survives_what_others_do(t):
    cluster = t.cluster(heads=3, storages=3, agents=1, secure=True)
    check("encrypted (CURVE)" in cluster.ctl("cluster", "status").out, "what the status says")
    check_equal(cluster.status()["secure"], True, "secure")
    check("INSECURE" not in log_of(cluster, "head-1"), "a warning of insecurity")
    data = make_bytes(24 * MIB)
    cluster.put_bytes(data, "/before", "--block-size", "1M")
    check_equal(cluster.get_bytes("/before"), data, "content")

    cluster.kill(cluster.leader())
    cluster.put_bytes(data, "/without-a-head", "--block-size", "1M")
    cluster.kill("storage-2")
    check_equal(cluster.get_bytes("/before"), data, "content with a node away")
    cluster.put_bytes(data[:4 * MIB], "/without-a-node", "--block-size", "1M")
    for name in cluster.names:
        cluster.start(name)
    cluster.wait_heads(3)
    wait_until(lambda: cluster.status()["health"] == "ok", "a healthy cluster", 60)
    for path, wanted in (("/before", data), ("/without-a-head", data),
                         ("/without-a-node", data[:4 * MIB])):
        check_equal(cluster.get_bytes(path), wanted, f"content of {path}")
    # What is published comes through too, and an agent is known.
    wait_until(lambda: cluster.ctl("--json", "node", "agents").json, "the agent")
    cluster.ctl("node", "create", seconds=60)
    cluster.wait_nodes("up", 4)
    for name in cluster.names:
        check("publication dropped" not in log_of(cluster, name), f"{name} dropped something")


@test
def F11_whoever_has_the_wrong_key_is_told_soon(t):
    cluster = t.cluster(storages=1, secure=True)
    broker = brokers_of(cluster)[0]
    plain = t.cluster(storages=1, secure=False)
    right = key_of(cluster)
    wrong = right[:-2] + ("00" if right[-2:] != "00" else "11")
    cases = (
        (["--insecure", "--broker", broker], "set cluster-key"),
        (["--cluster-key", wrong, "--broker", broker], "cluster-key is not that of the cluster"),
        (["--cluster-key", right, "--broker", brokers_of(plain)[0]], "not encrypted there"),
    )
    for options, words in cases:
        begun = time.monotonic()
        run = dfsctl(t, *options, "ls", "/").finish(wanted=5, seconds=20)
        took = time.monotonic() - begun
        check(words in run.err, f"what was said: {run.err}")
        check(took < 2, f"it took {took:.1f} s to say so")
    for options in ([], ["--cluster-key", "0123"], ["--insecure", "--cluster-key", right]):
        run = dfsctl(t, *options, "--broker", broker, "ls", "/").finish(wanted=2)
        check(any(words in run.err for words in ("public key", "cluster-key", "--insecure")),
              f"what was said: {run.err}")
    # One of two keys fits.
    dfsctl(t, "--cluster-key", wrong, "--cluster-key", right, "--broker", broker, "--ticket-dir",
           os.path.join(cluster.directory, "tickets"), "ls", "/").finish()
    dfsctl(t, "version").finish()


@test
def F11_a_node_needs_a_token_and_keeps_its_key(t):
    cluster = t.cluster(storages=1, secure=True)
    listen = ["--listen", "tcp://127.0.0.1:0", "--broker", brokers_of(cluster)[0],
              "--cluster-key", key_of(cluster)]
    run = dfsd(t, "storage", "--data", t.path("stranger"), *listen).finish(wanted=5, seconds=30)
    check("node token" in run.err, f"what was said: {run.err}")

    token = cluster.ctl("node", "token").out.strip()
    joined = dfsd(t, "storage", "--data", t.path("guest"), "--join-token", token, *listen)
    cluster.runs.append(joined)
    cluster.wait_nodes("up", 2)
    key = os.path.join(t.path("guest"), "node.key")
    check_equal(stat.S_IMODE(os.stat(key).st_mode), 0o600, "the rights to the key")
    check("#plain" in cluster.map()["nodes"][1]["endpoint"], "how its blocks travel")
    joined.end()

    # The same directory with another key is not the same node.
    kept = read_bytes(key)
    os.unlink(key)
    run = dfsd(t, "storage", "--data", t.path("guest"), *listen).finish(wanted=5, seconds=30)
    check("another key" in run.err, f"what was said: {run.err}")
    os.unlink(key)
    write_bytes(key, kept)
    os.chmod(key, 0o644)
    run = dfsd(t, "storage", "--data", t.path("guest"), *listen).finish(wanted=5, seconds=30)
    check("chmod 600" in run.err, f"what was said: {run.err}")
    os.chmod(key, 0o600)
    back = dfsd(t, "storage", "--data", t.path("guest"), *listen)
    cluster.runs.append(back)
    wait_until(lambda: " joined actor=" in back.err, "the node is back")


@test
def F11_blocks_are_encrypted_when_that_is_wanted(t):
    cluster = t.cluster(storages=2, secure=True, settings="[storage]\ndata-encryption = true\n")
    check("blocks too" in cluster.ctl("cluster", "status").out, "what the status says")
    data = make_bytes(8 * MIB)
    cluster.put_bytes(data, "/file", "--block-size", "1M")
    check_equal(cluster.get_bytes("/file"), data, "content")
    cluster.ctl("fsck", seconds=60)


@test
def F11_insecurity_is_told(t):
    cluster = t.cluster(storages=1, secure=False)
    check("INSECURE" in cluster.ctl("cluster", "status").out, "what the status says")
    check_equal(cluster.status()["secure"], False, "secure")
    check("INSECURE" in log_of(cluster, "head-1"), "what the head's log says")
    run = dfsd(t, "head", "--data", t.path("head"), "--bootstrap", "--listen",
               "tcp://127.0.0.1:9").finish(wanted=2)
    check("dfsd init" in run.err and "--insecure" in run.err, f"what was said: {run.err}")


class Worker:
    """Puts files and gets them again, one after the other, in a thread of its own."""

    def __init__(self, cluster, size):
        self.cluster = cluster
        self.data = make_bytes(size, seed=7)
        self.rounds = 0
        self.failure = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        while not self.over.is_set() and self.failure is None:
            try:
                path = f"/live-{self.rounds}"
                self.cluster.put_bytes(self.data, path, "--block-size", "1M")
                check_equal(self.cluster.get_bytes(path), self.data, f"content of {path}")
                self.rounds += 1
            except Exception as error:  # whatever it is, the test is told
                self.failure = error

    def goes_on(self):
        """Begins and ends something after this was called."""
        wanted = self.rounds + 2
        wait_until(lambda: self.failure or self.rounds >= wanted, "a put and a get", 60)
        if self.failure:
            raise self.failure

    def end(self):
        self.over.set()
        self.thread.join()
        if self.failure:
            raise self.failure
        check(self.rounds > 0, "nothing was put")


@contextlib.contextmanager
def working(cluster, size=2 * MIB):
    worker = Worker(cluster, size)
    try:
        yield worker
    except BaseException:
        worker.over.set()
        worker.thread.join()
        raise
    worker.end()


@test
def F11_the_keys_of_a_cluster_change_while_it_works(t):
    cluster = t.cluster(heads=3, storages=3, secure=True)
    keys = os.path.join(cluster.directory, "keys")
    old = key_of(cluster)

    def restart_all(worker):
        for name in cluster.names:
            cluster.stop(name)
            cluster.start(name)
            if name.startswith("head-"):
                cluster.wait_heads(3)
            else:
                cluster.wait_nodes("up", 3)
            worker.goes_on()

    def give(known):
        line = 'cluster-key = [' + ", ".join(f'"{key}"' for key in known) + ']'
        for path in [cluster.environment["DFS_CONFIG"]] + [
                os.path.join(cluster.directory, "conf", f"storage-{i}.conf") for i in (1, 2, 3)]:
            text = re.sub(r"cluster-key = .*", line, read_bytes(path).decode())
            write_bytes(path + ".new", text.encode())
            os.replace(path + ".new", path)

    with working(cluster) as worker:
        made = dfsd(t, "init", "--dir", keys, "--next").finish()
        new = re.search(r"[0-9a-f]{64}", made.out).group(0)
        give([old, new])
        restart_all(worker)
        # The heads are restarted one after the other: meanwhile some have the new key, some the
        # old.
        dfsd(t, "init", "--dir", keys, "--take-next").finish()
        restart_all(worker)
        give([new])
        dfsd(t, "init", "--dir", keys, "--drop-previous").finish()
        restart_all(worker)
    check_equal(key_of_list(client_conf(cluster)), [new], "the keys that clients know")
    cluster.wait_nodes("up", 3)
    wrong = dfsctl(t, "--cluster-key", old, "--broker", brokers_of(cluster)[0], "ls",
                   "/").finish(wanted=5)
    check("cluster-key" in wrong.err, f"what the old key is told: {wrong.err}")
    t.note(f"{worker.rounds} files put and got meanwhile")


@test
def F11_tickets_and_grants_get_new_keys_while_clients_work(t):
    cluster = t.cluster(heads=3, storages=3, secure=True)
    with working(cluster) as worker:
        worker.goes_on()
        told = cluster.ctl("--json", "cluster", "rotate-keys").report
        check_equal(told["ticket_key"], 2, "the number of the new key")
        check(told["grants_until_ms"] > told["grants_from_ms"], "the old key is good for a while")
        worker.goes_on()
        cluster.ctl("cluster", "rotate-keys", wanted=1)  # one change after the other
        wait_until(lambda: time.time() * 1000 > told["grants_from_ms"] + 2000, "the new key")
        worker.goes_on()
        # Who leads knows both keys, whoever that is.
        cluster.kill(cluster.leader())
        worker.goes_on()
        cluster.ctl("fsck", seconds=60)  # nodes believe each other
    audit = cluster.ctl("--json", "audit").json
    topics = [event["topic"] for event in audit]
    for topic in ("grant-key-added", "ticket-key-added", "node-joined"):
        check(topic in topics, f"{topic} in the audit: {topics}")
    for event in audit:
        if event["topic"] in ("node-joined", "grant-key-added", "ticket-key-added"):
            check_equal(event["fields"]["source"], "127.0.0.1", f"the source of {event}")


def key_of_list(text):
    return re.findall(r"[0-9a-f]{64}", text)


@test
def F11_whoever_starts_a_cluster_is_its_administrator_and_nobody_else_is(t):
    cluster = t.cluster(heads=3, storages=2, agents=1, secure=True)
    whoami = cluster.ctl("whoami").out
    check("admin, admin, uid 0" in whoami, f"who is logged in: {whoami}")
    private = [os.path.join(cluster.directory, "conf", "admin-password")]
    tickets = os.path.join(cluster.directory, "tickets")
    private += [os.path.join(tickets, name) for name in os.listdir(tickets)]
    check_equal(len(private), 2, "the password and the ticket")
    for path in private:
        check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, f"the rights to {path}")
    first = os.path.join(cluster.directory, "conf", "first-password")
    check(not os.path.exists(first), "the first password is kept")
    password = read_bytes(private[0])
    for folder, _, files in os.walk(os.path.join(cluster.directory, "log")):
        for name in files:
            text = read_bytes(os.path.join(folder, name))
            check(b"one-time password" not in text and password not in text, f"it is in {name}")
    conf = cluster.environment["DFS_CONFIG"]
    nobody = dfsctl(t, "--config", conf, "--ticket-dir", t.path("none"), "ls", "/")
    nobody.finish(wanted=5)
    check("dfsctl login" in nobody.err, f"what was said: {nobody.err}")
    # What `up` finds it uses, and what is over it makes anew.
    cluster.ctl("logout")
    cluster.ctl("ls", "/", wanted=5)
    cluster.script("down")
    cluster.script("up")
    cluster.ctl("cluster", "status")
    cluster.script("status")
