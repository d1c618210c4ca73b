"""A killed shard fails the pushes to its slots and every query, by name; others go on; it is back within 2 s of its start."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import time

from hearth import Cluster, RpcError
from pprof import pprof

SERVICES = [f"service-{i}" for i in range(60)]
PROFILE = pprof({"main;work": 1})


def push_all(frontend):
    """Which services were taken, and why not the others."""
    taken, refused = [], {}
    for service in SERVICES:
        try:
            frontend.push(PROFILE, service)
            taken.append(service)
        except RpcError as e:
            refused[service] = e
    return taken, refused


with Cluster(shards=3, frontends=1, queriers=1) as cluster:
    frontend, querier = cluster.frontends[0], cluster.queriers[0]
    taken, refused = push_all(frontend)
    assert taken == SERVICES, refused
    assert querier.total() == len(SERVICES)

    lost = cluster.shards["shard-1"]
    lost.kill()
    taken, refused = push_all(frontend)
    assert taken and refused, (len(taken), len(refused))
    assert 0.15 * len(SERVICES) < len(refused) < 0.6 * len(SERVICES), f"{len(refused)} of {len(SERVICES)} refused"
    for e in refused.values():
        assert (e.status, e.code) == (503, "unavailable") and "shard-1" in e.text, e
    for ask in (lambda: querier.total(), lambda: querier.query("ProfileTypes"), lambda: querier.query("LabelNames")):
        try:
            ask()
            raise AssertionError("a query answered without a shard")
        except RpcError as e:
            assert (e.status, e.code) == (503, "unavailable") and "shard-1" in e.text, e

    before = time.monotonic()
    fresh = cluster.start_shard("shard-1")
    while True:
        taken_again, refused_again = push_all(frontend)
        if not refused_again:
            break
        assert time.monotonic() - before < 15, refused_again
    print(f"back after {time.monotonic() - before:.2f} s, a pass over {len(SERVICES)} services included")
    since = fresh.metric("hearth_shard_data_since_timestamp_seconds")
    assert since and abs(since - time.time()) < 60, since
    sums = querier.flame()[""][0]
    assert sums > len(SERVICES), sums
