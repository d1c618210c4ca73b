"""What a real Pyroscope answered to pprofs by push and /ingest, and to queries over several series: replayed.

The cases stand in ../shared beside the checkout ($HEARTH_SHARED names another folder).
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import subprocess

from hearth import Cluster, Server, skip

SHARED = pathlib.Path(os.environ.get("HEARTH_SHARED", pathlib.Path(__file__).resolve().parent.parent.parent / "shared"))
RPCS = "ProfileTypes,LabelNames,LabelValues,Series,SelectMergeStacktraces,SelectMergeProfile,SelectSeries,Diff"
KINDS = "types,names,labelsets,flamegraph,timeseries,pprof,pprof-field,diff"
FAMILIES = ["pprof-push/*", "pprof-ingest/*", "multi/*"]
# The questions that are answered otherwise, all of them and why (docs/decisions/070-answers-that-differ.md).
DIFFERING = {
    "pprof-push/heap": {"q14", "q16", "q18"},  # the expectation is that of another type
}
UNIMPLEMENTED = {  # 501: exemplars, span and trace selectors
    "multi/group-by": {"q40"},
    "multi/spans": {"q04", "q06", "q08", "q10", "q15", "q16", "q20", "q21", "q22"},
}
LIMITS = ["--limits.max_query_length=unlimited", "--limits.max_query_lookback=unlimited"]

if not (SHARED / "golden/replay.py").exists():
    skip(f"no {SHARED}/golden: nothing to replay")


def replay(what, url, tenant_url):
    """{case: its questions} that were answered otherwise than expected, and those answered with 501."""
    differing, unimplemented = {}, {}
    for family in FAMILIES:
        command = [sys.executable, SHARED / "golden/replay.py", "-v", "--url", url, "--tenant-url", tenant_url,
                   "--rpc", RPCS, "--kind", KINDS, "--only", family]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        assert done.stdout, done.stderr
        print(f"{what}, {family}: {done.stdout.splitlines()[-1]}")
        for line in done.stdout.splitlines():
            if line.startswith("FAIL "):
                case = line.split()[1].rstrip(":")
            elif line.startswith("    "):
                into = unimplemented if line.endswith("status: want 200, got 501") else differing
                into.setdefault(case, set()).add(line.split()[0])
    return differing, unimplemented


def check(what, url, tenant_url):
    differing, unimplemented = replay(what, url, tenant_url)
    assert differing == DIFFERING, f"{what}: {differing}"
    assert unimplemented == UNIMPLEMENTED, f"{what}: {unimplemented}"


with Server(*LIMITS) as server, Server(*LIMITS, "--multitenancy") as tenants:
    check("one process", server.url, tenants.url)
with Cluster(shards=3, frontends=0, queriers=0, args=LIMITS) as cluster, \
     Cluster(shards=3, frontends=0, queriers=0, args=[*LIMITS, "--multitenancy"]) as tenants:
    both = [c.start("both", "--target=frontend,querier") for c in (cluster, tenants)]
    check("frontend,querier over three shards", both[0].url, both[1].url)
    for server in both:
        server.stop()
