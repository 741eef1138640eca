"""Hosts that cannot reach each other, or only slowly: network namespaces as hosts.

Every test runs a load whose outcomes are all checked: nothing acknowledged is lost, nothing is
applied twice, and no read shows the past.
"""
import time

from load import Load, now, summary_of
from network import HostCluster
from people import add_user, administrator
from support import check, check_equal, test, wait_until

CLIENTS = 16


def load_on(cluster, client, directory="/load", clients=CLIENTS, **options):
    return Load(cluster, directory, prefix=cluster.network.inside(client), clients=clients,
                **options)


def others_of(cluster, name):
    return [other for other in cluster.names if other != name]


def heal(cluster, heads=3):
    cluster.network.heal()
    cluster.wait_heads(heads)


@test
def hosts_the_leader_is_cut_off_from_the_other_heads(t):
    """Clients still reach it, and must find out that it does not lead any more."""
    cluster = HostCluster(t)
    load = load_on(cluster, "client-1", readers=3)
    moments = []
    for _ in range(10 if t.full else 3):
        load.wait_progress()
        leader = cluster.leader()
        moments.append(now())
        cluster.network.part([leader], others_of(cluster, leader))
        load.wait_progress()
        heal(cluster)
    load.finish()
    load.check()
    t.note(summary_of(load.pauses(moments)))


@test
def hosts_a_client_is_cut_off_together_with_one_head(t):
    """Be it the leader or not: that client gets no answers, but no wrong ones either."""
    cluster = HostCluster(t)
    load = load_on(cluster, "client-1", readers=3)
    lonely = load_on(cluster, "client-2", "/lonely", clients=4, readers=3, seed=2)
    for which in ("leader", "follower"):
        for one in (load, lonely):
            one.wait_progress()
        leader = cluster.leader()
        head = leader if which == "leader" else others_of(cluster, leader)[0]
        cluster.network.part([head, "client-2"], [*others_of(cluster, head), "client-1"])
        before = load.acked()
        time.sleep(1)  # the answers that were under way are there
        told = lonely.acked()
        stat = cluster.begin("--timeout", "2s", "stat", "/lonely", on="client-2")
        check_equal(stat.wait(), 4, f"exit status of a stat beside the lost {which}")
        check_equal(lonely.acked(), told, f"changes acknowledged beside the lost {which}")
        stale = cluster.begin("--timeout", "2s", "--json", "stat", "--stale", "/lonely",
                              on="client-2")
        check_equal(stale.wait(), 0, "exit status of a stale stat")
        check(stale.report["stale_ms"] > 0, f"a stale stat tells {stale.report}")
        load.wait_progress()
        check(load.acked() > before, "the others do not go on")
        heal(cluster)
    for one in (load, lonely):
        one.wait_progress()
        one.finish()
    load.check()
    lonely.check(errors_allowed=True)


@test
def hosts_the_leader_is_heard_by_nobody_or_hears_nobody(t):
    cluster = HostCluster(t)
    load = load_on(cluster, "client-1", readers=3)
    moments = []
    for mute in (True, False) * (5 if t.full else 1):
        load.wait_progress()
        leader = cluster.leader()
        others = others_of(cluster, leader)
        moments.append(now())
        if mute:
            cluster.network.block([leader], others)
        else:
            cluster.network.block(others, [leader])
        load.wait_progress()
        heal(cluster)
    load.finish()
    load.check()
    t.note(summary_of(load.pauses(moments)))


@test
def hosts_a_follower_that_hears_no_leader_disturbs_nobody(t):
    """It may call for elections for as long as it wants: the others hear their leader."""
    cluster = HostCluster(t)
    load = load_on(cluster, "client-1")
    load.wait_progress()
    leader = cluster.leader()
    term = cluster.ctl("--json", "head", "list").report["term"]
    deaf, witness = others_of(cluster, leader)
    moment = now()
    cluster.network.block([leader], [deaf])
    time.sleep(4)  # several of its election timeouts
    load.wait_progress()
    heads = cluster.ctl("--broker", cluster.broker(witness), "--json", "head", "list").report
    check_equal(heads["term"], term, "term")
    heal(cluster)
    check_equal(cluster.ctl("--json", "head", "list").report["term"], term, "term afterwards")
    check_equal(cluster.leader(), leader, "leader")
    load.finish()
    load.check()
    t.note(summary_of(load.pauses([moment])))


@test
def hosts_a_slow_link_slows_down_and_nothing_else(t):
    cluster = HostCluster(t)
    load = load_on(cluster, "client-1", readers=3)
    load.wait_progress()
    leader = cluster.leader()
    follower = others_of(cluster, leader)[0]
    for host, rate in ((follower, "1mbit"), (leader, "4mbit"), ("client-1", "2mbit")):
        before, begun = load.acked(), now()
        cluster.network.limit(host, rate)
        load.wait_progress(500, seconds=60)
        rate_seen = (load.acked() - before) / (now() - begun)
        cluster.network.unlimit(host)
        cluster.wait_heads(3, seconds=60)
        kind = {leader: "the leader", follower: "a follower"}.get(host, "the clients")
        t.note(f"{kind} at {rate}: {rate_seen:.0f} changes/s")
    load.wait_progress()
    load.finish()
    load.check()


@test
def hosts_a_head_that_is_cut_off_soon_believes_no_ticket(t):
    """It does not hear who was removed, so it answers nobody that shows one, not even what may be
    stale."""
    cluster = HostCluster(t, secure=True, settings='ticket-trust = "3s"\n')
    admin = administrator(cluster)
    admin.ctl("mkdir", "/d")
    ada, bob = add_user(admin, "ada"), add_user(admin, "bob")
    lost = others_of(cluster, cluster.leader())[0]

    def look(person):
        """Exit status and words of a stale read on the side of the lost head."""
        run = person.begin("--timeout", "1s", "stat", "--stale", "/d", on="client-2")
        return run.wait(), run.err

    check_equal([look(ada)[0], look(bob)[0]], [0, 0], "exit status while all is well")
    cluster.network.part([lost, "client-2"], [*others_of(cluster, lost), "client-1"])
    admin.ctl("user", "remove", "ada")
    wait_until(lambda: look(ada)[0] != 0, "the removed user is believed no more", 15)
    for person in (ada, bob):
        code, words = look(person)
        check_equal(code, 4, f"exit status; it said {words}")
        check("which log-ins have ended" in words, f"it said {words}")
    heal(cluster)
    wait_until(lambda: look(bob)[0] == 0, "who was not removed is served again", 15)
    check_equal(look(ada)[0], 5, "exit status of who was removed")
