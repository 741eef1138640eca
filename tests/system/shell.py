"""The shell of dfsctl, as people at a terminal meet it, and as scripts do."""
import os
import re
import signal
import stat
import subprocess

from people import DENIED, Person, administrator
from support import (MIB, check, check_equal, make_file, md5_of, read_bytes, test, wait_until,
                     write_bytes)
from terminal import CTRL_C, CTRL_D, UP, Terminal

NOT_FOUND = 3
USAGE = 2


def shell(cluster, *arguments, **options):
    """A shell at its first prompt."""
    terminal = Terminal(cluster, *arguments, "shell", **options)
    check("help lists the commands" in terminal.prompt(), "how the shell greets")
    return terminal


def folder(t, name):
    os.mkdir(t.path(name))
    return t.path(name)


def has(text, *parts):
    for part in parts:
        check(part in text, f"{part!r} in {text!r}")


@test
def S1_10_upload_and_download_by_their_words_and_then_the_name(t):
    cluster = t.cluster(storages=3, replicas=2)
    ours, theirs = folder(t, "client-1"), folder(t, "client-2")
    name = make_file(os.path.join(ours, "office.iso"), 40 * MIB)
    one = shell(cluster, directory=ours)
    one.line("upload")
    one.answer("file to upload: ", "office.iso")
    has(one.prompt(), "put /office.iso", "40.0 MiB", "MiB/s", "2 copies")
    two = shell(cluster, directory=theirs)
    two.line("download")
    two.answer("file to download: ", "office.iso")
    has(two.prompt(), "get /office.iso", "40.0 MiB", "MiB/s")
    got = os.path.join(theirs, "office.iso")
    check_equal(md5_of(got), md5_of(name), "the MD5 of what came back")
    os.unlink(got)
    # The third experiment: the same with a server less.
    cluster.kill("storage-1")
    two.line("download")
    two.answer("file to download: ", "office.iso")
    has(two.prompt(), "get /office.iso")
    check_equal(md5_of(got), md5_of(name), "the MD5 with a server less")
    # With the name on the same line, and names with a blank.
    write_bytes(os.path.join(ours, "my notes"), b"of today")
    has(one.command("upload 'my notes'"), "put /my notes")
    two.line("download")
    two.answer("file to download: ", "my notes")
    two.prompt()
    check_equal(read_bytes(os.path.join(theirs, "my notes")), b"of today", "the notes")
    for terminal in (one, two):
        terminal.line("exit")
        terminal.end()


@test
def S2_1_the_session_of_a_user_from_sign_up_to_exit(t):
    cluster = t.cluster(storages=2, replicas=2)
    admin = administrator(cluster)
    admin.ctl("chmod", "1777", "/")
    admin.ctl("user", "sign-up", "open")
    place = folder(t, "user1")
    write_bytes(os.path.join(place, "example2.txt"), b"222")
    user = Person(cluster, "user1")
    with user.at_terminal():
        terminal = shell(cluster, directory=place)
    terminal.line("signup user1")
    for _ in range(2):
        terminal.answer(": ", user.password)
    has(terminal.prompt(), "logged in as user1")
    has(terminal.command("logout"), "logged out")
    terminal.line("login user1")
    terminal.answer("password of user1: ", "not that one, surely")
    has(terminal.prompt(), "denied")
    terminal.line("login user1")
    terminal.answer("password of user1: ", user.password)
    shown = terminal.prompt()
    has(shown, "logged in as user1")
    check(user.password not in shown, "a password is not shown")
    has(terminal.command("whoami"), "user1, user, uid")
    for name, content in (("example1.txt", b"111"), ("example5.txt", b"555")):
        path = write_bytes(t.path(name), content)
        has(terminal.command(f"put {path} /"), f"put /{name}")
    check_equal(terminal.command("ls"), "example1.txt\nexample5.txt\n", "the files")
    has(terminal.command("download example1.txt"), "get /example1.txt")
    check_equal(read_bytes(os.path.join(place, "example1.txt")), b"111", "what was downloaded")
    has(terminal.command("upload example2.txt"), "put /example2.txt")
    check_equal(terminal.command("create example3.txt"), "", "what create says")
    has(terminal.command("create example3.txt"), "stays as it is")
    has(terminal.command("delete example4.txt"), "/example4.txt: not found")
    check_equal(terminal.command("delete example1.txt"), "", "what delete says")
    opened = terminal.command("open example5.txt")
    check(opened.startswith("555"), f"what open shows: {opened!r}")
    check_equal(terminal.command("ls"), "example2.txt\nexample3.txt\nexample5.txt\n", "the files")
    has(terminal.command("help"), "upload", "download", "delete", "create", "open", "exit", "put")
    # Each word asks for what it needs.
    terminal.line("delete")
    terminal.answer("file to delete: ", "example3.txt")
    terminal.prompt()
    terminal.line("open")
    terminal.answer("file to open: ", "example2.txt")
    has(terminal.prompt(), "222")
    has(terminal.command("user list"), "user1")
    has(terminal.command("user add eva"), "denied")
    terminal.line("exit")
    terminal.end()
    # What the shell logged in as holds for the next command, too.
    has(user.ctl("whoami").out, "user1")
    user.ctl("user", "add", "eva", wanted=DENIED)


