"""kill -9 at random moments under load: what was acknowledged is there, once.

HEARTH_CRASH_ROUNDS says how often; ./dev crash asks for more than ./dev test does.  The oracle is lib/oracle.py.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import time

from hearth import Cluster, Server, folder
from oracle import Load, Oracle, ROUNDS, SEED, chance

print("seed", SEED)


def kill_rounds(rounds):
    oracle, data = Oracle(), folder("killed")
    for i in range(rounds):
        server = Server(f"--data.dir={data}", "--wal.segment-bytes=64KiB", name="killed")
        oracle.check(server)
        load = Load(oracle, lambda: [server])
        time.sleep(chance.uniform(0.02, 0.4))
        server.kill()
        load.end()
    with Server(f"--data.dir={data}", "--wal.segment-bytes=64KiB") as server:
        oracle.check(server)
        counts = oracle.counts()
        oracle.settle(server)
        assert server.metric("hearth_wal_replay_bytes") == server.metric("hearth_wal_replay_of_bytes") > 0
    print(f"{rounds} kills: {counts}, then each once; {len(os.listdir(data + '/wal'))} segments")


def cluster_rounds(rounds):
    """A shard or a frontend is killed and comes back; frontends try again, so most pushes only wait."""
    oracle = Oracle()
    with Cluster(shards=3, frontends=2, queriers=1) as cluster:
        load = Load(oracle, lambda: list(cluster.frontends))
        for i in range(rounds):
            time.sleep(chance.uniform(0.05, 0.4))
            if i % 3 == 2:
                cluster.frontends.pop(0).kill()
                cluster.add_frontend()
            else:
                name = f"shard-{chance.randrange(3)}"
                cluster.shards[name].kill()
                cluster.start_shard(name)
        load.end()
        oracle.check(cluster.queriers[0])
        for i in [i for i, fate in oracle.fate.items() if fate != "acked"]:
            assert oracle.push(cluster.frontends[0], again=i) == "acked"
        oracle.check(cluster.queriers[0])
        hits = sum(s.metric("hearth_dedup_hits_total") for s in cluster.shards.values())
    print(f"{rounds} kills in a cluster: {oracle.counts()}, {hits:.0f} found to be there already")


kill_rounds(ROUNDS)
cluster_rounds(max(6, ROUNDS // 2))
