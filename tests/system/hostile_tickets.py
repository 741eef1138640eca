"""Attacks with tickets, roles and passwords: what somebody shows, and what they may do with it."""
import time

from hostile_client import (ADD_TOKEN, CHANGE_PASSWORD, EVENTS, GOOD_PASSWORD, LOG_IN, MAKE_DIR,
                            OPEN, PLAN, REMOVE, REMOVE_USER, STAT, Keys, told)
from support import check_equal, wait_until

HOUR_MS = 3600_000
# What only administrators ask of the monitor, by number.
ADMIN_CALLS = {
    104: "map", 106: "cluster status", 112: "head remove", 114: "head transfer", 116: "head list",
    118: "node drain", 120: "pool create", 141: "node agents", 145: "node token",
    147: "node token --require", 149: "node tokens", 501: "events", 800: "tasks", 802: "task stop",
    820: "rebuild status", 822: "import groups", 824: "import files", 826: "end rebuild"}
# And of the lock actor: bodies that would be good from one.
USER_CALLS = {
    "user add": (707, {"user": "eva", "password": b"12345678"}),
    "user role": (709, {"user": "ada", "set_role": True, "role": 2}),
    "user password": (709, {"user": "admin", "password": b"12345678"}),
    "user remove": (710, {"user": "admin"}),
    "user sign-up": (713, {"open": True}),
    "audit": (EVENTS, {"limit": 10}),
    "token of another": (ADD_TOKEN, {"user": "admin", "lasts_ms": HOUR_MS}),
    "head transfer": (114, {}),
}
WRONG_PATHS = {
    "`..` at the end": b"/..", "`..` in the middle": b"/in/../secret", "`.`": b"/in/./x",
    "an empty name": b"//x", "the empty path": b"", "no slash": b"in",
    "a slash at the end": b"/in/",
    "a NUL": b"/in/\0x", "a name of 256 bytes": b"/" + b"x" * 256,
    "a path of 5,000 bytes": b"/" + b"a/" * 2499 + b"a",
}


def attack_tickets(fort, table):
    smith, wire, now = fort.smith, fort.wire(), int(time.time() * 1000)
    monitor = ("status: denied", fort.denied)

    def shows(ticket):
        return lambda: told(wire.ask(STAT, {"path": "/"}, ticket=ticket))

    check_equal(shows(smith.altered(fort.ada, session=77))(), "ok", "a ticket of the smith's")
    expired = smith.altered(fort.ada, issued_ms=now - 9 * HOUR_MS, expires_ms=now - HOUR_MS)
    early = smith.altered(fort.ada, issued_ms=now + HOUR_MS, expires_ms=now + 2 * HOUR_MS)
    foreign = smith.altered(fort.ada, cluster="f" * 32)
    table.row("no ticket", "login needed (missing)", monitor, shows(b""))
    table.row("expired ticket", "login needed (expired)", monitor, shows(expired))
    table.row("ticket of a later time", "login needed (early)", monitor, shows(early))
    table.row("ticket of another cluster", "login needed (foreign)", monitor, shows(foreign))
    table.row("ticket of an unknown key", "login needed (unknown-key)", monitor,
              shows(smith.altered(fort.ada, key=7)))
    table.row("ticket signed by the attacker", "login needed (forged)", monitor,
              shows(Keys().sign(fort.ada[:-64])))
    changes = {"user": "admin", "uid": 0, "gid": 0, "groups": [0], "role": 2, "issued_ms": now + 1,
               "expires_ms": now + 99 * HOUR_MS, "session": 9, "below": "/x", "read_only": True,
               "must_change": True}
    for field, value in changes.items():
        altered = smith.changed(fort.ada, **{field: value}) + fort.ada[-64:]
        table.row(f"ticket with another `{field}`", "login needed (forged)", monitor,
                  shows(altered))
    table.row("ticket with another cluster and the old signature", "login needed (foreign)",
              monitor, shows(smith.changed(fort.ada, cluster="f" * 32) + fort.ada[-64:]))
    for name, at in (("first", -64), ("last", -1)):
        bent = bytearray(fort.ada)
        bent[at] ^= 1
        table.row(f"signature with another {name} bit", "login needed (forged)", monitor,
                  shows(bytes(bent)))
    table.row("ticket without its signature", ("login needed (malformed)", "login needed (forged)"),
              monitor, shows(fort.ada[:-64]))
    table.row("ticket of noise", "login needed (malformed)", monitor, shows(b"\xc1" * 200))
    table.row("signature of another's ticket", "login needed (forged)", monitor,
              shows(fort.bob[:-64] + fort.ada[-64:]))
    table.row("one-time password not changed yet",
              ("denied (must-change)", "login needed (revoked)"), monitor, shows(fort.first_ticket))


