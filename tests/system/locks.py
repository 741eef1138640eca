"""Locks between clients: who waits sees for whom, nobody waits for ever, nobody holds what another
holds."""
import os
import re
import shutil
import signal
import time

from support import alone, check, check_equal, read_bytes, test, wait_until

LEASE_S = 10
CLIENTS = 8


def holding(cluster, *arguments):
    """A dfsctl that holds a lock, once it does; and the number of the lock."""
    run = cluster.begin("--json", "lock", "acquire", *arguments)
    wait_until(lambda: '"lock"' in run.out or not run.running(), "the lock is held")
    check(run.running(), f"it ended: {run.err}")
    return run, run.report["lock"]


def interrupt(run):
    os.kill(run.process.pid, signal.SIGINT)
    run.wait(seconds=20)


def listed(cluster):
    return cluster.ctl("--json", "lock", "list").json


@test
def S2_5_a_second_client_waits_sees_who_holds_and_proceeds(t):
    cluster = t.cluster(storages=1, replicas=1)
    source = t.source(3 << 20)
    cluster.ctl("put", source, "/file")
    first, _ = holding(cluster, "/file")
    begun = time.monotonic()
    second = cluster.begin("put", source, "/file")
    wait_until(lambda: "waiting for /file" in second.err, "it says that it waits")
    check(re.search(r"client/\w+.* since \d{4}-", second.err), f"who and when: {second.err}")
    check(second.running(), "it waits")
    check_equal(len(listed(cluster)), 2, "one holds, one waits")
    interrupt(first)
    second.finish(seconds=20)
    t.note(f"proceeded after {time.monotonic() - begun:.2f} s")
    wait_until(lambda: not listed(cluster), "no lock is left", 5)
    check_equal(cluster.ctl("--json", "stat", "/file").report["version"], 2, "version")


@test
def S2_5_small_files_respect_locks_too(t):
    cluster = t.cluster(storages=1, replicas=1)
    first, _ = holding(cluster, "/dir", "-r")
    cluster.ctl("mkdir", "/dir")
    blocked = cluster.begin("put", "--wait", "1s", t.source(100), "/dir/small")
    check_equal(blocked.wait(seconds=20), 1, "exit status")
    check("locked" in blocked.err, f"what was said: {blocked.err}")
    check_equal(cluster.names_in("/dir"), [], "nothing was stored")
    cluster.ctl("put", "--no-lock", t.source(100), "/dir/small")
    cluster.ctl("rm", "--wait", "0s", "/dir/small", wanted=1)
    cluster.ctl("mv", "--wait", "0s", "/dir/small", "/other", wanted=1)
    interrupt(first)
    cluster.ctl("mv", "/dir/small", "/other")
    cluster.ctl("rm", "/other")


@test
def S3_4_shared_locks_go_together_and_exclusive_ones_alone(t):
    cluster = t.cluster(storages=1, replicas=1)
    cluster.ctl("put", t.source(10), "/file")
    reader, _ = holding(cluster, "-s", "/file")
    cluster.ctl("get", "--lock", "--wait", "0s", "/file", t.path("got"))
    cluster.ctl("lock", "run", "-x", "--wait", "0s", "/file", "--", "true", wanted=1)
    writer = cluster.begin("lock", "run", "/file", "--", "true")
    wait_until(lambda: "waiting for" in writer.err, "the writer waits")
    # Behind the writer, so that writers do not starve.
    cluster.ctl("get", "--lock", "--wait", "0s", "/file", t.path("got"), wanted=1)
    cluster.ctl("get", "/file", t.path("got"))  # a consistent version, without a lock
    interrupt(reader)
    writer.finish(seconds=20)


@test
def locks_run_commands_as_flock_does(t):
    cluster = t.cluster(storages=1, replicas=1)
    check_equal(cluster.ctl("lock", "run", "/x", "--", "sh", "-c", "exit 7", wanted=7).code, 7,
                "the command's exit status")
    # What runs under a lock is not in its own way.
    dfsctl = os.path.join(t.bin, "dfsctl")
    source = t.source(100)
    cluster.ctl("lock", "run", "/x", "--", dfsctl, "put", "--wait", "0s", source, "/x")
    cluster.ctl("lock", "run", "/x", "--", "no-such-program", wanted=1)
    wait_until(lambda: not listed(cluster), "no lock is left", 5)
    first, lock = holding(cluster, "/x")
    cluster.ctl("lock", "break", str(lock))
    check_equal(first.wait(seconds=20), 1, "exit status of who lost the lock")
    check("lock ended" in first.err, f"what was said: {first.err}")
    second, lock = holding(cluster, "/x")
    cluster.ctl("lock", "release", str(lock))
    second.wait(seconds=20)
    cluster.ctl("lock", "release", str(lock), wanted=3)


