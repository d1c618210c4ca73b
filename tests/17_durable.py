"""Acknowledged is kept, and counted once: across kill -9, failing disks, full disks and damaged logs.

Every profile has a stack of its own, so the flame graph is the list of what counts.  An oracle knows what was acked (once),
refused (never) and left open by a broken connection (never or once).  HEARTH_CRASH_ROUNDS says how many kills; ./dev crash
asks for more than ./dev test does.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import http.client
import os
import random
import shutil
import subprocess
import threading
import time

from hearth import BIN, Cluster, RpcError, Server, folder, push_body
from pprof import pprof

ROUNDS = int(os.environ.get("HEARTH_CRASH_ROUNDS", "20"))
SEED = int(os.environ.get("HEARTH_CRASH_SEED", str(random.randrange(1 << 30))))
chance = random.Random(SEED)
print("seed", SEED)


def profile(i):
    return pprof({f"main;p{i}": 1}, time_ns=time.time_ns())


class Oracle:
    """What was sent, what became of it, and what must therefore be found."""

    def __init__(self):
        self.lock, self.next, self.bytes, self.fate = threading.Lock(), 0, {}, {}

    def push(self, server, again=None):
        with self.lock:
            i = self.next if again is None else again
            self.next += again is None
            body = self.bytes.setdefault(i, profile(i))
            self.fate.setdefault(i, "open")
        try:
            server.push(body, service=f"service-{i % 9}")
            fate = "acked"
        except RpcError as e:
            assert e.code in ("unavailable", "resource_exhausted", "deadline_exceeded"), e
            fate = "refused" if e.code == "resource_exhausted" else "open"
        except (OSError, http.client.HTTPException):
            fate = "open"
        with self.lock:
            if self.fate[i] != "acked":
                self.fate[i] = fate
        return fate

    def check(self, server):
        found = {path.split(";")[1][1:]: own for path, (_, own) in server.flame().items() if ";" in path}
        for i, fate in self.fate.items():
            n = found.pop(str(i), 0)
            assert n == 1 if fate == "acked" else n <= 1, f"profile {i} was {fate} and counts {n} times"
        assert not found, f"never sent: {found}"

    def settle(self, server):
        """Who does not know sends again, the same bytes: now all count, once."""
        for i in [i for i, fate in self.fate.items() if fate != "acked"]:
            assert self.push(server, again=i) == "acked", server.tail()
        self.check(server)

    def counts(self):
        return {fate: list(self.fate.values()).count(fate) for fate in ("acked", "open", "refused")}


class Load:
    """Pushes from several threads to whatever `servers` gives, until it is over."""

    def __init__(self, oracle, servers, threads=4):
        self.oracle, self.servers, self.is_over = oracle, servers, False
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def run(self):
        while not self.is_over:
            if self.oracle.push(chance.choice(self.servers())) != "acked":
                time.sleep(0.01)

    def end(self):
        self.is_over = True
        for t in self.threads:
            t.join()


def kill_rounds(rounds):
    oracle, data = Oracle(), folder("killed")
    for i in range(rounds):
        server = Server(f"--data.dir={data}", "--wal.segment-bytes=64KiB", name="killed")
        oracle.check(server)
        load = Load(oracle, lambda: [server])
        time.sleep(chance.uniform(0.02, 0.4))
        server.kill()
        load.end()
    with Server(f"--data.dir={data}", "--wal.segment-bytes=64KiB") as server:
        oracle.check(server)
        counts = oracle.counts()
        oracle.settle(server)
        assert server.metric("hearth_wal_replay_bytes") == server.metric("hearth_wal_replay_of_bytes") > 0
    print(f"{rounds} kills: {counts}, then each once; {len(os.listdir(data + '/wal'))} segments")


def cluster_rounds(rounds):
    """A shard or a frontend is killed and comes back; frontends try again, so most pushes only wait."""
    oracle = Oracle()
    with Cluster(shards=3, frontends=2, queriers=1) as cluster:
        load = Load(oracle, lambda: list(cluster.frontends))
        for i in range(rounds):
            time.sleep(chance.uniform(0.05, 0.4))
            if i % 3 == 2:
                cluster.frontends.pop(0).kill()
                cluster.add_frontend()
            else:
                name = f"shard-{chance.randrange(3)}"
                cluster.shards[name].kill()
                cluster.start_shard(name)
        load.end()
        oracle.check(cluster.queriers[0])
        for i in [i for i, fate in oracle.fate.items() if fate != "acked"]:
            assert oracle.push(cluster.frontends[0], again=i) == "acked"
        oracle.check(cluster.queriers[0])
        hits = sum(s.metric("hearth_dedup_hits_total") for s in cluster.shards.values())
    print(f"{rounds} kills in a cluster: {oracle.counts()}, {hits:.0f} found to be there already")


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
disk_faults()
full_disk()
kill_rounds(ROUNDS)
cluster_rounds(max(6, ROUNDS // 3))
