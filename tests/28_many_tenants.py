"""Very many tenants with one small series each: what one of them costs in memory and open files, and that each sees its own.

`./dev figures tenants` runs 10,000 of them.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import argparse
import http.client
import json
import os
import re
import time

from hearth import CPU, IS_SANITIZED, Server, flame_paths, folder, push_body, wait_until
from pprof import pprof

parser = argparse.ArgumentParser()
parser.add_argument("--tenants", type=int, default=200)
parser.add_argument("--kib-max", type=float, default=0, help="memory of a tenant; 0: no matter")
options = parser.parse_args()
LIMITS = ("--multitenancy", "--memory-limit=2GiB")
FRAMES = 12


class Caller:
    """One connection for all calls."""

    def __init__(self, server):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

    def call(self, path, message, tenant):
        self.connection.request("POST", path, json.dumps(message), {"content-type": "application/json", "x-scope-orgid": tenant})
        answer = self.connection.getresponse()
        body = answer.read()
        assert answer.status == 200, (answer.status, body[:200])
        return json.loads(body)


def name(i):
    return f"tenant-{i:05}"


def stacks(i):
    """Five stacks of twelve frames, some of them nobody else's."""
    return {";".join([f"only_of_{i}"] + [f"package.function_{k}_{depth}" for depth in range(FRAMES)]): i + k + 1 for k in range(5)}


def push(caller, i, minutes_ago):
    body = pprof(stacks(i), time_ns=int((time.time() - 60 * minutes_ago) * 1e9) + i)
    pairs = {"__name__": "process_cpu", "service_name": f"service-{i % 50}", "pod": f"pod-{i}"}
    caller.call("/push.v1.PusherService/Push", push_body(body, pairs), name(i))


def check(caller, i, times):
    now = int(time.time() * 1000)
    message = {"start": now - 3_600_000, "end": now + 60_000, "labelSelector": "{}", "profileTypeID": CPU, "maxNodes": 10000}
    flame = flame_paths(caller.call("/querier.v1.QuerierService/SelectMergeStacktraces", message, name(i))["flamegraph"])
    assert flame[""][0] == sum(stacks(i).values()) * times and f"only_of_{i}" in flame, (i, flame[""])
    assert {path.split(";")[0] for path in flame if path} == {f"only_of_{i}"}, i


def holds(server):
    """Resident memory of its own, open files, mappings."""
    pid = server.process.pid
    with open(f"/proc/{pid}/status") as file:
        own = int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])
    with open(f"/proc/{pid}/maps") as file:
        return own, len(os.listdir(f"/proc/{pid}/fd")), sum(1 for _ in file)


def say(what, server, before):
    own, files, maps = (a - b for a, b in zip(holds(server), before))
    n = options.tenants
    print(f"{what}: {own / n:.1f} KiB of memory a tenant, of which {(server.metric('hearth_shard_bytes')) / n / 1024:.1f} accounted; "
          f"{files} more open files, {maps} more mappings, {server.metric('hearth_shard_buckets'):.0f} buckets", flush=True)
    assert files < 10 + n / 100, files
    assert options.kib_max == 0 or IS_SANITIZED or own / n <= options.kib_max, own / n
    return own


data = folder("data")
with Server(f"--data.dir={data}", *LIMITS) as server:
    caller = Caller(server)
    push(caller, 0, 1)
    before = holds(server)
    began = time.time()
    for i in range(1, options.tenants):
        push(caller, i, 1)
    say(f"{options.tenants} tenants, live ({(time.time() - began) / options.tenants * 1e6:.0f} us a push)", server, before)
    for i in range(1, options.tenants):
        push(caller, i, 50)
    wait_until("sealed", lambda: len(list(pathlib.Path(data, "blocks").glob("*/*.block"))) >= options.tenants - 1, 600)
    time.sleep(2)
    say("and with a sealed block each", server, before)
    for i in range(1, options.tenants, max(1, options.tenants // 100)):
        check(caller, i, 2)
    say("after questions", server, before)

began = time.time()
with Server(f"--data.dir={data}", *LIMITS) as server:
    print(f"ready again after {time.time() - began:.2f} s")
    own, files, maps = holds(server)
    say("restarted", server, (0, files, 0))
    caller = Caller(server)
    for i in range(1, options.tenants, max(1, options.tenants // 100)):
        check(caller, i, 2)
