"""In a cluster a tenant's own limits hold as in one process: rate and log mode at the frontend, retention on the shards."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import signal
import time

from hearth import Cluster, refused, wait_until, write_file
from pprof import pprof

MINUTE, SERVICES = 60, 12  # enough that each shard has some
FIRST = """
overrides:
  brief: {retention: 25m}
  small: {retention-bytes: 1}
  fast: {wal.mode: memory}
  slow: {ingestion_rate_mb: 0.001, max_profile_size_bytes: 2KiB, ingestion_burst_size_mb: 0.002}
"""
SECOND = """
overrides:
  brief: {retention: 25m}
  small: {retention-bytes: 1}
  plain: {retention: 25m}
"""
path = write_file("overrides.yaml", FIRST)


def org(tenant):
    return {"x-scope-orgid": tenant}


def push(cluster, tenant, minutes_ago, value=1, service="test"):
    at = int((time.time() - minutes_ago * MINUTE) * 1e9)
    cluster.frontends[0].push(pprof({"main;work": value}, time_ns=at), service=service, headers=org(tenant))


def push_fast(cluster, tenant):
    for i in range(40):
        push(cluster, tenant, 1, i + 1)
    return True


def push_all(cluster, tenant, minutes_ago, value=1):
    for i in range(SERVICES):
        push(cluster, tenant, minutes_ago, value, f"service-{i}")


def total(cluster, tenant):
    return cluster.queriers[0].total(headers=org(tenant))


def is_read_again(cluster, text):
    write_file("overrides.yaml", text)
    for server in cluster.servers():
        server.process.send_signal(signal.SIGHUP)


def kill_shards(cluster):
    for name, shard in cluster.shards.items():
        shard.kill()
        shard.stop = lambda: None
        cluster.start_shard(name)


with Cluster(shards=2, frontends=1, args=("--multitenancy", f"--limits.overrides={path}")) as cluster:
    # rate: at the door, one tenant's only
    refused("resource_exhausted", "push rate limit", lambda: push_fast(cluster, "slow"))
    push_fast(cluster, "quick")

    # retention: by age it refuses what is too old and drops what gets too old, by bytes it drops the oldest
    refused("invalid_argument", "older than the retention of 1500 s", lambda: push(cluster, "brief", 40))
    for tenant in ("brief", "plain"):
        push_all(cluster, tenant, 20)
        push_all(cluster, tenant, 1, 1000)
    push_all(cluster, "plain", 50, 1000000)
    push_all(cluster, "fast", 1)  # new: nothing of it becomes a block soon
    assert all(shard.metric("hearth_shard_profiles") > SERVICES for shard in cluster.shards.values())
    assert total(cluster, "brief") == 1001 * SERVICES and total(cluster, "plain") == 1001001 * SERVICES
    assert total(cluster, "fast") == SERVICES
    for minutes, value in ((50, 1), (20, 10), (1, 100)):
        push(cluster, "small", minutes, value)
    wait_until("by bytes", lambda: total(cluster, "small") == 100)

    # log mode: chosen at the frontend, kept to by the shard
    kill_shards(cluster)
    wait_until("all but what was never written", lambda: total(cluster, "plain") == 1001001 * SERVICES)
    assert total(cluster, "fast") == 0 and total(cluster, "brief") == 1001 * SERVICES and total(cluster, "small") == 100

    # read again, by all
    is_read_again(cluster, SECOND)
    wait_until("the new retention", lambda: total(cluster, "plain") == 1001 * SERVICES)
    wait_until("the new rate", lambda: push_fast(cluster, "slow"))
    push_all(cluster, "fast", 1)
    kill_shards(cluster)
    wait_until("the new log mode", lambda: total(cluster, "fast") == SERVICES)
    assert total(cluster, "plain") == total(cluster, "brief") == 1001 * SERVICES
