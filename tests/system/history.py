"""What was: reads at a moment of the past, former versions, copies, and what was removed."""
import datetime
import time

from repair import SETTINGS_OF_A_SHORT_PAST, fsck
from support import MIB, check, check_equal, md5_of, read_bytes, test, wait_until


def applied(cluster):
    return cluster.status()["applied"]


def cat(cluster, *arguments):
    return cluster.ctl("cat", *arguments).out


def history(cluster, *arguments):
    return cluster.ctl("--json", "history", *arguments).json


@test
def U4_files_are_seen_as_they_were(t):
    cluster = t.cluster(storages=2)
    large = [t.source(3 * MIB + number, number, f"large-{number}") for number in (1, 2)]
    cluster.ctl("mkdir", "-p", "/d/sub")
    cluster.put_bytes(b"one\n", "/d/small")
    cluster.ctl("put", "--block-size", "1M", large[0], "/d/large")
    then = applied(cluster)
    time.sleep(1.1)  # moments of people are seconds
    noted = datetime.datetime.now().strftime("%H:%M:%S")
    time.sleep(1.1)
    cluster.put_bytes(b"two, and more\n", "/d/small")
    cluster.ctl("put", "--block-size", "1M", large[1], "/d/large")
    cluster.ctl("mv", "/d/sub", "/d/other")
    cluster.put_bytes(b"new\n", "/d/new")
    cluster.ctl("rm", "-r", "/d/other")
    for moment in (str(then), noted):
        at = ("--at", moment)
        check_equal(cluster.ctl("ls", *at, "/d").out, "large\nsmall\nsub\n", f"names at {moment}")
        check_equal(cat(cluster, *at, "/d/small"), "one\n", f"content at {moment}")
        cluster.ctl("get", *at, "/d/large", t.path("got"))
        check_equal(md5_of(t.path("got")), md5_of(large[0]), f"MD5 at {moment}")
        check_equal(cluster.ctl("--json", "stat", *at, "/d/small").report["version"], 1, "version")
        cluster.ctl("stat", *at, "/d/new", wanted=3)
        cluster.ctl("get", "-r", *at, "/d", t.path(f"tree-{moment}"))
        check_equal(read_bytes(t.path(f"tree-{moment}/small")), b"one\n", "of the whole tree")
    check_equal(cat(cluster, "/d/small"), "two, and more\n", "now")

    cluster.script("down")
    cluster.script("up", "--storages", "2", "--heads", "1")
    check_equal(cat(cluster, "--at", str(then), "/d/small"), "one\n", "after a restart")


@test
def U4_moments_that_make_no_sense_are_refused(t):
    cluster = t.cluster(storages=1, replicas=1)
    cluster.put_bytes(b"x", "/f")
    for moment in ("yesterday", "25:00", "2026-13-01", "-3h", "0", "2999-01-01"):
        run = cluster.ctl("cat", f"--at={moment}", "/f", wanted=2)
        check(moment in run.err, f"what was said of {moment}: {run.err}")
    late = cluster.ctl("cat", "--at", str(applied(cluster) + 1000), "/f", wanted=1)
    check("is still to come" in late.err, late.err)
    early = cluster.ctl("cat", "--at", "2001-01-01", "/f", wanted=7)
    check("before the cluster was founded" in early.err, early.err)


@test
def U4_history_restore_and_undelete(t):
    cluster = t.cluster(storages=2)
    for text in (b"one\n", b"two\n", b"three\n"):
        cluster.put_bytes(text, "/notes")
    versions = history(cluster, "/notes")
    check_equal([version["version"] for version in versions], [1, 2, 3], "versions")
    check("until" in versions[0] and "until" not in versions[2], "which ended")
    check_equal(versions[0]["until"], versions[1]["since"], "they follow each other")
    shown = cluster.ctl("history", "/notes").out
    check("made" in shown and "new content" in shown, shown)

    cluster.ctl("restore", "--at", str(versions[0]["since"]), "/notes")
    check_equal(cat(cluster, "/notes"), "one\n", "restored")
    check_equal(len(history(cluster, "/notes")), 4, "nothing was lost by it")
    again = cluster.ctl("restore", "--at", str(versions[0]["since"]), "/notes")
    check("had the content already" in again.out, again.out)
    cluster.ctl("restore", "--at", str(versions[1]["since"]), "/notes", "--to", "/then/notes")
    check_equal(cat(cluster, "/then/notes"), "two\n", "under another name")

    cluster.ctl("rm", "/notes")
    cluster.ctl("cat", "/notes", wanted=3)
    check("removed" in cluster.ctl("history", "/notes").out, "the removal is told")
    cluster.ctl("undelete", "/notes")
    check_equal(cat(cluster, "/notes"), "one\n", "undeleted")
    there = cluster.ctl("undelete", "/notes", wanted=1)
    check("it is there" in there.err, there.err)
    cluster.ctl("undelete", "/never", wanted=3)


