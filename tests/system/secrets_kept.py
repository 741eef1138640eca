"""Passwords, tickets, tokens and keys are where they belong and nowhere else: a session uses one of
each, and everything that its processes wrote, said, were called with and keep is searched."""
import base64
import glob
import os
import re
import stat
import threading
import time

from hostile_client import GOOD_PASSWORD, LOG_IN, Fort
from support import Run, check, check_equal, read_bytes, test, wait_until, write_bytes

PASSWORDS = {name: f"{name} knows a battery staple".encode() for name in
             ("dora", "doras-next", "emil", "emils-first", "wrong")}

OPEN_WORD = b"an-open-word-for-joining"


class Watch(threading.Thread):
    """Notes how each process below a folder was called, and with what environment."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.seen, self.over = folder.encode(), {}, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                self.look(path)

    def look(self, path):
        try:
            called = read_bytes(path)
            if self.folder in called and called not in self.seen:
                self.seen[called] = read_bytes(path.replace("cmdline", "environ"))
        except OSError:
            pass  # it ended meanwhile


class Secrets:
    """What must not be found, in every form it could take."""

    def __init__(self):
        self.forms = {}  # name: set of bytes

    def add(self, name, *values):
        for value in values:
            forms = self.forms.setdefault(name, set())
            forms |= {value, value.hex().encode(), base64.b64encode(value).rstrip(b"="),
                      base64.urlsafe_b64encode(value).rstrip(b"=")}

    def within(self, data):
        return [name for name, forms in self.forms.items() if any(form in data for form in forms)]


def person(fort, name):
    """Runs dfsctl as somebody with a place of their own for tickets."""
    folder = os.path.join(fort.folder, "home-" + name)

    def run(*arguments, lines=None, wanted=0):
        words = list(arguments)
        if lines is not None:
            given = os.path.join(fort.folder, "given-" + name)
            write_bytes(given, b"".join(line + b"\n" for line in lines))
            words += ["--password-file", given]
        environment = {key: value for key, value in os.environ.items() if key[:4] != "DFS_"}
        environment.update(DFS_CONFIG=fort.config, XDG_STATE_HOME=folder)
        return Run([os.path.join(fort.t.bin, "dfsctl"), *words], fort.outputs,
                   environment).finish(wanted, seconds=60)
    return run


def use_one_of_each(fort, secrets):
    """The session. Returns the outputs that may hold a secret, since they are for that."""
    admin, dora, emil = (person(fort, name) for name in ("admin", "dora", "emil"))
    printed = []
    admin("login", "admin", lines=[GOOD_PASSWORD.encode()])
    admin("user", "sign-up", "open")
    dora("signup", "dora", lines=[PASSWORDS["dora"]])
    dora("passwd", lines=[PASSWORDS["dora"], PASSWORDS["doras-next"]])
    dora("logout")
    dora("login", "dora", lines=[PASSWORDS["wrong"]], wanted=5)
    dora("login", "dora", lines=[PASSWORDS["doras-next"]])
    dora("passwd", lines=[PASSWORDS["wrong"], PASSWORDS["dora"]], wanted=5)
    admin("user", "add", "emil", lines=[PASSWORDS["emils-first"]])
    emil("login", "emil", lines=[PASSWORDS["emils-first"]])
    emil("user", "list", wanted=5)
    admin("user", "password", "emil", lines=[PASSWORDS["emil"]])
    made_up = admin("user", "add", "eva")
    printed.append(made_up.out_path)
    first = re.findall(r"to be changed: (\S+)", made_up.out)
    check_equal(len(first), 1, f"first passwords made up: {made_up.out}")
    secrets.add("first password that was made up", first[0].encode())
    token = dora("--json", "token", "create", "--label", "backup", "--read-only", "--lasts", "1h")
    printed.append(token.out_path)
    text = token.report["token"]
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    secrets.add("service token", text.encode(), raw, raw[-64:])
    spare = admin("node", "token")
    printed.append(spare.out_path)
    secrets.add("join token", spare.out.strip().encode())
    kept = write_bytes(os.path.join(fort.folder, "given-token"), text.encode())
    dora("--ticket", "@" + kept, "ls", "/")
    dora("--ticket", "@" + kept, "mkdir", "/no", wanted=5)
    dora("whoami"), dora("--json", "whoami"), dora("token", "list"), dora("--print-config")
    for words in (("user", "list"), ("audit",), ("node", "tokens"), ("node", "list"),
                  ("cluster", "status"), ("cluster", "map"), ("lock", "list"), ("head", "list")):
        admin("--json", *words)
    dora("put", fort.config, "/file"), dora("stat", "/file"), dora("rm", "/file")
    for name in ("dora", "admin"):
        for path in glob.glob(os.path.join(fort.folder, "home-" + name, "zdfs", "*")):
            check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, f"the rights to {path}")
            kept_ticket = fort.msgpack.unpackb(read_bytes(path))["ticket"]
            secrets.add(f"ticket of {name}", kept_ticket, kept_ticket[-64:])
    return printed


def use_of_daemons(fort, secrets):
    """Keys are made again, settings are shown, and messages that hold secrets are refused."""
    dfsd = os.path.join(fort.t.bin, "dfsd")
    Run([dfsd, "init", "--dir", os.path.join(fort.folder, "keys"), "--next"],
        fort.outputs).finish()
    Run([dfsd, "key", "--dir", os.path.join(fort.folder, "another-node")], fort.outputs).finish()
    environment = dict(os.environ, DFS_JOIN_TOKEN=OPEN_WORD.decode())
    secrets.add("join token in the environment", OPEN_WORD)
    Run([dfsd, "storage", "--config", fort.storage_config, "--print-config"], fort.outputs,
        environment).finish()
    Run([dfsd, "head", "--keys", os.path.join(fort.folder, "keys"), "--data", "/nowhere",
         "--print-config"], fort.outputs).finish()
    wire = fort.wire()
    header = wire.header(LOG_IN, to="lock")
    for body in ({"user": 7, "password": PASSWORDS["wrong"]},
                 {"user": "a b", "password": PASSWORDS["wrong"]},
                 {"user": "ada", "password": PASSWORDS["wrong"] * 100}):
        wire.send(fort.msgpack.packb(header), fort.msgpack.packb(body))
        wire.answer(header[2], 1)
    long_ticket = [1, 200, 7, 0, 3000, "client/1", "monitor", fort.ada * 9]
    wire.send(fort.msgpack.packb(long_ticket), b"\x80")
    wire.ask(200, {"path": "/" + fort.ada.hex()}, ticket=fort.ada)


PAGE = bytes(1 << 16)


def written(path):
    """What a file holds but for zeros: those who keep blocks make their files large at once."""
    parts = []
    with open(path, "rb") as file:
        while part := file.read(len(PAGE)):
            if part != PAGE[:len(part)]:
                parts.append(part)
    return b"".join(parts)


def places(fort):
    """(name, bytes) of everything that is not the very place of a secret."""
    own = ("keys" + os.sep, "home-", "given", "join-token", "another-node")
    for folder, _, files in os.walk(fort.t.directory):
        for file in files:
            path = os.path.join(folder, file)
            name = os.path.relpath(path, fort.folder)
            if not name.startswith(own) and file != "node.key" and path not in fort.printed:
                yield name, written(path)


@test
def F11_secrets_are_found_only_where_they_belong(t):
    watch = Watch(t.directory)
    watch.start()
    fort = Fort(t, "--log-level", "debug")
    fort.outputs = t.path("outputs")
    os.makedirs(fort.outputs)
    secrets, keys = Secrets(), Secrets()
    fort.storage_config = write_bytes(t.path("storage.conf"), (
        f'broker = "{fort.broker}"\n{fort.cluster_line}\ndata = "/nowhere"\n').encode())
    fort.printed = use_one_of_each(fort, secrets)
    use_of_daemons(fort, secrets)
    secrets.add("passwords", GOOD_PASSWORD.encode(), *PASSWORDS.values())
    secrets.add("one-time password", fort.first_password.encode())
    secrets.add("join token of the nodes", fort.used_token.encode())
    secrets.add("tickets", *(each[-64:] for each in (fort.admin, fort.ada, fort.bob)))
    for path in glob.glob(os.path.join(fort.folder, "**", "*.key"), recursive=True):
        check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, f"the rights to {path}")
        secret = re.search(r'secret = "(\w+)"', read_bytes(path).decode()).group(1)
        keys.add(f"secret key of {os.path.relpath(path, fort.folder)}", bytes.fromhex(secret))
    # The heads keep these two, of necessity, below their data; nothing else has them.
    keys.add("key that signs tickets", fort.smith.secret.raw[:32])
    keys.add("key of grants", fort.smith.grant_key)
    events = repr(fort.events("lock", "")) + repr(fort.events("monitor", ""))
    time.sleep(0.1)
    watch.over.set()
    watch.join()

    founding = os.path.relpath(fort.runs["head"].out_path, fort.folder)
    problems, searched = [], 0
    for name, data in places(fort):
        searched += 1
        kept_by_head = name.startswith(("head" + os.sep, "head.snapshots" + os.sep))
        found = secrets.within(data) + ([] if kept_by_head else keys.within(data))
        if name == founding:
            check_equal(data.count(fort.first_password.encode()), 1, "one-time passwords printed")
            found = [each for each in found if each != "one-time password"]
        problems += [f"{each} in {name}" for each in found]
    # What a test gives in the environment is there, and in no other process's.
    given = b"DFS_JOIN_TOKEN=" + OPEN_WORD
    called = b"\n".join(call + environment.replace(given, b"")
                        for call, environment in watch.seen.items())
    for what, data in (("an event", events.encode()), ("a command line or environment", called)):
        problems += [f"{each} in {what}" for each in secrets.within(data) + keys.within(data)]
    check(not problems, "; ".join(sorted(set(problems))))
    # Those that end at once are easily missed; the daemons are not.
    check(len(watch.seen) > 5, f"only {len(watch.seen)} processes were seen")
    # The search finds what is there.
    for folder, where in (("given-dora", secrets), ("given-token", secrets), ("keys", keys)):
        paths = [os.path.join(fort.folder, folder)]
        paths = glob.glob(os.path.join(paths[0], "*.key")) if folder == "keys" else paths
        check(where.within(read_bytes(paths[0])), f"nothing is found in {folder}")
    t.note(f"{searched} files and {len(watch.seen)} processes searched")
    wait_until(lambda: fort.status()["cluster"], "the cluster serves on")
