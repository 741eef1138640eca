"""The commands for files and trees: tree, find, du, ls, head, tail, touch, rm, patterns, sync."""
import os
import pty
import select
import time

from support import (MIB, Run, check, check_equal, make_bytes, read_bytes, test, wait_until,
                     write_bytes)

TREE = {
    "/t/a.txt": b"a" * 10, "/t/b.log": b"b" * 2000, "/t/docs/one.txt": b"1" * 300,
    "/t/docs/deep/two.TXT": b"2" * 5000, "/t/docs/deep/three.tmp": b"3", "/t/e/four": b"",
}


def plant(cluster, files):
    for directory in sorted({os.path.dirname(path) for path in files}):
        cluster.ctl("mkdir", "-p", directory)
    for path, content in files.items():
        cluster.put_bytes(content, path)


def lines(run):
    return run.out.splitlines()


@test
def S2_find_tree_and_du_walk_the_tree(t):
    cluster = t.cluster(storages=2)
    plant(cluster, TREE)
    ctl = cluster.ctl
    check_equal(lines(ctl("find", "/t")), [
        "/t", "/t/a.txt", "/t/b.log", "/t/docs", "/t/docs/deep", "/t/docs/deep/three.tmp",
        "/t/docs/deep/two.TXT", "/t/docs/one.txt", "/t/e", "/t/e/four"], "find")
    check_equal(lines(ctl("find", "--name", "*.txt", "/t")), ["/t/a.txt", "/t/docs/one.txt"],
                "--name")
    check_equal(lines(ctl("find", "/t", "--iname", "*.txt", "--size", "+1k")),
                ["/t/docs/deep/two.TXT"], "--iname and --size")
    check_equal(lines(ctl("find", "/t", "--size", "-1k", "--size", "+0")),
                ["/t/a.txt", "/t/docs/deep/three.tmp", "/t/docs/one.txt"], "two sizes")
    check_equal(lines(ctl("find", "/t", "--type", "d", "--maxdepth", "1")),
                ["/t", "/t/docs", "/t/e"], "--type and --maxdepth")
    check_equal(lines(ctl("find", "/t", "--older", "1d")), [], "--older")
    check_equal(len(lines(ctl("find", "/t", "--newer", "1d"))), 10, "--newer")
    check_equal(ctl("find", "/t/e", "-0").out, "/t/e\0/t/e/four\0", "-0")
    found = ctl("--json", "find", "/t", "--exclude", "docs").json
    check_equal([entry["path"] for entry in found],
                ["/t", "/t/a.txt", "/t/b.log", "/t/e", "/t/e/four"], "--json --exclude")
    check_equal([found[1]["size"], found[1]["depth"], found[3]["type"]], [10, 1, "directory"],
                "what --json tells")
    ctl("find", "/nowhere", wanted=3)
    ctl("find", "/t", "--size", "many", wanted=2)
    ctl("find", "/t", "--newer", "tomorrow", wanted=2)

    check_equal(ctl("tree", "/t").out, """/t/
├── a.txt
├── b.log
├── docs/
│   ├── deep/
│   │   ├── three.tmp
│   │   └── two.TXT
│   └── one.txt
└── e/
    └── four

3 directories, 6 files
""", "tree")
    check_equal(ctl("tree", "-d", "-L", "1", "/t").out,
                "/t/\n├── docs/\n└── e/\n\n2 directories\n", "tree -d -L 1")

    check_equal([line.split() for line in lines(ctl("du", "--bytes", "/t"))],
                [["5001", "/t/docs/deep"], ["5301", "/t/docs"], ["0", "/t/e"], ["7311", "/t"]],
                "du")
    check_equal(ctl("du", "-s", "/t").out.split(), ["7.14", "KiB", "/t"], "du -s")
    total = ctl("--json", "du", "-s", "/t").json
    check_equal([total[0][key] for key in ("path", "bytes", "files", "directories")],
                ["/t", 7311, 6, 3], "du --json")


