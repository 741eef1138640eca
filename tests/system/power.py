"""The power fails: every process dies at once, and with it all that no disk was told to keep."""
import os
import random
import sys
import time

from crashes import check_alive, with_drivers
from support import ROOT, Skipped, check, test, wait_until

sys.path.insert(0, os.path.join(ROOT, "tests", "powercut"))
from power_cut import undo  # noqa: E402  pylint: disable=wrong-import-position

CUTS = 6
CUTS_FULL = 100


class Mains:
    """What a cluster's processes write and do not sync is lost when cut() is called."""

    def __init__(self, cluster, seed):
        self.cluster = cluster
        self.random = random.Random(seed)
        self.root = os.path.join(cluster.directory, "data")
        self.notes = os.path.join(cluster.context.memory, "unsynced")
        self.lost = {}
        library = os.path.join(cluster.context.bin, "libdfs_unsynced.so")
        if not os.path.exists(library):
            raise Skipped(f"{library} is not built")
        os.makedirs(self.root)
        os.makedirs(self.notes)
        cluster.of_processes.update(LD_PRELOAD=library, DFS_UNSYNCED_ROOT=self.root,
                                    DFS_UNSYNCED_NOTES=self.notes)

    def cut(self):
        self.cluster.kill_at_once(self.cluster.names)
        for fate, count in undo(self.root, self.notes, self.random).items():
            self.lost[fate] = self.lost.get(fate, 0) + count


@test
def the_power_is_cut_at_random_moments(t):
    mains = []
    cluster = t.cluster(prepare=lambda c: mains.append(Mains(c, seed=6)), storages=3, heads=3,
                        replicas=2)
    moments = random.Random(6)
    cuts = CUTS_FULL if t.full else CUTS

    def harm(drivers):
        for _ in range(cuts):
            done = sum(d.acknowledged for d in drivers)
            wait_until(lambda: check_alive(drivers) or sum(d.acknowledged for d in drivers)
                       >= done + 6, "six more acknowledged requests", 60)
            time.sleep(moments.random() * 0.3)  # the random moment
            mains[0].cut()
            cluster.script("up", "--storages", "3", "--heads", "3")
            cluster.wait_nodes("up", 3)

    drivers = with_drivers(cluster, 4, harm)
    lost = mains[0].lost
    check(lost.get("lost", 0) > 0 and lost.get("names", 0) > 0, f"nothing was lost: {lost}")
    t.note(f"{cuts} cuts, {sum(d.acknowledged for d in drivers)} acknowledged, "
           f"{sum(d.unknown for d in drivers)} unknown, "
           f"writes lost {lost['lost']}, torn {lost.get('torn', 0)}, names lost {lost['names']}")
