"""Who pushes knows what must be there: acked (once), refused (never), left open by a broken connection (never or once).

Every profile has a stack of its own, so the flame graph is the list of what counts.
"""

import http.client
import os
import random
import threading
import time

from hearth import RpcError
from pprof import pprof

ROUNDS = int(os.environ.get("HEARTH_CRASH_ROUNDS", "20"))
SEED = int(os.environ.get("HEARTH_CRASH_SEED", str(random.randrange(1 << 30))))
chance = random.Random(SEED)


def profile(i, padding=0):
    return pprof({f"main;p{i}{'_' * padding}": 1}, time_ns=time.time_ns())


class Oracle:
    """What was sent, what became of it, and what must therefore be found."""

    def __init__(self, padding=0):
        self.lock, self.next, self.bytes, self.fate, self.padding = threading.Lock(), 0, {}, {}, padding

    def push(self, server, again=None):
        with self.lock:
            i = self.next if again is None else again
            self.next += again is None
            body = self.bytes.setdefault(i, profile(i, self.padding))
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
        found = {path.split(";")[1][1:].rstrip("_"): own for path, (_, own) in server.flame().items() if ";" in path}
        for i, fate in self.fate.items():
            n = found.pop(str(i), 0)
            assert n == 1 if fate == "acked" else n <= 1, f"profile {i} was {fate} and counts {n} times"
        assert not found, f"never sent: {found}"

    def settle(self, server, querier=None):
        """Who does not know sends again, the same bytes: now all count, once."""
        for i in [i for i, fate in self.fate.items() if fate != "acked"]:
            assert self.push(server, again=i) == "acked", server.tail()
        self.check(querier or server)

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
