"""The events of the log: each once and in order, whichever heads tell them."""
import json

from load import Load
from support import Failed, check, check_equal, test, wait_until

LEADER_CHANGES = 10


class Follower:
    """A dfsctl that follows the events of the log; a second one goes on where it ended, and so on,
    so that resuming is shown too."""

    def __init__(self, cluster, page):
        self.cluster = cluster
        self.page = page
        self.since = 0
        self.events = []
        self.run = None

    def begin(self):
        self.run = self.cluster.begin("--json", "events", "--since", str(self.since), "--count",
                                      str(self.page))

    def step(self):
        """Collects what one of them has told, when it is done, and starts the next."""
        if self.run.running():
            return
        self.run.finish()
        self.take(self.run)
        self.begin()

    def take(self, run):
        self.events += run.json
        self.since = json.loads(run.err.splitlines()[-1])["resume"]

    def finish(self, until):
        """Reads the rest, up to the log entry `until`."""
        if self.run.running():
            self.run.end()  # what it has printed is asked for again
        else:
            self.take(self.run)
        if self.since < until:
            self.take(self.cluster.ctl("--json", "events", "--since", str(self.since), "--until",
                                       str(until)))


def replay(events):
    """Versions by path, as the events tell."""
    files = {}
    for event in events:
        fields = event["fields"]
        if event["topic"] == "file-committed":
            version = int(fields["version"])
            if version != files.get(fields["path"], 0) + 1:
                raise Failed(f"{event} after version {files.get(fields['path'], 0)}")
            files[fields["path"]] = version
        elif event["topic"] == "removed":
            del files[fields["path"]]
        elif event["topic"] == "file-renamed":
            check(fields["to"] not in files, f"{event} replaces a file")
            files[fields["to"]] = files.pop(fields["from"])
    return files


def change_leader(cluster, load, number):
    """By command or by force, in turn."""
    leader = cluster.leader()
    if number % 2 == 0:
        # By the time anybody looks, a busy machine may have made the old one lead again.
        moved = cluster.ctl("--json", "head", "transfer").report["leader"]
        check(f"head-{moved}" != leader, f"{leader} handed over to itself")
        load.wait_progress(100)
        return
    cluster.kill_at_once([leader])
    load.wait_progress(100)
    cluster.start(leader)
    cluster.wait_heads(3)


@test
def A7_events_come_once_and_in_order_across_ten_leaders(t):
    cluster = t.cluster(heads=3, storages=1, replicas=1)
    resuming = Follower(cluster, 500)
    resuming.begin()
    lasting = cluster.begin("--json", "events", "--since", "0")
    load = Load(cluster, clients=4)
    for number in range(LEADER_CHANGES):
        load.wait_progress(100)
        change_leader(cluster, load, number)
        resuming.step()
    load.finish()
    load.check()
    resuming.finish(cluster.status()["applied"])
    check_stream(load, resuming.events)
    wait_until(lambda: lasting.out.count("\n") >= len(resuming.events), "the one that stays on")
    lasting.end()
    numbered = [event for event in lasting.json if event["index"] != 0]
    check_equal(numbered[:len(resuming.events)], resuming.events, "what both were told")
    t.note(f"{len(resuming.events)} events, {load.report['changes']} changes")


def check_stream(load, events):
    indexes = [event["index"] for event in events]
    check(all(a <= b for a, b in zip(indexes, indexes[1:])), "events are out of order")
    told = [json.dumps(event, sort_keys=True) for event in events]
    check_equal(len(told), len(set(told)), "events that differ")
    # Every change of the load is one event, and replaying them gives what is there.
    changes = [event for event in events
               if event["topic"] in ("file-committed", "removed", "file-renamed")]
    check_equal(len({event["index"] for event in changes}), len(changes), "entries with changes")
    check_equal(len(changes), load.report["changes"], "changes that the events tell")
    wanted = {f"{directory}/{name}": states[0][0]
              for directory, names in load.report["model"].items()
              for name, states in names.items() if states[0][0] != 0}
    check_equal(replay(changes), wanted, "files that the events tell")
    terms = [int(event["fields"]["term"]) for event in events if event["topic"] == "leader"]
    check(len(terms) > LEADER_CHANGES, f"leaders of terms {terms}")
    check_equal(terms, sorted(set(terms)), "terms of the leaders")


@test
def A7_events_that_are_gone_are_not_passed_over_in_silence(t):
    cluster = t.cluster(heads=3, storages=1, replicas=1, settings="[head]\nevents-kept = 100\n")
    Load(cluster, clients=4, count=3000).finish(stop=False)
    run = None

    def expired():
        nonlocal run
        run = cluster.begin("events", "--since", "1", "--no-follow")
        return run.wait() == 7
    wait_until(expired, "the first events are trimmed")
    check("--since" in run.err, f"it does not say how to go on: {run.err}")
    rest = cluster.ctl("--json", "events", "--since", "0", "--no-follow").json
    check(0 < len(rest) < 3000, f"{len(rest)} events are kept")
