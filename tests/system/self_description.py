"""What dfsctl tells of itself: completion in other shells, manual pages, help, and who is there."""
import os
import shutil
import socket
import subprocess
import time

from support import Skipped, check, check_equal, test, write_bytes
from terminal import Terminal

UNAVAILABLE = 4
USAGE = 2
AGAIN = "dfs-test-prompt> "


def bare(t, *arguments, environment=None, **options):
    """dfsctl where there is no cluster and no configuration."""
    keep = {key: value for key, value in os.environ.items() if not key.startswith("DFS")}
    return subprocess.run([os.path.join(t.bin, "dfsctl"), *arguments], capture_output=True,
                          text=True, timeout=60, check=False, env={**keep, **(environment or {})},
                          **options)


def closed_endpoints(count):
    """Addresses of this machine at which nobody accepts connections, while the sockets live."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    return sockets, [f"tcp://127.0.0.1:{one.getsockname()[1]}" for one in sockets]


@test
def S2_8_without_a_cluster_there_is_an_answer_soon_that_names_the_addresses(t):
    sockets, endpoints = closed_endpoints(3)
    brokers = ",".join(endpoints)
    for command in (["ls"], ["cluster", "status"], ["put", __file__, "/"], ["events"]):
        times = []
        while not times or (min(times) >= 2 and len(times) < 3):  # others use the machine, too
            begun = time.monotonic()
            done = bare(t, "--insecure", "--broker", brokers, *command)
            times.append(time.monotonic() - begun)
        check_equal(done.returncode, UNAVAILABLE, f"the exit status of {command}: {done.stderr}")
        check(all(endpoint in done.stderr for endpoint in endpoints), f"addresses: {done.stderr}")
        check("is the cluster running?" in done.stderr, f"the reason: {done.stderr}")
        check(min(times) < 2, f"{command} took {min(times):.1f} s")
        t.note(f"{command[0]} {min(times):.1f} s")
    begun = time.monotonic()
    done = bare(t, "--insecure", "--timeout", "4s", "--broker", brokers, "ls")
    check_equal(done.returncode, UNAVAILABLE, "the exit status")
    check(time.monotonic() - begun >= 4, "who gives a --timeout waits so long for brokers")
    for one in sockets:
        one.close()


@test
def S2_8_a_broker_that_comes_back_is_waited_for_and_so_is_a_leader(t):
    cluster = t.cluster(heads=1, storages=1, replicas=1)
    cluster.ctl("mkdir", "/a")
    cluster.kill("head-1")
    waiting = cluster.begin("--timeout", "60s", "ls")
    cluster.start("head-1")
    check_equal(waiting.finish().out, "a\n", "what is listed once the broker is there")
    # A broker without a leader accepts connections: the election is waited for.
    three = t.cluster(heads=3, storages=1, replicas=1)
    three.ctl("mkdir", "/b")
    leader = three.leader()
    three.kill(leader)
    check_equal(three.ctl("ls").out, "b\n", "what is listed by the next leader")


@test
def S2_1_help_explains_commands_and_topics(t):
    check("--durability" in bare(t, "help", "put").stdout, "help of a command")
    check("Usage: dfsctl node create" in bare(t, "help", "node", "create").stdout, "help below")
    for topic, part in (("paths", "Targets"), ("settings", "DFS_TIMEOUT"),
                        ("exit-codes", "130"), ("durability", "quorum"), ("security", "ticket"),
                        ("events", "--since")):
        done = bare(t, "help", topic)
        check_equal(done.returncode, 0, f"the exit status of help {topic}")
        check(part in done.stdout, f"{part} in help {topic}: {done.stdout}")
    check("durability" in bare(t, "help").stdout, "help lists the topics")
    wrong = bare(t, "help", "durabilty")
    check_equal(wrong.returncode, USAGE, "the exit status of a topic that is none")
    check("did you mean durability?" in wrong.stderr, f"the nearest: {wrong.stderr}")
    wrong = bare(t, "--insecure", "chekcsum", "/x")
    check("did you mean checksum?" in wrong.stderr, f"the nearest command: {wrong.stderr}")


@test
def S2_1_every_command_has_a_manual_page_that_man_can_show(t):
    folder = t.path("man")
    check_equal(bare(t, "man", folder).returncode, 0, "the exit status of man")
    pages = sorted(os.listdir(folder))
    check("dfsctl.1" in pages and "dfsctl-put.1" in pages, f"the pages: {pages}")
    listed = bare(t, "complete", "--", "").stdout.splitlines()
    check_equal([f"dfsctl-{line.split(chr(9))[0]}.1" for line in sorted(listed)],
                [page for page in pages if page != "dfsctl.1"], "a page for each command")
    if not shutil.which("groff"):
        raise Skipped("no groff")
    for page in pages:
        done = subprocess.run(
            ["groff", "-man", "-ww", "-P-cbou", "-Tutf8", os.path.join(folder, page)],
            capture_output=True, text=True, timeout=60, check=False)
        check_equal((done.returncode, done.stderr), (0, ""), f"what groff says of {page}")
        check("DESCRIPTION" in done.stdout, f"{page} can be read")
    shown = subprocess.run(["groff", "-man", "-P-cbou", "-Tutf8",
                            os.path.join(folder, "dfsctl-put.1")],
                           capture_output=True, text=True, timeout=60, check=False).stdout
    check("tar c dir | dfsctl put - /dir.tar" in shown, f"an example as it is: {shown}")


def bash_of(cluster, directory):
    path = os.pathsep.join([cluster.context.bin, os.environ.get("PATH", "")])
    return Terminal(cluster, "--norc", "--noprofile", "-i", program=shutil.which("bash"),
                    directory=directory, environment={"PATH": path, "HISTFILE": "/dev/null"})


@test
def S2_1_bash_completes_commands_options_and_paths(t):
    cluster = t.cluster(storages=1, replicas=1)
    for path in ("/films/one", "/films/other", "/a b", "/x'y", "/k=v:w"):
        cluster.ctl("mkdir", "-p", path)
    cluster.put_bytes(b"short", "/films/note.txt")
    here = t.path("here")
    os.mkdir(here)
    write_bytes(os.path.join(here, "local file"), b"l")
    bash = bash_of(cluster, here)
    bash.type("bind 'set enable-bracketed-paste off'\r")
    bash.type("PS1='" + AGAIN[:4] + "''" + AGAIN[4:] + "'\r")
    bash.expect("\n" + AGAIN)
    bash.type("eval \"$(dfsctl completion bash)\"\r")
    bash.expect(AGAIN)

    def give_up():
        bash.type("\x15\r")
        bash.expect("\n" + AGAIN, 10)

    def completes(typed, wanted):
        bash.type(typed + "\t")
        bash.expect(wanted)
        give_up()
    completes("dfsctl mkd", "mkdir ")
    completes("dfsctl cluster sta", "status ")
    completes("dfsctl put --recu", "--recursive ")
    completes("dfsctl --json mkd", "mkdir ")
    completes("dfsctl ls /fi", "/films/")
    completes("dfsctl cat films/n", "films/note.txt ")
    completes("dfsctl ls /a", r"/a\ b/")
    completes("dfsctl ls '/a", "'/a b/")
    completes("dfsctl ls /x", r"/x\'y/")
    completes("dfsctl ls /k=v:", "/k=v:w/")
    completes("dfsctl put lo", r"local\ file ")
    bash.type("dfsctl ls /films/o\t\t")
    shown = bash.expect("other/")
    check("one/" in shown, f"the choices: {shown!r}")
    give_up()
    cluster.kill("head-1")
    bash.type("dfsctl cat no\t")
    give_up()
    bash.type("exit\r")
    bash.end()


@test
def S2_1_the_scripts_for_other_shells_are_sound(t):
    for shell in ("bash", "zsh", "fish"):
        done = bare(t, "completion", shell)
        check_equal(done.returncode, 0, f"the exit status for {shell}")
        check("complete" in done.stdout and "dfsctl" in done.stdout, f"the script of {shell}")
        if not shutil.which(shell):
            t.note(f"no {shell}")
            continue
        path = write_bytes(t.path(f"script.{shell}"), done.stdout.encode())
        checked = subprocess.run([shell, "-n", path], capture_output=True, text=True, timeout=60,
                                 check=False)
        check_equal((checked.returncode, checked.stderr), (0, ""), f"what {shell} says of it")
    check_equal(bare(t, "completion", "csh").returncode, USAGE, "the exit status for another")
    # Quick, and silent, without a cluster.
    sockets, endpoints = closed_endpoints(1)
    begun = time.monotonic()
    done = bare(t, "--insecure", "--broker", endpoints[0], "complete", "--", "cat", "/x")
    check_equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "what it says")
    check(time.monotonic() - begun < 5, "the answer comes soon")
    done = bare(t, "complete", "--", "mkd")
    check("mkdir\t" in done.stdout, f"commands need no configuration: {done.stdout}")
    sockets[0].close()


@test
def S2_1_colours_are_for_terminals_alone(t):
    cluster = t.cluster(storages=1, replicas=1)
    cluster.ctl("mkdir", "/films")
    directory, error = "\x1b[1;34mfilms/\x1b[0m", "\x1b[31mdfsctl cat:\x1b[0m"
    state = "\x1b[32mup\x1b[0m"
    for environment, coloured in (({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False),
                                  ({"NO_COLOR": "", "TERM": "dumb"}, False)):
        for command, wanted in ((["ls"], directory), (["cat", "/no"], error),
                                (["cluster", "status"], state)):
            terminal = Terminal(cluster, *command, environment=environment)
            while terminal.read(0.1):
                pass
            shown = terminal.raw.decode()
            check_equal(wanted in shown, coloured, f"colours with {environment} in {shown!r}")
    check("\x1b" not in cluster.ctl("ls").out, "no colours in a file")
    check("\x1b" not in cluster.ctl("cluster", "status").out, "nor of states")
