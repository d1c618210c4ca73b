"""What a real Pyroscope answered to pprofs by push and /ingest, and to queries over several series: replayed, case by case.

The cases stand in ../shared beside the checkout ($HEARTH_SHARED names another folder).  Left out are those that need span, trace,
profile-id or exemplar selectors, SelectMergeProfile, other formats or metadata calls: later work.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import re
import subprocess

from hearth import Cluster, Server, skip

SHARED = pathlib.Path(os.environ.get("HEARTH_SHARED", pathlib.Path(__file__).resolve().parent.parent.parent / "shared"))
RPCS = "ProfileTypes,LabelNames,LabelValues,Series,SelectMergeStacktraces,SelectSeries"
KINDS = "types,names,labelsets,flamegraph,timeseries"
FAMILIES = ["pprof-push/*", "pprof-ingest/*", "multi/*"]
LATER = re.compile(r"span|trace|exemplar|profile.?id", re.I)
LIMITS = ["--limits.max_query_length=unlimited", "--limits.max_query_lookback=unlimited"]

if not (SHARED / "golden/replay.py").exists():
    skip(f"no {SHARED}/golden: nothing to replay")


def replay(what, url, tenant_url):
    failed = []
    for family in FAMILIES:
        done = subprocess.run([sys.executable, SHARED / "golden/replay.py", "--url", url, "--tenant-url", tenant_url, "--rpc", RPCS,
                               "--kind", KINDS, "--only", family], capture_output=True, text=True, timeout=200)
        print(f"{what}, {family}: {done.stdout.splitlines()[-1] if done.stdout else done.stderr[-300:]}")
        assert done.stdout, done.stderr
        failed += [l for l in done.stdout.splitlines()[:-1] if re.match(r"(FAIL|failed)", l, re.I) and not LATER.search(l)]
    for line in failed:
        print(" ", line[:300])
    return failed


with Server(*LIMITS) as server, Server(*LIMITS, "--multitenancy") as tenants:
    failed = replay("one process", server.url, tenants.url)
with Cluster(shards=3, frontends=0, queriers=0, args=LIMITS) as cluster, \
     Cluster(shards=3, frontends=0, queriers=0, args=[*LIMITS, "--multitenancy"]) as tenants:
    both = [c.start("both", "--target=frontend,querier") for c in (cluster, tenants)]
    failed += replay("frontend,querier over three shards", both[0].url, both[1].url)
    for server in both:
        server.stop()
assert not failed, f"{len(failed)} cases failed"
