"""What being secure costs: large files into and out of clusters that differ in nothing else."""
import os

from support import MIB

# Their names in the table, and how they are made.
INSECURE = "plain, nobody is asked"
SECURE = "control encrypted, tickets and grants"
SEALED = "and blocks encrypted on their way"
KINDS = ((INSECURE, {}), (SECURE, {"secure": True}),
         (SEALED, {"secure": True, "settings": "[storage]\ndata-encryption = true\n"}))


def run(bench):
    """By turns, so that all kinds see the same machine."""
    size = bench.options.large
    source = bench.context.source(size, name="large")
    target = os.path.join(bench.context.memory, "back")
    clusters = [(label, bench.context.cluster(storages=4, replicas=2, **how))
                for label, how in KINDS]
    for round_number in range(bench.options.runs + 1):
        for label, bench.cluster in clusters:
            put = bench.transfer("put", source, "/large")
            get = bench.transfer("get", "/large", target)
            os.unlink(target)
            bench.cluster.ctl("rm", "/large")
            bench.wait_calm()
            if round_number > 0:
                bench.results.add(f"put R=2, {label}", rate(put), "MiB/s")
                bench.results.add(f"get R=2, {label}", rate(get), "MiB/s")
    for _, bench.cluster in clusters:
        bench.finish_cluster()
    os.unlink(source)


def verdicts(results):
    for what in ("put", "get"):
        plain = f"{what} R=2, {INSECURE}"
        if plain not in results.samples:
            continue
        for label, floor in ((SECURE, 0.95), (SEALED, 0)):
            share = results.median(f"{what} R=2, {label}") / results.median(plain)
            yield f"{what} R=2, share of the insecure rate: {label}", share, floor


def rate(timed):
    return timed.run.report["bytes"] / MIB / timed.run.report["seconds"]
