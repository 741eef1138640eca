"""Storage nodes that the administrator creates from the client, and who may join."""
import os
import re
import signal
import subprocess

from support import MIB, check, check_equal, is_alive, md5_of, read_bytes, test, wait_until

SETTINGS = """
[head]
repair-after = "2s"
[storage]
segment-size = "256M"
reclaim-period = "1s"
reclaim-grace = "1s"
"""


def agent_nodes(cluster):
    """The nodes that agents look after, as the monitor has heard of them."""
    agents = cluster.ctl("--json", "node", "agents").json
    return [node for agent in agents for node in agent["beat"]["nodes"]]


def processes_of(folder):
    """Pids of all processes that were told of something below `folder`."""
    pids = []
    for name in os.listdir("/proc"):
        try:
            words = read_bytes(f"/proc/{name}/cmdline").split(b"\0") if name.isdigit() else []
        except OSError:
            continue  # it has ended meanwhile
        if any(word.startswith(folder.encode()) for word in words[1:]) and b"storage" in words[1]:
            pids.append(int(name))
    return pids


def wait_gone(pid):
    wait_until(lambda: not is_alive(pid), f"the end of {pid}")


def wait_running(cluster, count):
    def all_run():
        nodes = agent_nodes(cluster)
        return len(nodes) == count and all(node["state"] == 2 for node in nodes)
    wait_until(all_run, f"{count} running nodes of agents")
    return agent_nodes(cluster)


@test
def S3_7_node_is_created_from_the_client(t):
    """create → blocks → agent killed → restarted, nothing doubled → drain → remove."""
    cluster = t.cluster(storages=2, agents=1, settings=SETTINGS)
    below = os.path.join(cluster.directory, "data", "agent-1")
    files = {}
    # Blocks in most groups: a new node takes over unused ones first, and of those with blocks only
    # what is left of its fair share.
    for number in range(4):
        source = t.source(16 * MIB, number, f"f{number}")
        files[f"/f{number}"] = md5_of(source)
        cluster.ctl("put", "--block-size", "1M", source, f"/f{number}")
    made = cluster.ctl("--json", "node", "create").report
    check_equal(made["node"], 3, "the number of the new node")
    check_equal(made["folder"], os.path.join(below, "storage-1"), "its folder")
    cluster.wait_nodes("up", 3)
    info = cluster.ctl("node", "info", "3").out
    check("of host agent-1" in info, f"node info does not name the agent: {info}")

    cluster.ctl("rebalance")
    wait_until(lambda: any(node["view"]["node"] == 3 and node["heartbeat"]["blocks"] > 0
                           for node in cluster.status()["nodes"]), "blocks on the new node", 60)

    # The agent is lost, and its node goes on; a new agent finds it.
    pid = made["pid"]
    cluster.kill("agent-1")
    check(is_alive(pid), "the node ended with its agent")
    cluster.start("agent-1")
    nodes = wait_running(cluster, 1)
    check_equal(nodes[0]["pid"], pid, "the node's process")
    check_equal(processes_of(below), [pid], "processes of the agent's nodes")

    # The node is lost, and the agent starts it again: the same one.
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: [node["pid"] for node in wait_running(cluster, 1)] != [pid], "a new process")
    cluster.wait_nodes("up", 3)
    check_equal(agent_nodes(cluster)[0]["node"], 3, "the number after the restart")

    cluster.ctl("node", "drain", "3")
    wait_until(lambda: cluster.begin("node", "remove", "3").wait() == 0, "the removal", 90)
    # The node hears that it is not wanted, ends, and is not started again.
    wait_until(lambda: processes_of(below) == [], "the end of the removed node", 60)
    wait_until(lambda: agent_nodes(cluster)[0]["state"] == 4, "the agent giving it up")
    check("removed from the cluster for good" in agent_nodes(cluster)[0]["text"], "no reason told")
    out = os.path.join(t.memory, "got")
    for name, wanted in files.items():
        cluster.ctl("get", name, out)
        check_equal(md5_of(out), wanted, f"MD5 of {name}")
        os.unlink(out)


@test
def S3_7_nothing_is_left_when_a_cluster_is_stopped(t):
    """down ends the nodes of agents too, also those of an agent that was killed."""
    cluster = t.cluster(storages=1, agents=2)
    below = os.path.join(cluster.directory, "data")
    for host in ("agent-1", "agent-2", "agent-2"):
        cluster.ctl("node", "create", "--host", host)
    check_equal(len(processes_of(os.path.join(below, "agent-"))), 3, "processes of agents' nodes")
    shown = cluster.script("status")
    check("agent-2/storage-2" in shown, f"status does not show the nodes of agents: {shown}")
    cluster.kill("agent-1")
    cluster.script("down")
    check_equal(processes_of(below), [], "processes after the end")
    cluster.script("up")
    wait_running(cluster, 3)
    cluster.wait_nodes("up", 4)