@test
def S2_find_goes_through_many_entries_without_holding_them(t):
    cluster = t.cluster(storages=1, heads=1, replicas=1)
    folder = t.path("many")
    for outer in range(40):
        os.makedirs(f"{folder}/{outer:02}")
        for inner in range(60):
            write_bytes(f"{folder}/{outer:02}/{inner:02}", b"x")
    cluster.ctl("--jobs", "16", "put", "-r", folder, "/many")
    found = cluster.ctl("find", "/many", "--type", "f")
    expected = [f"/many/{outer:02}/{inner:02}" for outer in range(40) for inner in range(60)]
    check_equal(lines(found), expected, "the files, in order")
    check_equal(cluster.ctl("--json", "du", "-s", "/many").json[0]["files"], 2400, "files")
    # Who reads the beginning alone ends the walk.
    read, write = os.pipe()
    run = Run([os.path.join(t.bin, "dfsctl"), "find", "/many"], t.directory, cluster.environment,
              stdout=f"/proc/self/fd/{write}")
    os.close(write)
    os.close(read)
    check(run.wait(20) in (0, 1), "find ended by itself")


@test
def S2_ls_sorts_and_lists_below(t):
    cluster = t.cluster(storages=2)
    plant(cluster, {"/d/b": b"1" * 5000, "/d/a": b"2" * 10})
    time.sleep(0.01)
    plant(cluster, {"/d/c": b"3" * 300, "/d/sub/x": b""})
    ctl = cluster.ctl
    check_equal(lines(ctl("ls", "/d")), ["a", "b", "c", "sub"], "by name")
    check_equal(lines(ctl("ls", "-r", "/d")), ["sub", "c", "b", "a"], "-r")
    check_equal(lines(ctl("ls", "-S", "/d"))[:3], ["b", "c", "a"], "-S")
    check_equal(lines(ctl("ls", "-rS", "/d"))[-3:], ["a", "c", "b"], "-rS")
    newest = lines(ctl("ls", "-t", "/d"))
    check_equal([name for name in newest if name != "sub"], ["c", "a", "b"], "-t")
    check_equal(ctl("ls", "-R", "/d").out, "/d:\na\nb\nc\nsub\n\n/d/sub:\nx\n", "-R")
    check_equal(ctl("ls", "/d/a", "/d/sub").out, "/d/a\n\n/d/sub:\nx\n", "several")
    check("5000" in ctl("ls", "-l", "/d").out, "bytes with -l")
    check("4.88 KiB" in ctl("ls", "-lh", "/d").out, "sizes with -lh")
    check_equal(lines(ctl("ls", "/d/[ab]")), ["/d/a", "/d/b"], "a pattern")
    ctl("ls", "-t", "-S", "/d", wanted=2)


@test
def S2_head_and_tail_read_only_what_they_show(t):
    cluster = t.cluster(storages=2)
    ctl = cluster.ctl
    text = b"".join(b"line %d\n" % number for number in range(400_000))  # 5 MB
    cluster.put_bytes(text, "/big")
    cluster.put_bytes(b"one\ntwo", "/small")
    rows = text.decode().splitlines()
    check_equal(lines(ctl("head", "/big")), rows[:10], "head")
    check_equal(lines(ctl("head", "-n", "200000", "/big")), rows[:200_000], "head -n")
    check_equal(ctl("head", "-c", "6", "/big").out, "line 0", "head -c")
    check_equal(ctl("head", "-n", "0", "/big").out, "", "head -n 0")
    check_equal(lines(ctl("tail", "/big")), rows[-10:], "tail")
    check_equal(lines(ctl("tail", "-n", "300000", "/big")), rows[-300_000:], "tail -n")
    check_equal(ctl("tail", "-n", "999999999", "/big").out, text.decode(), "all of it")
    check_equal(ctl("tail", "-c", "4", "/big").out, "999\n", "tail -c")
    check_equal(ctl("tail", "-n", "1", "/small").out, "two", "without a newline at the end")
    check_equal(ctl("head", "-n", "1", "/small", "/big").out,
                "==> /small <==\none\n\n==> /big <==\nline 0\n", "several files")
    ctl("head", "/nothing", wanted=3)
    ctl("head", wanted=2)
    cluster.put_bytes(b"a file\n", "/list")
    check_equal(ctl("head", "/list").out, "a file\n", "a file that is called as a command")
    check(ctl("head", "list").out != "a file\n", "head list is about heads")
    ctl("head", "list", "/list", wanted=2)
    ctl("tail", "/", wanted=1)


