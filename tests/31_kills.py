"""kill -9 at random moments under load: what was acknowledged is there, once.

HEARTH_CRASH_ROUNDS says how often, a third of them in a cluster; ./dev crash asks for more than ./dev test does.  Every third kill of
one process comes from strace, on entering a system call that the log or a block needs.  The oracle is lib/oracle.py.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import collections
import shutil
import time

from hearth import BIN, Cluster, Server, folder
from oracle import Load, Oracle, ROUNDS, SEED, chance

SERIES = 25  # rounds on one folder
CALLS = ("pwrite64", "fdatasync", "fsync", "fallocate", "renameat", "unlinkat", "ftruncate", "write", "openat")
HAS_STRACE = shutil.which("strace") is not None
print("seed", SEED)
totals = collections.Counter()


def start(data, call=None):
    """Little memory: buckets are sealed while it runs."""
    inject = f"inject={call}:signal=KILL:when={chance.randrange(1, 25)}"
    under = ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
    return Server(f"--data.dir={data}", "--wal.segment-bytes=64KiB", "--memory-limit=64MiB", name="killed",
                  env={"ASAN_OPTIONS": "detect_leaks=0"}, program=(*(under if call else ()), BIN / "hearth"))


def start_to_be_killed(data):
    """One that dies while it starts is a round, too."""
    try:
        return start(data, chance.choice(CALLS))
    except (AssertionError, RuntimeError):
        totals["killed at their start"] += 1
        return None


def one_round(oracle, data, by_call):
    server = start_to_be_killed(data) if by_call else start(data)
    if server is None:
        return
    if not by_call:
        oracle.check(server)
    load = Load(oracle, lambda: [server])
    end = time.monotonic() + chance.uniform(0.02, 0.4 if not by_call else 2)
    while time.monotonic() < end and server.is_alive():
        time.sleep(0.005)
    totals["killed by a system call"] += not server.is_alive()
    server.kill()
    load.end()


def kill_rounds(rounds):
    oracle, data = Oracle(padding=1500), folder(f"killed-{totals['kills']}")
    for i in range(rounds):
        one_round(oracle, data, HAS_STRACE and i % 3 == 2)
    totals["kills"] += rounds
    with start(data) as server:
        oracle.check(server)
        totals.update(oracle.counts())
        oracle.settle(server)
        assert server.metric("hearth_wal_replay_bytes") == server.metric("hearth_wal_replay_of_bytes") > 0
        assert server.metric("hearth_shard_dropped_buckets_total") in (None, 0)
    totals["blocks"] += len(list(pathlib.Path(data, "blocks").glob("*/*.block")))
    shutil.rmtree(data)


def kill_one(cluster, i):
    """Shards half of the time, frontends and queriers; whoever it was comes back."""
    if i % 6 == 5:
        cluster.queriers.pop(0).kill()
        cluster.add_querier()
    elif i % 3 == 1:
        cluster.frontends.pop(0).kill()
        cluster.add_frontend()
    else:
        name = f"shard-{chance.randrange(3)}"
        cluster.shards[name].kill()
        cluster.start_shard(name)


def cluster_rounds(rounds):
    """Frontends try again, so most pushes only wait."""
    oracle = Oracle()
    with Cluster(shards=3, frontends=2, queriers=1) as cluster:
        load = Load(oracle, lambda: list(cluster.frontends))
        for i in range(rounds):
            time.sleep(chance.uniform(0.05, 0.4))
            kill_one(cluster, i)
            if i % 10 == 9:  # nobody pushes meanwhile: the oracle knows all
                load.end()
                oracle.check(cluster.queriers[0])
                load = Load(oracle, lambda: list(cluster.frontends))
        load.end()
        oracle.check(cluster.queriers[0])
        counts = oracle.counts()
        oracle.settle(cluster.frontends[0], cluster.queriers[0])
        hits = sum(s.metric("hearth_dedup_hits_total") for s in cluster.shards.values())
    print(f"{rounds} kills in a cluster: {counts}, then each once; {hits:.0f} found to be there already")


def in_series(rounds):
    while rounds > 0:
        kill_rounds(min(rounds, SERIES))
        rounds -= SERIES
    print(f"one process: {dict(totals)}, then each once")


in_series(ROUNDS - ROUNDS // 3)
cluster_rounds(ROUNDS // 3)
