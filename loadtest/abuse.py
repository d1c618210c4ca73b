"""What an attack costs: for each class of abuse an attacker, a release server, and a neighbour who asks 50 times a second.

    loadtest/abuse.py BIN [SECONDS] [NAME...]      ./dev bench abuse [SECONDS] [NAME...]

The attacker begins anew when it is cut off: one process that has seven eighths of a core, and no wire to slow it down.
Before each attack the neighbour's times are taken in quiet.  As root everything runs in real time, the neighbour first,
so that what else the machine does is not measured.
"""

import gzip
import http.client
import json
import multiprocessing
import os
import pathlib
import re
import resource
import socket
import struct
import sys
import time

BIN = pathlib.Path(sys.argv[1]).resolve()
os.environ["HEARTH_BIN"] = str(BIN)
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests" / "lib"))
from hearth import Server  # noqa: E402

SECONDS = float(sys.argv[2]) if len(sys.argv) > 2 else 8
ASKED_EVERY_S = 0.02
SETTLE_S = 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
METHOD = "/querier.v1.QuerierService/LabelNames"


# --- frames ---


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def hello(window=65535):
    return PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, window))


def head(path, method=b"\x83"):
    kind = b"application/proto"
    return method + b"\x86\x41\x01a\x04" + bytes([len(path)]) + path.encode() + b"\x0f\x10" + bytes([len(kind)]) + kind


def request(stream, flags, path=METHOD):
    return frame(HEADERS, flags, stream, head(path))


def get(stream, path):
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, head(path, b"\x82"))


def ids(n):
    return range(1, 2 * n, 2)


# --- floods: sent at once, again and again ---


def resets():
    return hello() + b"".join(request(i, END_HEADERS) + frame(RST, 0, i, b"\0\0\0\x08") for i in ids(2000))


def provoked_resets():
    return hello() + b"".join(request(i, END_HEADERS) + frame(WINDOW_UPDATE, 0, i, b"\x7f\xff\xff\xff") for i in ids(240))


def continuations():
    return hello() + request(1, END_STREAM) + frame(CONTINUATION, 0, 1) * 20000


def header_bomb():
    fields = b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 12000
    return hello() + frame(HEADERS, END_HEADERS | END_STREAM, 1, head(METHOD) + fields)


def open_heads():
    first = head(METHOD) + b"\x40\x01x\x7f\xa1\x1e" + b"v" * 4000 + b"\xbe" * 14
    more = b"\x83\x86\x01\x01a\x04\x07/silent" + b"\xbe" * 15
    return hello() + frame(HEADERS, END_HEADERS, 1, first) + b"".join(frame(HEADERS, END_HEADERS, i, more) for i in ids(240)[1:])


def pings():
    return hello() + frame(PING, 0, 0, b"12345678") * 40000


def settings():
    return hello() + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65535)) * 40000


def empty_frames():
    return hello() + request(1, END_HEADERS) + frame(DATA, 0, 1) * 80000


def dribble():
    return hello() + request(1, END_HEADERS) + frame(DATA, 0, 1, b"x") * 80000


def h1_dribble():
    return b"POST /ingest?name=x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 80000


def tiny_windows():
    return hello(0) + get(1, "/config") + frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\1") * 40000


def streams():
    return hello() + b"".join(request(i, END_HEADERS) for i in ids(4000))


def smuggling():
    return b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n"


def bomb():
    body = gzip.compress(b"\0" * (16 << 20), 1) * 40  # 640 MB
    return (f"POST /push.v1.PusherService/Push HTTP/1.1\r\nhost: x\r\ncontent-type: application/proto\r\n"
            f"content-encoding: gzip\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n").encode() + body


def flood(make, waits=True):
    """The attacker who sends, is cut off, and begins anew; not `waits`: resets the connection himself."""
    def attack(port, until):
        payload, n_bytes, n = make(), 0, 0
        while time.monotonic() < until:
            begun = time.monotonic()
            with connect(port) as s:
                n += 1
                n_bytes += push(s, payload)
                if waits:
                    listen(s)
            time.sleep((time.monotonic() - begun) / 8)  # a process in real time is stopped if it takes all of a core
        return n, n_bytes
    return attack


def connect(port):
    s = socket.create_connection(("127.0.0.1", port), timeout=2)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # no TIME_WAIT: ports would run out
    return s


def push(s, payload):
    sent, view = 0, memoryview(payload)
    try:
        while sent < len(payload):
            sent += s.send(view[sent:sent + (64 << 10)])
    except OSError:
        pass
    return sent


def listen(s):
    try:
        while s.recv(1 << 16):
            pass
    except OSError:
        pass


# --- slow ones: many connections, each doing little ---


def crowd(n, first, then=b"", every_s=1.0, read_bytes=0):
    """n connections say `first`, and then `then` every so often; those that are closed are opened again."""
    def attack(port, until):
        members, n_bytes, n_opened = {}, 0, 0
        while time.monotonic() < until:
            for i in range(n):
                if time.monotonic() >= until:
                    break
                try:
                    if i not in members:
                        members[i] = connect(port)
                        members[i].setblocking(False)
                        n_opened += 1
                        n_bytes += members[i].send(first)
                    elif then:
                        n_bytes += members[i].send(then)
                    if i in members and (closed(members[i]) or read_bytes and not members[i].recv(read_bytes)):
                        members.pop(i).close()
                except BlockingIOError:
                    pass
                except OSError:
                    if i in members:
                        members.pop(i).close()
            time.sleep(every_s)
        return n_opened, n_bytes
    return attack


