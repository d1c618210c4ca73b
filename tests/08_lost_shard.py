"""A killed shard fails the pushes to its slots and every query, by name; others go on; it is back within 2 s, with all it had."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import time
from concurrent.futures import ThreadPoolExecutor

from hearth import Cluster, RpcError
from pprof import pprof

SERVICES = [f"service-{i:02}" for i in range(60)]


def push_all(frontend):
    """Which services were taken, and why not the others."""
    taken, refused = [], {}

    def push(service):
        try:
            frontend.push(pprof({"main;work": 1}, time_ns=time.time_ns()), service)
            taken.append(service)
        except RpcError as e:
            refused[service] = e

    # At once: a push to a lost shard is held for some seconds, in case it comes back.
    with ThreadPoolExecutor(len(SERVICES)) as pool:
        list(pool.map(push, SERVICES))
    return sorted(taken), refused


with Cluster(shards=3, frontends=1, queriers=1) as cluster:
    frontend, querier = cluster.frontends[0], cluster.queriers[0]
    taken, refused = push_all(frontend)
    assert taken == SERVICES, refused
    assert querier.total() == len(SERVICES)

    lost = cluster.shards["shard-1"]
    lost.kill()
    taken, refused = push_all(frontend)
    assert taken and refused, (len(taken), len(refused))
    between = len(taken)
    assert 0.15 * len(SERVICES) < len(refused) < 0.6 * len(SERVICES), f"{len(refused)} of {len(SERVICES)} refused"
    for e in refused.values():
        assert (e.status, e.code) == (503, "unavailable") and "shard-1" in e.text, e
    for ask in (lambda: querier.total(), lambda: querier.query("ProfileTypes"), lambda: querier.query("LabelNames")):
        try:
            ask()
            raise AssertionError("a query answered without a shard")
        except RpcError as e:
            assert (e.status, e.code) == (503, "unavailable") and "shard-1" in e.text, e

    fresh = cluster.start_shard("shard-1")
    before = time.monotonic()
    taken, refused = push_all(frontend)
    took = time.monotonic() - before
    assert taken == SERVICES and took < 2, f"back after {took:.2f} s, {len(refused)} refused"
    print(f"every slot took pushes {took:.2f} s after the shard was back")
    since = fresh.metric("hearth_shard_data_since_timestamp_seconds")
    assert since and abs(since - time.time()) < 60, since
    assert querier.total() == 2 * len(SERVICES) + between, (querier.total(), between)