@test
def U4_a_removed_tree_comes_back_with_all_below(t):
    cluster = t.cluster(storages=2)
    source = t.source(2 * MIB + 5)
    cluster.ctl("mkdir", "-p", "/project/a/b")
    cluster.ctl("mkdir", "/project/empty")
    cluster.put_bytes(b"small\n", "/project/a/small")
    cluster.ctl("put", "--block-size", "1M", source, "/project/a/b/large")
    cluster.put_bytes(b"old\n", "/project/a/gone-before")
    cluster.ctl("rm", "/project/a/gone-before")
    cluster.ctl("rm", "-r", "/project")
    would = cluster.ctl("undelete", "--dry-run", "/project").out.splitlines()
    check_equal(sorted(would), ["would copy /project/a/b/large", "would copy /project/a/small"],
                "the dry run")
    cluster.ctl("stat", "/project", wanted=3)
    # A single file of it, with the directories on the way.
    cluster.ctl("undelete", "/project/a/small")
    check_equal(cluster.names_in("/project/a"), ["small"], "only what was asked for")
    cluster.ctl("rm", "-r", "/project")
    cluster.ctl("undelete", "/project/a/gone-before")
    check_equal(cat(cluster, "/project/a/gone-before"), "old\n", "what had gone before the tree")
    removal = next(event for event in cluster.ctl(
        "--json", "events", "--since", "0", "--no-follow", "removed").json
        if event["fields"]["path"] == "/project")
    cluster.ctl("restore", "--at", str(removal["index"] - 1), "/project")
    check_equal(cluster.names_in("/project"), ["a", "empty"], "names")
    cluster.ctl("get", "/project/a/b/large", t.path("got"))
    check_equal(md5_of(t.path("got")), md5_of(source), "MD5")


@test
def U4_diff_tells_what_changed_in_between(t):
    cluster = t.cluster(storages=2)
    cluster.ctl("mkdir", "-p", "/d/kept")
    cluster.put_bytes(b"a\nb\nc\n", "/d/text")
    cluster.put_bytes(b"same", "/d/kept/same")
    cluster.put_bytes(b"bye", "/d/gone")
    before = str(applied(cluster))
    cluster.put_bytes(b"a\nB\nc\n", "/d/text")
    cluster.put_bytes(b"hello", "/d/kept/new")
    cluster.ctl("chmod", "600", "/d/kept/same")
    cluster.ctl("rm", "/d/gone")
    after = str(applied(cluster))
    run = cluster.ctl("diff", "--from", before, "/d", wanted=1)
    lines = [" ".join(line.split()[:2]) for line in run.out.splitlines()]
    check_equal(sorted(lines), ["+ /d/kept/new", "- /d/gone", "~ /d/text"], "changes")
    text = cluster.ctl("diff", "--from", before, "/d/text", wanted=1).out
    check("-b\n" in text and "+B\n" in text, text)
    cluster.ctl("diff", "--from", after, "/d")
    cluster.ctl("diff", "--from", before, "/none", wanted=3)
    changes = {line["path"]: line["change"]
               for line in cluster.ctl("--json", "diff", "--from", before, "/d", wanted=1).json}
    check_equal(changes, {"/d/kept/new": "added", "/d/gone": "removed", "/d/text": "changed"},
                "in JSON")


@test
def B_copies_move_no_bytes_and_outlive_their_source(t):
    cluster = t.cluster(storages=2, settings=SETTINGS_OF_A_SHORT_PAST)
    source = t.source(8 * MIB)
    cluster.ctl("put", "--block-size", "1M", source, "/film")
    blocks = lambda: sum(n["heartbeat"]["blocks"] for n in cluster.status()["nodes"])
    held = lambda count: lambda: blocks() == count
    wait_until(held(16), "16 copies of blocks")
    cluster.ctl("cp", "/film", "/copy")
    cluster.ctl("mkdir", "/dir")
    cluster.ctl("cp", "/film", "/copy", "/dir")
    cluster.ctl("cp", "-r", "/dir", "/tree")
    check_equal(cluster.names_in("/tree"), ["copy", "film"], "the copied tree")
    cluster.ctl("cp", "/dir", "/x", wanted=1)
    cluster.ctl("cp", "/film", "/film", wanted=2)
    fsck(cluster)
    for path in ("/film", "/dir", "/copy"):
        cluster.ctl("rm", "-r", path)
    cluster.ctl("rm", "/tree/film")
    # Time for what is dead to be reclaimed: a file that is removed meanwhile is.
    cluster.ctl("put", "--block-size", "1M", source, "/other")
    cluster.ctl("rm", "/other")
    wait_until(held(16), "no more than those of the one copy that is left", 90)
    cluster.ctl("get", "/tree/copy", t.path("got"))
    check_equal(md5_of(t.path("got")), md5_of(source), "MD5 of the copy")
    fsck(cluster)
    cluster.ctl("rm", "/tree/copy")
    wait_until(held(0), "nothing, when nothing names them any more", 90)


@test
def U4_what_is_no_longer_kept_is_said_to_be_so(t):
    cluster = t.cluster(storages=1, replicas=1, settings=SETTINGS_OF_A_SHORT_PAST)
    cluster.put_bytes(b"one", "/f")
    then = str(applied(cluster))
    cluster.put_bytes(b"two", "/f")

    def forgotten():
        cluster.put_bytes(b"more", "/other")  # the log's time goes on
        run = cluster.begin("cat", "--at", then, "/f")
        return run.wait() == 7 and "no longer all kept" in run.err
    wait_until(forgotten, "what was is forgotten", 60)
    check_equal(cat(cluster, "/f"), "two", "now")
