"""Two frontends, three shards and a querier give the same answers as one process that was pushed the same."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import gzip
import random
import time

from hearth import CPU, Cluster, Server, run_ctl
from pprof import pprof

SERVICES, PODS = 12, 8
random.seed(3)
HEAP = (("alloc_objects", "count"), ("alloc_space", "bytes"))


def stack():
    return ";".join(["main"] + [f"f{random.randrange(9)}" for _ in range(random.randrange(1, 7))])


def pushes():
    for service in range(SERVICES):
        for pod in range(PODS):
            values = {stack(): random.randrange(1, 1000) for _ in range(20)}
            yield pprof(values), f"service-{service}", "process_cpu", f"pod-{pod}"
        heap = pprof({stack(): [1, 64] for _ in range(5)}, types=HEAP, period=("space", "bytes"))
        yield heap, f"service-{service}", "memory", "x"


QUESTIONS = [
    ("ProfileTypes", {}), ("LabelNames", {}), ("LabelNames", {"matchers": ['{service_name="service-3"}']}),
    ("LabelValues", {"name": "pod"}), ("LabelValues", {"name": "service_name", "matchers": ['{pod=~"pod-[0-3]"}']}),
    ("Series", {}), ("Series", {"labelNames": ["service_name", "__profile_type__"]}),
    ("SelectMergeStacktraces", {"profileTypeID": CPU, "labelSelector": "{}", "maxNodes": 1 << 20}),
    ("SelectMergeStacktraces", {"profileTypeID": CPU, "labelSelector": "{}", "maxNodes": 50}),
    ("SelectMergeStacktraces", {"profileTypeID": CPU, "labelSelector": '{service_name=~"service-[12]"}'}),
    ("SelectMergeStacktraces", {"profileTypeID": "memory:alloc_space:bytes:space:bytes", "labelSelector": "{}"}),
    ("SelectMergeProfile", {"profileTypeID": CPU, "labelSelector": "{}"}),
    ("SelectMergeProfile", {"profileTypeID": CPU, "labelSelector": "{}", "maxNodes": 50}),
    ("SelectMergeProfile", {"profileTypeID": CPU, "labelSelector": '{service_name="service-1"}',
                            "stackTraceSelector": {"goPgo": {"keepLocations": 2}}}),
    ("Diff", {"left": {"profileTypeID": CPU, "labelSelector": '{pod="pod-1"}'},
              "right": {"profileTypeID": CPU, "labelSelector": "{}", "maxNodes": 50}}),
    ("SelectSeries", {"profileTypeID": CPU, "labelSelector": "{}", "step": 1800, "groupBy": ["service_name"]}),
    ("SelectSeries", {"profileTypeID": CPU, "labelSelector": "{}", "step": 1800, "groupBy": ["pod"], "aggregation": 1}),
    ("SelectSeries", {"profileTypeID": CPU, "labelSelector": "{}", "step": 1800, "groupBy": ["pod"], "limit": 3}),
]

with Server() as one, Cluster(shards=3, frontends=2, queriers=1) as cluster:
    for i, (profile, service, name, pod) in enumerate(pushes()):
        if i % 3 == 0:  # those travel as they came, the others decoded
            profile = gzip.compress(profile)
        one.push(profile, service, name, pod=pod)
        cluster.frontends[i % 2].push(profile, service, name, pod=pod)
    now = int(time.time() * 1000)
    span = {"start": now - 3_600_000, "end": now + 1000}
    for method, question in QUESTIONS:
        path = f"/querier.v1.QuerierService/{method}"
        asked = {side: {**span, **half} for side, half in question.items()} if method == "Diff" else {**span, **question}
        alone, together = one.rpc(path, asked), cluster.queriers[0].rpc(path, asked)
        if method == "SelectSeries":  # all in the last step, whose time differs by a few ms
            for answer in (alone, together):
                for series in answer["series"]:
                    series["points"] = [{"value": p["value"]} for p in series["points"]]
        assert alone == together, f"{method} {question}:\n{alone}\n{together}"

    series = {name: shard.metric("hearth_shard_series") for name, shard in cluster.shards.items()}
    whole = sum(series.values())
    assert whole >= SERVICES * (PODS + 1), series  # more when a time bucket ended meanwhile
    assert all(n >= 0.15 * whole for n in series.values()), f"unevenly spread: {series}"

    # hearthctl against the cluster, and frontends keep nothing to be asked for.
    status, out, err = run_ctl("top", "--type", CPU, "--json", server=cluster.queriers[0])
    assert status == 0 and '"functions"' in out, err
    for frontend in cluster.frontends:
        assert not frontend.metric("hearth_shard_series"), "a frontend holds series"
