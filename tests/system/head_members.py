"""Who is a head: founding, joining, replacing, leaving, handing over."""
import os
import re
import shutil

from load import Load
from support import Run, brokers_of, check, check_equal, test, wait_until

SNAPSHOTS_SOON = "[head]\nraft-log-kept = 4M\n"


def three_heads(t, **options):
    return t.cluster(heads=3, storages=1, replicas=1, **options)


def followers(cluster):
    leader = cluster.leader()
    return [name for name in cluster.names if name.startswith("head-") and name != leader]


def dfsd_head(t, cluster, name, *flags):
    """A dfsd with the settings of one of the cluster's heads and these flags, to its end."""
    run = Run([os.path.join(t.bin, "dfsd"), "head", "--config",
               os.path.join(cluster.directory, "conf", name + ".conf"), *flags], t.directory)
    cluster.runs.append(run)
    return run


def words_of(cluster, name, run):
    """What a daemon has said: to its own stderr, and to its log."""
    with open(os.path.join(cluster.directory, "log", name + ".log"), encoding="utf-8") as file:
        return run.err + file.read()


@test
def A5_a_head_is_replaced_under_load(t):
    """The new one begins with nothing and gets a snapshot, for the log is cut by then."""
    cluster = three_heads(t, settings=SNAPSHOTS_SOON)
    load = Load(cluster, clients=16, readers=3, names=64, bytes=4096)
    load.wait_progress(12_000, seconds=120)
    for victim in followers(cluster):
        number = cluster.head_number(victim)
        cluster.kill_at_once([victim])
        load.wait_progress()
        cluster.ctl("head", "remove", str(number))
        shutil.rmtree(os.path.join(cluster.directory, "data", victim))
        cluster.start(victim)
        cluster.wait_heads(3, seconds=60)
        check(cluster.head_number(victim) != number, "the new head has the number of the old one")
        log = words_of(cluster, victim, load.run)
        check("snapshot" in log, f"{victim} got no snapshot; its log: {log[-2000:]}")
        load.wait_progress()
    # Only the new ones are left to know what was written.
    survivors = followers(cluster)
    old = cluster.leader()
    cluster.ctl("head", "transfer", str(cluster.head_number(survivors[0])))
    check(cluster.leader() == survivors[0], f"{survivors[0]} does not lead")
    cluster.kill_at_once([old])
    load.wait_progress()
    load.finish()
    load.check()


@test
def heads_a_second_bootstrap_is_refused(t):
    cluster = three_heads(t)
    cluster.put_bytes(b"content", "/file")
    identity = cluster.status()["cluster"]
    cluster.stop("head-2")
    again = dfsd_head(t, cluster, "head-2", "--bootstrap")
    check(again.wait(30) in (1, 2), f"exit status {again.code}")
    words = words_of(cluster, "head-2", again)
    check(identity in words, f"the cluster that is there is not named: {words}")
    cluster.start("head-2")
    cluster.wait_heads(3)
    check_equal(cluster.status()["cluster"], identity, "identity")
    check_equal(cluster.get_bytes("/file"), b"content", "content")


@test
def heads_a_head_without_data_is_told_what_to_do(t):
    cluster = three_heads(t)
    cluster.stop("head-3")
    shutil.rmtree(os.path.join(cluster.directory, "data", "head-3"))
    path = os.path.join(cluster.directory, "conf", "head-3.conf")
    with open(path, encoding="ascii") as file:
        settings = file.read()
    with open(path, "w", encoding="ascii") as file:
        file.write(re.sub(r"^(join|bootstrap) = .*\n", "", settings, flags=re.M))
    bare = dfsd_head(t, cluster, "head-3")
    check(bare.wait(30) in (1, 2), f"exit status {bare.code}")
    words = words_of(cluster, "head-3", bare)
    check("--bootstrap" in words and "--join" in words, f"it says: {words}")
    both = dfsd_head(t, cluster, "head-3", "--bootstrap", "--join", brokers_of(cluster)[0])
    check_equal(both.wait(30), 2, "exit status with both flags")
    check("one of them" in both.err, f"with both flags it says: {both.err}")


