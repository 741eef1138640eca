"""Who is there: joining, dying, coming back, restarting, standing beside each other."""
import time

from support import (MIB, check, check_equal, make_bytes, md5_of, test, wait_until)


@test
def S1_2_the_monitor_knows_the_nodes_and_where_blocks_are(t):
    cluster = t.cluster()
    status = cluster.status()
    check_equal(status["health"], "ok", "health")
    check_equal(sorted(n["view"]["host"] for n in status["nodes"]),
                [f"storage-{i}" for i in (1, 2, 3, 4)], "nodes")
    data = make_bytes(6 * MIB)
    cluster.put_bytes(data, "/file", "--block-size", "1M")
    known = {node["view"]["node"] for node in status["nodes"]}
    for block in cluster.blocks("/file")["blocks"]:
        check(set(block["nodes"]) <= known and len(block["nodes"]) == 2, f"places of {block}")
    # Whoever does not get an answer of the monitor gets no bytes.
    cluster.kill("head-1")
    cluster.ctl("--timeout", "1s", "get", "/file", t.path("out"), wanted=4)
    cluster.start("head-1")
    check_equal(cluster.get_bytes("/file"), data, "content after the monitor's return")


@test
def S1_4_F7_any_number_of_servers_each_block_on_distinct_ones(t):
    for storages, replicas in ((1, 1), (2, 2), (3, 2), (4, 2), (5, 2), (3, 3)):
        cluster = t.cluster(storages=storages, replicas=replicas)
        data = make_bytes(24 * MIB, storages)
        cluster.put_bytes(data, "/file", "--block-size", "1M")
        stat = cluster.blocks("/file")
        for block in stat["blocks"]:
            check_equal(len(set(block["nodes"])), replicas, f"copies with {storages} servers")
        check_equal(len(stat["nodes"]), storages, f"nodes used of {storages}")
        check_equal(cluster.get_bytes("/file"), data, "content")
        cluster.down()


@test
def S1_4_the_plan_follows_the_servers_alive(t):
    cluster = t.cluster(storages=4, replicas=2, settings="[head]\ndown-after = 1s\n")
    dead = cluster.node_of("storage-2")
    cluster.kill("storage-2")
    cluster.wait_nodes("down", 1)
    cluster.put_bytes(make_bytes(24 * MIB), "/three", "--block-size", "1M")
    stat = cluster.blocks("/three")
    check(str(dead) not in stat["nodes"], "blocks were sent to the dead node")
    check_equal(len(stat["nodes"]), 3, "nodes used")
    check_equal(stat["copies_min"], 2, "copies")
    cluster.kill("storage-3")
    cluster.wait_nodes("down", 2)
    cluster.put_bytes(make_bytes(8 * MIB), "/two", "--block-size", "1M")
    check_equal(len(cluster.blocks("/two")["nodes"]), 2, "nodes used of two")


@test
def S1_5_hi_alive_and_dead_with_the_seed_timings(t):
    settings = "[head]\ncheck-interval = 2500ms\ndown-after = 3s\n"
    cluster = t.cluster(storages=3, settings=settings)
    before = {n["view"]["host"]: n["view"]["node"] for n in cluster.status()["nodes"]}
    events = cluster.begin("--json", "events", "node-", "--count", "1")
    wait_until(lambda: events.io("rchar") > 0 and status_answers(cluster), "the listener")
    killed = time.monotonic()
    cluster.kill("storage-3")
    cluster.wait_nodes("down", 1)
    t.note(f"down after {time.monotonic() - killed:.1f} s")
    check_equal(events.finish().report["topic"], "node-down", "event")
    check_equal(cluster.status()["health"], "degraded", "health with a node down")
    cluster.start("storage-3")
    cluster.wait_nodes("up", 3)
    after = {n["view"]["host"]: n["view"]["node"] for n in cluster.status()["nodes"]}
    check_equal(after, before, "numbers of the nodes")


def status_answers(cluster):
    return cluster.begin("cluster", "status").wait() == 0


@test
def F7_a_server_restarted_at_once_is_the_same_server(t):
    cluster = t.cluster(storages=3, replicas=2)
    before = {n["view"]["host"]: n["view"]["node"] for n in cluster.status()["nodes"]}
    data = make_bytes(5 * MIB)
    cluster.put_bytes(data, "/file", "--block-size", "1M")
    for way in ("kill", "stop", "kill"):
        getattr(cluster, way)("storage-1")
        cluster.start("storage-1")
        cluster.wait_nodes("up", 3)
        after = {n["view"]["host"]: n["view"]["node"] for n in cluster.status()["nodes"]}
        check_equal(after, before, f"nodes after a {way}")
        check_equal(cluster.get_bytes("/file"), data, "content")
        check_equal(cluster.blocks("/file")["copies_min"], 2, "copies")