def attack_roles(fort, table):
    wire = fort.wire()
    monitor = ("status: denied", fort.denied)
    # What one is denied again and again is one event, with a count.
    audit = ("audit: denied", lambda: sum(int(event["fields"].get("count", 1))
                                          for event in fort.events("lock", "denied")))
    for kind, name in ADMIN_CALLS.items():
        table.row(f"user asks: {name}", "denied (role)", monitor,
                  lambda kind=kind: told(wire.ask(kind, {}, ticket=fort.ada)))
    table.begin(audit)
    for name, (kind, body) in USER_CALLS.items():
        table.row(f"user asks the lock actor: {name}", "denied (role)", audit,
                  lambda kind=kind, body=body: told(wire.ask(kind, body, to="lock",
                                                             ticket=fort.ada)))
    table.row("user ends another's session", ("denied (role)", "not found", "denied"), None,
              lambda: told(wire.ask(718, {"session": fort.smith.fields(fort.bob)["session"]},
                                    to="lock", ticket=fort.ada)))
    table.end(audit, len(USER_CALLS))
    check_equal(told(wire.ask(STAT, {"path": "/"}, ticket=fort.bob)), "ok", "bob's session")


def attack_with_tokens(fort, table):
    """Service tokens are narrower than their owner."""
    fort.must(MAKE_DIR, {"path": "/in", "mode": 0o777})
    fort.must(MAKE_DIR, {"path": "/inn", "mode": 0o777})
    make = lambda **narrow: fort.must(ADD_TOKEN, dict({"lasts_ms": HOUR_MS}, **narrow), fort.ada,
                                      "lock")["ticket"]
    reader, below = make(read_only=True), make(below="/in")
    wire, monitor = fort.wire(), ("status: denied", fort.denied)
    ask = lambda kind, body, ticket, to="monitor": lambda: told(
        wire.ask(kind, body, ticket=ticket, to=to))
    check_equal(ask(STAT, {"path": "/good"}, reader)(), "ok", "a reader reads")
    check_equal(ask(MAKE_DIR, {"path": "/in/x"}, below)(), "ok", "what is below may be changed")
    narrow = ("denied (ticket)", "denied (read-only)", "denied (below)", "denied", "denied (token)",
              "denied (path)")
    for name, kind, body in (("makes a directory", MAKE_DIR, {"path": "/in/y"}),
                             ("removes", REMOVE, {"path": "/good"}),
                             ("begins an upload", PLAN, {"path": "/in/z"}),
                             ("changes a mode", 210, {"path": "/good", "set_mode": True})):
        table.row(f"token to read {name}", narrow, monitor, ask(kind, body, reader))
    for name, kind, body in (("looks above it", STAT, {"path": "/good"}),
                             ("opens above it", OPEN, {"path": "/good"}),
                             ("goes to a like name", MAKE_DIR, {"path": "/inn/x"}),
                             ("moves out of it", 206, {"from": "/in/x", "to": "/out"}),
                             ("removes above it", REMOVE, {"path": "/inn"})):
        table.row(f"token below /in {name}", narrow, monitor, ask(kind, body, below))
    table.row("token below /in goes up by `..`", "malformed", None,
              ask(STAT, {"path": "/in/../good"}, below))
    wider = {"lasts_ms": 300 * 24 * HOUR_MS}
    for name, token in (("to read", reader), ("below /in", below)):
        answer = wire.ask(ADD_TOKEN, wider, ticket=token, to="lock")
        what = told(answer)
        if what == "ok":  # then it is as narrow as the one that made it
            fields = fort.smith.fields(answer[1]["ticket"])
            kept = fields["read_only"] or fields["below"] == "/in"
            what = "made as narrow" if kept else "made wider"
        table.row(f"token {name} makes itself a wider one",
                  ("denied (token)", "made as narrow"), None, lambda what=what: what)
        table.row(f"token {name} changes the password", "denied (token)", None,
                  ask(CHANGE_PASSWORD, {"old_password": b"ada " + GOOD_PASSWORD.encode(),
                                        "new_password": b"12345678"}, token, "lock"))
        table.row(f"token {name} is renewed",
                  ("denied (token)", "invalid", "denied", "login needed (revoked)"), None,
                  ask(703, {}, token, "lock"))
    table.row("token below /in locks above it", narrow, None,
              ask(750, {"target": {"path": "/good"}, "mode": 2}, below, "lock"))
    table.row("token to read locks exclusively", narrow, None,
              ask(750, {"target": {"path": "/good"}, "mode": 2}, reader, "lock"))


