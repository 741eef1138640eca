"""A hostile client against a cluster with every door shut: each attack has an answer of its own, is
counted, and the cluster serves on. The table of all of it is printed and kept beside the build."""
import os
import re
import time

from hostile_bytes import attack_shapes, attack_with_floods, attack_with_replays
from hostile_client import Fort
from hostile_locks import attack_locks
from hostile_nodes import (attack_blocks, attack_consensus, attack_insides, attack_joining,
                           attack_keys, attack_names, attack_news)
from hostile_tickets import (attack_paths, attack_passwords, attack_roles, attack_tickets,
                             attack_with_a_revoked_ticket, attack_with_tokens)
from support import MIB, Failed, alone, check, check_equal, make_bytes, test

ATTACKS_MIN = 40
GROWTH_MIB_MAX = 300
COUNTED_SECONDS = 4.0
GROUPS = (("tickets", attack_tickets), ("roles", attack_roles),
          ("service tokens", attack_with_tokens), ("paths", attack_paths),
          ("block grants", attack_blocks), ("inside of nodes", attack_insides),
          ("joining", attack_joining), ("names", attack_names), ("keys", attack_keys),
          ("locks", attack_locks),
          ("news", attack_news), ("consensus", attack_consensus), ("passwords", attack_passwords),
          ("revocation", attack_with_a_revoked_ticket))
GROUPS_OF_BYTES = (("shapes", attack_shapes), ("replays", attack_with_replays))


class Table:
    """Of attacks: what was answered, and what has counted it. Goes on after one that succeeds, so
    that a run tells of all of them."""

    def __init__(self, path):
        self.path = path  # of the table, as far as it has come
        self.rows = []  # (group, attack, answer, counter)
        self.problems = []
        self.group = ""
        self.begun = {}

    def row(self, attack, wanted, counter, run):
        """`run` attacks and returns the answer, which must be (one of) `wanted`; `counter` is its
        name and what reads it, and must have grown then."""
        before = counter[1]() if counter else 0
        answer = run()
        good = answer in ((wanted,) if isinstance(wanted, str) else wanted)
        if not good:
            self.problems.append(f"{attack}: {answer}, wanted {wanted}")
        shown = counter[0] if counter else "-"
        if counter and counter[0] not in self.begun and not self.grows(counter, before, 1):
            self.problems.append(f"{attack}: not counted in {counter[0]}")
            shown += " (NOT COUNTED)"
        self.rows.append((self.group, attack, answer if good else answer + " (WRONG)", shown))
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("\t".join(self.rows[-1]) + "\n")

    def begin(self, counter):
        """From here to end() the counter grows once for all of the rows together."""
        self.begun[counter[0]] = counter[1]()
        self.mark = len(self.rows)

    def end(self, counter, least, since_start=False):
        before = self.begun.pop(counter[0])
        if not self.grows(counter, 0 if since_start else before, least):
            self.problems.append(f"{self.group}: {counter[0]} did not grow by {least}")
        for i in range(self.mark, len(self.rows)):
            group, attack, answer, shown = self.rows[i]
            self.rows[i] = (group, attack, answer, counter[0] if shown == "-" else shown)

    @staticmethod
    def grows(counter, before, least):
        until = time.monotonic() + COUNTED_SECONDS
        while counter[1]() < before + least:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        return True

    def expect(self, good, what):
        if not good:
            self.problems.append(f"{self.group}: {what}")

    def text(self):
        titles = ("", "attack", "answer", "counted in")
        rows = [titles, *self.rows]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
                 for row in rows]
        lines.insert(1, "  ".join("-" * width for width in widths))
        return "\n".join(lines)


def serves_on(fort, pids):
    """A good user's file comes and goes as ever, in the same processes, grown within bounds."""
    data = make_bytes(5 * MIB, seed=7)
    fort.put(data, "/after")
    check_equal(fort.get("/after"), data, "what was put after the attacks")
    check_equal(fort.get("/good"), fort.data, "what was put before the attacks")
    for name, run in fort.runs.items():
        check(run.running(), f"{name} ended: {run.err[-500:]}")
        check_equal(run.process.pid, pids[name][0], f"the process of {name}")
        grown = fort.memory_mib(name) - pids[name][1]
        check(grown < GROWTH_MIB_MAX, f"{name} grew by {grown} MiB")


def attack(t, groups):
    fort, table = Fort(t), Table(t.path("attacks"))
    pids = {name: (run.process.pid, fort.memory_mib(name)) for name, run in fort.runs.items()}
    for table.group, run in groups:
        try:
            run(fort, table)
        except Failed as failure:
            table.problems.append(f"{table.group}: {failure}")
        fort.close_wires()
    return fort, table, pids


def finish(t, fort, table, pids, name):
    text = table.text()
    path = os.path.join(os.path.dirname(t.bin), name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    print(text, flush=True)
    try:
        serves_on(fort, pids)
    except Failed as failure:
        table.problems.append(str(failure))
    t.note(f"{len(table.rows)} attacks, all in {path}")
    if table.problems:
        raise Failed("\n       ".join(["these attacks were not met:", *table.problems]))


@test
def A2_a_hostile_client_is_refused_counted_and_audited(t):
    fort, table, pids = attack(t, GROUPS)
    names = [name for _, name, _, _ in table.rows]
    table.expect(len(set(names)) == len(names), "two attacks have the same name")
    table.expect(len(names) >= ATTACKS_MIN, f"only {len(names)} attacks")
    table.expect(all(re.match(r"\S.*\S$", answer) for _, _, answer, _ in table.rows),
                 "an attack without an answer")
    topics = {event["topic"] for event in fort.events("lock", "")}
    table.expect({"denied", "login-failed"} <= topics, f"the audit has {topics}")
    denied = fort.events("monitor", "denied")
    table.expect(any(event["fields"].get("user") == "ada" for event in denied),
                 "no event tells whom the monitor denied something")
    refused = fort.status()["refused"]
    for kind in ("connections", "requests", "publications"):
        table.expect(refused[kind] > 0, f"the status counts no refused {kind}: {refused}")
    finish(t, fort, table, pids, "hostile-attacks.txt")


@test
def F16_whatever_bytes_come_they_are_refused_and_end_nothing(t):
    fort, table, pids = attack(t, GROUPS_OF_BYTES)
    finish(t, fort, table, pids, "hostile-bytes.txt")


@test
@alone
def A2_a_flood_of_hostile_clients_is_outlived(t):
    fort, table, pids = attack(t, (("floods", attack_with_floods),))
    table.expect(fort.status()["refused"]["floods"] > 0, "the status counts no ended connections")
    finish(t, fort, table, pids, "hostile-floods.txt")