def closed(s):
    try:
        return s.recv(1, socket.MSG_PEEK) == b"" if s.fileno() >= 0 else True
    except BlockingIOError:
        return False


PAGE = "/api/v1/status/config/default"  # some KB, made on the loop; what is made by workers waits for them in quiet, too
READ_NONE = f"GET {PAGE} HTTP/1.1\r\nhost: x\r\n\r\n".encode() * 1500
HOLD = hello(0) + b"".join(get(i, PAGE) for i in ids(240))

ATTACKS = {
    "rapid reset": ("rapid_reset", flood(resets)),
    "provoked resets": ("provoked_reset", flood(provoked_resets)),
    "CONTINUATION flood": ("continuation_flood", flood(continuations)),
    "header bomb": ("header_bomb", flood(header_bomb)),
    "heads of open streams": ("header_bomb", flood(open_heads)),
    "PING flood": ("ping_flood", flood(pings)),
    "SETTINGS flood": ("settings_flood", flood(settings)),
    "empty frames": ("empty_frames", flood(empty_frames)),
    "dribble, frames": ("dribble", flood(dribble)),
    "dribble, chunks": ("dribble", flood(h1_dribble)),
    "tiny windows": ("tiny_windows", flood(tiny_windows)),
    "stream flood": ("stream_flood", flood(streams)),
    "smuggling": ("malformed_request", flood(smuggling)),
    "decompression bomb": ("decompression_bomb", flood(bomb)),
    "slow heads": ("slow_head", crowd(1000, b"GET / HTTP/1.1\r\nhost: x\r\nx: ", b"v")),
    "slow bodies": ("slow_body", crowd(1000, b"POST /ingest?name=x HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n", b"v")),
    "slow reads": ("slow_read", crowd(20, READ_NONE, read_bytes=1)),
    "slow reads, many": ("held_memory", crowd(100, READ_NONE, read_bytes=1)),
    "zero windows": ("held_memory", crowd(100, HOLD)),
    "connections, one after the other": (None, flood(hello, waits=False)),
    "idle connections": ("connections", crowd(5000, b"")),
}


# --- who measures ---


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def peak_mib(pid):
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def ask(connection):
    connection.request("POST", METHOD, json.dumps({"start": 1, "end": 2}), {"content-type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200, answer.status


def neighbour(port, seconds, out):
    realtime(2)
    connection, times = http.client.HTTPConnection("127.0.0.1", port, timeout=20), []
    ask(connection)
    time.sleep(SETTLE_S)
    due = time.perf_counter()
    end = due + seconds
    while due < end:
        time.sleep(max(0, due - time.perf_counter()))
        begun = time.perf_counter()
        ask(connection)
        times.append(time.perf_counter() - begun)
        due = max(due + ASKED_EVERY_S, begun)
    times.sort()
    out.put((times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3, len(times)))


def realtime(priority):
    """Where we may: what else runs on this machine is not measured."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(priority))
    except PermissionError:
        pass


def attacker(attack, port, seconds, out):
    realtime(1)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    n, n_bytes = attack(port, time.monotonic() + seconds)
    used = resource.getrusage(resource.RUSAGE_SELF)
    out.put((n, n_bytes, used.ru_utime + used.ru_stime))


def run(target, *args):
    out = multiprocessing.Queue()
    process = multiprocessing.Process(target=target, args=(*args, out))
    process.start()
    return process, out


def measure(server, name, counter, attack):
    pid = server.process.pid
    process, out = run(neighbour, server.port, SECONDS)
    quiet = out.get()
    process.join()
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    counted, cpu = server.metrics(), cpu_s(pid)
    process, out = run(neighbour, server.port, SECONDS)
    time.sleep(SETTLE_S / 2)  # it has its connection, as one who was there before
    attacking, out_attacker = run(attacker, attack, server.port, SECONDS + 1)
    meanwhile = out.get()
    n, n_bytes, attacker_cpu = out_attacker.get()
    for p in (process, attacking):
        p.join()
    cpu = cpu_s(pid) - cpu
    key = f'hearth_net_abuse_total{{class="{counter}"}}'
    shown = f"{counter} {server.metrics()[key] - counted[key]:.0f}" if counter else "none"
    print(f"| {name} | {shown} | {n} / {n_bytes / 1e6:.1f} MB / {attacker_cpu:.1f} s | {cpu:.1f} s | "
          f"{peak_mib(pid):.0f} MiB | {quiet[0]:.2f} / {quiet[1]:.2f} | {meanwhile[0]:.2f} / {meanwhile[1]:.2f} | "
          f"{meanwhile[1] / quiet[1]:.1f} |", flush=True)


realtime(1)  # the server inherits it
wanted = sys.argv[3:] or list(ATTACKS)
print(f"{os.cpu_count()} cores; each attack {SECONDS + 1:.0f} s; load average at the beginning {os.getloadavg()[0]:.1f}")
print("| attack | counter | attacker: connections / sent / CPU | server CPU | its peak | quiet p50 / p99 ms | attacked p50 / p99 ms "
      "| p99 ratio |\n|---|---|---|---|---|---|---|---|", flush=True)
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for name in wanted:
    with Server("--memory-limit=512MiB") as server:
        measure(server, name, *ATTACKS[name])
