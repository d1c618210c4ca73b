"""Options that bound connections do so, what they refuse is counted, and nobody else notices; a bomb is a bad request."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import gzip
import http.client
import json
import socket
import subprocess

from hearth import BIN, Server, wait_until

QUERY = "/querier.v1.QuerierService/LabelNames"


def counted(server, name):
    return server.metrics()[f'hearth_net_abuse_total{{class="{name}"}}']


def is_refused(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as s:
        try:
            s.sendall(b"GET /ready HTTP/1.1\r\nhost: x\r\n\r\n")
            return s.recv(100) == b""
        except ConnectionError:
            return True


def opened(port, n):
    """Connections that have been answered, and stay."""
    some = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(n)]
    for connection in some:
        connection.request("GET", "/ready")
        assert connection.getresponse().read()
    return some


# From one address, and in all; a network that is exempt may have more.
for options, name, n in ((["--net.connections-per-address=3"], "address_connections", 3),
                         (["--net.connections-max=3"], "connections", 3)):
    with Server(*options) as server:
        some = opened(server.port, n)
        assert is_refused(server.port), options
        some.pop().close()
        wait_until("there is room again", lambda: counted(server, name) >= 1)
        for connection in some:
            connection.close()
with Server("--net.connections-per-address=3", "--net.exempt-networks=10.0.0.0/8, 127.0.0.0/8") as server:
    some = opened(server.port, 10)
    assert counted(server, "address_connections") == 0

# Old connections are parted from, between two requests.
with Server("--net.connection-age-max=1s") as server:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    n = 0

    def is_last():
        global n
        n += 1
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        assert answer.read() and answer.status == 200
        return answer.getheader("connection") == "close"
    wait_until("the connection is old", is_last)
    assert n > 10, n

# 1.3 MB that would be 1.3 GB; of many members the last alone would pass.
with Server() as server:
    bomb = gzip.compress(b"\0" * (64 << 20), 1) * 20
    headers = {"content-type": "application/proto", "content-encoding": "gzip"}
    status, _, body = server.request("POST", "/push.v1.PusherService/Push", bomb, headers)
    assert status == 429 and json.loads(body)["code"] == "resource_exhausted", (status, body)
    assert counted(server, "decompression_bomb") == 1 and server.rss() < (600 << 20)
    assert server.rpc(QUERY, {"start": 1, "end": 2}) is not None

for wrong in ("--net.exempt-networks=10.0.0.1/8", "--net.connections-per-address=0", "--net.connection-age-max=0"):
    done = subprocess.run([BIN / "hearth", wrong], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and wrong[2:].split("=")[0] in done.stderr, done
