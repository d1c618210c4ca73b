"""Profiles of any age are taken where the tenant allows it, into blocks of their own time; elsewhere they are refused in Pyroscope's words."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import time

from hearth import RpcError, Server, folder, wait_until, write_file
from pprof import pprof

MINUTE, DAY, DAYS, MANY, data = 60, 86400, 42, 100, folder("data")
ARCHIVE = {"x-scope-orgid": "archive"}
path = write_file("overrides.yaml", "overrides: {archive: {reject_older_than: 0, max_query_lookback: unlimited, max_query_length: unlimited}}")
now = time.time()
midnight = now - now % DAY  # of UTC


def profile(value, at, name="rest"):
    return pprof({"main;work": value, f"main;{name}": 1000000}, time_ns=int(at * 1e9))


def value(day, service):
    return day * 1000 + service * 7 + 1


def start():
    return Server(f"--data.dir={data}", "--multitenancy", f"--limits.overrides={path}")


def total(server, selector, from_s, to_s):
    return server.total(selector, headers=ARCHIVE, start=int(from_s * 1000), end=int(to_s * 1000))


def window(seconds, headers):
    """Whether a profile of now + seconds is taken; what is refused is refused in words."""
    try:
        server.push(profile(1, time.time() + seconds), headers=headers)
        return True
    except RpcError as e:
        assert e.status == 400 and e.code == "invalid_argument", e
        words = ("profile with labels '{__name__=\"process_cpu\", service_name=\"test\"}' is outside of ingestion window (profile "
                 "timestamp: 2", ", the ingestion window starts at ", " and ends at 2")
        assert all(word in e.text for word in words), e
        return False


def ingest(server, at, body, headers=ARCHIVE):
    """By /ingest, whose parameters tell the time of a profile that has none: in seconds by most SDKs, in nanoseconds by Go's."""
    unit = 1 if int(at) % 2 else 1_000_000_000
    status, _, answer = server.request("POST", f"/ingest?name=posted&format=pprof&from={int(at) * unit}&until={int(at + 10) * unit}", body,
                                       {"content-type": "application/octet-stream", **headers})
    return status, answer.decode()


def check(server):
    """Day by day and service by service; one span of many; all of it; the days that have nothing."""
    for day in range(1, DAYS + 1):
        at = midnight - day * DAY
        for service in range(3):
            assert total(server, '{service_name="s%d"}' % service, at, at + 3599) == value(day, service) + 1000000, day
        assert total(server, '{service_name="posted"}', at + 1200, at + 1259) == value(day, 3) + 1000000, day
        assert total(server, '{service_name="posted"}', at, at + DAY - 1) == value(day, 3) + 1000000, day
        assert total(server, "{}", at + 7200, at + DAY - 3600) == (sum(range(MANY)) + MANY * 1000000 if day == 30 else 0), day
    flame = server.flame('{service_name="many"}', headers=ARCHIVE, start=int((midnight - 60 * DAY) * 1000), end=int(now * 1000))
    assert len(flame) == 3 + MANY and flame["main;work"] == (sum(range(MANY)),) * 2, len(flame)
    series = server.query("SelectSeries", ARCHIVE, profileTypeID="process_cpu:cpu:nanoseconds:cpu:nanoseconds", step=DAY,
                          labelSelector='{service_name="s2"}', groupBy=["service_name"],
                          start=int((midnight - DAYS * DAY) * 1000), end=int(midnight * 1000))["series"]
    points = {int(p["timestamp"]): p["value"] for p in series[0]["points"]}
    assert len(series) == 1 and sorted(points.values()) == [value(day, 2) + 1000000 for day in range(1, DAYS + 1)], points


with start() as server:
    for headers, oldest in (({"x-scope-orgid": "other"}, 60 * MINUTE), (ARCHIVE, 10 * 365 * DAY)):
        assert window(-oldest + 30, headers) and window(9 * MINUTE, headers)
        assert not window(11 * MINUTE, headers)
    assert not window(-61 * MINUTE, {"x-scope-orgid": "other"})

    status, words = ingest(server, time.time() - 61 * MINUTE, profile(1, 0), {"x-scope-orgid": "other"})
    assert status == 422 and '"unknown"' in words and "is outside of ingestion window" in words, (status, words)
    for day in range(1, DAYS + 1):
        assert ingest(server, midnight - day * DAY + 1200 + day, profile(value(day, 3), 0)) == (200, ""), day
        for service in range(3):
            server.push(profile(value(day, service), midnight - day * DAY + service), service=f"s{service}", headers=ARCHIVE)
    for i in range(MANY):
        server.push(profile(i, midnight - 30 * DAY + 4 * 3600 + i, f"call_{i}"), service="many", headers=ARCHIVE)
    check(server)
    server.kill()  # before anything is sealed: the log has it
    server.stop = lambda: None

with start() as server:
    check(server)
    wait_until("a block for each span", lambda: len(list(pathlib.Path(data, "blocks").glob("*/*.block"))) >= DAYS + 2, 60)
    check(server)

with start() as server:
    check(server)