@test
def S3_7_what_keeps_a_node_from_being_created_is_told(t):
    cluster = t.cluster(storages=1, agents=0)
    none = cluster.ctl("node", "create", wanted=3)
    check("dfsd agent" in none.err, f"no advice: {none.err}")

    folder = t.path("agent")
    log = open(t.path("agent.out"), "wb")  # pylint: disable=consider-using-with
    agent = subprocess.Popen(
        [os.path.join(cluster.context.bin, "dfsd"), "agent", "--dir", folder, "--host", "rack1-a",
         "--nodes-max", "1", "--config", cluster.environment["DFS_CONFIG"]],
        stdout=log, stderr=log, env=cluster.environment, start_new_session=True)
    log.close()
    t.at_end(lambda: end_all(agent, folder))
    wait_until(lambda: cluster.ctl("--json", "node", "agents").json, "the agent")

    wrong = cluster.ctl("node", "create", "--host", "rack1-b", wanted=3)
    check("did you mean rack1-a?" in wrong.err, f"no nearest name: {wrong.err}")
    large = cluster.ctl("node", "create", "--capacity", "900000T", wanted=1)
    check("free" in large.err and "--capacity" in large.err, f"unclear: {large.err}")
    taken = re.search(r":(\d+)$", cluster.setting("storage-1", "listen")).group(1)
    failed = cluster.ctl("node", "create", "--port", taken, wanted=1)
    check("in use" in failed.err.lower(), f"the last words are missing: {failed.err}")
    # The folder of what never came to be is used again.
    made = cluster.ctl("--json", "node", "create").report
    check_equal(made["name"], "storage-1", "the name of the node")
    full = cluster.ctl("node", "create", wanted=1)
    check("--nodes-max" in full.err, f"no advice: {full.err}")
    # Only one agent for a folder.
    second = subprocess.run(
        [os.path.join(cluster.context.bin, "dfsd"), "agent", "--dir", folder, "--config",
         cluster.environment["DFS_CONFIG"]], capture_output=True, text=True, timeout=60,
        check=False)
    check_equal(second.returncode, 4, "the exit status of a second agent")


def end_all(process, folder):
    """An agent that this test started, and its nodes."""
    if process is not None:
        process.kill()
        process.wait()
    for pid in processes_of(folder):
        os.kill(pid, signal.SIGKILL)
        wait_gone(pid)


def start_storage(t, cluster, name, *arguments):
    """The exit status and the words of a node that is refused."""
    command = [os.path.join(t.bin, "dfsd"), "storage", "--data", t.path(name), "--config",
               cluster.environment["DFS_CONFIG"], *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


@test
def S3_7_join_tokens(t):
    cluster = t.cluster(storages=1, agents=1, settings=SETTINGS)
    cluster.ctl("node", "token", "--require", "on")
    code, words = start_storage(t, cluster, "none")
    check_equal(code, 5, "the exit status without a token")
    check("dfsctl node token" in words, f"no advice: {words}")
    code, words = start_storage(t, cluster, "wrong", "--join-token", "0123")
    check_equal(code, 5, "the exit status with a wrong token")
    check("is not known" in words, f"not told apart: {words}")
    brief = cluster.ctl("node", "token", "--expires", "1ms").out.strip()
    code, words = start_storage(t, cluster, "late", "--join-token", brief)
    check_equal(code, 5, "the exit status with an expired token")
    check("has expired" in words, f"not told apart: {words}")

    folder = t.path("added")
    t.at_end(lambda: end_all(None, folder))
    token = cluster.ctl("--json", "node", "token").report["token"]
    cluster.ctl("node", "add", "--dir", folder, "--join-token", token)
    code, words = start_storage(t, cluster, "used", "--join-token", token)
    check_equal(code, 5, "the exit status with a used token")
    check("was used already" in words, f"not told apart: {words}")

    listed = cluster.ctl("--json", "node", "tokens").report
    counts = [listed[f"refused_{why}"] for why in ("missing", "unknown", "expired", "used")]
    check_equal(counts, [1, 1, 1, 1], "the refusals")
    # An agent's node gets a token of its own; a node that is known needs none.
    cluster.ctl("node", "create")
    cluster.kill("storage-1")
    cluster.wait_nodes("down", 1)
    cluster.start("storage-1")
    cluster.wait_nodes("up", 3)
    kept = [os.path.join(where, name) for base in (folder, cluster.directory)
            for where, _, names in os.walk(base) for name in names
            if token.encode() in read_bytes(os.path.join(where, name))]
    check_equal(kept, [], "files with the token")


@test
def S3_7_node_is_added_on_its_machine(t):
    cluster = t.cluster(storages=1, settings=SETTINGS)
    folder = t.path("added")
    t.at_end(lambda: end_all(None, folder))
    first = cluster.ctl("--json", "node", "add", "--dir", folder, "--host", "far",
                        "--capacity", "4G").report
    check_equal(first["node"], 2, "the number of the new node")
    cluster.wait_nodes("up", 2)
    check_equal(cluster.name_of(2), "far", "its host")
    again = cluster.ctl("--json", "node", "add", "--dir", folder).report
    check_equal((again["pid"], again["was_running"]), (first["pid"], True), "the second call")
    pid = int(read_bytes(os.path.join(folder, "pid")))
    check_equal(pid, first["pid"], "the pid in the folder")
    os.kill(pid, signal.SIGTERM)
    wait_gone(pid)
    third = cluster.ctl("--json", "node", "add", "--dir", folder).report
    check_equal((third["node"], third["was_running"]), (2, False), "the node started again")
    check(third["pid"] != pid, "it is the same process")
    cluster.wait_nodes("up", 2)
    foreign = t.path("foreign")
    os.makedirs(os.path.join(foreign, "data"))
    refused = cluster.ctl("node", "add", "--dir", foreign, wanted=1)
    check("exists already" in refused.err, f"unclear: {refused.err}")
