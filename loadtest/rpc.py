"""What the RPC layer costs: loadtest/rpc.py RPC_BENCH PEERS [calls|instructions|idle]...

calls         server CPU per small unary call, by h2load: Hearth in each dialect and, in the same run, the servers of
              loadtest/peers; each figure is the least of ROUNDS, which take turns, since what disturbs can only add
instructions  the same as instructions under callgrind, the difference of two runs; repeatable
idle          resident bytes of each of 10,000 connections that have made a call and say nothing more

Every server is one loop (GOMAXPROCS=1) that decodes {name: "pod"} and encodes two names, equal in bytes on every side.
`./dev bench rpc` calls this; it fails when a bound below is missed.
"""

import contextlib
import os
import pathlib
import re
import resource
import socket
import subprocess
import sys
import tempfile
import time

PATH = "/querier.v1.QuerierService/LabelValues"
REQUEST = b"\n\3pod"
RESPONSE = b"\n\3pod\n\3pod"
ENVELOPE = b"\0\0\0\0"
DIALECTS = {  # content type, body, the start of the answer
    "grpc": ("application/grpc", ENVELOPE + b"\5" + REQUEST, ENVELOPE + b"\12" + RESPONSE),
    "connect proto": ("application/proto", REQUEST, RESPONSE),
    "connect json": ("application/json", b'{"name":"pod"}', b'{"names":["pod","pod"]}'),
    "grpc-web": ("application/grpc-web", ENVELOPE + b"\5" + REQUEST, ENVELOPE + b"\12" + RESPONSE),
}
PEERS = {"grpc-go": ("grpc",), "connect-go": ("grpc", "connect proto", "grpc-web")}
SHAPES = ((1, 1), (10, 10), (50, 20))  # connections, streams on each; the first is latency and only shown
ROUNDS = 4
CALL_US_MAX = 3.5
TIMES_MIN = {"grpc-go": ("grpc", 3), "connect-go": ("connect proto", 10)}
IDLE = 10_000


