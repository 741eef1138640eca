"""Attacks on locks: what others hold, what one may not take, and requests without sense."""
from hostile_client import COMMIT, STAT, told
from support import check_equal

SHOW_FENCE = 212
ACQUIRE, AWAIT, RENEW, RELEASE, BREAK, LIST = 750, 752, 753, 755, 757, 758
EXCLUSIVE = 2


def attack_locks(fort, table):
    ada, bob = fort.wire(), fort.wire()
    hers, his = fort.ada, fort.bob

    def asks(kind, body, ticket=his, wire=bob, **header):
        return lambda: told(wire.ask(kind, body, to="lock", ticket=ticket, **header))

    def held():
        """What ada has, as she sees it."""
        return [view["lock"] for view in fort.must(LIST, {}, hers, "lock")["locks"]]

    audit = ("audit: denied", lambda: sum(int(event["fields"].get("count", 1))
                                          for event in fort.events("lock", "denied")))
    target = {"target": {"path": "/good"}, "mode": EXCLUSIVE}
    lock = fort.must(ACQUIRE, dict(target, owner="the owner"), hers, "lock")["lock"]

    table.row("lock without a ticket", "login needed (missing)", None, asks(ACQUIRE, target, b""))
    table.row("lock list without a ticket", "login needed (missing)", None, asks(LIST, {}, b""))
    table.begin(audit)
    theirs = {"owner": "the owner"}
    for name, kind, body in (
            ("lock in the name of its owner", ACQUIRE, dict(target, **theirs)),
            ("wait for it as its owner", AWAIT, dict(theirs, lock=lock)),
            ("keep its owner alive", RENEW, dict(theirs, locks=[lock])),
            ("release it", RELEASE, {"lock": lock}),
            ("release it as its owner", RELEASE, dict(theirs, lock=lock)),
            ("break it", BREAK, {"lock": lock})):
        table.row(f"another's lock: {name}", "denied", None, asks(kind, body))
    table.row("lock on everything there is", "denied (role)", audit,
              asks(ACQUIRE, {"target": {"path": "/", "subtree": True}, "mode": EXCLUSIVE}))
    table.end(audit, 1)
    table.row("another's lock: take it", "locked", None, asks(ACQUIRE, target))
    table.row("another's lock: see it in the list", "0 locks", None,
              lambda: f"{len(fort.must(LIST, {}, his, 'lock')['locks'])} locks")
    table.row("another's lock: wait for it by its number", "not found (unknown)", None,
              asks(AWAIT, {"lock": lock}))
    table.row("lock that there is not: release", ("ok", "not found"), None,
              asks(RELEASE, {"lock": 1 << 62}))

    whole = {"path": "/x"}
    for name, kind, body in (
            ("an empty range", ACQUIRE, {"target": dict(whole, **{"from": 5, "until": 5})}),
            ("a range that ends before it begins", ACQUIRE,
             {"target": dict(whole, **{"from": 9, "until": 5})}),
            ("a range of a subtree", ACQUIRE,
             {"target": dict(whole, subtree=True, until=5)}),
            ("mode 7", ACQUIRE, {"target": whole, "mode": 7}),
            ("a wait of 49 days", ACQUIRE, {"target": whole, "wait_ms": 2 ** 32 - 1}),
            ("an owner of 300 bytes", ACQUIRE, {"target": whole, "owner": "o" * 300}),
            ("a label of 100,000 bytes", ACQUIRE, {"target": whole, "label": "l" * 100_000}),
            ("a list of 2,000,000", LIST, {"limit": 2_000_000}),
            ("number 0 to await", AWAIT, {"lock": 0}),
            ("number 0 to break", BREAK, {"lock": 0})):
        table.row(f"lock with {name}", ("malformed", "invalid", "too large"), None,
                  asks(kind, body))

    check_equal(held(), [lock], "what ada holds after all that")
    attack_fences(fort, table)
    fort.must(RELEASE, {"lock": lock, "owner": "the owner"}, hers, "lock")
    check_equal(told(ada.ask(STAT, {"path": "/good"}, ticket=hers)), "ok", "the file")


def attack_fences(fort, table):
    """Numbers of locks that nobody was granted, or somebody else, or for something else."""
    wire = fort.wire()
    denied = ("status: denied", fort.denied)
    note = {"path": "/fenced", "size": 5, "content": b"hello", "crc32c": 0x9A71BB4C}

    def puts(fence, proof, path="/fenced", ticket=fort.bob):
        body = dict(note, path=path, fence=fence, fence_proof=proof)
        return lambda: told(wire.ask(COMMIT, body, ticket=ticket))

    lock = fort.must(ACQUIRE, {"target": {"path": "/fenced"}, "mode": EXCLUSIVE}, fort.ada, "lock")
    fence, proof = lock["fence"], lock["fence_proof"]
    check_equal(puts(fence, proof, ticket=fort.ada)(), "ok", "a put under a lock")
    refused = "denied (fence)"
    table.row("fence of the far future", refused, denied, puts(1 << 62, b""))
    table.row("fence of the far future, with the proof of another", refused, denied,
              puts(1 << 62, proof, ticket=fort.ada))
    table.row("fence of the far future, shown", refused, denied, lambda: told(wire.ask(
        SHOW_FENCE, {"path": "/fenced", "fence": 1 << 62, "fence_proof": proof},
        ticket=fort.ada)))
    table.row("another's fence", refused, denied, puts(fence, proof))
    table.row("fence of another path", refused, denied, puts(fence, proof, "/elsewhere", fort.ada))
    table.row("fence of a file, shown for the tree", refused, denied, lambda: told(wire.ask(
        SHOW_FENCE, {"path": "/fenced", "subtree": True, "fence": fence, "fence_proof": proof},
        ticket=fort.ada)))
    check_equal(puts(fence, proof, ticket=fort.ada)(), "ok", "a put after all that")
    fort.must(RELEASE, {"lock": lock["lock"]}, fort.ada, "lock")