@test
def S2_1_paths_are_relative_to_the_directories_of_both_sides(t):
    cluster = t.cluster(storages=1, replicas=1)
    ours = folder(t, "ours")
    os.mkdir(os.path.join(ours, "sub"))
    write_bytes(os.path.join(ours, "sub", "a file"), b"content")
    terminal = shell(cluster, directory=ours)
    terminal.command("mkdir -p films/new")
    check_equal(terminal.command("pwd"), "/\n", "the directory at first")
    terminal.line("cd films/new")
    terminal.expect("zdfs:/films/new> ")
    check_equal(terminal.command("pwd"), "/films/new\n", "the directory")
    has(terminal.command("lcd sub"), "")
    check_equal(terminal.command("lpwd"), os.path.join(ours, "sub") + "\n", "the local one")
    has(terminal.command("lls -l"), "a file", "rw-")
    has(terminal.command(r"put a\ file ."), "put /films/new/a file")
    has(terminal.command('mv "a file" ../b'), "")
    check_equal(terminal.command("ls .."), "b\nnew/\n", "the directory above")
    terminal.line("cd ..")
    terminal.expect("zdfs:/films> ")
    has(terminal.command("cat b"), "content")
    has(terminal.command("cd b"), "is not a directory")
    has(terminal.command("cd nowhere"), "not found")
    has(terminal.command("lcd nowhere"), "No such file")
    terminal.line("cd -")
    terminal.expect("zdfs:/films/new> ")
    terminal.line("cd")
    terminal.expect("zdfs:/> ")
    has(terminal.command("dfsctl ls /films"), "new")
    terminal.type(CTRL_D)
    terminal.end()


@test
def S2_8_no_error_ends_the_shell(t):
    cluster = t.cluster(storages=1, replicas=1)
    terminal = shell(cluster)
    has(terminal.command("mkdri /x"), "unknown command mkdri", "did you mean mkdir")
    has(terminal.command("put --recursiv a b"), "did you mean --recursive")
    has(terminal.command("put 'a b"), "a quote is not closed")
    has(terminal.command("cat /nothing"), "/nothing: not found", "ls /")
    has(terminal.command("put /no/such/file /"), "No such file")
    has(terminal.command("ls --timeout 5s"), "--timeout holds for the whole shell")
    has(terminal.command("put - /x"), "the shell itself reads stdin")
    has(terminal.command("rm"), "required")
    has(terminal.command("shell"), "unknown command shell")
    check_equal(terminal.command(""), "", "an empty line")
    check_equal(terminal.command("# nothing"), "", "a comment")
    has(terminal.command("--json stat /"), '"path":"/"')
    check("{" not in terminal.command("stat /"), "--json is for its line alone")
    has(terminal.command("put --help"), "--recursive", "local files")
    terminal.line("quit")
    terminal.end()


