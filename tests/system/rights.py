"""Who may do what, on a cluster with every door shut: people who log in, and programs that know
nothing but the protocol."""
import os
import time

from people import DENIED as EXIT_DENIED
from people import Person, add_user, administrator, ticket_of
from support import (MIB, check, check_equal, make_bytes, read_bytes, test, wait_until,
                     write_bytes)
from wire import DENIED, LOGIN_NEEDED, MALFORMED, NOT_FOUND, OK, Wire

GET_MAP, GET_STATUS, LIST_AGENTS = 104, 106, 141
STAT, MAKE_DIR, REMOVE = 200, 204, 208
PLAN, COMMIT, OPEN, WRITE, READ, LIST_BLOCKS, CONTROL_SCRUB = 300, 302, 304, 400, 402, 406, 458
CREATE_NODE, GET_NODE_PASS = 143, 780
# Everything that somebody could ask the monitor for, but Ping and what nodes and heads ask.
ASKED_OF_MONITOR = (104, 106, 112, 114, 116, 118, 120, 141, 145, 147, 149, 200, 202, 204, 206, 208,
                    210, 300, 302, 304, 306, 308, 501, 780, 800, 802, 820, 822, 824, 826)
ASKED_OF_STORAGE = (406, 450, 452, 454, 458, 460)


def nodes_of(wire, ticket):
    """(address, endpoint) of each storage node."""
    nodes = wire.ask(GET_MAP, {}, ticket=ticket)[1]["nodes"]
    return [(f"storage/{node['node']}", node["endpoint"]) for node in nodes]


@test
def F11_every_call_without_a_ticket_is_refused(t):
    cluster = t.cluster(storages=2, secure=True)
    admin = administrator(cluster)
    ada = add_user(admin, "ada")
    other = t.cluster(storages=1, replicas=1, secure=True)
    foreign = administrator(other).ticket()
    wire = Wire(t, cluster)
    for kind in ASKED_OF_MONITOR:
        check_equal(wire.code(kind, {"path": "/"}), LOGIN_NEEDED, f"request {kind} of nobody")
    for to, endpoint in nodes_of(wire, admin.ticket()):
        for kind in ASKED_OF_STORAGE:
            for sender in (wire.address, "storage/1", "monitor/1", "storage", "agent/agent-1"):
                wire.address, usual = sender, wire.address
                reason = wire.reason(kind, {}, to=to, endpoint=endpoint)
                wire.address = usual
                check_equal(reason, "missing", f"request {kind} of {sender} at {to}")
        block = {"object": 1, "group": 0, "length": 1, "capacity": 1, "last": True}
        for kind in (READ, WRITE, 404):
            reason = wire.reason(kind, block, to=to, endpoint=endpoint, payload=b"x")
            check_equal(reason, "missing", f"request {kind} at {to}")
    good = ada.ticket()
    for bad in (good[:-1] + bytes([good[-1] ^ 1]), good[:-64], b"x" * 1000, foreign,
                good.replace(b"user\xa3ada", b"user\xa3eva")):
        check_equal(wire.code(STAT, {"path": "/"}, ticket=bad), LOGIN_NEEDED, "a bad ticket")
    check_equal(wire.code(STAT, {"path": "/"}, ticket=good), OK, "a good ticket")


@test
def F11_paths_stay_in_the_namespace(t):
    cluster = t.cluster(storages=1, replicas=1, secure=True)
    cluster.ctl("mkdir", "/in")
    robot = ticket_of(cluster.ctl("--json", "token", "create", "--label", "robot", "--below", "/in",
                                  "--lasts", "1h").report["token"])
    wire = Wire(t, cluster, robot)
    for path in ("/in/../secret", "/in/..", "/..", "/in/./x", "//in", "/in/", "", "in", ".."):
        for kind in (STAT, MAKE_DIR, REMOVE, PLAN, OPEN):
            check_equal(wire.code(kind, {"path": path}), MALFORMED, f"{kind} {path}")
    check_equal(wire.code(STAT, {"path": "/in/\0x"}), MALFORMED, "a NUL")
    check_equal(wire.code(STAT, {"path": "/in/" + "x" * 256}), MALFORMED, "a long name")
    check_equal(wire.code(STAT, {"path": "/inn"}), DENIED, "/inn")
    check_equal(wire.code(MAKE_DIR, {"path": "/secret"}), DENIED, "mkdir /secret")
    check_equal(wire.code(MAKE_DIR, {"path": "/in/x"}), OK, "mkdir /in/x")
    admin = administrator(cluster).ticket()
    check_equal(wire.code(STAT, {"path": "/secret"}, ticket=admin), NOT_FOUND, "what was made")


