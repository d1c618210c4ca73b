"""Bad input costs its sender an exact answer and nobody else anything: nothing is half-stored, the server goes on."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import gzip
import json
import socket
import time

from bad_profiles import GOOD, PROFILES
from hearth import CPU, RpcError, Server, push_body

SERIES = {"__name__": "process_cpu", "service_name": "bad"}
PUSH = "/push.v1.PusherService/Push"
FLAME = "/querier.v1.QuerierService/SelectMergeStacktraces"
JSON = {"content-type": "application/json"}
now = int(time.time() * 1000)
RANGE = {"start": now - 3_600_000, "end": now, "profileTypeID": CPU, "labelSelector": "{}"}


def fault(call):
    try:
        call()
    except RpcError as e:
        return e
    return None


def expect(what, call, *wanted):
    e = fault(call)
    assert e is not None, f"{what}: not refused"
    assert (e.status, e.code) in wanted, f"{what}: {e}"
    assert e.text, f"{what}: without a word"


INVALID = (400, "invalid_argument")

with Server() as server:
    begun = time.monotonic()
    for what, profile in PROFILES.items():
        expect(what, lambda: server.push(profile, service="bad"), INVALID)
        path = "/ingest?name=bad&format=pprof"
        status, _, body = server.request("POST", path, profile)
        if profile:
            assert status == 422 and json.loads(body)["message"], f"/ingest {what}: {status} {body}"

    labels = {
        "no name": {"service_name": "bad"},
        "a label without a name": {**SERIES, "": "x"},
        "a name too long": {**SERIES, "n" * 1025: "x"},
        "a value too long": {**SERIES, "k": "v" * 2049},
        "too many labels": {**SERIES, **{f"l{i}": "x" for i in range(31)}},
    }
    for what, pairs in labels.items():
        expect(what, lambda: server.rpc(PUSH, push_body(GOOD, pairs)), INVALID)
    twice = push_body(GOOD, SERIES)
    twice["series"][0]["labels"].append({"name": "service_name", "value": "twice"})
    expect("a label twice", lambda: server.rpc(PUSH, twice), INVALID)
    expect("no series", lambda: server.rpc(PUSH, {}), INVALID)
    expect("no samples", lambda: server.rpc(PUSH, {"series": [{"labels": [{"name": "a", "value": "b"}]}]}), INVALID)

    queries = {
        "no range": {"start": 0},
        "times reversed": {"start": now, "end": now - 1000},
        "too long a range": {"start": now - 48 * 3_600_000},
        "no type": {"profileTypeID": ""},
        "type of three parts": {"profileTypeID": "a:b:c"},
        "no selector": {"labelSelector": ""},
        "half a selector": {"labelSelector": '{a="b"'},
        "a bad operator": {"labelSelector": '{a~"b"}'},
        "a bad regex": {"labelSelector": '{a=~"("}'},
        "negative nodes": {"maxNodes": -1},
        "too many nodes": {"maxNodes": 1 << 40},
    }
    for what, fields in queries.items():
        expect(what, lambda: server.rpc(FLAME, {**RANGE, **fields}), INVALID)
    expect("step of nothing", lambda: server.query("SelectSeries", labelSelector="{}", profileTypeID=CPU), INVALID)
    expect("values of no label", lambda: server.query("LabelValues"), INVALID)

    # A regex that backtracks for ages is cut off, or answered; either way soon.
    server.push(GOOD, service="a" * 60 + "!")
    before = time.monotonic()
    e = fault(lambda: server.flame('{service_name=~"(a|a)*(a|a)*(a+)+(a+)+b"}'))
    assert e is None or e.code in ("resource_exhausted", "invalid_argument"), e
    assert time.monotonic() - before < 5, "a regex held a worker for too long"

    # The protocols' own mistakes.
    status, headers, _ = server.request("PUT", FLAME, b"{}", {"content-type": "application/json"})
    assert status == 405 and headers["allow"] == "GET, POST", (status, headers)
    status, _, body = server.get(FLAME)
    assert status == 400 and b"encoding" in body, (status, body)
    status, headers, _ = server.request("POST", FLAME, b"{}", {"content-type": "text/plain"})
    assert status == 415 and headers["accept-post"], status
    expect("not JSON", lambda: server.rpc(FLAME, "not an object"), INVALID)
    for what, body, more in (("empty JSON", b"", {}), ("half JSON", b'{"start":', {}),
                             ("not gzip", b"{}", {"content-encoding": "gzip"})):
        status, _, answer = server.request("POST", FLAME, body, {**JSON, **more})
        assert status == 400 and json.loads(answer)["code"] == "invalid_argument", f"{what}: {status} {answer}"
    status, _, answer = server.request("POST", FLAME, b"{}", {**JSON, "content-encoding": "br"})
    assert status in (404, 501) and json.loads(answer)["code"] == "unimplemented", (status, answer)
    status, _, _ = server.request("POST", "/querier.v1.QuerierService/NoSuchMethod", b"{}", JSON)
    assert status in (404, 501), status

    # A body of 1 GB is refused by its announced length, before it is sent.
    for path, statuses in ((PUSH, (429, 413)), ("/ingest?name=big&format=pprof", (413,))):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            s.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\n"
                      f"Content-Length: {1 << 30}\r\n\r\n".encode())
            line = s.recv(4096).split(b"\r\n")[0]
        assert int(line.split()[1]) in statuses, f"{path}: {line}"
    # Heads that are no HTTP.
    for head in (b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                 b"GET /ready HTTP/1.1\r\n" + b"x: " + b"y" * (1 << 20) + b"\r\n\r\n",
                 b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as s:
            try:
                s.sendall(head)
                answer = s.recv(4096)
            except ConnectionError:
                answer = b""
        assert answer[:9] in (b"", b"HTTP/1.1 ", b"HTTP/1.0 ") and answer[9:10] in (b"", b"4", b"5"), answer[:80]

    assert server.is_alive() and time.monotonic() - begun < 90
    assert server.flame('{service_name="bad"}') == {"": (0, 0)}, "something was half-stored"
    server.push(GOOD, service="good")
    assert server.total('{service_name="good"}') == 1
