"""What a hostile client has: connections that say whatever it likes, tickets and grants of its own
making, and a cluster with every door shut to try them on."""
import base64
import ctypes
import hashlib
import os
import random
import re
import secrets
import socket
import subprocess
import time

from support import (MIB, Failed, Run, check, make_bytes, read_bytes, status_field, wait_until,
                     write_bytes)

CODES = {0: "ok", 100: "malformed", 101: "too large", 102: "unsupported", 103: "invalid",
         200: "unavailable", 201: "busy", 300: "not found", 301: "exists", 304: "not empty",
         305: "bad name", 307: "conflict", 308: "expired", 309: "locked", 401: "corrupt",
         403: "no such block", 500: "denied", 501: "login needed"}
NO_ANSWER = "no answer"
STAT, MAKE_DIR, REMOVE, PLAN, COMMIT, OPEN = 200, 204, 208, 300, 302, 304
JOIN, GET_MAP, GET_STATUS, ADD_JOIN_TOKEN, LIST_JOIN_TOKENS = 101, 104, 106, 145, 149
WRITE, READ, LIST_BLOCKS = 400, 402, 406
EVENTS, LOG_IN, CHANGE_PASSWORD, ADD_USER, REMOVE_USER = 501, 701, 706, 707, 710
ADD_TOKEN, GET_TICKET_KEYS = 715, 719
GOOD_PASSWORD = "correct horse battery"


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
    """A pair of its own that signs tickets as the lock actor would, or what else it likes."""

    def __init__(self, seed=None):
        self.sodium = ctypes.CDLL("libsodium.so.23")
        self.public, self.secret = ctypes.create_string_buffer(32), ctypes.create_string_buffer(64)
        self.sodium.crypto_sign_seed_keypair(self.public, self.secret,
                                             seed or secrets.token_bytes(32))

    def sign(self, fields, purpose=b"zdfs ticket 1:"):
        signature = ctypes.create_string_buffer(64)
        message = purpose + fields
        self.sodium.crypto_sign_detached(signature, None, message,
                                         ctypes.c_ulonglong(len(message)), self.secret)
        return fields + signature.raw


class Wire:
    """One connection. `key` is the server's, or None for a plain one; `pair` who this side is."""

    def __init__(self, fort, endpoint=None, key="", pair=None, kind=None, source=None):
        zmq = fort.zmq
        self.fort, self.pair = fort, pair or zmq.curve_keypair()
        self.socket = fort.context.socket(kind or zmq.DEALER)
        self.socket.linger, self.socket.maxmsgsize = 0, -1
        key = fort.cluster_key if key == "" else key
        if key:
            self.socket.curve_serverkey = bytes.fromhex(key)
            self.socket.curve_publickey, self.socket.curve_secretkey = self.pair
        endpoint = (endpoint or fort.broker).split("#")[0]
        if source:
            endpoint = endpoint.replace("tcp://", f"tcp://{source}:0;")
        self.name = "client/" + secrets.token_hex(8)
        self.socket.connect(endpoint)
        self.zmq, self.msgpack = zmq, fort.msgpack

    @property
    def public(self):
        """The key that this side shows, in hex."""
        return fortified(self.zmq, self.pair[0])

    def header(self, kind, to="monitor", ticket=b"", sender=None, request=None, version=1):
        request = random.getrandbits(63) or 1 if request is None else request
        return [version, kind, request, 0, 3000, self.name if sender is None else sender, to,
                ticket]

    def send(self, *frames):
        self.socket.send_multipart(list(frames))

    def publish(self, topic, kind, body, sender):
        header = self.header(kind, "", sender=sender)
        self.send(topic.encode(), self.msgpack.packb(header), self.msgpack.packb(body))

    def answer(self, request, seconds=3.0):
        """(code, body, payload) of the answer to `request`; None when there is none."""
        until = time.monotonic() + seconds
        while self.socket.poll(max(0, int((until - time.monotonic()) * 1000))):
            frames = self.socket.recv_multipart()
            header = self.msgpack.unpackb(frames[0])
            if header[2] != request:
                continue
            body = self.msgpack.unpackb(frames[1], raw=False, unicode_errors="surrogateescape")
            payload = frames[2] if len(frames) > 2 else b""
            return (body["code"] if header[1] == 1 else 0), body, payload
        return None

    def ask(self, kind, body, payload=None, seconds=3.0, **header):
        """The same, asked with this header and body."""
        sent = self.header(kind, **header)
        frames = [self.msgpack.packb(sent), self.msgpack.packb(body)]
        self.send(*frames, *([payload] if payload is not None else []))
        return self.answer(sent[2], seconds)

    def close(self):
        self.socket.close(0)


def fortified(zmq, key):
    return zmq.utils.z85.decode(key).hex()


def told(answer):
    """An answer as a row of the table has it: "denied (role)"."""
    if answer is None:
        return NO_ANSWER
    code, body, _ = answer
    text = CODES.get(code, str(code))
    reason = body.get("cause", {}).get("reason") if code else None
    return f"{text} ({reason})" if reason else text


