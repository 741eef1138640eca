"""Names of every kind, and names that change their meaning."""
import os

from support import MIB, check, check_equal, make_bytes, read_bytes, test

NAMES = [
    "plain", "with.dot", "a.b.c.d", ".hidden", "...", "trailing.", "with space", " leading",
    "trailing ", "two  spaces", "tab\there", "new\nline", "carriage\rreturn", "quote'single",
    'quote"double', "back\\slash", "dollar$HOME", "star*", "question?", "[bracket]", "{brace}",
    "semi;colon", "am&persand", "pipe|", "<less>", "hash#", "percent%20", "tilde~", "bang!",
    "-rf", "--help", "-", "directory.txt", "con", "café", "文件系统", "😀", "e\u0301", "\u202etxt",
    "x" * 255, "ü" * 127, "a_b", "a-b", "a%2Fb", "\x01\x02\x7f",
    b"\xff\xfe not utf-8 \x80".decode(errors="surrogateescape"),
]


@test
def F3_any_name_of_1_to_255_bytes(t):
    cluster = t.cluster(storages=2)
    for number, name in enumerate(NAMES):
        cluster.put_bytes(f"content {number}".encode(), f"/{name}")
    for number, name in enumerate(NAMES):
        check_equal(cluster.get_bytes(f"/{name}"), f"content {number}".encode(), repr(name))
    # JSON has no bytes: one that is not UTF-8 shows as the character of its number.
    shown = sorted("".join(chr(ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in name)
                   for name in NAMES)
    check_equal(cluster.names_in("/"), shown, "names listed")
    # The local file gets the name too, and is found by it again.
    os.mkdir(t.path("local"))
    cluster.ctl("get", "-r", "/", t.path("local"))
    check_equal(sorted(os.listdir(t.path("local"))), sorted(NAMES), "names of the local files")
    cluster.ctl("put", "-r", t.path("local"), "/again")
    check_equal(cluster.names_in("/again"), shown, "names put again")
    cluster.ctl("rm", "--", *(f"/{name}" for name in NAMES))
    for name in NAMES:
        cluster.ctl("mv", "--", f"/again/{name}", f"/{name}")
    check_equal(cluster.names_in("/"), sorted([*shown, "again"]), "names moved")


@test
def F3_names_do_not_collide_or_escape(t):
    cluster = t.cluster(storages=2)
    pairs = [("a/b", "a_b"), ("x.1", "x-1"), ("A", "a"), ("caf\u00e9", "cafe\u0301")]
    cluster.ctl("mkdir", "/a")
    for left, right in pairs:
        if left == "A":
            right = "a.lower"
        cluster.put_bytes(b"left " + left.encode(), f"/{left}")
        cluster.put_bytes(b"right " + right.encode(), f"/{right}")
        check_equal(cluster.get_bytes(f"/{left}"), b"left " + left.encode(), left)
    # ".." stops at the root, as it does in every shell; it never names anything of the servers.
    cluster.put_bytes(b"up", "/../../up")
    check_equal(cluster.get_bytes("/up"), b"up", "/../../up")
    failed = cluster.ctl("get", "/../../../etc/passwd", t.path("passwd"), wanted=3)
    check(not os.path.exists(t.path("passwd")), failed.err)
    too_long = cluster.begin("put", __file__, "/" + "x" * 256)
    check(too_long.wait() in (1, 2), f"a name of 256 bytes: {too_long.code} {too_long.err}")
    check_equal(cluster.exists("/etc"), False, "/etc in the namespace")


@test
def F4_the_same_name_again_is_a_new_version(t):
    cluster = t.cluster()
    contents = [make_bytes(size, size) for size in (5, 3 * MIB, 0, MIB + 1, 4096, 5)]
    for version, data in enumerate(contents, 1):
        report = cluster.put_bytes(data, "/file", "--block-size", "1M")
        check_equal(report["version"], version, "version")
        check_equal(cluster.get_bytes("/file"), data, f"content of version {version}")
    check_equal(cluster.names_in("/"), ["file"], "names")


@test
def F4_a_reader_sees_one_version_whole_while_it_is_replaced(t):
    cluster = t.cluster()
    versions = [make_bytes(4 * MIB, seed) for seed in range(4)]
    paths = []
    for number, data in enumerate(versions):
        path = os.path.join(t.memory, f"v{number}")
        with open(path, "wb") as file:
            file.write(data)
        paths.append(path)
    cluster.ctl("put", "--block-size", "1M", paths[0], "/file")
    seen = set()
    for round_number in range(12):
        put = cluster.begin("put", "--block-size", "1M", paths[round_number % 4], "/file")
        while put.running():
            cluster.ctl("get", "/file", t.path("out"))
            got = read_bytes(t.path("out"))
            check(got in versions, f"{len(got)} bytes that nobody wrote")
            seen.add(versions.index(got))
        put.finish()
    check(len(seen) > 1, "only one version was ever seen")


@test
def S2_1_directories_rename_and_remove(t):
    cluster = t.cluster(storages=2)
    cluster.ctl("mkdir", "-p", "/a/b/c")
    cluster.ctl("mkdir", "-p", "/a/b/c")
    cluster.ctl("mkdir", "/a", wanted=1)
    cluster.ctl("mkdir", "/no/where", wanted=3)
    cluster.put_bytes(b"one", "/a/b/c/file")
    check_equal(cluster.ctl("--json", "stat", "/a").report["links"], 3, "links of /a")
    cluster.ctl("mv", "/a/b", "/a/b/c/inside", wanted=1)
    cluster.ctl("mv", "/a/b", "/moved")
    check_equal(cluster.get_bytes("/moved/c/file"), b"one", "content after the move")
    check_equal(cluster.names_in("/a"), [], "what is left in /a")
    check_equal(cluster.ctl("--json", "stat", "/a").report["links"], 2, "links of /a afterwards")
    cluster.put_bytes(b"two", "/target")
    cluster.ctl("mv", "--no-replace", "/moved/c/file", "/target", wanted=1)
    cluster.ctl("mv", "/moved/c/file", "/target")
    check_equal(cluster.get_bytes("/target"), b"one", "content that replaced")
    cluster.ctl("rm", "/moved", wanted=1)
    cluster.ctl("rm", "-r", "/moved")
    cluster.ctl("rm", "/moved", wanted=3)
    cluster.ctl("rm", "/target")
    check_equal(cluster.names_in("/"), ["a"], "what is left")


@test
def S2_1_a_list_of_2500_names_comes_in_pages(t):
    cluster = t.cluster(storages=1)
    folder = os.path.join(t.memory, "many")
    os.mkdir(folder)
    wanted = sorted(f"n{number:04}" for number in range(2500))
    for name in wanted:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(name.encode())
    cluster.ctl("put", "-r", folder, "/")
    check_equal(cluster.names_in("/many"), wanted, "names")
    cluster.ctl("rm", "-r", "/many")
    check_equal(cluster.names_in("/"), [], "what is left")