@test
def F11_whoever_is_removed_is_out_within_a_second(t):
    cluster = t.cluster(heads=3, storages=3, replicas=2, secure=True)
    admin = administrator(cluster)
    ada, ben = add_user(admin, "ada"), add_user(admin, "ben")
    cluster.ctl("chmod", "1777", "/")
    ada.ctl("put", write_bytes(t.path("block"), b"a" * (1 << 17)), "/file")
    tickets = {person: person.ticket() for person in (ada, ben)}
    wire = Wire(t, cluster)
    heads = cluster.ctl("--json", "head", "list").report["heads"]
    opened = {person: wire.ask(OPEN, {"path": "/file"}, ticket=tickets[person])[1]
              for person in (ada, ben)}
    groups = opened[ada]["routes"]
    where = {"object": opened[ada]["layout"]["object"], "group": groups[0]["group"], "length": 10}

    def doors(person):
        """What each head and each storage node with a copy says to the person."""
        said = [wire.code(STAT, {"path": "/", "stale": True}, ticket=tickets[person],
                          to=f"monitor/{head['head']}", endpoint=head["broker"]) for head in heads]
        for member in groups[0]["members"]:
            said.append(wire.reason(READ, dict(where, grant=opened[person]["grant"]),
                                    to=f"storage/{member['node']}", endpoint=member["endpoint"]))
        return said

    # A head that was not asked before asks for the keys of tickets first.
    wait_until(lambda: doors(ada) == [OK] * 5, "every door is open")
    admin.ctl("user", "remove", "ada")
    removed = time.monotonic()
    shut = [LOGIN_NEEDED] * 3 + ["revoked"] * 2
    wait_until(lambda: doors(ada) == shut, "every door is shut", 1.0)
    t.note(f"{1000 * (time.monotonic() - removed):.0f} ms")
    check_equal(doors(ben), [OK] * 5, "what ben may")
    ada.ctl("get", "/file", t.path("copy"), wanted=EXIT_DENIED)


@test
def F11_transfers_outlive_tickets_and_grants(t):
    cluster = t.cluster(storages=3, replicas=2, secure=True, agents=0,
                        settings='[head]\nticket-lasts = "8s"\ngrant-lasts = "2s"\n')
    admin = administrator(cluster)
    ada = add_user(admin, "ada")
    cluster.ctl("chmod", "1777", "/")
    # Clocks may differ by half a minute, so that what ended is good for so much longer.
    source = t.source(24 * MIB)
    piece = 4 * MIB
    feeder, stdin = os.pipe()
    put = ada.begin("put", "--block-size", "1M", "-", "/slow", stdin=os.fdopen(feeder, "rb"))
    data = read_bytes(source)
    for offset in range(0, len(data), piece):
        left = memoryview(data)[offset:offset + piece]
        while left:
            left = left[os.write(stdin, left):]
        time.sleep(9)
    os.close(stdin)
    put.finish()
    # The renewed ticket was kept.
    ada.ctl("get", "/slow", os.path.join(t.memory, "copy"))
    check_equal(read_bytes(os.path.join(t.memory, "copy")), data,
                "what was put in 54 s with a ticket for 8 s")


@test
def S3_5_only_administrators_see_the_cluster_and_change_it(t):
    cluster = t.cluster(storages=3, replicas=2, agents=1, secure=True)
    admin = administrator(cluster)
    ada = add_user(admin, "ada")
    cluster.ctl("chmod", "1777", "/")
    ada.ctl("put", t.source(2 * MIB), "/file")
    looks = (["cluster", "status"], ["cluster", "map"], ["head", "list"], ["node", "list"],
             ["node", "agents"], ["node", "tokens"], ["df"], ["tasks"], ["fsck"], ["audit"],
             ["scrub", "status"], ["stat", "--blocks", "/file"], ["stat", "--durability", "/file"],
             ["explain", "/file"], ["events", "--since", "0", "--no-follow"], ["pool", "list"])
    changes = (["node", "create"], ["node", "token"], ["node", "drain", "1"], ["scrub", "start"],
               ["node", "undrain", "1"], ["user", "sign-up", "open"], ["rebalance"])
    for words in looks + changes:
        run = ada.ctl(*words, wanted=EXIT_DENIED)
        check("administrator" in run.err, f"{words}: what was said: {run.err}")
    for words in looks + changes:
        cluster.ctl(*words)
    cluster.wait_nodes("up", 4)
    status = cluster.status()
    check(status["authentication"] and status["denied"] >= 10, f"denials: {status['denied']}")
    wait_until(lambda: any(event["topic"] == "denied" for event in cluster.ctl(
        "--json", "audit", "--user", "ada").json), "the event of a denial")
    # A role holds from the next log-in on.
    admin.ctl("user", "role", "ada", "admin")
    ada.ctl("cluster", "status", wanted=EXIT_DENIED)
    ada.login()
    ada.ctl("cluster", "status")