@test
def S2_8_ctrl_c_ends_the_command_and_not_the_shell(t):
    cluster = t.cluster(storages=2, replicas=1)
    here = folder(t, "here")
    name = make_file(os.path.join(here, "large"), 64 * MIB)
    terminal = shell(cluster, directory=here)
    # At the prompt it gives the line up.
    terminal.type("rm -r /everything")
    terminal.expect("everything")
    terminal.type(CTRL_C)
    terminal.prompt()
    has(terminal.command("put large /large"), "put /large")
    os.unlink(name)
    for _ in range(2):
        for storage in ("storage-1", "storage-2"):
            cluster.freeze(storage)
        terminal.line("get /large large")
        wait_until(lambda: any("part" in file for file in os.listdir(here)), "a get under way")
        terminal.type(CTRL_C)
        has(terminal.prompt(), "interrupted")
        check_equal(os.listdir(here), [], "what an interrupted get leaves")
        for storage in ("storage-1", "storage-2"):
            cluster.thaw(storage)
        has(terminal.command("stat /large"), "/large")
    has(terminal.command("get /large large"), "get /large")
    # Nor does a put that was ended keep others, or the next one, from the file.
    for storage in ("storage-1", "storage-2"):
        cluster.freeze(storage)
    terminal.line("put large /large")
    wait_until(lambda: "/large" in cluster.ctl("lock", "list").out, "a put under way")
    terminal.type(CTRL_C)
    has(terminal.prompt(), "interrupted")
    for storage in ("storage-1", "storage-2"):
        cluster.thaw(storage)
    has(terminal.command("put --wait 5s large /large"), "put /large")
    check_equal(os.path.getsize(name), 64 * MIB, "the file that was fetched after all")
    # A question, a password and a command of its own are given up, too.
    terminal.line("upload")
    terminal.expect("file to upload: ")
    terminal.type(CTRL_C)
    terminal.prompt()
    terminal.line("login somebody")
    terminal.expect("password of somebody: ")
    terminal.type(CTRL_C)
    terminal.prompt()
    terminal.line("lock run /large -- sleep 1000")
    terminal.line("")  # what is typed while a command runs is no harm
    terminal.type(CTRL_C)
    terminal.prompt()
    has(terminal.command("pwd"), "/")
    terminal.line("exit")
    terminal.end()


@test
def S2_8_a_signal_ends_the_shell_and_gives_the_terminal_back(t):
    cluster = t.cluster(storages=1, replicas=1)
    terminal = shell(cluster)
    check(not terminal.local_modes(), "the shell edits lines itself")
    os.kill(terminal.pid, signal.SIGTERM)
    terminal.end(wanted=130)


@test
def S2_8_a_cluster_that_goes_away_and_comes_back_leaves_the_shell_working(t):
    cluster = t.cluster(storages=1, replicas=1)
    here = folder(t, "here")
    write_bytes(os.path.join(here, "a"), b"1")
    terminal = shell(cluster, "--timeout", "3s", directory=here)
    has(terminal.command("put a /a"), "put /a")
    cluster.kill("head-1")
    has(terminal.command("ls"), "dfsctl ls: ", "is the cluster running?")
    has(terminal.command("lpwd"), here)
    cluster.start("head-1")
    wait_until(lambda: "a\n" == terminal.command("ls"), "the files again", 60)
    cluster.kill("storage-1")
    terminal.command("create /b")
    terminal.command("stat /a")
    cluster.start("storage-1")
    has(terminal.command("cat /a"), "1")
    terminal.line("exit")
    terminal.end()