@test
def S2_tail_follows_new_versions(t):
    cluster = t.cluster(storages=2)
    cluster.put_bytes(b"one\ntwo\n", "/log")
    run = cluster.begin("tail", "-n", "1", "-f", "/log")
    wait_until(lambda: run.out == "two\n", "the last line")
    cluster.put_bytes(b"one\ntwo\nthree\n", "/log")
    wait_until(lambda: run.out == "two\nthree\n", "what was added")
    cluster.put_bytes(b"eins\nzwei\ndrei\nvier\n", "/log")
    wait_until(lambda: run.out == "two\nthree\nvier\n", "the end of another content")
    check("other content" in run.err, f"what was said: {run.err}")
    cluster.ctl("rm", "/log")
    wait_until(lambda: "waiting" in run.err, "word of the removal")
    cluster.put_bytes(b"again\n", "/log")
    wait_until(lambda: run.out == "two\nthree\nvier\nagain\n", "the file that came back")
    os.kill(run.process.pid, 2)
    run.finish(wanted=130)


@test
def S2_touch_makes_empty_files_and_leaves_others(t):
    cluster = t.cluster(storages=2)
    cluster.put_bytes(b"full", "/full")
    before = cluster.ctl("--json", "stat", "/full").json[0]
    said = cluster.ctl("touch", "/full", "/new")
    check("/full" in said.err and "/new" not in said.err, f"what was said: {said.err}")
    check_equal(cluster.ctl("--json", "stat", "/full").json[0], before, "the file that was there")
    check_equal(cluster.ctl("--json", "stat", "/new").json[0]["size"], 0, "the new one's size")
    made = cluster.ctl("--json", "create", "/other", "/full").json
    check_equal([line["created"] for line in made], [True, False], "created")
    cluster.ctl("touch", "/no/where", wanted=3)