@test
def F12_the_lock_of_a_dead_client_ends_with_its_lease(t):
    cluster = t.cluster(storages=1, replicas=1)
    source = t.source(100)
    first, _ = holding(cluster, "/x")
    second = cluster.begin("put", source, "/x")
    wait_until(lambda: "waiting for" in second.err, "it waits")
    first.process.kill()
    begun = time.monotonic()
    second.finish(seconds=3 * LEASE_S)
    waited = time.monotonic() - begun
    t.note(f"{waited:.1f} s")
    check(waited < 2 * LEASE_S, f"it took {waited:.1f} s, the lease is {LEASE_S} s")


def lock_leader(cluster, tap):
    """The head whose lock actor granted last, as far as the tap of lock-granted has heard."""
    granted = re.findall(r'"actor":"lock/(\d+)"', tap.out)
    return cluster.head_name(int(granted[-1])) if granted else None


@test
def S2_5_a_lock_outlives_the_leader_that_granted_it(t):
    cluster = t.cluster(heads=3, storages=1, replicas=1)
    tap = cluster.begin("--json", "events", "lock-granted")

    def leader():
        cluster.ctl("lock", "run", "/other", "--", "true")
        return lock_leader(cluster, tap)

    leads = wait_until(leader, "a leader of the locks", 20)
    first, lock = holding(cluster, "/x")
    second = cluster.begin("lock", "run", "/x", "--", "true")
    wait_until(lambda: "waiting for" in second.err, "it waits")
    cluster.kill_at_once([leads])
    time.sleep(2 * LEASE_S)
    check(first.running() and second.running(), f"one holds, one waits: {first.err} {second.err}")
    check(str(lock) in cluster.ctl("lock", "list").out, "the lock is listed still")
    cluster.start(leads)
    interrupt(first)
    second.finish(seconds=20)


@test
def locks_lost_by_the_first_head_are_those_of_the_others(t):
    cluster = t.cluster(heads=3, storages=1, replicas=1)
    first, lock = holding(cluster, "/x")
    cluster.kill_at_once(["head-1"])
    shutil.rmtree(os.path.join(cluster.directory, "data", "head-1", "locks"))
    cluster.start("head-1")
    others = [os.path.join(cluster.directory, "log", f"head-{n}.log") for n in (2, 3)]
    wait_until(lambda: any(b"lost its data leaves" in read_bytes(log) for log in others),
               "it joins anew", 30)
    time.sleep(8)  # it catches up, and votes
    cluster.kill_at_once(["head-2"])  # so that it is needed
    cluster.ctl("lock", "run", "/y", "--", "true", seconds=60)
    check(first.running(), f"it is held still: {first.err}")
    check(str(lock) in cluster.ctl("lock", "list").out, "the lock is there")
    interrupt(first)


@test
@alone
def A6_counters_guarded_by_a_lock_are_exact_when_its_leader_is_killed(t):
    cluster = t.cluster(heads=3, storages=1, replicas=1)
    kills = 20 if t.full else 4
    counter = t.path("counter")
    with open(counter, "w", encoding="ascii") as file:
        file.write("0")
    with open(t.path("stop"), "w", encoding="ascii") as file:
        file.write("")
    dfsctl = os.path.join(t.bin, "dfsctl")
    # A counter that nothing else guards: what two did at once would be lost.
    step = (f'read n < {counter}; sleep 0.01; echo $((n + 1)) > {counter}.new.$$ && '
            f'mv {counter}.new.$$ {counter}')
    loop = (f'done=0; while [ -e {t.path("stop")} ]; do '
            f'{dfsctl} --timeout 60s lock run --wait 120s /counter -- sh -c \'{step}\' '
            f'&& done=$((done + 1)); done; echo $done')
    taps = cluster.begin("--json", "events", "lock-granted")
    shells = [cluster.begin_shell(loop) for _ in range(CLIENTS)]
    read = lambda: int(read_bytes(counter) or 0)

    for _ in range(kills):
        before = read()
        wait_until(lambda: read() > before + 5, "the counter moves", 60)
        leader = wait_until(lambda: lock_leader(cluster, taps), "a leader of the locks")
        cluster.kill_at_once([leader])
        time.sleep(0.5)
        cluster.start(leader)
        cluster.wait_heads(3)
    before = read()
    wait_until(lambda: read() > before + 5, "the counter moves", 60)
    os.unlink(t.path("stop"))
    counted = 0
    for shell in shells:
        shell.finish(seconds=180)
        counted += int(shell.out.split()[-1])
        said = [line for line in shell.err.splitlines() if not line.startswith("waiting for")]
        check_equal(said, [], "what was said, and nothing had to be")
    t.note(f"{counted} steps, {kills} kills")
    check_equal(read(), counted, "the counter")
