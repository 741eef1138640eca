"""Attacks on what only nodes and heads do: blocks without a right, joining, speaking as somebody
else, publishing for somebody else, consensus."""
import time

from hostile_client import (JOIN, LIST_BLOCKS, MAKE_DIR, NO_ANSWER, OPEN, PLAN, READ, REMOVE, STAT,
                            WRITE, GET_MAP, GET_STATUS, Keys, told)
from support import MIB, check, check_equal, wait_until

ANNOUNCE, HEARTBEAT, ADD_HEAD, CLUSTER_MAP, EVENT, TICKET_KEYS = 100, 103, 110, 105, 500, 720
CONSENSUS = {"RequestVote": 600, "AppendEntries": 602, "InstallSnapshot": 604, "ReadSnapshot": 606,
             "TimeoutNow": 607}
# Of a storage node, for administrators and nodes: bodies that would be good from one.
INSIDE = {"blocks": (LIST_BLOCKS, {}), "digests": (450, {}), "copies": (452, {"group": 0}),
          "fill": (454, {"group": 0, "epoch": 1 << 30, "sources": [
              {"node": 2, "endpoint": "tcp://127.0.0.1:9#plain"}]}),
          "scrub": (458, {"action": 1}), "hints": (460, {})}


def attack_blocks(fort, table):
    opened = fort.must(OPEN, {"path": "/good"}, fort.ada)
    group = opened["routes"][0]
    to, endpoint = fort.node(group["members"][0]["node"])
    number = int(to.split("/")[1])
    wire = fort.wire(endpoint, key=None)
    node = (f"{to}: denied", lambda: fort.node_denied(number))
    layout, smith, now = opened["layout"], fort.smith, int(time.time() * 1000)
    where = {"object": layout["object"], "group": layout["groups"][0], "length": 1000}

    def reads(grant, **other):
        return lambda: told(wire.ask(READ, dict(where, grant=grant, **other), to=to))

    def writes(grant, content=b"a", crc=0xC1D04330, **other):
        block = {"object": where["object"], "group": where["group"], "epoch": group["epoch"],
                 "upload": 1, "capacity": MIB, "last": True, "crc32c": crc, "grant": grant}
        return lambda: told(wire.ask(WRITE, dict(block, **other), content, to=to))

    good = opened["grant"]
    check_equal(reads(good)(), "ok", "a good grant")
    check_equal(reads(smith.grant(object=where["object"]))(), "ok", "a grant as the smith makes it")
    past = smith.grant(object=where["object"], expires_ms=now - 60_000)
    bent = good[:-1] + bytes([good[-1] ^ 1])
    other = fort.must(PLAN, {"path": "/other", "size": 1}, fort.bob)
    fields = fort.msgpack.unpackb(good[:-64])
    table.row("block without a grant", "denied (missing)", node, reads(b""))
    table.row("grant of noise", ("denied (malformed)", "denied (forged)"), node,
              reads(b"\xc1" * 60))
    table.row("grant with another bit", "denied (forged)", node, reads(bent))
    for field, value in (("object", where["object"] + 1), ("right", 2), ("uid", 0), ("node", 1),
                         ("expires_ms", now + 99 * 3600_000), ("serial", 1)):
        changed = fort.msgpack.packb(dict(fields, **{field: value})) + good[-64:]
        table.row(f"grant with another `{field}`", ("denied (forged)", "denied (object)"), node,
                  reads(changed))
    table.row("grant for another object", "denied (object)", node, reads(other["grant"]))
    table.row("grant to read, to write", "denied (right)", node, writes(good))
    table.row("grant to write, to read", "denied (right)", node,
              reads(smith.grant(object=where["object"], right=2)))
    table.row("expired grant", "denied (expired)", node, reads(past))
    table.row("grant for another node", "denied (node)", node,
              reads(smith.grant(object=where["object"], node=99)))
    stolen, own = Keys(), Keys()
    warrant = smith.warrant(2, stolen)
    check_equal(reads(smith.grant(stolen, object=where["object"], warrant=warrant))(), "ok",
                "a grant that a node makes to copy a block")
    table.row("grant to write that a stolen node makes", "denied (warrant)", node,
              writes(smith.grant(stolen, object=where["object"], right=2, warrant=warrant)))
    table.row("grant with the warrant of another's key", "denied (forged)", node,
              reads(smith.grant(own, object=where["object"], warrant=warrant)))
    table.row("grant with a warrant of one's own", "denied (forged)", node,
              reads(smith.grant(own, object=where["object"],
                                warrant=own.sign(fort.msgpack.packb(
                                    {"node": 2, "verify_key": own.public.raw,
                                     "expires_ms": now + 60_000}), b"zdfs warrant 1:"))))
    table.row("grant of a node whose warrant has ended", "denied (expired)", node,
              reads(smith.grant(stolen, object=where["object"],
                                warrant=smith.warrant(2, stolen, -60_000))))
    for name in ("fill", "scrub"):
        kind, body = INSIDE[name]
        table.row(f"stolen node has another do: {name}", "denied (role)", node,
                  lambda kind=kind, body=body: told(wire.ask(kind, body, to=to, ticket=smith.grant(
                      stolen, object=0, right=3, warrant=warrant))))
    table.row("grant to write, to give another's upload up", "denied (right)", node,
              lambda: told(wire.ask(404, dict(where, grant=good), to=to)))
    again = smith.grant(object=where["object"], right=2)
    table.row("grant to write, replayed over what was committed",
              ("ok", "exists", "conflict", "invalid", "stale map", "denied"), None, writes(again))
    check_equal(fort.get("/good"), fort.data, "what was committed")
    commit = {"path": "/stolen", "size": 3 * MIB, "crc32c": opened["info"]["crc32c"],
              "layout": layout, "grant": other["grant"], "writes": [
                  {"group": where["group"], "epoch": group["epoch"], "nodes": [1, 2]}]}
    table.row("another's content under a name of one's own", "denied (grant)",
              ("status: denied", fort.denied),
              lambda: told(fort.wire().ask(302, commit, ticket=fort.bob)))
    fort.put(fort.data[:MIB + 1], "/short")
    short = fort.must(OPEN, {"path": "/short"}, fort.ada)
    fort.must(REMOVE, {"path": "/short"}, fort.ada)
    table.row("another's grant, replayed when the file is removed", "denied (object)", node,
              reads(short["grant"]))
    table.row("opening what was removed", "not found", None,
              lambda: told(fort.wire().ask(OPEN, {"path": "/short"}, ticket=fort.ada)))