@test
def F8_the_monitor_restarts_at_once_and_has_lost_nothing(t):
    cluster = t.cluster(storages=2)
    wanted = {}
    for number in range(20):
        wanted[f"f{number}"] = make_bytes(number * 700, number)
        cluster.put_bytes(wanted[f"f{number}"], f"/f{number}")
    identity = cluster.status()["cluster"]
    for way in ("kill", "stop", "kill"):
        getattr(cluster, way)("head-1")
        cluster.start("head-1")
        check_equal(cluster.names_in("/"), sorted(wanted), f"names after a {way}")
    for name, data in wanted.items():
        check_equal(cluster.get_bytes(f"/{name}"), data, name)
    check_equal(cluster.status()["cluster"], identity, "identity of the cluster")


@test
def S2_9_everything_survives_a_restart_of_all(t):
    cluster = t.cluster(storages=3, replicas=2)
    source = t.source(40 * MIB + 17)
    cluster.ctl("mkdir", "-p", "/deep/er")
    cluster.ctl("put", "--block-size", "1M", source, "/deep/er/file")
    cluster.put_bytes(b"small", "/small")
    for orderly in (True, False):
        if orderly:
            cluster.script("down")
        else:
            cluster.kill_at_once(cluster.names)
        cluster.script("up", "--storages", "3", "--heads", "1")
        cluster.wait_nodes("up", 3)
        check_equal(cluster.names_in("/"), ["deep", "small"], "names")
        check_equal(cluster.get_bytes("/small"), b"small", "the small file")
        cluster.ctl("get", "/deep/er/file", t.path("out"))
        check_equal(md5_of(t.path("out")), md5_of(source), "MD5")


@test
def S2_10_a_cluster_on_one_machine_by_script(t):
    cluster = t.cluster(storages=2)
    pids = {name: cluster.pid(name) for name in cluster.names}
    cluster.script("up", "--storages", "2", "--heads", "1")
    check_equal({n: cluster.pid(n) for n in cluster.names}, pids, "pids after a second up")
    cluster.script("status")
    cluster.kill("storage-1")
    cluster.script("status", wanted=1)
    cluster.script("up", "--storages", "2", "--heads", "1")
    cluster.script("status")
    check(cluster.pid("storage-1") != pids["storage-1"], "the killed process was not replaced")
    check_equal(cluster.pid("storage-2"), pids["storage-2"], "pid of the other")
    cluster.script("down")
    cluster.script("down")


@test
def S2_10_two_clusters_side_by_side(t):
    one, two = t.cluster(storages=2), t.cluster(storages=2)
    check(one.status()["cluster"] != two.status()["cluster"], "they are the same cluster")
    one.put_bytes(b"one", "/file")
    two.put_bytes(b"two", "/file")
    check_equal(one.get_bytes("/file"), b"one", "content in the first")
    check_equal(two.get_bytes("/file"), b"two", "content in the second")
    one.down()
    check_equal(two.get_bytes("/file"), b"two", "content in the second alone")


@test
def heads_3_any_broker_will_do(t):
    cluster = t.cluster(storages=2, heads=3)
    data = make_bytes(3 * MIB)
    cluster.put_bytes(data, "/file", "--block-size", "1M")
    # head-1 hosts the monitor; the other two are ways to it.
    for dead in ("head-2", "head-3"):
        cluster.kill(dead)
        check_equal(cluster.get_bytes("/file"), data, f"content without {dead}")
        cluster.put_bytes(b"new", f"/without-{dead}")
        cluster.start(dead)
    with open(f"{cluster.directory}/client.conf", encoding="ascii") as file:
        brokers = file.read().split('"')[1::2]
    check_equal(len(brokers), 3, "brokers in client.conf")
    order = ["--broker", brokers[2], "--broker", brokers[1], "--broker", brokers[0]]
    check_equal(cluster.ctl(*order, "cat", "/without-head-2").out, "new", "by the last broker")
    cluster.kill("head-3")
    check_equal(cluster.ctl(*order, "cat", "/without-head-2").out, "new", "with that one dead")
    cluster.wait_nodes("up", 2)
