"""Who may do what, asked by programs that know nothing but the protocol: with and without tickets,
as user and as administrator, with grants and without."""
import ctypes
import os
import random
import socket
import subprocess
import time

from support import Failed, check, check_equal, test, wait_until

OK, MALFORMED, NOT_FOUND, DENIED, LOGIN_NEEDED = 0, 100, 300, 500, 501
GET_MAP, GET_STATUS, SET_POOL, LIST_AGENTS = 104, 106, 120, 141
STAT, LIST, MAKE_DIR, REMOVE, SET_ATTRIBUTES = 200, 202, 204, 208, 210
PLAN, COMMIT, OPEN, WRITE, READ, LIST_BLOCKS, CONTROL_SCRUB = 300, 302, 304, 400, 402, 406, 458
TICKET_KEYS = 720
ROLE_USER, ROLE_ADMIN = 1, 2
MIB = 1 << 20
# Everything that somebody could ask the monitor for, but Ping and what nodes and heads ask.
ASKED_OF_MONITOR = (104, 106, 112, 114, 116, 118, 120, 141, 145, 147, 149, 200, 202, 204, 206, 208,
                    210, 300, 302, 304, 306, 308, 501, 800, 802, 820, 822, 824, 826)
ASKED_OF_STORAGE = (406, 450, 452, 454, 458, 460)


def five_free_ports():
    """The first of them. Nothing keeps another program from taking them, but nobody does."""
    for _ in range(100):
        port = random.randrange(20000, 30000)
        sockets = []
        try:
            for offset in range(5):
                sockets.append(socket.create_server(("127.0.0.1", port + offset)))
            return port
        except OSError:
            pass
        finally:
            for each in sockets:
                each.close()
    raise Failed("no five free ports in a row")


class Keys:
    """Signs tickets as the lock actor would."""

    def __init__(self):
        self.sodium = ctypes.CDLL("libsodium.so.23")
        self.public, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        self.sodium.crypto_sign_keypair(self.public, self.secret)

    def sign(self, fields):
        signature = ctypes.create_string_buffer(64)
        message = b"zdfs ticket 1:" + fields
        self.sodium.crypto_sign_detached(signature, None, message,
                                         ctypes.c_ulonglong(len(message)), self.secret)
        return fields + signature.raw


