"""What an encrypted pool costs: large files into and out of it, and of a plain one beside it."""
import os

from security import rate

POOLS = (("default", "/plain"), ("safe", "/encrypted"))
FLOOR = 0.6  # of the plain rate


def run(bench):
    """By turns, in one cluster."""
    source = bench.context.source(bench.options.large, name="large")
    target = os.path.join(bench.context.memory, "back")
    bench.cluster = bench.context.cluster(storages=4, replicas=2)
    bench.cluster.ctl("pool", "create", "safe", "--replicas", "2", "--encrypted")
    for pool, folder in POOLS:
        bench.cluster.ctl("mkdir", folder)
        bench.cluster.ctl("setattr", "--pool", pool, folder)
    for round_number in range(bench.options.runs + 1):
        for _, folder in POOLS:
            put = bench.transfer("put", source, folder + "/large")
            get = bench.transfer("get", folder + "/large", target)
            os.unlink(target)
            bench.cluster.ctl("rm", folder + "/large")
            bench.wait_calm()
            if round_number > 0:
                bench.results.add(f"put R=2, pool {folder[1:]}", rate(put), "MiB/s")
                bench.results.add(f"get R=2, pool {folder[1:]}", rate(get), "MiB/s")
    bench.finish_cluster()
    os.unlink(source)


def verdicts(results):
    for what in ("put", "get"):
        plain = f"{what} R=2, pool plain"
        if plain not in results.samples:
            continue
        share = results.median(f"{what} R=2, pool encrypted") / results.median(plain)
        yield f"{what} R=2, share of the rate of a plain pool", share, FLOOR