class Server:
    """A program that prints its address and serves until its standard input ends."""

    def __init__(self, *command, scheme="http"):
        self.stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr,
                                        env={**os.environ, "GOMAXPROCS": "1"})
        self.address = self.process.stdout.readline().decode().strip()
        self.url = f"{scheme}://{self.address}{PATH}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        if self.process.wait() != 0:
            sys.exit(f"{self.process.args[0]} ended with {self.process.returncode}")

    def cpu_s(self):
        """The CPU clock of another process, as clock_getcpuclockid(3) numbers it."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def resident_bytes(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024

    def collected(self):
        """What callgrind counted, once the server has ended."""
        self.stderr.seek(0)
        return int(re.search(rb"Collected : (\d+)", self.stderr.read())[1])


def check(server, dialect):
    """h2load sees the HTTP status only: one call whose answer is looked at."""
    content_type, body, start = DIALECTS[dialect]
    got = subprocess.run(["curl", "-sk", "--http2-prior-knowledge", "-H", "content-type: " + content_type,
                          "--data-binary", "@-", server.url],
                         input=body, capture_output=True).stdout
    if not got.startswith(start):
        sys.exit(f"{server.process.args[0]}, {dialect}: {got!r} instead of {start!r}")


def load(server, dialect, shape, calls):
    content_type, body, _ = DIALECTS[dialect]
    with tempfile.NamedTemporaryFile() as file:
        file.write(body)
        file.flush()
        out = subprocess.run(["h2load", f"-c{shape[0]}", f"-m{shape[1]}", f"-n{calls}", "-d", file.name,
                              "-H", "content-type: " + content_type, server.url], capture_output=True, text=True).stdout
    if f" {calls} succeeded" not in out:
        sys.exit(f"{server.process.args[0]}, {dialect}: not every call succeeded\n{out}")


def call_us(server, dialect, shape, calls):
    before = server.cpu_s()
    load(server, dialect, shape, calls)
    return (server.cpu_s() - before) * 1e6 / calls


# --- calls ------------------------------------------------------------------------------------------------------------


def measure_all(servers):
    """{(server, dialect, shape): microseconds}"""
    least = {}
    for turn in range(ROUNDS):
        for name, (server, dialects) in servers.items():
            for dialect in dialects:
                if turn == 0:
                    check(server, dialect)
                for shape in SHAPES:
                    calls = 2_000 if shape == (1, 1) else 100_000 if name.startswith("hearth") else 15_000
                    key = name, dialect, shape
                    least[key] = min(least.get(key, 1e9), call_us(server, dialect, shape, calls))
    return least


def show(least):
    print("us of server CPU per call", " " * 6, *(f"{c}x{m}".rjust(7) for c, m in SHAPES))
    for name, dialect in dict.fromkeys(key[:2] for key in least):
        print(f"{dialect:<16}{name:<16}", *(f"{least[name, dialect, shape]:7.2f}" for shape in SHAPES))


def bounds(least):
    """(text, is kept) of every bound."""
    for shape in SHAPES[1:]:
        where = "%dx%d" % shape
        for dialect in "grpc", "connect proto":
            us = least["hearth", dialect, shape]
            yield f"{dialect} at {where}: {us:.2f} us, at most {CALL_US_MAX}", us <= CALL_US_MAX
        for peer, (dialect, times_min) in TIMES_MIN.items():
            if (peer, dialect, shape) in least:
                times = least[peer, dialect, shape] / least["hearth", dialect, shape]
                yield f"{dialect} at {where}: {times:.1f} times {peer}, at least {times_min}", times >= times_min


def calls(program, peers):
    with contextlib.ExitStack() as running:
        servers = {"hearth": (running.enter_context(Server(program)), DIALECTS)}
        servers["hearth, TLS"] = running.enter_context(Server(program, "--tls", scheme="https")), DIALECTS
        for name, dialects in PEERS.items():
            if (peers / name).exists():
                servers[name] = running.enter_context(Server(peers / name)), dialects
        least = measure_all(servers)
    show(least)
    missed = 0
    for text, is_kept in bounds(least):
        print("kept  " if is_kept else "MISSED", text)
        missed += not is_kept
    return missed


# --- instructions -----------------------------------------------------------------------------------------------------


def instructions(program, _):
    def count(dialect, n):
        with Server("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program) as server:
            load(server, dialect, (10, 10), n)
        return server.collected()

    for dialect in DIALECTS:
        few, many = 2_000, 12_000
        each = (count(dialect, many) - count(dialect, few)) / (many - few)
        print(f"{dialect:<16}{each:8.0f} instructions per call at 10x10")
    return 0


# --- idle -------------------------------------------------------------------------------------------------------------


def h2_frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def h2_literal(name, value):
    return b"\0" + bytes((len(name),)) + name + bytes((len(value),)) + value


def h2_call():
    content_type, body, _ = DIALECTS["grpc"]
    head = b"\x83\x86" + h2_literal(b":path", PATH.encode()) + h2_literal(b":authority", b"x")
    head += h2_literal(b"content-type", content_type.encode())
    return (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + h2_frame(4, 0, 0, b"") + h2_frame(1, 4, 1, head) +
            h2_frame(0, 1, 1, body))


def h1_call():
    content_type, body, _ = DIALECTS["connect proto"]
    return (f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\n\r\n").encode() + body


def connect(address, request):
    """A connection whose call has been answered."""
    host, port = address.rsplit(":", 1)
    s = socket.create_connection((host, int(port)))
    s.sendall(request)
    got = b""
    while RESPONSE not in got:
        piece = s.recv(65536)
        if not piece:
            sys.exit(f"the server closed the connection after {got!r}")
        got += piece
    return s


def idle(program, _):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(IDLE + 1000, hard), hard))
    for version, request in {"h2c": h2_call(), "h1": h1_call()}.items():
        with Server(program) as server:
            kept = [connect(server.address, request) for _ in range(100)]
            before = server.resident_bytes()
            kept += [connect(server.address, request) for _ in range(IDLE)]
            each = (server.resident_bytes() - before) / IDLE
            print(f"{version:<4}{each:8.0f} resident bytes for each of {IDLE} idle connections")
            for s in kept:
                s.close()
    return 0


if __name__ == "__main__":
    modes = {f.__name__: f for f in (calls, instructions, idle)}
    asked = sys.argv[3:] or ["calls", "idle"]
    if unknown := set(asked) - set(modes):
        sys.exit(f"no measurement called {unknown.pop()}: {', '.join(modes)}")
    program, peers = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    sys.exit(any([modes[word](program, peers) for word in asked]))
