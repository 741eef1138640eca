"""What somebody who listens on the network learns: tshark beside clusters of our own."""
import os
import re
import secrets
import shutil
import socket
import subprocess

from support import MIB, Failed, Skipped, check, read_bytes, test, wait_until
from users import Person, administrator

USER, PASSWORD = "wilhelmina", "seventeen purple walruses"
FOLDER, NAME = "folder-of-the-archive", "minutes-of-the-board"
SMALL, LARGE = "content-kept-by-the-heads.", "content-kept-by-the-nodes."
SECRETS = (USER, PASSWORD, FOLDER, NAME, SMALL, LARGE)


def ports_of(cluster):
    """Of the heads, and of the storage nodes: the first and the last one."""
    text = read_bytes(os.path.join(cluster.directory, "cluster.env")).decode()
    found = {key: int(value) for key, value in re.findall(r"^(\w+)=(\d+)$", text, re.M)}
    nodes = found["base_port"] + 5 * found["heads"]
    return (found["base_port"], nodes - 1), (nodes, nodes + found["storages"] - 1)


class Capture:
    """All packets of a range of ports on loopback, from the beginning to end()."""

    def __init__(self, t, name, ports):
        if not shutil.which("tshark"):
            raise Skipped("there is no tshark (Debian package tshark)")
        self.path, self.port = t.path(name + ".pcapng"), ports[0]
        self.errors = open(t.path(name + ".err"), "wb+")
        self.tshark = subprocess.Popen(
            ["tshark", "-q", "-i", "lo", "-B", "64", "-w", self.path,
             "-f", f"tcp portrange {ports[0]}-{ports[1]}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.errors)
        t.at_end(self.end)
        wait_until(lambda: self.tshark.poll() is not None or self.begun(), "tshark to begin")
        if self.tshark.poll() is not None:
            raise Skipped(f"tshark may not listen here: {self.told().strip()[-200:]}")

    def begun(self):
        return os.path.exists(self.path) and os.path.getsize(self.path) > 0

    def told(self):
        self.errors.seek(0)
        return self.errors.read().decode(errors="replace")

    def end(self):
        if self.tshark.poll() is None:
            self.tshark.terminate()
            self.tshark.wait()
        dropped = re.search(r"(\d+) packets? dropped", self.told())
        if dropped and int(dropped.group(1)) > 0:
            raise Failed(f"tshark missed packets: {dropped.group(0)}")

    def catch_up(self):
        """Until it has what was sent before this call: what tshark has not read yet when it ends
        is lost."""
        mark = b"the-end-" + secrets.token_hex(8).encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(mark)
        wait_until(lambda: self.packets(f'tcp contains "{mark.decode()}"', whole=False) > 0,
                   "the last packet", 30)

    def packets(self, display_filter, whole=True):
        """`whole` is false while tshark still writes, when the last packet may be cut off."""
        run = subprocess.run(["tshark", "-r", self.path, "-Y", display_filter, "-T", "fields",
                              "-e", "frame.number"], capture_output=True, text=True, check=whole)
        return len(run.stdout.split())

    def seen(self):
        """Those of the secrets that are in any packet."""
        check(self.packets("tcp.len > 0") > 20, "nothing was captured")
        return [secret for secret in SECRETS if self.packets(f'tcp contains "{secret}"') > 0]


def use(cluster):
    """Everything that has a secret in it, by somebody who logs in with a password."""
    person = Person(cluster, USER)
    admin = administrator(cluster)
    admin.ctl("user", "sign-up", "open")
    person.ctl("signup", USER, lines=[PASSWORD])
    person.login(PASSWORD)
    admin.ctl("mkdir", f"/{FOLDER}")
    admin.ctl("chmod", "777", f"/{FOLDER}")
    small = cluster.context.path("small")
    large = cluster.context.path("large")
    with open(small, "w") as file:
        file.write(SMALL * 40)
    with open(large, "w") as file:
        file.write(LARGE * (MIB // len(LARGE)))
    for number, source in enumerate((small, large)):
        path = f"/{FOLDER}/{NAME}-{number}"
        person.ctl("put", source, path)
        person.ctl("get", path, cluster.context.path(f"back-{number}"))
        person.ctl("ls", "-l", f"/{FOLDER}")
        person.ctl("stat", path)
        person.ctl("mv", path, path + "-moved")
        admin.ctl("events", "--since", "0", "--no-follow")


def listen(t, cluster, of_heads=True, of_nodes=True):
    """What was seen on the ports of the heads and on those of the nodes."""
    heads, nodes = ports_of(cluster)
    first = Capture(t, "heads", heads) if of_heads else None
    second = Capture(t, "nodes", nodes) if of_nodes else None
    use(cluster)
    seen = []
    for capture in (first, second):
        if capture:
            capture.catch_up()
            capture.end()
        seen.append(capture.seen() if capture else None)
    return seen


@test
def F11_control_traffic_shows_no_name_no_password_and_no_content(t):
    cluster = t.cluster(heads=3, storages=2, secure=True)
    heads, nodes = listen(t, cluster)
    check(not heads, f"on the ports of the heads somebody reads {heads}")
    # Without data-encryption blocks travel as they are: that is the promise, and this the proof
    # that the test would see what is there to be seen.
    check(LARGE in nodes, "blocks are encrypted without being told to")
    check(PASSWORD not in nodes and USER not in nodes, f"on the data ports: {nodes}")


@test
def F11_with_data_encryption_nothing_is_to_be_read_anywhere(t):
    cluster = t.cluster(heads=1, storages=2, secure=True,
                        settings="[storage]\ndata-encryption = true\n")
    heads, nodes = listen(t, cluster)
    check(not heads and not nodes, f"heads: {heads}, nodes: {nodes}")


@test
def F11_an_insecure_cluster_shows_all_of_it(t):
    cluster = t.cluster(heads=1, storages=2)
    heads, nodes = listen(t, cluster)
    missed = [secret for secret in SECRETS if secret != LARGE and secret not in heads]
    check(not missed and LARGE in nodes, f"not seen: {missed}; on the data ports: {nodes}")
