"""A load that needs many times the memory limit: the process stays below it, what is retained is exact, the rest is reported as dropped.

Once in memory only, where the oldest goes, and once with a --data.dir, where nothing does.  `./dev figures bounded` runs
it at full size: 512 MiB, 5 GiB, half an hour each.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import argparse
import random
import re
import threading
import time

from hearth import IS_SANITIZED, RpcError, Server, folder
from pprof import pprof

parser = argparse.ArgumentParser()
parser.add_argument("--limit-mib", type=int, default=64)
parser.add_argument("--need-mib", type=int, default=128)
parser.add_argument("--seconds", type=int, default=0, help="the load is spread over so many; 0: as fast as it goes")
options = parser.parse_args()
LIMIT, NEED = options.limit_mib << 20, options.need_mib << 20
ALLOWED = options.limit_mib * 1.1 * (5 if IS_SANITIZED else 1)  # shadow, quarantine and red zones come on top
SEALED_SHARE = 0.38  # of what a profile takes when it is new is left when it is sealed
WIDTH, DEPTH, TENANTS, KINDS, MARK = 200, 24, 4, 5, "turn_00000000"


def template(kind):
    return pprof({";".join(f"{MARK}.package_{i % 7}.function_{i}_{depth}" for depth in range(DEPTH)): (i + 1) * (kind + 1)
                  for i in range(WIDTH)})


TEMPLATES = [template(kind) for kind in range(KINDS)]


def tenant(turn):
    return {"x-scope-orgid": f"tenant-{turn % TENANTS}"}


def total_of(turn):
    return WIDTH * (WIDTH + 1) // 2 * (turn % KINDS + 1)


class Load:
    """Profiles that share no symbol, numbered by the label `turn`."""

    def __init__(self, server):
        self.server, self.at, self.refused, self.asked = server, [], 0, 0

    def push(self):
        turn = len(self.at)
        body = TEMPLATES[turn % KINDS].replace(MARK.encode(), b"turn_%08d" % turn)
        while True:
            sent = time.time()
            try:
                self.server.push(body, service="service", headers=tenant(turn), turn=str(turn))
                self.at.append(sent)
                return
            except RpcError as e:
                assert e.code == "resource_exhausted", e
                self.refused += 1
                time.sleep(0.05)

    def selector(self, turn):
        return '{turn="%d"}' % turn

    def total(self, turn):
        self.asked += 1
        return self.server.total(self.selector(turn), headers=tenant(turn), maxNodes=8)

    def check_tree(self, turn):
        flame = self.server.flame(self.selector(turn), headers=tenant(turn))
        assert flame[""][0] == total_of(turn) and len(flame) == 1 + WIDTH * DEPTH, turn
        leaf = ";".join(f"turn_{turn:08d}.package_3.function_3_{depth}" for depth in range(DEPTH))
        assert flame[leaf] == (4 * (turn % KINDS + 1),) * 2, turn

    def since(self):
        return self.server.metric("hearth_shard_data_since_timestamp_seconds")

    def needed(self):
        """As they are accounted: what is there, and what was there."""
        return self.server.metric("hearth_shard_bytes") + (self.server.metric("hearth_shard_dropped_bytes_total") or 0)

    def check_one(self, turn):
        """Exact, or behind what is said to be incomplete.  True: it is there."""
        total = self.total(turn)
        assert total == total_of(turn) or (total == 0 and self.at[turn] <= self.since()), (turn, total)
        return total > 0

    def check_all(self):
        kept = [turn for turn in range(len(self.at)) if self.check_one(turn)]
        for turn in kept[:: max(1, len(kept) // 40)] + kept[-3:]:
            self.check_tree(turn)
        assert self.server.total("{}", headers={"x-scope-orgid": "nobody"}) == 0
        return kept


class Watch:
    """The most that a process has resident, and of that what is its own and what is mapped."""

    def __init__(self, server):
        self.path, self.top, self.is_over = f"/proc/{server.process.pid}/status", (0, 0, 0), False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.is_over:
            with open(self.path) as file:
                text = file.read()
            self.top = max(self.top, tuple(int(re.search(rf"{what}:\s+(\d+)", text)[1]) / 1024 for what in ("VmRSS", "RssAnon", "RssFile")))
            time.sleep(0.02)

    def end(self):
        self.is_over = True
        self.thread.join()
        return self.top


def run(name, *args):
    with Server(f"--memory-limit={LIMIT}", "--multitenancy",
                *args, env={"ASAN_OPTIONS": "quarantine_size_mb=8:malloc_context_size=2"}) as server:
        load, began, rng = Load(server), time.time(), random.Random(7)
        watch, before = Watch(server), server.metric("hearth_shard_bytes")
        for _ in range(8):
            load.push()
        each = (server.metric("hearth_shard_bytes") - before) / 8
        n = int(NEED / (each * SEALED_SHARE))
        while len(load.at) < n:
            load.push()
            if len(load.at) % 20 == 0:
                load.check_one(rng.randrange(max(0, len(load.at) - 200), len(load.at)))
            ahead = len(load.at) / n * options.seconds - (time.time() - began)
            time.sleep(max(0, ahead))
        needed, loaded = load.needed(), watch.top
        kept = load.check_all()
        rss, anon, file = watch.end()
        dropped = server.metric("hearth_shard_dropped_buckets_total") or 0
        print(f"{name}: {n} profiles of {each / 1024:.0f} KiB live ({n * each / 2**20:.0f} MiB), {needed / 2**20:.0f} MiB as held; "
              f"{load.refused} refused and sent again, {dropped:.0f} buckets dropped, {len(kept)} profiles retained and exact, "
              f"{load.asked} asked; peak RSS {rss:.0f} MiB ({anon:.0f} own, {file:.0f} mapped; {loaded[0]:.0f} under load) of {LIMIT >> 20}; {time.time() - began:.0f} s", flush=True)
        assert rss < ALLOWED, f"{rss} MiB of {LIMIT >> 20}"
        assert server.is_alive() and kept[-1] == n - 1
        return len(kept), n, dropped


kept, n, dropped = run("memory only")
assert dropped > 0 and 0 < kept < n
kept, n, dropped = run("with files", f"--data.dir={folder('data')}")
assert dropped == 0 and kept == n
