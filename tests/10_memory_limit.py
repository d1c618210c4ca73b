"""More is pushed than the memory limit holds: memory stays bounded, old profiles go, a metric says so."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import random
import time

from hearth import IS_SANITIZED, RpcError, Server
from pprof import pprof

LIMIT = 64 << 20
# The sanitizer's shadow, quarantine and red zones come on top of what the program itself takes.
ALLOWED = LIMIT * (12 if "thread" in os.environ.get("HEARTH_BUILD_FLAGS", "") else 5 if IS_SANITIZED else 1)
WIDTH, DEPTH, PUSHES_MAX = 400, 24, 600


def profile(turn, time_ns):
    """Symbols and stacks that no other profile shares, as after a deploy."""
    return pprof({";".join(f"turn_{turn}_package_{i % 7}.function_{i}_{depth}" for depth in range(DEPTH)): i + 1
                  for i in range(WIDTH)}, time_ns=time_ns)


def dropped(server, what="buckets"):
    return server.metric(f"hearth_shard_dropped_{what}_total") or 0


with Server(f"--memory-limit={LIMIT}", env={"ASAN_OPTIONS": "quarantine_size_mb=8:malloc_context_size=2"}) as server:
    now, peak, turn, acked = time.time(), 0, 0, 0
    server.push(pprof({"main;first": 7}, time_ns=int((now - 3400) * 1e9)), service="first")
    while turn < PUSHES_MAX and not (dropped(server, "bytes") > LIMIT / 4 and turn >= 100):
        # From 55 minutes ago to now and round again: every ten minutes are a bucket.
        at = now - 3300 + (turn % 110) * 30
        try:
            server.push(profile(turn, int(at * 1e9)), service=f"service-{turn % 5}")
            acked += 1
        except RpcError as e:  # older than everything that is kept
            assert e.code == "resource_exhausted", e
        turn += 1
        peak = max(peak, server.rss())
        if turn % 20 == 0:
            assert server.total('{service_name="service-1"}') >= 0
    print(f"{acked} profiles pushed, {dropped(server):.0f} buckets dropped, peak {peak >> 20} MiB of {LIMIT >> 20}")
    assert dropped(server) > 0, "nothing was dropped"
    assert dropped(server, "bytes") > LIMIT / 4
    assert server.metric("hearth_shard_bytes") <= LIMIT
    assert peak < ALLOWED, f"{peak >> 20} MiB of {ALLOWED >> 20}"

    # What is newest is there, what was oldest is gone, and new profiles are seen at once.
    assert server.total('{service_name="first"}') == 0
    server.push(pprof({"main;last": 9}), service="last")
    assert server.total('{service_name="last"}') == 9
