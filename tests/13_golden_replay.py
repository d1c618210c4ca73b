"""What a real Pyroscope answered to pprofs by push and /ingest, and to queries over several series: replayed.

The cases stand in ../shared beside the checkout ($HEARTH_SHARED names another folder).  Questions with span, trace,
profile-id or exemplar selectors are answered with 501 so far, and counted.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import subprocess

from hearth import Cluster, Server, skip

SHARED = pathlib.Path(os.environ.get("HEARTH_SHARED", pathlib.Path(__file__).resolve().parent.parent.parent / "shared"))
RPCS = "ProfileTypes,LabelNames,LabelValues,Series,SelectMergeStacktraces,SelectSeries"
KINDS = "types,names,labelsets,flamegraph,timeseries"
FAMILIES = ["pprof-push/*", "pprof-ingest/*", "multi/*"]
# Known to differ, to be understood: in the first, stacks that Go cut short are joined where upstream leaves them apart; in the
# second, three of four types are cut to 64 nodes otherwise; alloc_objects agrees, whole and cut.
KNOWN = {"pprof-push/gotruncatefix-cpu_go_truncated_1", "pprof-push/heap"}
LIMITS = ["--limits.max_query_length=unlimited", "--limits.max_query_lookback=unlimited"]

if not (SHARED / "golden/replay.py").exists():
    skip(f"no {SHARED}/golden: nothing to replay")


def replay(what, url, tenant_url):
    """{case: what differed}, but for what is answered with 501: said to be unimplemented."""
    differing, later = {}, 0
    for family in FAMILIES:
        command = [sys.executable, SHARED / "golden/replay.py", "-v", "--url", url, "--tenant-url", tenant_url,
                   "--rpc", RPCS, "--kind", KINDS, "--only", family]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200)
        assert done.stdout, done.stderr
        print(f"{what}, {family}: {done.stdout.splitlines()[-1]}")
        case = None
        for line in done.stdout.splitlines():
            if line.startswith("FAIL "):
                case = line.split()[1].rstrip(":")
            elif line.startswith("    ") and line.endswith("status: want 200, got 501"):
                later += 1
            elif line.startswith("    "):
                differing.setdefault(f"{what}: {case}", []).append(line.strip())
    print(f"{what}: {later} questions are for later")
    return differing


with Server(*LIMITS) as server, Server(*LIMITS, "--multitenancy") as tenants:
    differing = replay("one process", server.url, tenants.url)
with Cluster(shards=3, frontends=0, queriers=0, args=LIMITS) as cluster, \
     Cluster(shards=3, frontends=0, queriers=0, args=[*LIMITS, "--multitenancy"]) as tenants:
    both = [c.start("both", "--target=frontend,querier") for c in (cluster, tenants)]
    differing |= replay("frontend,querier over three shards", both[0].url, both[1].url)
    for server in both:
        server.stop()
for case, lines in differing.items():
    print(f"  {case}: {lines[0][:200]} ({len(lines)} such lines)")
new = [case for case in differing if case.split(": ")[1] not in KNOWN]
assert not new, f"{len(new)} cases differ that did not"
