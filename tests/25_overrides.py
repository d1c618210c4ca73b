"""The file of overrides: a tenant's own limits, retention by age and by bytes, and log mode; read again on SIGHUP."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import signal
import subprocess
import time

from hearth import BIN, Server, folder, refused, wait_until, write_file
from pprof import pprof

MINUTE, data = 60, folder("data")
FIRST = """
overrides:
  brief: {retention: 25m}
  small: {retention-bytes: 1}
  fast: {wal.mode: memory}
  lazy: {wal.mode: interval}
  slow: {ingestion_rate_mb: 0.001, max_profile_size_bytes: 2KiB, ingestion_burst_size_mb: 0.002}
"""
path = write_file("overrides.yaml", FIRST)


def org(tenant):
    return {"x-scope-orgid": tenant}


def start(*args):
    return Server(f"--data.dir={data}", "--multitenancy", f"--limits.overrides={path}", "--wal.interval=100ms", *args)


def push(server, tenant, minutes_ago, value=1):
    at = int((time.time() - minutes_ago * MINUTE) * 1e9)
    server.push(pprof({"main;work": value}, time_ns=at), headers=org(tenant))


def total(server, tenant):
    return server.total(headers=org(tenant))


def is_read_again(server, text):
    write_file("overrides.yaml", text)
    server.process.send_signal(signal.SIGHUP)


with start() as server:
    for tenant in ("brief", "small", "plain", "fast", "lazy"):
        for i, minutes in enumerate((55, 40, 20, 1)):
            if tenant == "brief" and minutes > 30:
                refused("invalid_argument", "older than the retention of 1500 s", lambda: push(server, tenant, minutes))
            else:  # what is in memory only is new: it must not become a block before the kill
                push(server, tenant, 1 if tenant == "fast" else minutes, 10**i)
    wait_until("by bytes", lambda: total(server, "small") == 1000)
    assert total(server, "plain") == total(server, "fast") == 1111 and total(server, "brief") == 1100

    # one over its rate is refused, and nobody else
    push(server, "slow", 1)
    refused("resource_exhausted", "push rate limit", lambda: [push(server, "slow", 1, i) for i in range(2, 40)])
    push(server, "plain", 1, 10000)

    # a file that is wrong changes nothing and says so, one that is right counts at once
    is_read_again(server, FIRST + "  plain: {retention: soon}\n")
    wait_until("the refusal", lambda: server.metric("hearth_config_last_reload_successful") == 0)
    assert "overrides.yaml:8:" in server.tail(), server.tail()
    assert total(server, "plain") == 11111
    is_read_again(server, FIRST + "  plain: {retention: 25m}\n")
    wait_until("the new retention", lambda: total(server, "plain") == 11100)
    assert total(server, "lazy") == 1111
    time.sleep(0.5)  # of mode interval all is written by now
    server.kill()
    server.stop = lambda: None

with start() as server:  # of mode memory nothing was
    assert total(server, "fast") == 0 and total(server, "lazy") == 1111 and total(server, "plain") == 11100
    push(server, "fast", 1)
    assert total(server, "fast") == 1

write_file("overrides.yaml", "overrides: {a: {data.dir: /}}")
done = subprocess.run([BIN / "hearth", "--listen=127.0.0.1:0", f"--limits.overrides={path}"], capture_output=True, text=True,
                      timeout=60)
assert done.returncode not in (0, -6, -11) and "overrides.yaml:1:17: unknown limit data.dir" in done.stderr, done.stderr