def attack_paths(fort, table):
    wire = fort.wire()
    refused = ("malformed", "bad name", "too large", "denied (ticket)")
    for name, path in WRONG_PATHS.items():
        answers = {told(wire.ask(kind, {"path": path.decode()}, ticket=fort.ada))
                   for kind in (STAT, MAKE_DIR, REMOVE, PLAN, OPEN)}
        answers |= {told(wire.ask(206, {"from": "/good", "to": path.decode()}, ticket=fort.ada))}
        answers |= {told(wire.ask(750, {"target": {"path": path.decode()}, "mode": 2},
                                  to="lock", ticket=fort.ada))}
        table.row(f"path with {name}" if not path.startswith(b"/a/") else f"{name}", refused, None,
                  lambda answers=answers: " / ".join(sorted(answers)))
    strange = b"/\xff\xfe not UTF-8"
    encode = lambda body: fort.msgpack.packb(body, unicode_errors="surrogateescape")

    def stored_as_it_is():
        header = wire.header(MAKE_DIR, ticket=fort.ada)
        wire.send(fort.msgpack.packb(header), encode({"path": strange.decode(
            errors="surrogateescape")}))
        return told(wire.answer(header[2]))
    # Names are bytes: this one is kept, or refused, but never anything in between.
    table.row("name that is not UTF-8", ("ok", "malformed", "bad name"), None, stored_as_it_is)
    fort.ctl("ls", "/").finish()
    deep = "/" + "/".join(["d"] * 2000)
    table.row("2,000 directories deep", ("ok", "malformed", "not found", "bad name"), None,
              lambda: told(wire.ask(MAKE_DIR, {"path": deep, "parents": True}, ticket=fort.ada,
                                    seconds=10)))
    fort.ctl("stat", "/good").finish()


def attack_passwords(fort, table):
    """From an address of their own, so that the good ones at 127.0.0.1 are not their victims."""
    audit = ("audit: login-failed", lambda: len(fort.events("lock", "login-failed")))
    wire = fort.wire(source="127.0.0.66")
    guess = lambda user, password, wire=wire, **how: told(wire.ask(
        LOG_IN, {"user": user, "password": password}, to="lock", **how))
    wrong = ("denied (password)", "busy (throttled)")
    table.begin(audit)
    table.row("wrong password", wrong, None, lambda: guess("bob", b"wrong horse"))
    table.row("user that there is not", wrong, None, lambda: guess("nobody", b"wrong horse"))
    table.row("guessing at one user", "busy (throttled)", None,
              lambda: [guess("bob", b"wrong %d horse" % i) for i in range(12)][-1])
    table.row("guessing from one source at many users", "busy (throttled)", None,
              lambda: [guess(f"user{i}", b"wrong horse") for i in range(12)][-1])
    table.row("guessing from one source under many names", "busy (throttled)", None,
              lambda: [guess(f"other{i}", b"wrong horse", sender=f"client/{i:016x}")
                       for i in range(12)][-1])
    table.row("guessing from one source on many connections", "busy (throttled)", None,
              lambda: [guess(f"third{i}", b"wrong horse", fort.wire(source="127.0.0.66"))
                       for i in range(12)][-1])
    table.end(audit, 1)
    table.row("password of 2,000 bytes", ("malformed", "too large", "denied (password)"), None,
              lambda: guess("bob", b"x" * 2000, fort.wire(source="127.0.0.67")))
    # 300 at once, each of which costs a hash: others go on meanwhile.
    flood = fort.wire(source="127.0.0.68")
    headers = [flood.header(LOG_IN, to="lock") for _ in range(300)]
    for i, header in enumerate(headers):
        flood.send(fort.msgpack.packb(header),
                   fort.msgpack.packb({"user": f"x{i}", "password": b"wrong horse"}))
    begun = time.monotonic()
    fort.must(STAT, {"path": "/"}, fort.bob)
    served = time.monotonic() - begun
    answers = [told(flood.answer(header[2], 10)) for header in headers[-20:]]
    table.row("300 log-ins at once", ("busy (throttled)", "busy"), None, lambda: answers[-1])
    table.expect(served < 2, f"a good user was answered after {served:.1f} s meanwhile")
    wait_until(lambda: told(fort.good.ask(LOG_IN, {"user": "ada", "password":
               b"ada " + GOOD_PASSWORD.encode()}, to="lock")) == "ok",
               "a good user logs in during the attack", 15)


def attack_with_a_revoked_ticket(fort, table):
    eva = fort.user("eva")
    wire = fort.wire()
    check_equal(told(wire.ask(STAT, {"path": "/"}, ticket=eva)), "ok", "eva's ticket")
    check_equal(told(wire.ask(709, {"user": "eva"}, ticket=eva, to="lock")), "denied (role)", "eva")
    fort.must(REMOVE_USER, {"user": "eva"}, to="lock")
    begun = time.monotonic()
    wait_until(lambda: told(wire.ask(STAT, {"path": "/"}, ticket=eva)) != "ok", "eva is out", 5)
    table.expect(time.monotonic() - begun < 1, "a removed user was out within 1 s")
    table.row("ticket of a removed user", "login needed (revoked)", ("status: denied", fort.denied),
              lambda: told(wire.ask(STAT, {"path": "/"}, ticket=eva)))
    table.row("ticket of a removed user, at the lock actor", "login needed (revoked)", None,
              lambda: told(wire.ask(711, {}, ticket=eva, to="lock")))
