"""What a small push costs over the number of series: CPU of a whole server with its log, until it is quiet.

    series.py BIN [SERIES...]     BIN: a folder with hearth; 1000 10000 100000 1000000

Each profile by a push of its own, over 64 connections that are kept; 300,000 at least, so every series of few has many.
"""

import gzip
import os
import re
import socket
import sys

from cluster import ANY_PUSH, cpu_seconds, wait_until_quiet

CONNECTIONS, LEAST = 64, 300_000
PROFILE_STACKS = {"main;run;work": 10_000_000, "main;run": 20_000_000}
HEAD = b"POST /push.v1.PusherService/Push HTTP/1.1\r\nHost: x\r\nContent-Type: application/proto\r\nContent-Length: %d\r\n\r\n"
LENGTH = re.compile(rb"content-length: *(\d+)", re.I)


def label(name, value):
    return message(1, message(1, name) + message(2, value))


def push(profile, i, series):
    pod = i % series
    labels = (label(b"__name__", b"process_cpu") + label(b"namespace", b"prod") + label(b"pod", b"pod-%d" % pod) +
              label(b"service_name", b"service-%02d" % (pod % 20)))
    body = message(1, labels + message(2, message(1, profile) + message(2, b"push-%d" % i)))
    return HEAD % len(body) + body


def read_answer(connection):
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65536)
    head, body = answer.split(b"\r\n\r\n", 1)
    missing = int(LENGTH.search(head)[1]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(missing))
    assert b" 200 " in head.split(b"\r\n", 1)[0], answer


def push_all(port, series, pushes):
    profile = gzip.compress(pprof(PROFILE_STACKS))
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for first in range(0, pushes, CONNECTIONS):
        asked = connections[: pushes - first]
        for k, connection in enumerate(asked):
            connection.sendall(push(profile, first + k, series))
        for connection in asked:
            read_answer(connection)
    for connection in connections:
        connection.close()


def measure(series):
    pushes = max(series, LEAST)
    with Server("--target=all", f"--data.dir={folder(str(series))}", *ANY_PUSH) as server:
        wait_until_quiet([server])
        before = cpu_seconds(server)
        push_all(server.port, series, pushes)
        wait_until_quiet([server])
        assert server.metric("hearth_ingest_profiles_total") == pushes
        each = (cpu_seconds(server) - before) * 1e6 / pushes
        print(f"{series:8} series: {each:.1f} us a push, of {pushes}; {server.rss() / 1e6:.0f} MB", flush=True)
    return each


def main():
    each = [measure(int(n)) for n in sys.argv[2:] or (1_000, 10_000, 100_000, 1_000_000)]
    print(f"limit  the dearest push takes {max(each) / min(each):.2f} times the CPU of the cheapest (aim: 1.5)")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.environ["HEARTH_BIN"] = sys.argv[1]
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
    from hearth import Server, folder
    from pprof import message, pprof
    main()