def secret_after(folder, name, size):
    """What the log on a head's disk says of a secret. Nobody but a test may look there."""
    pattern = re.compile(re.escape(name.encode()) + rb"\xc4" + bytes([size]) + b"(.{%d})" % size,
                         re.S)
    for directory, _, files in os.walk(folder):
        for file in sorted(files):
            found = pattern.search(read_bytes(os.path.join(directory, file)))
            if found:
                return found.group(1)
    return None


class Smith(Keys):
    """Makes tickets and grants with the real keys of a cluster: so that what is wrong with one is
    just one thing."""

    def __init__(self, fort):
        super().__init__()
        self.msgpack = fort.msgpack
        secret = secret_after(os.path.join(fort.folder, "head", "locks"), "secret", 64)
        if secret:
            self.secret.raw = secret
        self.grant_key = secret_after(os.path.join(fort.folder, "head"), "grant_key", 32)
        self.grants = Keys(self.grant_key)

    def altered(self, ticket, **changes):
        """With other fields, signed again."""
        return self.sign(self.changed(ticket, **changes))

    def changed(self, ticket, **changes):
        """Its fields with others among them, without a signature."""
        return self.msgpack.packb(dict(self.fields(ticket), **changes))

    def fields(self, ticket):
        return self.msgpack.unpackb(ticket[:-64])

    def grant(self, keys=None, **changes):
        """A head's, or one made with other keys."""
        now = int(time.time() * 1000)
        fields = {"object": 1, "right": 1, "uid": 0, "node": 0, "expires_ms": now + 600_000,
                  "serial": 1}
        packed = self.msgpack.packb(dict(fields, **changes))
        return (keys or self.grants).sign(packed, b"zdfs grant 2:")

    def warrant(self, node, keys, lasts_ms=60_000):
        """A head's word that a node signs with these keys."""
        packed = self.msgpack.packb({"node": node, "verify_key": keys.public.raw,
                                     "expires_ms": int(time.time() * 1000) + lasts_ms})
        return self.grants.sign(packed, b"zdfs warrant 1:")