def attack_insides(fort, table):
    """The inside of a storage node, whose port is plain and takes anybody."""
    to, endpoint = fort.node(1)
    wire = fort.wire(endpoint, key=None)
    node = (f"{to}: denied", lambda: fort.node_denied(1))
    for name, (kind, body) in INSIDE.items():
        table.row(f"nobody asks a storage node: {name}",
                  ("login needed (missing)", "denied (missing)", "denied"), node,
                  lambda kind=kind, body=body: told(wire.ask(kind, body, to=to)))
    for name, (kind, body) in INSIDE.items():
        table.row(f"user asks a storage node: {name}",
                  ("denied (role)", "denied (malformed)", "denied (forged)"), node,
                  lambda kind=kind, body=body: told(wire.ask(kind, body, to=to, ticket=fort.ada)))
    grants = {"to read": fort.must(OPEN, {"path": "/good"}, fort.ada)["grant"],
              "of another key": fort.smith.grant(Keys(), right=3),
              "that has expired": fort.smith.grant(right=3, expires_ms=int(time.time() * 1000) -
                                                   60_000)}
    for name, grant in grants.items():
        table.row(f"user asks a storage node for blocks with a grant {name}",
                  ("denied (right)", "denied (object)", "denied (forged)", "denied (expired)",
                   "login needed (malformed)"), node,
                  lambda grant=grant: told(wire.ask(LIST_BLOCKS, {}, to=to, ticket=grant)))
    for sender in ("storage/2", "monitor/1"):
        for name in ("blocks", "fill", "scrub"):
            kind, body = INSIDE[name]
            table.row(f"somebody as `{sender}` asks a storage node: {name}",
                      ("denied", "denied (missing)", "denied (role)", "login needed (missing)"),
                      node, lambda kind=kind, body=body, sender=sender: told(
                          wire.ask(kind, body, to=to, sender=sender)))
    for kind, body in ((102, {"node": 9, "cluster": "f" * 32}), (CLUSTER_MAP, {"epoch": 1 << 40}),
                       (TICKET_KEYS, {"version": 1 << 40}), (1, {"code": 500})):
        table.row(f"answer {kind} that nobody asked for, to a storage node",
                  (NO_ANSWER, "denied (missing)", "unsupported"), None,
                  lambda kind=kind, body=body: told(wire.ask(kind, body, to=to, seconds=0.2)))


