"""POST /ingest takes a raw pprof and a multipart one, names it as agents expect, and says what else is wrong."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import gzip
import json
import time
import urllib.parse

from hearth import CPU, Server
from pprof import pprof


def ingest(server, name, body, content_type="application/octet-stream", **params):
    query = urllib.parse.urlencode({"name": name, "from": int(time.time()) - 10, "until": int(time.time()), **params})
    status, _, answer = server.request("POST", f"/ingest?{query}", body, {"content-type": content_type})
    return status, answer


def multipart(**parts):
    out = b""
    for name, body in parts.items():
        out += (f'--edge\r\ncontent-disposition: form-data; name="{name}"; filename="{name}"\r\n'
                "content-type: application/octet-stream\r\n\r\n").encode() + body + b"\r\n"
    return out + b"--edge--\r\n"


FORM = "multipart/form-data; boundary=edge"
PROFILE = pprof({"main;f": [3, 30]}, types=(("samples", "count"), ("cpu", "nanoseconds")))

with Server() as server:
    assert ingest(server, "raw{pod=a}", PROFILE, format="pprof", spyName="gospy") == (200, b"")
    assert server.flame('{service_name="raw", pod="a", pyroscope_spy="gospy"}')[""] == (30, 0)
    assert ingest(server, "form", multipart(profile=gzip.compress(PROFILE)), FORM) == (200, b"")
    assert server.flame('{service_name="form"}')["main;f"] == (30, 30)
    assert server.flame('{service_name="form"}', "process_cpu:samples:count:cpu:nanoseconds")[""] == (3, 0)

    config = {"contentions": {"display-name": "mutex_count"}, "delay": {"display-name": "mutex_duration"}}
    locks = pprof({"main;lock": [2, 9]}, types=(("contentions", "count"), ("delay", "nanoseconds")),
                  period=("contentions", "count"))
    body = multipart(profile=locks, sample_type_config=json.dumps(config).encode())
    assert ingest(server, "locks", body, FORM)[0] == 200
    assert server.flame('{service_name="locks"}', "mutex:delay:nanoseconds:contentions:count")[""] == (9, 0)

    # Nothing to store is fine; nothing to understand is not.
    assert ingest(server, "empty", multipart(profile=b""), FORM)[0] == 200
    assert ingest(server, "bad", b"\x1f\x8bnot gzip", format="pprof")[0] == 422
    assert ingest(server, "", PROFILE, format="pprof")[0] == 400
    assert ingest(server, "no spaces", PROFILE, format="pprof")[0] == 400
    assert ingest(server, "old", multipart(profile=PROFILE, prev_profile=PROFILE), FORM)[0] == 422
    assert ingest(server, "noedge", multipart(profile=PROFILE), "multipart/form-data")[0] == 422
    assert server.get("/ingest?name=x")[0] == 405
    assert server.flame('{service_name="bad"}')[""] == (0, 0)
    assert server.total() == 30 + 30
    assert CPU in [t["ID"] for t in server.query("ProfileTypes")["profileTypes"]]
