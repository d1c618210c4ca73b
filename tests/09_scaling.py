"""Shards 3 -> 5 by a new map during pushes, frontends 2 -> 4 -> 1, queriers 1 -> 3: the sums equal the pushes."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import threading
import time

from hearth import Cluster, wait_until
from pprof import pprof

PUSHERS = 4


class Pusher(threading.Thread):
    """Pushes one after the other to whatever frontend there is; counts what was acknowledged."""

    def __init__(self, cluster, number):
        super().__init__(daemon=True)
        self.cluster, self.number, self.acked, self.faults, self.is_over = cluster, number, 0, [], False

    def run(self):
        turn = 0
        while not self.is_over:
            turn += 1
            frontends = list(self.cluster.frontends)
            try:
                frontends[(turn + self.number) % len(frontends)].push(
                    pprof({f"main;turn{turn % 50}": 1}, time_ns=time.time_ns()), service=f"service-{turn % 40}", pod=f"pod-{self.number}")
                self.acked += 1
            except Exception as e:  # every one of them is a failure of this test
                self.faults.append(e)
            time.sleep(0.005)


def files_open(server, path):
    folder = f"/proc/{server.process.pid}/fd"
    return [f for f in os.listdir(folder) if path in os.path.realpath(f"{folder}/{f}")]


with Cluster(shards=3, frontends=2, queriers=1) as cluster:
    pushers = [Pusher(cluster, i) for i in range(PUSHERS)]
    for p in pushers:
        p.start()
    time.sleep(1)
    cluster.add_frontend()
    cluster.add_frontend()

    names = [f"shard-{i}" for i in range(5)]
    cluster.write_map(names)
    for name in names[3:]:
        cluster.start_shard(name)
    wait_until("new shards hold series",
               lambda: all(cluster.shards[n].metric("hearth_shard_series") for n in names[3:]), 30)
    cluster.add_querier()
    cluster.add_querier()
    time.sleep(1)

    # A frontend leaves the list first, as a service would take it out, then stops: nobody sees an error.
    for frontend in [cluster.frontends.pop(0) for _ in range(3)]:
        time.sleep(0.2)
        frontend.stop()
    time.sleep(0.5)
    for p in pushers:
        p.is_over = True
    for p in pushers:
        p.join()

    assert not any(p.faults for p in pushers), [p.faults[:3] for p in pushers]
    acked = sum(p.acked for p in pushers)
    for querier in cluster.queriers:
        assert querier.total() == acked, f"{querier.total()} counted, {acked} acknowledged"
    print(f"{acked} profiles pushed and found")
    for frontend in cluster.frontends:
        assert not files_open(frontend, "shard-"), "a frontend has a data file open"