def attack_joining(fort, table):
    def join(token="", uuid="ab" * 16, key=None, sender="storage", endpoint="tcp://127.0.0.1:9"):
        def run():
            wire = fort.wire()
            body = {"uuid": uuid, "endpoint": endpoint, "host": "evil", "token": token,
                    "key": wire.public if key is None else key}
            return told(wire.ask(JOIN, body, sender=sender))
        return run

    counted = lambda which: (f"node tokens: refused_{which}",
                             lambda: fort.refused_tokens()["refused_" + which])
    expired = fort.token(lasts_ms=1)
    time.sleep(0.01)
    table.row("node joins without a token", "denied (token_missing)", counted("missing"), join())
    table.row("node joins with a token of its own making", "denied (token_unknown)",
              counted("unknown"), join("cd" * 16))
    table.row("node joins with a used token", "denied (token_used)", counted("used"),
              join(fort.used_token))
    table.row("node joins with an expired token", "denied (token_expired)", counted("expired"),
              join(expired))
    view = fort.map["nodes"][0]
    table.row("node joins with the uuid of another", "denied (other_key)", None,
              join(uuid=view["uuid"]))
    turned = ("head's log: message turned away", lambda: fort.logged("message turned away"))
    table.begin(turned)
    table.row("node joins with the key of another", "denied", None, join(key=view["key"]))
    table.row("client joins", ("denied (role)", "denied", "denied (token_missing)"), None,
              join(sender="client/1"))
    for path in ("monitor", "lock"):
        for uuid in ("", "ef" * 16):
            table.row(f"somebody becomes a head, at `{path}`, " + ("announced" if not uuid else
                      "with a uuid"),
                      ("denied", "denied (role)", "login needed (missing)", "malformed"), None,
                      lambda path=path, uuid=uuid: told(fort.wire().ask(
                          ADD_HEAD, {"uuid": uuid, "endpoint": "tcp://127.0.0.1:9#plain",
                                     "broker": "tcp://127.0.0.1:9"}, to=path, sender="storage")))
    heads = fort.must(116, {})["heads"]
    check_equal(len(heads), 1, "heads")
    table.end(turned, 1)


def attack_names(fort, table):
    """Announcing what one does not serve, and sending as somebody else."""
    wire = fort.wire()
    for service in ("monitor", "lock", "monitor-replica", "lock-replica", "storage/1", "agent/h1"):
        table.row(f"client announces `{service}`", "denied", None, lambda service=service: told(
            wire.ask(ANNOUNCE, {"service": service, "term": 1 << 60}, to="broker")))
    for sender in ("monitor/1", "lock/1", "storage/1", "agent/h1", "broker/1", "head"):
        table.row(f"client sends as `{sender}`", ("unavailable", "denied"), None,
                  lambda sender=sender: told(wire.ask(GET_MAP, {}, sender=sender)))
    for sender in ("storage", "agent", "monitor", "lock"):
        for kind, name in ((GET_MAP, "map"), (GET_STATUS, "status")):
            table.row(f"client asks for the {name} as `{sender}`",
                      ("unavailable", "denied", "login needed (missing)"), None,
                      lambda kind=kind, sender=sender: told(wire.ask(kind, {}, sender=sender)))
    # The owner of a lock is an address that everybody may read.
    victim, thief = fort.wire(), fort.wire()
    fort.msgpack.packb({})
    check_equal(told(victim.ask(STAT, {"path": "/"}, ticket=fort.bob)), "ok", "the victim")

    def steal():
        request = thief.header(STAT, sender=victim.name, ticket=b"")
        thief.send(fort.msgpack.packb(request), fort.msgpack.packb({"path": "/"}))
        answer = thief.answer(request[2], 1)
        # What the victim asks now is answered to the victim.
        mine = victim.ask(STAT, {"path": "/"}, ticket=fort.bob, seconds=2)
        return told(answer) if mine and mine[0] == 0 else "the victim hears nothing"
    table.row("client sends as another client", ("denied", "unavailable", "login needed (missing)"),
              None, steal)

    def hear_the_other():
        for _ in range(5):
            header = thief.header(108, to="broker", sender=victim.name, request=0)
            thief.send(fort.msgpack.packb(header), fort.msgpack.packb({}))
        header = victim.header(OPEN, ticket=fort.bob)
        slow = {"lock": 0}
        victim.send(fort.msgpack.packb(header), fort.msgpack.packb({"path": "/good"}))
        for _ in range(50):
            thief.send(fort.msgpack.packb(thief.header(108, to="broker", sender=victim.name,
                                                       request=0)), fort.msgpack.packb(slow))
        heard = victim.answer(header[2], 2)
        return "heard nothing" if heard and heard[0] == 0 else "stole the answer"
    table.row("client listens under the address of another", "heard nothing", None, hear_the_other)