class Town:
    """A head that demands tickets, two storage nodes, and whoever the test wants to be."""

    def __init__(self, context):
        import msgpack
        import zmq
        self.zmq, self.msgpack = zmq, msgpack
        self.context = zmq.Context()
        self.processes = []
        context.at_end(self.end)
        self.port = five_free_ports()
        self.broker = f"tcp://127.0.0.1:{self.port}"
        dfsd = os.path.join(context.bin, "dfsd")
        self.begin(context, "head", dfsd, "head", "--listen", self.broker, "--bootstrap",
                   "--authentication", "required")
        for number in (1, 2):
            self.begin(context, f"storage-{number}", dfsd, "storage", "--broker", self.broker,
                       "--listen", "tcp://127.0.0.1:0", "--host", f"h{number}")
        self.sockets, self.keys = {}, Keys()
        self.map = wait_until(self.complete_map, "two nodes in the map")
        self.publisher = self.context.socket(zmq.PUB)
        self.publisher.linger = 0
        self.publisher.connect(f"tcp://127.0.0.1:{self.port + 1}")
        wait_until(self.knows_keys, "that tickets are judged")

    def begin(self, context, name, *command):
        log = open(context.path(name + ".log"), "wb")
        self.processes.append(subprocess.Popen([*command, "--data", context.path(name)],
                                               stdout=log, stderr=log))
        log.close()

    def end(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.context.destroy(linger=0)

    def complete_map(self):
        code, body, _ = self.ask(GET_MAP, {}, sender="monitor/9")
        up = code == OK and [n for n in body["nodes"] if n["state"] == 1]
        return body if up and len(up) == 2 and body["groups"][0]["members"] else None

    def knows_keys(self):
        body = {"cluster": self.map["cluster"], "version": 1 << 40, "revoked": [],
                "keys": [{"key": 1, "verify_key": self.keys.public.raw}]}
        header = self.msgpack.packb([1, TICKET_KEYS, 0, 0, 0, "lock/1", "", b""])
        self.publisher.send_multipart([b"tickets", header, self.msgpack.packb(body)])
        return self.ask(STAT, {"path": "/"}, ticket=self.ticket("admin", 0, ROLE_ADMIN))[0] == OK

    def ticket(self, user, uid, role=ROLE_USER, **changes):
        now = int(time.time() * 1000)
        fields = {"cluster": self.map["cluster"], "key": 1, "user": user, "uid": uid, "gid": uid,
                  "groups": [], "role": role, "issued_ms": now, "expires_ms": now + 3600_000,
                  "session": 1, "below": "", "read_only": False}
        return self.keys.sign(self.msgpack.packb(dict(fields, **changes)))

    def ask(self, kind, body, ticket=b"", to="monitor", endpoint=None, payload=None, sender=None):
        """(code, body, payload) of the answer; `timeout` (202) when there is none."""
        endpoint = endpoint or self.broker
        if endpoint not in self.sockets:
            self.sockets[endpoint] = self.context.socket(self.zmq.DEALER)
            self.sockets[endpoint].connect(endpoint)
        link, request = self.sockets[endpoint], random.getrandbits(63) or 1
        sender = sender or "client/0123456789abcdef"
        frames = [self.msgpack.packb([1, kind, request, 0, 3000, sender, to, ticket]),
                  self.msgpack.packb(body)] + ([payload] if payload is not None else [])
        link.send_multipart(frames)
        while link.poll(3000):
            answer = link.recv_multipart()
            header = self.msgpack.unpackb(answer[0])
            if header[2] != request:
                continue
            body = self.msgpack.unpackb(answer[1], raw=False)
            code = body["code"] if header[1] == 1 else OK
            return code, body, answer[2] if len(answer) > 2 else b""
        return 202, {}, b""

    def code(self, *arguments, **options):
        return self.ask(*arguments, **options)[0]

    def nodes(self):
        return [(f"storage/{n['node']}", n["endpoint"]) for n in self.map["nodes"]]


@test
def F11_every_call_without_a_ticket_is_refused(t):
    town = Town(t)
    for kind in ASKED_OF_MONITOR:
        check_equal(town.code(kind, {"path": "/"}), LOGIN_NEEDED, f"request {kind} of nobody")
    for to, endpoint in town.nodes():
        for kind in ASKED_OF_STORAGE:
            check_equal(town.code(kind, {}, to=to, endpoint=endpoint), LOGIN_NEEDED,
                        f"request {kind} of nobody at {to}")
        block = {"object": 1, "group": 0, "length": 1, "capacity": 1, "last": True}
        for kind in (READ, WRITE, 404):
            code, body, _ = town.ask(kind, block, to=to, endpoint=endpoint, payload=b"x")
            check_equal((code, body["cause"]["reason"]), (DENIED, "missing"), f"request {kind}")
    ticket = town.ticket("ada", 1)
    for altered in (ticket[:-1] + bytes([ticket[-1] ^ 1]), ticket[:-64], b"x" * 1000,
                    Keys().sign(ticket[:-64]), town.ticket("ada", 1, cluster="f" * 32),
                    town.ticket("ada", 1, issued_ms=0, expires_ms=1), town.ticket("ada", 1, key=2)):
        check_equal(town.code(STAT, {"path": "/"}, ticket=altered), LOGIN_NEEDED, "a bad ticket")
    check_equal(town.code(STAT, {"path": "/"}, ticket=ticket), OK, "a good ticket")


@test
def F11_paths_stay_in_the_namespace(t):
    town = Town(t)
    admin = town.ticket("admin", 0, ROLE_ADMIN)
    check_equal(town.code(MAKE_DIR, {"path": "/in"}, ticket=admin), OK, "mkdir /in")
    robot = town.ticket("admin", 0, ROLE_ADMIN, below="/in")
    for path in ("/in/../secret", "/in/..", "/..", "/in/./x", "//in", "/in/", "", "in", ".."):
        for kind in (STAT, MAKE_DIR, REMOVE, PLAN, OPEN):
            check_equal(town.code(kind, {"path": path}, ticket=robot), MALFORMED, f"{kind} {path}")
    check_equal(town.code(STAT, {"path": "/in/\0x"}, ticket=robot), MALFORMED, "a NUL")
    check_equal(town.code(STAT, {"path": "/in/" + "x" * 256}, ticket=robot), MALFORMED, "long")
    check_equal(town.code(STAT, {"path": "/inn"}, ticket=robot), DENIED, "/inn")
    check_equal(town.code(MAKE_DIR, {"path": "/secret"}, ticket=robot), DENIED, "mkdir /secret")
    check_equal(town.code(MAKE_DIR, {"path": "/in/x"}, ticket=robot), OK, "mkdir /in/x")
    check_equal(town.code(STAT, {"path": "/secret"}, ticket=admin), NOT_FOUND, "what was made")


@test
def S3_5_only_administrators_see_the_cluster_and_change_it(t):
    town = Town(t)
    user, admin = town.ticket("ada", 1), town.ticket("admin", 0, ROLE_ADMIN)
    for kind in (GET_STATUS, GET_MAP, LIST_AGENTS, SET_POOL):
        check_equal(town.code(kind, {"name": "fast"}, ticket=user), DENIED, f"user's {kind}")
    check_equal(len(town.ask(GET_STATUS, {}, ticket=admin)[1]["nodes"]), 2, "nodes seen")
    check_equal(town.code(LIST_AGENTS, {}, ticket=admin), OK, "agents seen")
    for to, endpoint in town.nodes():
        for kind in (LIST_BLOCKS, CONTROL_SCRUB):
            check_equal(town.code(kind, {}, ticket=user, to=to, endpoint=endpoint), DENIED, kind)
        wait_until(lambda to=to, endpoint=endpoint: town.code(
            LIST_BLOCKS, {}, ticket=admin, to=to, endpoint=endpoint) == OK, "blocks seen")
    status = town.ask(GET_STATUS, {}, ticket=admin)[1]
    check(status["authentication"] and status["denied"] >= 4, f"denials counted: {status['denied']}")
    wait_until(lambda: any(e["fields"].get("user") == "ada" for e in town.ask(
        501, {"prefix": "denied"}, ticket=admin)[1]["events"]), "the event of a denial")


@test
def S3_5_files_are_their_owners(t):
    town = Town(t)
    ada, bob = town.ticket("ada", 1), town.ticket("bob", 2)
    admin = town.ticket("admin", 0, ROLE_ADMIN)
    check_equal(town.code(MAKE_DIR, {"path": "/ada"}, ticket=ada), DENIED, "mkdir in the root")
    check_equal(town.code(MAKE_DIR, {"path": "/ada", "mode": 0o700}, ticket=admin), OK, "mkdir")
    owner = {"path": "/ada", "set_owner": True, "uid": 1}
    check_equal(town.code(SET_ATTRIBUTES, owner, ticket=bob), DENIED, "bob's chown")
    check_equal(town.code(SET_ATTRIBUTES, owner, ticket=admin), OK, "chown")
    note = {"path": "/ada/note", "size": 5, "content": b"hello", "crc32c": 0x9A71BB4C}
    check_equal(town.code(COMMIT, note, ticket=ada), OK, "put")
    for kind in (STAT, OPEN, REMOVE):
        check_equal(town.code(kind, {"path": "/ada/note"}, ticket=bob), DENIED, f"bob's {kind}")
    check_equal(town.code(LIST, {"path": "/ada", "limit": 10}, ticket=bob), DENIED, "bob's ls")
    opened = {"path": "/ada", "set_mode": True, "mode": 0o755}
    check_equal(town.code(SET_ATTRIBUTES, opened, ticket=ada), OK, "chmod")
    check_equal(town.ask(OPEN, {"path": "/ada/note"}, ticket=bob)[1]["content"], b"hello", "read")
    check_equal(town.code(COMMIT, note, ticket=bob), DENIED, "bob's put")


@test
def S3_5_blocks_are_for_those_with_a_grant(t):
    town = Town(t)
    ada, bob = town.ticket("ada", 1), town.ticket("bob", 2)
    admin = town.ticket("admin", 0, ROLE_ADMIN)
    opened = {"path": "/", "set_mode": True, "mode": 0o1777}
    check_equal(town.code(SET_ATTRIBUTES, opened, ticket=admin), OK, "chmod 1777 /")
    plans = [town.ask(PLAN, {"path": "/file", "size": 1, "block_bytes": MIB}, ticket=who)[1]
             for who in (ada, bob)]
    group = plans[0]["groups"][0]
    members = [(f"storage/{m['node']}", m["endpoint"]) for m in group["members"]]
    chain = [{"node": m["node"], "endpoint": m["endpoint"]} for m in group["members"][1:]]
    block = {"object": plans[0]["object"], "group": group["group"], "epoch": group["epoch"],
             "upload": 1, "capacity": 1, "last": True, "crc32c": 0xC1D04330, "chain": chain}
    to, endpoint = members[0]

    def write(grant):
        code, body, _ = town.ask(WRITE, dict(block, grant=grant), to=to, endpoint=endpoint,
                                 payload=b"a")
        return body["cause"]["reason"] if code == DENIED else code

    grant = plans[0]["grant"]
    check_equal(write(b""), "missing", "no grant")
    check_equal(write(plans[1]["grant"]), "object", "another's grant")
    check_equal(write(grant[:-1] + bytes([grant[-1] ^ 1])), "forged", "a forged grant")
    check_equal(write(grant), OK, "the grant")
    commit = {"path": "/file", "size": 1, "crc32c": 0xC1D04330, "layout": {
        "object": plans[0]["object"], "block_bytes": plans[0]["block_bytes"], "overrides": [],
        "groups": [g["group"] for g in plans[0]["groups"]]}, "writes": [{
            "group": group["group"], "epoch": group["epoch"],
            "nodes": [m["node"] for m in group["members"]]}]}
    check_equal(town.code(COMMIT, dict(commit, grant=grant), ticket=bob), DENIED, "bob's commit")
    check_equal(town.code(COMMIT, dict(commit, grant=grant), ticket=ada), OK, "commit")
    reading = town.ask(OPEN, {"path": "/file"}, ticket=ada)[1]["grant"]
    where = {"object": plans[0]["object"], "group": group["group"], "length": 1}
    for to, endpoint in members:
        code, body, _ = town.ask(READ, dict(where, grant=grant), to=to, endpoint=endpoint)
        check_equal((code, body["cause"]["reason"]), (DENIED, "right"), "read to write")
        code, _, payload = town.ask(READ, dict(where, grant=reading), to=to, endpoint=endpoint)
        check_equal((code, payload), (OK, b"a"), f"the block at {to}")
    again = {"path": "/file", "object": plans[0]["object"], "grant": grant}
    check_equal(town.code(PLAN, again, ticket=ada), DENIED, "a grant to write what is content")
