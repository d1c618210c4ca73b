"""A gzip travels to its shard as it came and is decoded there: the pusher cannot tell, whatever is wrong with it."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import gzip
import json
import re
import time

from bad_profiles import GOOD, PROFILES
from hearth import Cluster, Server, push_body
from pprof import pprof

PUSH = "/push.v1.PusherService/Push"
LARGE = pprof({f"main;f{i}": i + 1 for i in range(3000)})  # not worth a loop's time


def two_members(profile, at=40):
    """What it unpacks to is not what its end says."""
    return gzip.compress(profile[:at]) + gzip.compress(profile[at:])


def lie(profile, size):
    packed = gzip.compress(profile)
    return packed[:-4] + size.to_bytes(4, "little")


BODIES = {
    **{f"{name}, packed": gzip.compress(profile) for name, profile in PROFILES.items()},
    **{name: profile for name, profile in PROFILES.items() if profile[:2] == b"\x1f\x8b"},
    "claims too little": lie(GOOD, 1),
    "claims nothing": lie(GOOD, 0),
    "claims too much": lie(GOOD, 1 << 31),
    "two members": two_members(GOOD),
    "two large members": two_members(LARGE),
    "large": gzip.compress(LARGE),
    "good": gzip.compress(GOOD),
    "good again": gzip.compress(GOOD, 1),
    "good, not packed": GOOD,
    "nothing remains": gzip.compress(pprof({"main;f": 0})),
    "nothing remains, not packed": pprof({"main;f": 0}),
}
LABELS = {
    "no service": {"service_name": None},
    "empty service": {"service_name": ""},
    "no name": {"__name__": None},
    "a bad label": {"a b": "c"},
    "a delta": {"__name__": "godeltaprof_memory"},
    "a long value": {"x": "y" * 5000},
    "a session": {"__session_id__": "0123456789abcdef"},
}


def outcome(server, body, **labels):
    pairs = {"__name__": "process_cpu", "service_name": "as-it-came", **labels}
    message = json.dumps(push_body(body, {k: v for k, v in pairs.items() if v is not None}))
    status, _, text = server.request("POST", PUSH, message, {"content-type": "application/json"})
    return status, re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z|\d{10,}", "TIME", text.decode())


def outcome_of_ingest(server, body):
    status, _, text = server.request("POST", f"/ingest?name=app%7Bpod%3Db%7D&format=pprof&from={int(time.time())}", body)
    return status, text


def counted(server):
    return {k: v for k, v in server.metrics().items() if k.startswith(("hearth_ingest_", "hearth_discarded_"))}


def flames(server):
    kinds = [t["ID"] for t in server.query("ProfileTypes")["profileTypes"]]
    return {kind: server.flame(profile_type=kind) for kind in kinds}


with Server() as one, Cluster(shards=3, frontends=1, queriers=1) as cluster:
    front, querier = cluster.frontends[0], cluster.queriers[0]
    for what, body in BODIES.items():
        alone, together = outcome(one, body, pod="a"), outcome(front, body, pod="a")
        assert alone == together, f"{what}: {alone}, through a frontend {together}"
        alone, together = outcome_of_ingest(one, body), outcome_of_ingest(front, body)
        assert alone == together, f"{what}, /ingest: {alone}, through a frontend {together}"
    for what, labels in LABELS.items():
        alone, together = outcome(one, gzip.compress(GOOD), **labels), outcome(front, gzip.compress(GOOD), **labels)
        assert alone == together, f"{what}: {alone}, through a frontend {together}"
    for body in (gzip.compress(GOOD), two_members(LARGE)):  # sent again, they count once
        assert outcome(one, body, pod="a") == outcome(front, body, pod="a")
    assert flames(one) == flames(querier) and len(flames(one)) >= 1

    # Several in one request: each has its own outcome.
    mixed = [gzip.compress(GOOD), GOOD, gzip.compress(PROFILES["no string table"]), two_members(LARGE), gzip.compress(GOOD)]
    message = push_body(mixed[0], {"__name__": "process_cpu", "service_name": "mixed"})
    message["series"][0]["samples"] = [push_body(body, {})["series"][0]["samples"][0] for body in mixed]
    answers = [s.request("POST", PUSH, json.dumps(message), {"content-type": "application/json"}) for s in (one, front)]
    assert answers[0][0] == answers[1][0] == 400 and answers[0][2] == answers[1][2], answers
    assert one.flame('{service_name="mixed"}') == querier.flame('{service_name="mixed"}')
    assert querier.total('{service_name="mixed"}') == 3 + sum(range(1, 3001))
    assert counted(one) == counted(front), f"{counted(one)}, through a frontend {counted(front)}"

# What is refused, for what it is or for want of memory, does not count against the rate; what is taken does, as large as it is, whatever it says.
SMALL_RATE = ["--limits.ingestion_rate_mb=0.01", "--limits.ingestion_burst_size_mb=0.3",
              "--limits.max_profile_size_bytes=100000"]
PADDED = pprof({"main;" + "x" * 60000: 1})  # 60 KB, and a bad one as large
BAD = gzip.compress(PADDED[:-20])
GIVEN = [gzip.compress(pprof({f"main;{i}" + "x" * 60000: 1})) for i in range(8)]
with Server(*SMALL_RATE) as one, Cluster(shards=2, frontends=1, queriers=0, args=SMALL_RATE) as cluster:
    for server in (one, cluster.frontends[0]):
        statuses = [outcome(server, BAD)[0] for _ in range(20)]
        assert statuses == [400] * 20, f"{server.name}: {statuses}"
        statuses = [outcome(server, body)[0] for body in GIVEN]
        assert statuses[:2] == [200, 200] and statuses[-1] == 429, f"{server.name}: {statuses}"
        assert outcome(server, two_members(PADDED, at=-1))[0] == 429, server.name

SMALL = ["--memory-limit=64MiB", "--limits.ingestion_rate_mb=0.01", "--limits.ingestion_burst_size_mb=70",
         "--limits.max_profile_size_bytes=67108864", "--limits.max_profile_symbol_value_length=67108864"]
TOO_LARGE = gzip.compress(pprof({"x" * (48 << 20): 1}))  # more than the index may hold; of what the rate lets through, most
with Server(*SMALL) as one, Cluster(shards=2, frontends=1, queriers=0, args=SMALL) as cluster:
    for server in (one, cluster.frontends[0]):
        for _ in range(3):
            status, text = outcome(server, TOO_LARGE)
            assert status == 429 and "memory limit" in text, f"{server.name}: {status} {text[:500]}"
        assert outcome(server, gzip.compress(GOOD))[0] == 200, server.name
