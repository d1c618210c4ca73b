"""With every shard 200 ms slow a query still takes less than 300 ms: shards are asked at the same time."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import time

from hearth import Cluster
from pprof import pprof

with Cluster(shards=3, frontends=1, queriers=1, shard_args=["--debug.query-delay=200ms"]) as cluster:
    for i in range(12):
        cluster.frontends[0].push(pprof({"main": 1}), service=f"s{i}")
    querier, times = cluster.queriers[0], []
    for _ in range(5):
        before = time.monotonic()
        assert querier.total() == 12
        times.append(time.monotonic() - before)
    print("seconds:", ", ".join(f"{t:.3f}" for t in times))
    assert min(times) >= 0.2, "the delay was not injected"
    assert sorted(times)[len(times) // 2] < 0.3, f"not in parallel: {times}"