class Fort:
    """A cluster with keys, users and tickets: a head and two storage nodes."""

    def __init__(self, t, *head_options):
        import msgpack
        import zmq
        import zmq.utils.z85  # noqa: F401
        self.zmq, self.msgpack, self.t = zmq, msgpack, t
        self.folder = t.path("fort")
        os.makedirs(self.folder)
        self.runs = {}
        t.at_end(self.end)
        self.context = zmq.Context()
        self.context.max_sockets = 4096
        self.port = five_free_ports()
        self.broker = f"tcp://127.0.0.1:{self.port}"
        keys = os.path.join(self.folder, "keys")
        Run([os.path.join(t.bin, "dfsd"), "init", "--dir", keys], t.directory).finish()
        self.cluster_line = next(line for line in read_bytes(
            os.path.join(keys, "cluster.pub")).decode().splitlines() if "cluster-key" in line)
        self.cluster_key = re.search(r"[0-9a-f]{64}", self.cluster_line).group(0)
        self.config = write_bytes(os.path.join(self.folder, "client.conf"), (
            f'broker = "{self.broker}"\n{self.cluster_line}\n').encode())
        self.begin("head", "--listen", self.broker, "--bootstrap", "--keys", keys,
                   "--heartbeat", "200ms", *head_options)
        self.wires = []
        self.take_over()
        self.begin_nodes()
        self.map = wait_until(self.complete_map, "two nodes in the map")
        self.people()

    # --- processes ---

    def begin(self, name, *options):
        role = name.split("-")[0]
        self.runs[name] = Run(
            [os.path.join(self.t.bin, "dfsd"), role, "--data", os.path.join(self.folder, name),
             "--log-file", self.log_path(name), *options], self.t.directory)

    def log_path(self, name):
        return os.path.join(self.folder, name + ".log")

    def log(self, name="head"):
        return read_bytes(self.log_path(name)).decode(errors="replace")

    def logged(self, words, name="head"):
        """How often the log of a process says so."""
        return self.log(name).count(words) if os.path.exists(self.log_path(name)) else 0

    def memory_mib(self, name="head"):
        return status_field(self.runs[name].process.pid, "VmRSS") >> 10

    def end(self):
        for run in self.runs.values():
            run.end()
        self.context.destroy(linger=0)

    # --- the good people ---

    def take_over(self):
        """The first administrator logs in and chooses a password."""
        line = re.compile(r"one-time password: (\S+)$", re.M)
        self.first_password = wait_until(lambda: line.findall(self.runs["head"].out),
                                         "the one-time password")[0]
        self.good = Wire(self)

        def log_in():
            answer = self.good.ask(LOG_IN, {"user": "admin", "password":
                                            self.first_password.encode()}, to="lock")
            return answer if answer and answer[0] == 0 else None
        self.first_ticket = wait_until(log_in, "the first log-in")[1]["ticket"]
        change = {"old_password": self.first_password.encode(),
                  "new_password": GOOD_PASSWORD.encode()}
        self.admin = self.must(CHANGE_PASSWORD, change, self.first_ticket, "lock")["ticket"]
        wait_until(lambda: told(self.good.ask(GET_MAP, {}, ticket=self.admin)) == "ok",
                   "that tickets are judged")

    def must(self, kind, body, ticket=None, to="monitor"):
        code, answer, _ = self.good.ask(
            kind, body, to=to, ticket=self.admin if ticket is None else ticket) or (202, {}, b"")
        check(code == 0, f"a good request {kind} to {to} was answered {code} {answer}")
        return answer

    def token(self, lasts_ms=600_000, uses=1):
        """A new token for storage nodes to join with."""
        text = secrets.token_hex(16)
        self.must(ADD_JOIN_TOKEN, {"hash": hashlib.sha256(text.encode()).hexdigest(),
                                   "lasts_ms": lasts_ms, "uses": uses})
        return text

    def begin_nodes(self):
        self.used_token = self.token(uses=2)
        token = write_bytes(os.path.join(self.folder, "join-token"), self.used_token.encode())
        for number in (1, 2):
            self.begin(f"storage-{number}", "--broker", self.broker, "--listen",
                       "tcp://127.0.0.1:0", "--host", f"h{number}", "--cluster-key",
                       self.cluster_key, "--join-token", "@" + token, "--segment-size", "256M")

    def complete_map(self):
        code, body, _ = self.good.ask(GET_MAP, {}, ticket=self.admin) or (202, {}, b"")
        up = [n for n in body["nodes"] if n["state"] == 1] if code == 0 else []
        return body if len(up) == 2 and len(body["groups"][0]["members"]) == 2 else None

    def people(self):
        """Two users, a root where everybody may put files, and one that ada put there."""
        self.must(210, {"path": "/", "set_mode": True, "mode": 0o1777})
        self.smith = Smith(self)
        self.ada, self.bob = (self.user(name) for name in ("ada", "bob"))
        self.data = make_bytes(3 * MIB)
        self.put(self.data, "/good")

    def user(self, name):
        """Their ticket."""
        password = (name + " " + GOOD_PASSWORD).encode()
        self.must(ADD_USER, {"user": name, "password": password, "role": 1, "must_change": False},
                  to="lock")
        return self.log_in(name)

    def log_in(self, name):
        password = (name + " " + GOOD_PASSWORD).encode()
        return self.must(LOG_IN, {"user": name, "password": password}, b"", "lock")["ticket"]

    def ctl(self, *arguments, ticket=None):
        text = base64.urlsafe_b64encode(ticket or self.ada).decode().rstrip("=")
        environment = dict(os.environ, DFS_CONFIG=self.config, DFS_TICKET=text)
        return Run([os.path.join(self.t.bin, "dfsctl"), *arguments], self.t.directory, environment)

    def put(self, data, path):
        source = write_bytes(self.t.path("put"), data)
        self.ctl("put", "--block-size", "1M", source, path).finish(seconds=60)

    def get(self, path):
        self.ctl("get", path, self.t.path("got")).finish(seconds=60)
        data = read_bytes(self.t.path("got"))
        os.unlink(self.t.path("got"))
        return data

    # --- what the cluster has counted ---

    def status(self):
        return self.must(GET_STATUS, {})

    def denied(self):
        return self.status()["denied"]

    def node_denied(self, number=1):
        return next(n["heartbeat"]["denied"] for n in self.status()["nodes"]
                    if n["view"]["node"] == number)

    def refused_tokens(self):
        return self.must(LIST_JOIN_TOKENS, {})

    def events(self, to, prefix):
        """What the log of the monitor or of the lock actor tells."""
        found, since = [], 0
        while True:
            page = self.must(EVENTS, {"since": since, "prefix": prefix, "limit": 1000}, to=to)
            found += page["events"]
            since = page["next"]
            if not page["more"]:
                return found

    # --- connections of the hostile ---

    def wire(self, *arguments, **options):
        made = Wire(self, *arguments, **options)
        self.wires.append(made)
        return made

    def node(self, number=1):
        """(address, endpoint) of a storage node."""
        view = next(n for n in self.map["nodes"] if n["node"] == number)
        return f"storage/{number}", view["endpoint"]

    def host_of(self, number):
        """The number in the name of the process that is this node."""
        return next(n["host"] for n in self.map["nodes"] if n["node"] == number)[1:]

    def stolen_pair(self, number=1):
        """The key pair of a storage node, as somebody has it who broke into that machine."""
        folder = os.path.join(self.folder, f"storage-{self.host_of(number)}")
        text = read_bytes(os.path.join(folder, "node.key")).decode()
        half = lambda word: self.zmq.utils.z85.encode(bytes.fromhex(
            re.search(rf'{word} = "(\w+)"', text).group(1)))
        return half("public"), half("secret")

    def tcp(self, port=None):
        return socket.create_connection(("127.0.0.1", port or self.port), timeout=5)

    def close_wires(self):
        for wire in self.wires:
            wire.close()
        self.wires = []


def run_program(t, *arguments, **options):
    """The hostile program; see hostile_flood.cc."""
    return subprocess.run([os.path.join(t.bin, "dfs_hostile"), *map(str, arguments)],
                          capture_output=True, text=True, timeout=60, check=False, **options)