def attack_consensus(fort, table):
    """Messages between heads, from somebody who is none: through the front door and at its port."""
    cluster = fort.map["cluster"]
    before = fort.must(116, {})
    for name, kind in CONSENSUS.items():
        for group, to in (("monitor", "monitor"), ("lock", "lock")):
            body = {"group": f"{cluster}/{group}", "from": 2, "to": 1, "term": 1 << 40,
                    "last_index": 1 << 40, "last_term": 1 << 40, "prev_index": 0, "snapshot": 1,
                    "name": "CURRENT", "length": 1000, "pre": False, "transfer": True}
            table.row(f"{name} to `{to}` through the broker", ("denied", "unsupported"), None,
                      lambda kind=kind, body=body, to=to: told(
                          fort.wire().ask(kind, body, to=to, seconds=0.5)))
    after = fort.must(116, {})
    check_equal((after["term"], after["leader"]), (before["term"], before["leader"]),
                "the term and the leader")
    refused = ("head's log: connection refused", lambda: fort.logged("connection refused"))
    table.begin(refused)
    for offset, name in ((3, "monitor's"), (4, "lock actor's")):
        body = {"group": f"{cluster}/monitor", "from": 2, "to": 1, "term": 1 << 40}
        port = f"tcp://127.0.0.1:{fort.port + offset}"
        table.row(f"client with the cluster's public key at the {name} Raft port", NO_ANSWER, None,
                  lambda port=port, body=body: told(fort.wire(port).ask(600, body, seconds=0.5)))
        table.row(f"plain connection to the {name} Raft port", NO_ANSWER, None,
                  lambda port=port, body=body: told(
                      fort.wire(port, key=None).ask(600, body, seconds=0.3)))
    stolen = fort.stolen_pair(1)
    table.row("storage node at the monitor's Raft port", NO_ANSWER, None, lambda: told(fort.wire(
        f"tcp://127.0.0.1:{fort.port + 3}", pair=stolen).ask(600, {}, seconds=0.5)))
    table.end(refused, 1, since_start=True)  # said once a minute


def attack_keys(fort, table):
    wrong = fort.zmq.utils.z85.decode(fort.zmq.curve_keypair()[0]).hex()
    ping = lambda wire: told(wire.ask(108, {}, to="broker", seconds=0.5))
    table.row("wrong server key", NO_ANSWER, None, lambda: ping(fort.wire(key=wrong)))
    table.row("plain connection to the encrypted port", NO_ANSWER, None,
              lambda: ping(fort.wire(key=None)))
    table.row("encrypted connection to the plain port of blocks", NO_ANSWER, None,
              lambda: ping(fort.wire(fort.node(1)[1], key=fort.cluster_key)))

    def greeting_of_noise():
        with fort.tcp() as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nHost: zdfs\r\n\r\n" + b"\0" * 100)
            raw.settimeout(8)
            try:
                while raw.recv(1000):
                    pass
                return "cut"
            except ConnectionError:
                return "cut"
    table.row("another protocol (HTTP) at the front door", "cut", None, greeting_of_noise)


