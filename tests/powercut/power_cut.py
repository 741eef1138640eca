"""Takes back what processes had written and not synced when they were killed; see unsynced.cc.

    undo(root, notes, random)   once all processes whose notes lie in the folder `notes` are dead

Each write that was not synced is lost, torn by sectors, or kept, as chance has it; of the names
made, changed and removed since the last sync of their directory, the newest are lost, in order.
"""
import os
import struct

HEAD = struct.Struct("<BBxxIQQQQ")
DATA, SYNC, CREATE, RENAME, UNLINK, SYNC_NAMES = range(1, 7)
SECTOR = 4096


class Write:
    def __init__(self, place, inode, offset, length, size, zeros, before):
        self.place, self.inode, self.offset, self.length = place, inode, offset, length
        self.size = size  # of the file, before
        known = min(length, max(size - offset, 0))
        self.before = (bytes(known) if zeros else before).ljust(length, b"\0")


class Name:
    def __init__(self, place, kind, directories, inode, names):
        self.place, self.kind, self.directories = place, kind, directories
        self.inode, self.names = inode, names


def read_notes(path):
    """The changes of one process that no sync has settled: (writes, names), oldest first."""
    writes, names = [], []
    with open(path, "rb") as file:
        data = file.read()
    at = 0
    while at + HEAD.size <= len(data):
        kind, zeros, count, a, b, c, d = HEAD.unpack_from(data, at)
        extra = data[at + HEAD.size:at + HEAD.size + count]
        if len(extra) < count:
            break
        if kind == DATA:
            writes.append(Write(at, a, b, c, d, zeros, extra))
        elif kind == SYNC:
            writes = [w for w in writes if w.inode != a or w.place >= b]
        elif kind == SYNC_NAMES:
            for name in names:
                if name.place < b:
                    name.directories.discard(a)
            names = [name for name in names if name.directories]
        elif kind == RENAME:
            names.append(Name(at, kind, {a, b}, 0, extra.decode().split("\n")))
            names[-1].where = (a, b)
        else:
            names.append(Name(at, kind, {a}, b, extra.decode().split("\n")))
            names[-1].where = (a,)
        at += HEAD.size + count
    return writes, names


def paths_by_inode(root):
    files, directories = {}, {os.stat(root).st_ino: root}
    for folder, below, names in os.walk(root):
        for name in below:
            path = os.path.join(folder, name)
            directories[os.lstat(path).st_ino] = path
        for name in names:
            path = os.path.join(folder, name)
            files[os.lstat(path).st_ino] = path
    return files, directories


def undo_writes(writes, files, random, counts):
    by_file = {}
    for write in writes:
        by_file.setdefault(write.inode, []).append(write)
    for inode, pending in by_file.items():
        if inode not in files:
            continue
        with open(files[inode], "r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            kept_end = min(pending[0].size, size)  # what was durable is no longer than that
            fate_of_file = random.choice(("lost", "kept", "each"))
            for write in reversed(pending):
                fate = fate_of_file
                if fate == "each":
                    fate = random.choice(("lost", "torn", "kept"))
                counts[fate] = counts.get(fate, 0) + 1
                if fate == "kept":
                    kept_end = max(kept_end, write.offset + write.length)
                    continue
                for begin in range(0, write.length, SECTOR):
                    if fate == "torn" and random.random() < 0.5:
                        kept_end = max(kept_end, write.offset + min(begin + SECTOR, write.length))
                        continue
                    piece = write.before[begin:begin + SECTOR]
                    os.pwrite(file.fileno(), piece, write.offset + begin)
            os.ftruncate(file.fileno(), min(size, kept_end))


def undo_names(names, directories, root, random, counts):
    keep = random.randrange(len(names) + 1)
    for name in reversed(names[keep:]):
        counts["names"] = counts.get("names", 0) + 1
        where = [directories.get(inode) for inode in name.where]
        if None in where:
            continue
        first = os.path.join(where[0], name.names[0])
        if name.kind == CREATE:
            if os.path.exists(first):
                os.unlink(first)
        elif name.kind == UNLINK:
            kept = os.path.join(root, name.names[1])
            if name.names[1] and not os.path.exists(first):
                os.link(kept, first)
        else:
            second = os.path.join(where[1], name.names[1])
            if not os.path.lexists(second):
                continue
            os.rename(second, first)
            if name.names[2]:
                os.link(os.path.join(root, name.names[2]), second)


def undo(root, notes, random):
    """Returns how many changes met which fate."""
    counts = {}
    root = os.path.realpath(root)
    for process in sorted(os.listdir(notes)):
        path = os.path.join(notes, process)
        writes, names = read_notes(path)
        files, directories = paths_by_inode(root)
        undo_writes(writes, files, random, counts)
        undo_names(names, directories, root, random, counts)
        os.unlink(path)
    for name in os.listdir(root):
        if name.startswith("unsynced-trash-"):
            os.unlink(os.path.join(root, name))
    return counts
