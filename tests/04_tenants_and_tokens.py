"""A tenant sees its own profiles only; with a tokens file, a token opens the tenants it names and no others."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import subprocess

from hearth import BIN, RpcError, Server, write_file
from pprof import pprof


def refused(call, status, code):
    try:
        call()
    except RpcError as e:
        assert (e.status, e.code) == (status, code), e
        return e
    raise AssertionError(f"not refused: {status} {code} expected")


def org(name, token=None):
    return {"x-scope-orgid": name, **({"authorization": f"Bearer {token}"} if token else {})}


with Server() as server:  # one tenant for all: the header means nothing
    server.push(pprof({"main": 1}), headers=org("a"))
    assert server.total(headers=org("b")) == 1 and server.total() == 1

with Server("--multitenancy") as server:
    server.push(pprof({"main;of_a": 1}), headers=org("a"))
    server.push(pprof({"main;of_b": 20}), headers=org("b"))
    assert server.flame(headers=org("a")) == {"": (1, 0), "main": (1, 0), "main;of_a": (1, 1)}
    assert server.total(headers=org("b")) == 20 and server.total(headers=org("c")) == 0
    assert server.total(headers=org("a|b")) == 21
    assert server.query("ProfileTypes", org("c")) == {}
    assert "no org id" in refused(lambda: server.total(), 401, "unauthenticated").text
    refused(lambda: server.push(pprof({"x": 1})), 401, "unauthenticated")
    refused(lambda: server.push(pprof({"x": 1}), headers=org("a|b")), 401, "unauthenticated")
    refused(lambda: server.total(headers=org("../a")), 401, "unauthenticated")
    refused(lambda: server.total(headers=org("x" * 151)), 401, "unauthenticated")

token = "correct horse battery staple"
hashed = subprocess.run([BIN / "hearth", "--auth.hash-token"], input=token, capture_output=True, text=True, check=True)
line = hashed.stdout.strip()
assert token not in line and line, hashed
tokens = write_file("tokens", f"{line} read,write a\n")
with Server("--multitenancy", f"--auth.tokens-file={tokens}") as server:
    server.push(pprof({"main": 5}), headers=org("a", token))
    assert server.total(headers=org("a", token)) == 5
    refused(lambda: server.total(headers=org("a")), 401, "unauthenticated")
    refused(lambda: server.total(headers=org("a", "wrong")), 401, "unauthenticated")
    refused(lambda: server.total(headers=org("b", token)), 403, "permission_denied")
    refused(lambda: server.push(pprof({"x": 1}), headers=org("b", token)), 403, "permission_denied")
    assert server.get("/ready")[0] == 200 and server.get("/healthy")[0] == 200
    status, _, body = server.request("POST", "/ingest?name=x&format=pprof", pprof({"x": 1}), org("a", "wrong"))
    assert status == 401, (status, body)