def attack_news(fort, table):
    """Publishing: as a client, and as a storage node about what is not its own."""
    zmq = fort.zmq
    fake = Keys()
    keys = {"cluster": fort.map["cluster"], "version": 1 << 40, "revoked": [],
            "keys": [{"key": 1, "verify_key": fake.public.raw}]}
    forged = fake.sign(fort.smith.changed(fort.ada, user="admin", uid=0, role=2))
    told_map = dict(fort.map, epoch=1 << 40, nodes=[], groups=[])
    beat = {"node": 2, "boot": 1, "sequence": 1 << 40, "total_bytes": 666, "used_bytes": 666,
            "accepts_writes": False, "losses": 9, "blocks_bad": 666}
    event = {"topic": "file-committed", "index": 1 << 40, "actor": "monitor",
             "fields": {"path": "/evil"}}
    news = (("heartbeat/storage/2", HEARTBEAT, beat, "storage/2"),
            ("event/file-committed", EVENT, event, "monitor/1"),
            ("event/login", EVENT, dict(event, topic="login", actor="lock"), "lock/1"),
            ("map", CLUSTER_MAP, told_map, "monitor/1"),
            ("tickets", TICKET_KEYS, keys, "lock/1"))
    publish_port = f"tcp://127.0.0.1:{fort.port + 1}"
    listener = fort.context.socket(zmq.SUB)
    listener.linger = 0
    listener.curve_serverkey = bytes.fromhex(fort.cluster_key)
    listener.curve_publickey, listener.curve_secretkey = fort.stolen_pair(2)
    listener.connect(f"tcp://127.0.0.1:{fort.port + 2}")
    listener.subscribe(b"")

    def heard(body):
        """Whether anybody who listens was told it."""
        packed, until = fort.msgpack.packb(body), time.monotonic() + 0.4
        while time.monotonic() < until:
            if listener.poll(50) and packed in listener.recv_multipart():
                return True
        return False

    def publish(pair, topic, kind, body, sender):
        def run():
            wire = fort.wire(publish_port, pair=pair, kind=zmq.PUB)
            check(wire.socket.poll(0, zmq.POLLOUT), "a publisher never waits")
            for _ in range(20):
                wire.publish(topic, kind, body, sender)
                time.sleep(0.01)
            told_on = heard(body)
            return "passed on" if told_on else "dropped"
        return run

    refused = ("head's log: connection refused", lambda: fort.logged("connection refused"))
    table.begin(refused)
    for topic, kind, body, sender in news:
        table.row(f"client publishes `{topic}`", "dropped", None,
                  publish(None, topic, kind, body, sender))
    table.end(refused, 1, since_start=True)
    dropped = ("head's log: publication dropped", lambda: fort.logged("publication dropped"))
    table.begin(dropped)
    stolen = fort.stolen_pair(1)
    for topic, kind, body, sender in news:
        table.row(f"storage/1 publishes `{topic}`", "dropped", None,
                  publish(stolen, topic, kind, body, sender))
    table.end(dropped, 1)

    def speaks_for_another():
        publish(stolen, "heartbeat/storage/1", HEARTBEAT, beat, "storage/1")()
        seen = {n["heartbeat"]["used_bytes"] for n in fort.status()["nodes"]}
        return "believed" if 666 in seen else "not believed"
    table.row("storage/1 publishes a heartbeat that says it is of node 2", "not believed", None,
              speaks_for_another)
    table.row("ticket signed with the key that was published", "login needed (forged)",
              ("status: denied", fort.denied),
              lambda: told(fort.wire().ask(GET_STATUS, {}, ticket=forged)))
    node = fort.wire(pair=stolen)
    for sender, what in (("storage/2", "storage/2"), ("monitor/1", "a monitor"),
                         ("agent/h1", "an agent")):
        table.row(f"storage/1 sends as {what}", ("denied", "unavailable"), None,
                  lambda sender=sender: told(node.ask(GET_MAP, {}, sender=sender)))
    for service in ("monitor", "lock", "storage/2"):
        table.row(f"storage/1 announces `{service}`", ("denied", "unavailable"), None,
                  lambda service=service: told(node.ask(
                      ANNOUNCE, {"service": service, "term": 1 << 60}, to="broker",
                      sender="storage/1")))
    table.row("storage/1 without a ticket makes a directory", "login needed (missing)",
              ("status: denied", fort.denied),
              lambda: told(node.ask(MAKE_DIR, {"path": "/evil"}, sender="storage/1")))
    added = ("denied", "denied (role)", "login needed (missing)", "malformed")
    table.row("storage/1 adds a head", added, None, lambda: told(node.ask(
        ADD_HEAD, {"uuid": "", "endpoint": "tcp://127.0.0.1:9#plain",
                   "broker": "tcp://127.0.0.1:9"}, sender="storage/1")))

    def listens():
        ear = fort.context.socket(zmq.SUB)
        ear.linger = 0
        ear.curve_serverkey = bytes.fromhex(fort.cluster_key)
        ear.curve_publickey, ear.curve_secretkey = zmq.curve_keypair()
        ear.connect(f"tcp://127.0.0.1:{fort.port + 2}")
        ear.subscribe(b"event/")
        time.sleep(0.3)
        fort.must(MAKE_DIR, {"path": f"/heard-{time.monotonic_ns()}"}, fort.ada)
        told_all = ear.poll(1000)
        ear.close(0)
        return "heard a name" if told_all else "heard nothing"
    table.row("somebody without a ticket listens to events", "heard nothing", None, listens)
    listener.close(0)
    wait_until(fort.complete_map, "both nodes are up")
