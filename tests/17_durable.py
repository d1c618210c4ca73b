"""Acknowledged is kept, and counted once: across failing disks, full disks, damaged logs and an end without a word.

What is asked of the kernel, and in which order, is seen by strace.  Kills at random are 31_kills.py's.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import re
import shutil
import subprocess
import time

from hearth import BIN, RpcError, Server, folder, push_body, wait_until
from oracle import Oracle, profile
from pprof import pprof


def once():
    data, body = folder("once"), profile(0)
    twins = push_body(profile(1), {"__name__": "process_cpu", "service_name": "twins"})
    twins["series"][0]["samples"] *= 3
    server = Server(f"--data.dir={data}")
    for turn in range(3):
        for _ in range(3):
            server.push(body, service="once")
            server.rpc("/push.v1.PusherService/Push", twins)  # three equal ones in one request are three
        assert server.total('{service_name="once"}') == 1 and server.total('{service_name="twins"}') == 3
        hits = server.metric("hearth_dedup_hits_total")
        assert hits == (8 if turn == 0 else 12), hits
        server.kill()
        server = Server(f"--data.dir={data}")
        assert server.total('{service_name="once"}') == 1 and server.total('{service_name="twins"}') == 3
    server.stop()
    print("what is sent again counts once, also after kill -9")


def traced(data, inject):
    """Under strace, which makes system calls fail."""
    return Server(f"--data.dir={data}", "--wal.segment-bytes=64KiB", name="traced",
                  env={"ASAN_OPTIONS": "detect_leaks=0"},
                  program=("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={inject.split(':')[0]}", "-e",
                           f"inject={inject}", BIN / "hearth"))


def order_of_syncs():
    """A log is synced between a push and its ack; a block before it gets its name, and its folder behind that."""
    if not shutil.which("strace"):
        print("no strace: which files are synced is not looked at")
        return
    data, calls = folder("synced"), os.path.join(folder("synced-calls"), "calls")
    with Server(f"--data.dir={data}", name="traced", env={"ASAN_OPTIONS": "detect_leaks=0"},
                program=("strace", "-D", "-f", "-qq", "-y", "-s", "200", "-o", calls, "-e",
                         "trace=fsync,fdatasync,rename,renameat,renameat2", BIN / "hearth")) as server:
        def synced():
            return len(re.findall(r"fdatasync\(\d+<[^>]*/wal-", open(calls).read()))
        for i in range(10):
            before = synced()
            server.push(pprof({f"main;p{i}": 1}, time_ns=int((time.time() - 2400) * 1e9)), service="old")
            wait_until("what strace writes", lambda: synced() > before, seconds=5)
        wait_until("a block on disk", lambda: list(pathlib.Path(data, "blocks").glob("*/*.block")))
    text = open(calls).read()
    block = re.search(r'renameat2?\(\d+<[^>]*>, "(\S+)\.new", \d+<[^>]*>, "\1\.block"', text)
    assert block, text
    path = re.escape(block[1])
    assert re.search(rf"fsync\(\d+<[^>]*{path}\.new>", text[:block.start()]), text
    assert re.search(rf"fsync\(\d+<[^>]*/blocks/{path.split('/')[0]}>", text[block.end():]), text
    print("synced in order")


def disk_faults():
    if not shutil.which("strace"):
        print("no strace: system calls that fail are left out")
        return
    for inject in ("fdatasync:error=EIO:when=7+9", "pwrite64:error=EIO:when=5+6", "pwrite64:error=ENOSPC:when=6+4",
                   "fallocate:error=ENOSPC:when=1+2", "fsync:error=EIO:when=1+2"):
        oracle, data = Oracle(), folder("traced-" + inject.replace(":", "-"))
        with Server(f"--data.dir={data}") as server:  # makes and stamps the folder
            assert oracle.push(server) == "acked"
        server = traced(data, inject)
        for _ in range(60):
            oracle.push(server)
            time.sleep(0.005)
        oracle.check(server)
        counts, seen = oracle.counts(), server.total()
        assert seen == counts["acked"] > 10, (seen, counts, server.tail())  # who was refused is not seen
        assert server.metric("hearth_wal_failures_total") > 0 and server.get("/ready")[0] == 200
        server.kill()
        with Server(f"--data.dir={data}") as again:
            oracle.check(again)
            oracle.settle(again)
        print(f"{inject}: {counts}")


def short_writes():
    """A disk that takes a hundred bytes at a time, for the log and for a block."""
    data, oracle, library = folder("short"), Oracle(), BIN / "libshort_writes.so"
    assert library.exists()
    server = Server(f"--data.dir={data}", "--wal.segment-bytes=64KiB",
                    env={"LD_PRELOAD": str(library), "ASAN_OPTIONS": "verify_asan_link_order=0"})
    server.push(pprof({"main;old": 1}, time_ns=int((time.time() - 2400) * 1e9)), service="old")
    for _ in range(50):
        assert oracle.push(server) == "acked"
    wait_until("a block on disk", lambda: list(pathlib.Path(data, "blocks").glob("*/*.block")))
    server.kill()
    with Server(f"--data.dir={data}") as server:
        assert server.total('{service_name="old"}') == 1 and server.total('{service_name=~"service.*"}') == 50
    print("short writes are gone on with")


def full_disk():
    data = folder("full")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", data], stderr=subprocess.DEVNULL).returncode:
        print("no right to mount a tmpfs: a full disk is left out")
        return
    try:
        with open(f"{data}/ballast", "wb") as ballast:
            ballast.write(bytes(15 << 19))
        oracle = Oracle()
        server = Server(f"--data.dir={data}", "--wal.segment-bytes=256KiB")
        while oracle.push(server) == "acked":
            assert oracle.next < 5000
        try:
            server.push(profile("x"), service="full")
            raise AssertionError("acknowledged without a disk")
        except RpcError as e:
            assert (e.status, e.code) == (503, "unavailable") and "No space left" in e.text, e
        assert server.get("/ready")[0] == 200 and server.metric("hearth_wal_read_only") == 1
        oracle.check(server)
        server.kill()  # a restart on a full disk answers too
        server = Server(f"--data.dir={data}", "--wal.segment-bytes=256KiB")
        oracle.check(server)
        assert oracle.push(server) == "open"
        os.remove(f"{data}/ballast")
        time.sleep(0.5)
        oracle.settle(server)
        assert server.metric("hearth_wal_read_only") == 0
        server.kill()
        with Server(f"--data.dir={data}") as server:
            oracle.check(server)
        print(f"full at {oracle.counts()['acked']} profiles, and read-only until there was room")
    finally:
        subprocess.run(["umount", "-l", data])


def damage():
    data, oracle = folder("damaged"), Oracle()
    with Server(f"--data.dir={data}") as server:
        for _ in range(5):
            assert oracle.push(server) == "acked"
    [segment] = os.listdir(f"{data}/wal")
    with open(f"{data}/wal/{segment}", "r+b") as file:
        file.seek(300)
        byte = file.read(1)[0]
        file.seek(300)
        file.write(bytes([byte ^ 1]))
    done = subprocess.run([BIN / "hearth", f"--data.dir={data}", "--listen=127.0.0.1:0"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 1 and segment in done.stderr and "offset 64" in done.stderr, done
    dump = subprocess.run([BIN / "hearthctl", "wal", "dump", f"{data}/wal/{segment}"], capture_output=True, text=True)
    assert dump.returncode == 1 and "does not read" in dump.stdout, dump
    with open(f"{data}/wal/{segment}", "r+b") as file:
        file.seek(300)
        file.write(bytes([byte]))
    dump = subprocess.run([BIN / "hearthctl", "wal", "dump", f"{data}/wal"], capture_output=True, text=True)
    assert dump.returncode == 0 and dump.stdout.count(" added ") == 5 and "service-3" in dump.stdout, dump
    with Server(f"--data.dir={data}") as server:
        oracle.check(server)
    print("a damaged log is refused by name and offset")


once()
damage()
order_of_syncs()
disk_faults()
short_writes()
full_disk()
