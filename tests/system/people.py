"""Who uses a cluster: people with a terminal, and a place for tickets, of their own."""
import contextlib
import os

from support import check_equal, read_bytes, wait_until, write_bytes

DENIED = 5
GOOD_PASSWORD = "correct horse battery"


class Person:
    """Somebody who is nobody before they log in."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.password = GOOD_PASSWORD
        self.tickets = os.path.join(cluster.context.directory, f"tickets-{name}")

    @contextlib.contextmanager
    def at_terminal(self):
        """What the cluster's methods run in the block is run by this person."""
        before = self.cluster.environment
        self.cluster.environment = dict(before, DFS_TICKET_DIR=self.tickets)
        try:
            yield self.cluster
        finally:
            self.cluster.environment = before

    def begin(self, *arguments, lines=None, **options):
        words = list(arguments)
        if lines is not None:
            path = os.path.join(self.cluster.context.directory, f"password-{self.name}")
            write_bytes(path, "".join(line + "\n" for line in lines).encode())
            words += ["--password-file", path]
        with self.at_terminal():
            return self.cluster.begin(*words, **options)

    def ctl(self, *arguments, wanted=0, lines=None, seconds=120.0):
        return self.begin(*arguments, lines=lines).finish(wanted, seconds)

    def login(self, password=None, wanted=0):
        return self.ctl("login", self.name, wanted=wanted, lines=[password or self.password])

    def ticket(self):
        """As the protocol has it, of a log-in of its own."""
        return ticket_of(self.ctl("login", self.name, "--print-ticket", lines=[self.password]).out)

    def ticket_file(self):
        names = os.listdir(self.tickets) if os.path.isdir(self.tickets) else []
        return os.path.join(self.tickets, names[0]) if names else None


def ticket_of(text):
    """The bytes of a ticket that dfsctl printed."""
    import base64
    text = text.strip()
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def first_password(cluster):
    """What whoever founded an insecure cluster was told; of a secure one it has been used."""
    path = os.path.join(cluster.directory, "conf", "first-password")
    wait_until(lambda: os.path.exists(path), "the one-time password")
    check_equal(os.stat(path).st_mode & 0o777, 0o600, "the rights to it")
    return read_bytes(path).decode().strip()


def administrator(cluster):
    """The first one, with a password of their own, logged in."""
    admin = Person(cluster, "admin")
    if cluster.secure:
        chosen = os.path.join(cluster.directory, "conf", "admin-password")
        admin.password = read_bytes(chosen).decode().strip()
        admin.login()
        return admin
    password = first_password(cluster)
    admin.login(password)
    admin.ctl("user", "list", wanted=DENIED)  # before the password is changed
    admin.ctl("passwd", lines=[password, GOOD_PASSWORD])
    return admin


def add_user(admin, name, password=GOOD_PASSWORD):
    """Somebody whom the administrator has added, logged in with a password of their own."""
    admin.ctl("user", "add", name, lines=["a first password"])
    person = Person(admin.cluster, name)
    person.password = password
    person.login("a first password")
    person.ctl("passwd", lines=["a first password", password])
    return person