@test
def S2_1_what_was_typed_is_kept_for_the_next_session(t):
    cluster = t.cluster(storages=1, replicas=1)
    terminal = shell(cluster)
    terminal.command("mkdir '/a b'")
    terminal.command(" mkdir /secret")
    terminal.command("ls /")
    terminal.type(UP + UP)
    terminal.expect("mkdir '/a b'")
    terminal.type("\r")
    has(terminal.prompt(), "exists already")
    terminal.line("exit")
    terminal.end()
    path = os.path.join(cluster.directory, "state", "zdfs", "history")
    check_equal(stat.S_IMODE(os.stat(path).st_mode), 0o600, "the mode of the history")
    check_equal(read_bytes(path).decode().splitlines(),
                ["mkdir '/a b'", "ls /", "mkdir '/a b'", "exit"], "the history")
    again = shell(cluster)
    again.type(UP + UP + "\r")
    has(again.prompt(), "exists already")
    again.type(CTRL_D)
    again.end()


@test
def S2_1_tab_completes_commands_options_and_paths_of_both_sides(t):
    cluster = t.cluster(storages=1, replicas=1)
    here = folder(t, "here")
    write_bytes(os.path.join(here, "local file"), b"l")
    for path in ("/films/one", "/films/other", "/a b", "/x'y"):
        cluster.ctl("mkdir", "-p", path)
    cluster.put_bytes(b"short", "/films/note.txt")
    terminal = shell(cluster, directory=here)

    def completes(typed, wanted):
        """What the line is after `typed` and Tab."""
        terminal.type(typed + "\t")
        terminal.expect(wanted)
        terminal.type(CTRL_C)
        terminal.prompt()
    completes("mkd", "mkdir ")
    completes("down", "download ")
    completes("cluster sta", "cluster status ")
    completes("put --recu", "put --recursive ")
    completes("ls /fi", "ls /films/")
    completes("cat films/n", "cat films/note.txt ")
    completes("ls /a", r"ls /a\ b/")
    completes("ls '/a", "ls '/a b/")
    completes("ls \"/x", "ls \"/x'y/")
    completes("put lo", r"put local\ file ")
    # Where there are several, they are shown and the line goes on.
    terminal.type("ls /films/o")
    terminal.expect("/films/o")
    terminal.type("\t")
    shown = terminal.expect(re.compile(r"ls /films/o$"))
    has(shown, "one/", "other/")
    terminal.type("th\t\r")
    terminal.expect("ther/\n")
    terminal.prompt()
    terminal.line("cd films")
    terminal.expect("zdfs:/films> ")
    completes("cat no", "cat note.txt ")
    # Without a cluster there is just nothing to offer, soon.
    cluster.kill("head-1")
    terminal.type("cat no\t")
    terminal.expect("cat no")
    terminal.type(CTRL_C)
    terminal.prompt(5)
    terminal.line("exit")
    terminal.end()


def run_script(cluster, text, *arguments):
    command = [os.path.join(cluster.context.bin, "dfsctl"), *arguments, "shell"]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120,
                          check=False, env=cluster.environment)


@test
def S2_1_a_script_is_read_from_stdin_and_ends_with_its_first_failure(t):
    cluster = t.cluster(storages=1, replicas=1)
    path = write_bytes(t.path("it's here"), b"content")
    quoted = path.replace("'", "'\\''")
    done = run_script(cluster, f"""# what a script may say
mkdir -p /a/b
cd /a
put '{quoted}' b/c
create d
upload
{path}
cat b/c
ls
""")
    check_equal(done.returncode, 0, f"the exit status; it says {done.stderr}")
    check(done.stdout.endswith("contentb\nd\nit's here\n"), f"what it prints: {done.stdout!r}")
    done = run_script(cluster, "cat /nothing\nnonsense\nls /\n")
    check_equal(done.returncode, NOT_FOUND, "the exit status of the first that failed")
    check_equal(done.stdout, "a\n", "what the rest prints")
    check_equal(done.stderr.count("\n"), 2, f"complaints: {done.stderr}")
    done = run_script(cluster, "ls 'x\nexit\nmkdir /never\n")
    check_equal(done.returncode, USAGE, "the exit status of a quote that is not closed")
    check(not cluster.exists("/never"), "nothing is done after exit")
    check_equal(run_script(cluster, "").returncode, 0, "the exit status of an empty script")
