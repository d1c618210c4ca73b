"""What is pushed is in the next query, exactly: the flame graph, its types, labels and series; merges add up."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import gzip

from hearth import CPU, Server
from pprof import pprof

STACKS = {"main;work;read": 10, "main;work": 5, "main;idle": 85}
WANT = {"": (100, 0), "main": (100, 0), "main;work": (15, 5), "main;work;read": (10, 10), "main;idle": (85, 85)}

with Server() as server:
    server.push(pprof(STACKS), service="checkout", pod="a")
    assert server.flame('{service_name="checkout"}') == WANT, server.flame()

    types = server.query("ProfileTypes")["profileTypes"]
    assert [t["ID"] for t in types] == [CPU] and types[0]["sampleUnit"] == "nanoseconds", types
    names = server.query("LabelNames")["names"]
    assert names == sorted(["__name__", "__period_type__", "__period_unit__", "__profile_type__", "__service_name__",
                            "__type__", "__unit__", "pod", "service_name"]), names
    assert server.query("LabelValues", name="pod")["names"] == ["a"]
    sets = server.query("Series", labelNames=["pod", "service_name"])["labelsSet"]
    assert sets == [{"labels": [{"name": "pod", "value": "a"}, {"name": "service_name", "value": "checkout"}]}], sets

    # Another series, gzipped: each is found alone, and their sum together.
    server.push(gzip.compress(pprof({"main;work": 7})), service="checkout", pod="b")
    assert server.flame('{pod="b"}') == {"": (7, 0), "main": (7, 0), "main;work": (7, 7)}
    both = server.flame('{service_name="checkout"}')
    assert both["main;work"] == (22, 12) and both[""] == (107, 0), both
    assert server.flame('{pod!~"a|b"}') == {"": (0, 0)}

    points = server.query("SelectSeries", profileTypeID=CPU, labelSelector="{}", step=3600, groupBy=["pod"])["series"]
    sums = {s["labels"][0]["value"]: sum(p["value"] for p in s["points"]) for s in points}
    assert sums == {"a": 100, "b": 7}, sums

    # Only the frames of one call site, and a graph cut to few nodes keeps its total.
    only = server.flame(stackTraceSelector={"callSite": [{"name": "main"}, {"name": "work"}]})
    assert only[""] == (22, 0) and "main;idle" not in only, only
    cut = server.flame(maxNodes=2)
    assert cut[""][0] == 107 and any("other" in path for path in cut), cut
