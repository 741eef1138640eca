"""Attacks with bytes: what is no message, or one too large, or one that came before; and too much
of everything."""
import random
import re
import time

from hostile_client import (COMMIT, LOG_IN, MAKE_DIR, NO_ANSWER, REMOVE, STAT, run_program, told)
from support import MIB, check, check_equal, status_field, wait_until

CUT = "cut"


def attack_shapes(fort, table):
    pack = fort.msgpack.packb
    refused = ("head's log: message refused", lambda: fort.logged("message refused"))

    def sends(wanted, name, *frames, kind=STAT, counter=refused, **header):
        def run():
            wire = fort.wire()
            sent = wire.header(kind, ticket=fort.ada, **header)
            wire.send(*[pack(sent) if frame is None else frame for frame in frames])
            return told(wire.answer(sent[2], 1 if wanted != NO_ANSWER else 0.3))
        table.row(name, wanted, counter, run)

    good = pack({"path": "/"})
    sends(NO_ANSWER, "header that is no msgpack", b"\xc1" * 30, good)
    sends(NO_ANSWER, "header of noise", random.Random(1).randbytes(300), good)
    sends(NO_ANSWER, "header of 5,000 bytes", pack([1] * 5000), good)
    sends(NO_ANSWER, "header that is a map", pack({"version": 1}), good)
    sends(NO_ANSWER, "header that claims 4,294,967,295 elements", b"\xdd\xff\xff\xff\xff", good)
    sends(NO_ANSWER, "header nested 2,000 deep", b"\x91" * 2000, good)
    sends(NO_ANSWER, "protocol version 2", None, good, version=2)
    sends(NO_ANSWER, "sender's name of 300 bytes", None, good, sender="c" * 300)
    sends("malformed", "message of a single frame", None)
    sends("malformed", "message of 10 frames", None, *[good] * 9)
    sends("malformed", "message of 100,000 frames", None, *[b""] * 100_000)
    sends("too large", "body of 1.1 MiB", None, b"\x81" + b"\0" * (MIB + MIB // 10))
    sends("too large", "payload of 1.5 MiB", None, good, b"x" * (MIB + MIB // 2))
    sends("malformed", "body of noise", None, random.Random(2).randbytes(500), counter=None)
    sends("malformed", "empty body", None, b"", counter=None)
    sends("malformed", "body that is a list", None, pack([1, 2, 3]), counter=None)
    sends("malformed", "field of another type", None, pack({"path": 7}), counter=None)
    sends("malformed", "body that claims 4 GiB of text", None,
          b"\x81\xa4path\xdb\xff\xff\xff\xff", counter=None)
    sends("malformed", "body nested 2,000 deep", None, b"\x81\xa4path" + b"\x91" * 2000,
          counter=None)
    sends("unsupported", "message of an unknown type", None, good, kind=9999, counter=None)
    sends(("unsupported", "denied (role)"), "command of the log as a message", None, good, kind=900,
          counter=None)
    sends("unavailable", "message to nobody", None, good, counter=None, to="nobody/" + "x" * 200)

    def giant_frame():
        wire = fort.wire()
        check_equal(told(wire.ask(108, {}, to="broker")), "ok", "a ping before")
        wire.send(pack(wire.header(STAT, ticket=fort.ada)), b"x" * (8 * MIB))
        return told(wire.ask(108, {}, to="broker", seconds=0.5)) if not wire.socket.poll(
            300) else "answered"
    before = fort.memory_mib()
    table.row("frame of 8 MiB", (NO_ANSWER, CUT, "ok"), None, giant_frame)
    table.expect(fort.memory_mib() - before < 64, "a giant frame costs no memory")


def attack_with_replays(fort, table):
    pack = fort.msgpack.packb
    wire, other = fort.wire(), fort.wire()
    note = {"path": "/note", "size": 5, "content": b"hello", "crc32c": 0x9A71BB4C}
    check_equal(told(wire.ask(COMMIT, note, ticket=fort.ada)), "ok", "a small file")
    captured = [wire.header(REMOVE, ticket=fort.ada), {"path": "/note"}]
    wire.send(*map(pack, captured))
    check_equal(told(wire.answer(captured[0][2])), "ok", "its removal")
    check_equal(told(wire.ask(COMMIT, note, ticket=fort.ada)), "ok", "another of that name")

    def replay(frames, **header):
        def run():
            sent = list(frames[0])
            for place, value in header.items():
                sent[{"sender": 5, "ticket": 7}[place]] = value
            other.send(pack(sent), pack(frames[1]))
            return told(other.answer(sent[2], 1))
        return run
    # Done once: the answer is that of the first time, or none for another connection.
    table.row("captured removal, from another connection", ("ok", "denied", "unavailable"), None,
              replay(captured))
    check_equal(told(wire.ask(STAT, {"path": "/note"}, ticket=fort.ada)), "ok",
                "the file that was made since")
    table.row("captured removal, with another's ticket",
              ("denied", "unavailable", "denied (sticky)", "denied (mode)", "denied (permission)",
               "denied (rights)"), None, replay(captured, ticket=fort.bob))
    table.row("captured removal, without a ticket",
              ("denied", "unavailable", "login needed (missing)"), None,
              replay(captured, ticket=b""))
    check_equal(told(wire.ask(STAT, {"path": "/note"}, ticket=fort.ada)), "ok", "it is there still")

    fort.user("carl")
    login = [wire.header(LOG_IN, to="lock"), {"user": "carl", "password": b"carl correct horse "
                                              b"battery"}]
    wire.send(*map(pack, login))
    ticket = wire.answer(login[0][2])[1]["ticket"]
    fort.must(704, {}, ticket, "lock")  # logged out
    wait_until(lambda: told(wire.ask(STAT, {"path": "/"}, ticket=ticket)) != "ok",
               "the end of the session", 5)

    def replay_login():
        other.send(*map(pack, login))
        answer = other.answer(login[0][2], 2)
        if answer is None or answer[0] != 0:
            return told(answer)
        again = told(other.ask(STAT, {"path": "/"}, ticket=answer[1]["ticket"]))
        return f"a ticket that is {again}"
    table.row("captured log-in, after the log-out",
              ("a ticket that is login needed (revoked)", "denied", "unavailable"), None,
              replay_login)
    wrong = [login[0], {"user": "carl", "password": b"wrong horse"}]
    table.row("captured log-in, with another password",
              ("denied (password)", "denied", "unavailable"), None, replay(wrong))
    fort.must(709, {"user": "carl", "password": b"another horse"}, to="lock")
    table.row("captured log-in, after a change of the password",
              ("denied (password)", "denied", "unavailable"), None, replay(login))


class Growth:
    """How much a process has grown at most meanwhile, which must be less than so many MiB."""

    def __init__(self, fort, table, name, most):
        self.fort, self.table, self.name, self.most = fort, table, name, most
        self.pid = fort.runs[name].process.pid

    def __enter__(self):
        with open(f"/proc/{self.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")  # the peak begins anew
        self.before = status_field(self.pid, "VmHWM") >> 10

    def __exit__(self, *failure):
        grown = (status_field(self.pid, "VmHWM") >> 10) - self.before
        self.fort.t.note(f"{self.name} grew by {grown} MiB")
        self.table.expect(grown < self.most, f"{self.name} grew by {grown} MiB")


def attack_with_floods(fort, table):
    """Too much: as connections, frames, names. Others are served meanwhile, and what it took is
    given back."""
    key = fort.cluster_key

    def flood(what, *arguments, alive=True):
        begun = time.monotonic()
        done = run_program(fort.t, what, "127.0.0.1", fort.port, key, *arguments)
        check(done.returncode == 0, f"dfs_hostile {what}: {done.stdout} {done.stderr}")
        fort.t.note(f"{what}: {done.stdout.strip()} in {time.monotonic() - begun:.1f} s")
        if alive:
            check_equal(told(fort.wire().ask(STAT, {"path": "/"}, ticket=fort.ada)), "ok",
                        f"after {what}")
        return done.stdout.strip()

    table.row("10,000 connections that say nothing", "cut", None,
              lambda: flood("idle", 10_000).split(";")[0])
    # Each of them costs both sides a handshake; this many take about ten seconds.
    table.row("2,000 connections with the cluster's public key", "served", None,
              lambda: flood("connections", 2_000).split(";")[0])
    table.row("500 handshakes, a byte at a time", "cut", None,
              lambda: flood("loris", 500).split(";")[0])
    endless, most = 600, 200
    with Growth(fort, table, "head", most):
        table.row("message of frames without end", "cut", None,
                  lambda: flood("endless", endless).split(";")[0])
    table.row("subscription of frames without end", ("cut", "no handshake"), None,
              lambda: flood("endless-news", endless).split(";")[0])
    _, endpoint = fort.node(1)
    with Growth(fort, table, f"storage-{fort.host_of(1)}", most):
        table.row("message of frames without end, at the port of blocks", "cut", None,
                  lambda: run_program(fort.t, "endless-plain", "127.0.0.1",
                                      re.search(r":(\d+)", endpoint[6:]).group(1), key,
                                      endless).stdout.split(";")[0])
    table.row("100,000 names from one connection", "served", None,
              lambda: flood("names", 100_000).split(";")[0])
    table.row("200,000 pings without a pause", "served", None,
              lambda: flood("pings", 200_000).split(";")[0])
    table.row("100,000 subscriptions", "served", None,
              lambda: flood("subscriptions", 100_000).split(";")[0])
    check_equal(told(fort.wire().ask(MAKE_DIR, {"path": f"/after-{random.getrandbits(32)}"},
                                     ticket=fort.ada)), "ok", "a change after the floods")