def answer(cluster, t, arguments, reply, seconds=20):
    """What dfsctl says on a terminal where somebody types `reply`, and its exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(os.path.join(t.bin, "dfsctl"), ["dfsctl", *arguments], cluster.environment)
    said = b""
    deadline = time.monotonic() + seconds
    typed = False
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.1)[0]:
            continue
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        said += piece
        if b"[y/N]" in said and not typed:
            typed = True
            os.write(terminal, reply)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return said.decode(), os.waitstatus_to_exitcode(status)


@test
def S2_rm_asks_on_a_terminal_and_shows_what_it_would_do(t):
    cluster = t.cluster(storages=2)
    plant(cluster, TREE)
    pretended = cluster.ctl("rm", "-r", "--dry-run", "/t/docs")
    check_equal(lines(pretended), [f"would remove /t/docs{name}" for name in (
        "", "/deep", "/deep/three.tmp", "/deep/two.TXT", "/one.txt")], "--dry-run")
    cluster.ctl("rm", "--dry-run", "/t/docs", wanted=1)
    check_equal(cluster.ctl("find", "/t").out.count("\n"), 10, "entries afterwards")
    said, code = answer(cluster, t, ["rm", "-r", "/t/docs"], b"n\n")
    check("3 files and 1 directory" in said and code == 0, f"{code}: {said}")
    check("docs" in cluster.names_in("/t"), "it is still there")
    said, code = answer(cluster, t, ["rm", "-r", "/t/docs"], b"y\n")
    check_equal(code, 0, "status")
    check_equal(cluster.names_in("/t"), ["a.txt", "b.log", "e"], "names")
    said, code = answer(cluster, t, ["rm", "-i", "/t/a.txt"], b"y\n")
    check("the file /t/a.txt" in said and code == 0, f"{code}: {said}")
    said, code = answer(cluster, t, ["rm", "-rf", "/t/e"], b"")
    check("[y/N]" not in said and code == 0, f"{code}: {said}")
    check_equal(cluster.names_in("/t"), ["b.log"], "names")
    # Nobody is there to be asked, and the end of the input is no yes.
    cluster.ctl("rm", "-i", "/t/b.log")
    check_equal(cluster.names_in("/t"), ["b.log"], "names")
    cluster.ctl("rm", "-r", "/t")


@test
def S2_remote_patterns(t):
    cluster = t.cluster(storages=2)
    plant(cluster, TREE)
    cluster.put_bytes(b"literal", "/t/*.txt")
    ctl = cluster.ctl
    check_equal(ctl("cat", "/t/*.txt").out, "literal", "a name that looks like a pattern")
    ctl("rm", "/t/*.txt")
    check_equal(lines(ctl("ls", "/t/*.txt")), ["/t/a.txt"], "the pattern when nothing has its name")
    check_equal(ctl("cat", "/t/**/*.t[xm]*").out, "a" * 10 + "3" + "1" * 300, "cat")
    check_equal(len(lines(ctl("checksum", "/t/?.*"))), 2, "checksum")
    check_equal([entry["path"] for entry in ctl("--json", "stat", "/t/*/").json],
                ["/t/docs", "/t/e"], "stat of directories")
    missing = ctl("cat", "/t/*.none", wanted=3)
    check("nothing matches" in missing.err and "/t/*.none" in missing.err, missing.err)
    target = t.path("here")
    os.mkdir(target)
    ctl("get", "/t/*.*", target)
    check_equal(sorted(os.listdir(target)), ["a.txt", "b.log"], "get")
    check_equal(lines(ctl("mv", "--dry-run", "/t/*.*", "/t/e")),
                ["would move /t/a.txt to /t/e/a.txt", "would move /t/b.log to /t/e/b.log"],
                "mv --dry-run")
    ctl("mv", "/t/*.*", "/t/e")
    check_equal(cluster.names_in("/t/e"), ["a.txt", "b.log", "four"], "mv")
    ctl("rm", "/t/e/*")
    check_equal(cluster.names_in("/t/e"), [], "rm")
    check_equal(lines(ctl("ls", "/t")), ["docs", "e"], "what is left")


@test
def S2_filters_dry_runs_and_limits_of_put_and_get(t):
    cluster = t.cluster(storages=2)
    here = t.path("here")
    for name in ("a.txt", "b.tmp", "docs/c.txt", "cache/d.txt", "empty/e.bin"):
        os.makedirs(os.path.dirname(f"{here}/{name}"), exist_ok=True)
        write_bytes(f"{here}/{name}", name.encode())
    ctl = cluster.ctl
    filters = ["--exclude", "*.tmp", "--exclude", "cache/"]
    pretended = lines(ctl("put", "-r", "--dry-run", *filters, here, "/p"))
    check_equal(sorted(pretended), sorted(
        ["would make /p/", "would make /p/docs/", "would make /p/empty/"] +
        [f"would put {here}/{name} to /p/{name}" for name in
         ("a.txt", "docs/c.txt", "empty/e.bin")]), "put --dry-run")
    check_equal(cluster.names_in("/"), [], "nothing was put")
    ctl("put", "-r", *filters, here, "/p")
    check_equal(lines(ctl("find", "/p", "--type", "f")),
                ["/p/a.txt", "/p/docs/c.txt", "/p/empty/e.bin"], "what was put")
    back = t.path("back")
    check_equal(len(lines(ctl("get", "-r", "--dry-run", "--include", "*.txt", "/p", back))), 4,
                "two directories, two files")
    check(not os.path.exists(back), "nothing was fetched")
    ctl("get", "-r", "--include", "*.txt", "/p", back)
    check_equal(sorted(os.listdir(back)), ["a.txt", "docs"], "what was fetched")

    source = t.source(6 * MIB)
    begun = time.monotonic()
    ctl("put", "--bwlimit", "2M", source, "/limited")
    took = time.monotonic() - begun
    check(2.4 < took < 20, f"6 MiB at 2 MiB/s took {took:.1f} s")
    begun = time.monotonic()
    ctl("get", "--bwlimit", "2M/s", "/limited", t.path("limited"))
    took = time.monotonic() - begun
    check(2.4 < took < 20, f"6 MiB at 2 MiB/s took {took:.1f} s")
    check_equal(read_bytes(t.path("limited")), read_bytes(source), "the bytes")
    ctl("put", "--bwlimit", "fast", source, "/limited", wanted=2)


def files_below(root):
    found = {}
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            found[os.path.relpath(path, root)] = read_bytes(path)
    return found


def stored_below(cluster, t, root):
    target = t.path(f"copy-{time.monotonic_ns()}")
    cluster.ctl("get", "-r", root, target)
    return files_below(target)


@test
def S2_sync_makes_the_target_like_the_source(t):
    cluster = t.cluster(storages=2)
    here = t.path("here")
    contents = {"a": b"1", "d/b": make_bytes(2 * MIB), "d/c": b"3", "keep.tmp": b"4"}
    for name, content in contents.items():
        os.makedirs(os.path.dirname(f"{here}/{name}"), exist_ok=True)
        write_bytes(f"{here}/{name}", content)
    ctl = cluster.ctl

    def up(*flags, wanted=0):
        return ctl("--json", "sync", *flags, here, "zdfs:/s", wanted=wanted).json[-1]

    def told(report):
        return [report[key] for key in ("copied", "removed", "unchanged", "failed")]

    check_equal(told(up("--dry-run")), [4, 0, 0, 0], "a dry run")
    check_equal(cluster.names_in("/"), [], "nothing was done")
    check_equal(told(up()), [4, 0, 0, 0], "the first time")
    check_equal(stored_below(cluster, t, "/s"), contents, "what is there")
    check_equal(told(up()), [0, 0, 4, 0], "the second time")
    check_equal(told(up("--checksum")), [0, 0, 4, 0], "by checksum")

    write_bytes(f"{here}/a", b"changed")
    write_bytes(f"{here}/d/c", b"5")  # as long as before, but newer
    os.remove(f"{here}/d/b")
    os.remove(f"{here}/keep.tmp")
    pretended = lines(ctl("sync", "--delete", "--dry-run", "--exclude", "*.tmp", here, "zdfs:/s"))
    check_equal(pretended[:-1], ["would copy /s/a  (size, 7 B)", "would copy /s/d/c  (newer, 1 B)",
                                 "would remove /s/d/b"], "what it would do")
    check_equal(told(up("--delete", "--exclude", "*.tmp")), [2, 1, 0, 0], "changes")
    check_equal(stored_below(cluster, t, "/s"), {"a": b"changed", "d/c": b"5", "keep.tmp": b"4"},
                "the excluded file stays")

    # As old as before and as long, so that only its checksum tells.
    times = os.stat(f"{here}/d/c")
    write_bytes(f"{here}/d/c", b"6")
    os.utime(f"{here}/d/c", ns=(0, 1_000_000_000))
    check_equal(told(up())[:1], [0], "by time")
    check_equal(told(up("--checksum"))[:1], [1], "by checksum")
    os.utime(f"{here}/d/c", ns=(times.st_atime_ns, times.st_mtime_ns))

    # Nothing is removed when something failed.
    os.makedirs(f"{here}/keep.tmp")
    write_bytes(f"{here}/new", b"new")
    cluster.put_bytes(b"stray", "/s/stray")
    failed = ctl("--json", "sync", "--delete", here, "zdfs:/s", wanted=1)
    check_equal(told(failed.json[-1]), [1, 0, 2, 1], "with a failure")
    check("stray" in cluster.names_in("/s"), "it is still there")


@test
def S2_sync_from_the_cluster(t):
    cluster = t.cluster(storages=2)
    plant(cluster, TREE)
    here = t.path("here")
    ctl = cluster.ctl

    def down(*flags):
        report = ctl("--json", "sync", *flags, "zdfs:/t", here).json[-1]
        return [report[key] for key in ("copied", "removed", "unchanged", "failed")]

    expected = {path[3:]: content for path, content in TREE.items()}
    check_equal(down(), [6, 0, 0, 0], "the first time")
    check_equal(files_below(here), expected, "what is here")
    check_equal(down(), [0, 0, 6, 0], "the second time")
    modified = ctl("--json", "stat", "/t/a.txt").json[0]["modified_ms"]
    check_equal(os.stat(f"{here}/a.txt").st_mtime_ns // 1_000_000, modified, "the time of change")
    # And back: nothing is newer here.
    back = ctl("--json", "sync", here, "zdfs:/t").json[-1]
    check_equal(back["copied"], 0, "files copied back")
    cluster.put_bytes(b"A" * 10, "/t/a.txt")
    os.makedirs(f"{here}/extra/deep")
    write_bytes(f"{here}/extra/deep/x", b"x")
    os.symlink("/etc/hostname", f"{here}/link")
    check_equal(down("--delete"), [1, 2, 5, 0], "changes")
    expected["a.txt"] = b"A" * 10
    check_equal(files_below(here), expected, "what is here afterwards")
    check_equal(sorted(os.listdir(here)), ["a.txt", "b.log", "docs", "e"], "names")
    for ends in (["/t", here], ["zdfs:/t", "zdfs:/u"]):
        ctl("sync", *ends, wanted=2)
    ctl("sync", "zdfs:/nothing", here, wanted=3)
    ctl("sync", "zdfs:/t/a.txt", here, wanted=1)


@test
def S2_help_of_the_file_commands_fits_a_screen(t):
    for command in ("tree", "find", "du", "ls", "head", "tail", "touch", "mkdir", "rm", "mv", "get",
                    "put", "cat", "sync"):
        run = Run([os.path.join(t.bin, "dfsctl"), command, "--help"], t.directory).finish()
        shown = run.out.splitlines()
        check(len(shown) <= 40, f"{command} --help has {len(shown)} lines")
        check(any("Example" in line for line in shown), f"{command} --help has no example")