@test
def S3_5_the_inside_of_nodes_is_asked_with_a_pass(t):
    cluster = t.cluster(storages=2, agents=1, secure=True)
    admin = administrator(cluster)
    ada = add_user(admin, "ada").ticket()
    reader = ticket_of(admin.ctl("--json", "token", "create", "--label", "watch", "--read-only",
                                 "--lasts", "1h").report["token"])
    wire = Wire(t, cluster, admin.ticket())
    for ticket in (ada, reader):
        check_equal(wire.code(GET_NODE_PASS, {}, ticket=ticket), DENIED, "a pass for others")
        code = wire.code(CREATE_NODE, {}, ticket=ticket, to="agent/agent-1")
        check_equal(code, DENIED, "a node for others")
    check_equal(wire.code(CREATE_NODE, {}, ticket=b"", to="agent/agent-1"), LOGIN_NEEDED, "nobody")
    given = wire.ask(GET_NODE_PASS, {})[1]["pass"]
    for to, endpoint in nodes_of(wire, wire.ticket):
        for kind in (LIST_BLOCKS, CONTROL_SCRUB):
            at = {"to": to, "endpoint": endpoint}
            check_equal(wire.code(kind, {}, ticket=given, **at), OK, "with a pass")
            check_equal(wire.reason(kind, {}, **at), "forged", "with a ticket")
            forged = given[:-1] + bytes([given[-1] ^ 1])
            check_equal(wire.reason(kind, {}, ticket=forged, **at), "forged", "with a forged one")
            block = {"object": 1, "group": 0, "length": 1, "grant": given}
            check_equal(wire.reason(READ, block, ticket=given, **at), "object", "a block")


@test
def S3_5_files_are_their_owners(t):
    cluster = t.cluster(storages=2, secure=True)
    admin = administrator(cluster)
    ada, ben = add_user(admin, "ada"), add_user(admin, "ben")
    note = write_bytes(t.path("note"), b"hello")
    large = t.source(3 * MIB)
    ada.ctl("mkdir", "/ada", wanted=EXIT_DENIED)  # the root is the administrator's
    cluster.ctl("mkdir", "-m", "700", "/ada")
    ben.ctl("chown", "ben", "/ada", wanted=EXIT_DENIED)
    cluster.ctl("chown", "ada", "/ada")
    ada.ctl("put", note, "/ada/note")
    ada.ctl("put", large, "/ada/large")
    for words in (["ls", "/ada"], ["get", "/ada/note", t.path("x")], ["rm", "/ada/note"],
                  ["put", note, "/ada/his"], ["mv", "/ada/note", "/ada/his"],
                  ["chmod", "777", "/ada"], ["stat", "/ada/note"], ["rm", "-r", "/ada"]):
        ben.ctl(*words, wanted=EXIT_DENIED)
    ada.ctl("chmod", "755", "/ada")
    check_equal(ben.ctl("cat", "/ada/note").out, "hello", "what ben reads")
    ben.ctl("get", "/ada/large", t.path("copy"))
    check_equal(read_bytes(t.path("copy")), read_bytes(large), "and the large one")
    ben.ctl("put", note, "/ada/note", wanted=EXIT_DENIED)
    listed = ada.ctl("ls", "-l", "/ada").out
    check("ada" in listed, f"the owner's name: {listed}")
    # Where everybody may write, the sticky bit keeps what is somebody else's.
    cluster.ctl("mkdir", "-m", "1777", "/tmp")
    ada.ctl("put", note, "/tmp/hers")
    ben.ctl("rm", "/tmp/hers", wanted=EXIT_DENIED)
    ben.ctl("put", note, "/tmp/his")
    ada.ctl("rm", "/tmp/hers")


@test
def S3_5_blocks_are_for_those_with_a_grant(t):
    cluster = t.cluster(storages=2, secure=True)
    people = administrator(cluster)
    ada, ben = add_user(people, "ada").ticket(), add_user(people, "ben").ticket()
    cluster.ctl("chmod", "1777", "/")
    wire = Wire(t, cluster)
    plans = [wire.ask(PLAN, {"path": "/file", "size": 1, "block_bytes": MIB}, ticket=who)[1]
             for who in (ada, ben)]
    group = plans[0]["groups"][0]
    members = [(f"storage/{m['node']}", m["endpoint"]) for m in group["members"]]
    chain = [{"node": m["node"], "endpoint": m["endpoint"]} for m in group["members"][1:]]
    block = {"object": plans[0]["object"], "group": group["group"], "epoch": group["epoch"],
             "upload": 1, "capacity": 1, "last": True, "crc32c": 0xC1D04330, "chain": chain}
    to, endpoint = members[0]

    def write(grant):
        return wire.reason(WRITE, dict(block, grant=grant), to=to, endpoint=endpoint, payload=b"a")

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
    check_equal(wire.code(COMMIT, dict(commit, grant=grant), ticket=ben), DENIED, "ben's commit")
    check_equal(wire.code(COMMIT, dict(commit, grant=grant), ticket=ada), OK, "commit")
    reading = wire.ask(OPEN, {"path": "/file"}, ticket=ada)[1]["grant"]
    where = {"object": plans[0]["object"], "group": group["group"], "length": 1}
    for to, endpoint in members:
        asked = {"to": to, "endpoint": endpoint}
        check_equal(wire.reason(READ, dict(where, grant=grant), **asked), "right", "read to write")
        code, _, payload = wire.ask(READ, dict(where, grant=reading), **asked)
        check_equal((code, payload), (OK, b"a"), f"the block at {to}")
    again = {"path": "/file", "object": plans[0]["object"], "grant": grant}
    check_equal(wire.code(PLAN, again, ticket=ada), DENIED, "a grant to write what is content")