@test
def heads_a_head_of_another_cluster_is_refused(t):
    """Its data belong to one cluster and stay there, whomever it is told to join."""
    cluster, foreign = three_heads(t), three_heads(t)
    cluster.ctl("mkdir", "/ours")
    foreign.ctl("mkdir", "/theirs")
    victim = followers(foreign)[0]
    foreign.stop(victim)
    stray = dfsd_head(t, foreign, victim, "--join", brokers_of(cluster)[0])
    code = stray.wait(60)
    check(code in (1, 2), f"exit status {code}")
    words = words_of(foreign, victim, stray)
    check(cluster.status()["cluster"] in words and foreign.status()["cluster"] in words,
          f"it does not name both clusters: {words[-2000:]}")
    check_equal(len(cluster.status()["heads"]["heads"]), 3, "heads of the one")
    foreign.start(victim)
    foreign.wait_heads(3)
    check_equal(cluster.names_in("/"), ["ours"], "names in the one")
    check_equal(foreign.names_in("/"), ["theirs"], "names in the other")


@test
def heads_join_leave_and_hand_over_by_command(t):
    cluster = three_heads(t)
    cluster.put_bytes(b"content", "/file")
    numbers = {name: cluster.head_number(name) for name in cluster.names[:3]}
    check_equal(sorted(numbers.values()), [1, 2, 3], "numbers of the heads")
    for name in [*followers(cluster), cluster.leader()]:
        told = cluster.ctl("--json", "head", "transfer", str(numbers[name])).report
        check_equal(told["leader"], numbers[name], "who leads now")
        wait_until(lambda name=name: cluster.leader() == name, f"{name} leads")
    cluster.ctl("head", "transfer")
    # What makes no sense is refused, with a reason.
    for command, code in ((("remove", "9"), 3), (("transfer", "9"), 3), (("remove", "x"), 2)):
        run = cluster.ctl("head", *command, wanted=code)
        check(run.err.strip(), f"head {' '.join(command)} says nothing")
    # A leader that is told to go hands over and goes.
    leader = cluster.leader()
    cluster.ctl("head", "remove", str(numbers[leader]))
    listed = cluster.ctl("--json", "head", "list").report
    check_equal(sorted(head["head"] for head in listed["heads"]),
                sorted(number for name, number in numbers.items() if name != leader), "heads")
    check(listed["leader"] != numbers[leader], "the removed head leads")
    cluster.kill(leader)
    check_equal(cluster.get_bytes("/file"), b"content", "content")
    cluster.ctl("mkdir", "/two-heads")
    shutil.rmtree(os.path.join(cluster.directory, "data", leader))
    cluster.start(leader)
    cluster.wait_heads(3)


@test
def A7_status_tells_of_each_head(t):
    cluster = three_heads(t)
    cluster.put_bytes(b"content", "/file")
    leader = cluster.leader()
    numbers = {name: cluster.head_number(name) for name in cluster.names[:3]}
    heads = cluster.status()["heads"]
    check_equal(heads["leader"], numbers[leader], "leader")
    by_number = {head["head"]: head for head in heads["heads"]}
    check_equal(sorted(by_number), sorted(numbers.values()), "heads")
    for name, number in numbers.items():
        head = by_number[number]
        check_equal(head["broker"], cluster.setting(name, "listen"), f"broker of {name}")
        check_equal(head["role"], 1 if name == leader else 2, f"role of {name}")
        check_equal(head["term"], heads["term"], f"term of {name}")
        for field in ("commit", "applied"):
            check(head[field] > 0, f"{field} of {name} is {head[field]}")
    text = cluster.ctl("cluster", "status").out
    for word in ("HEAD", "ROLE", "TERM", "COMMIT", "APPLIED", "LAG", "HEARD", "leader", "follower"):
        check(word in text, f"no {word} in: {text}")
    check_equal(text.count("follower"), 2, f"followers in: {text}")

    dead = followers(cluster)[0]
    cluster.kill(dead)
    for _ in range(5):
        cluster.ctl("mkdir", f"/{_}")

    def shows_the_dead():
        heads = cluster.status()["heads"]["heads"]
        head = next(head for head in heads if head["head"] == numbers[dead])
        return head["lag"] >= 5 and head["silent_ms"] > 1000
    wait_until(shows_the_dead, f"{dead} lags and is silent")
    cluster.start(dead)
    cluster.wait_heads(3)
    head = next(head for head in cluster.status()["heads"]["heads"]
                if head["head"] == numbers[dead])
    check_equal(head["lag"], 0, f"lag of {dead}")
