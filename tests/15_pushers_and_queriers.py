"""Four pushers and four queriers at once: every answer is a sum of whole profiles that only grows, up to all of them.

A few seconds long; a minute under ThreadSanitizer, whose reports end the server.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import threading
import time

from hearth import CPU, Server
from pprof import pprof

IS_TSAN = "fsanitize=thread" in os.environ.get("HEARTH_BUILD_FLAGS", "")
SECONDS = 60 if IS_TSAN else 4
# Each profile weighs 16, whatever its stacks: a torn one would show in the sum.
STACKS = [{f"main;work_{i};deep_{i % 5}": 9, "main;idle": 7} for i in range(40)]
faults = []


class Worker(threading.Thread):
    def __init__(self, number, step):
        super().__init__(daemon=True)
        self.number, self.step, self.done = number, step, 0

    def run(self):
        try:
            while time.monotonic() < end and not faults:
                self.step(self)
                self.done += 1
        except Exception as e:
            faults.append(e)


def push(worker):
    profile = pprof(STACKS[worker.done % len(STACKS)], time_ns=time.time_ns())
    server.push(profile, service=f"service-{worker.done % 7}", pusher=str(worker.number))


def query(worker):
    selector = "{}" if worker.number % 2 else f'{{pusher="{worker.number}"}}'
    graph = server.flame(selector)
    total, _ = graph[""]
    assert total % 16 == 0, f"a part of a profile: {total}"
    assert total == sum(own for _, own in graph.values()), "selfs do not add up"
    assert total >= getattr(worker, "before", 0), "a profile went away"
    worker.before = total
    series = server.query("SelectSeries", profileTypeID=CPU, labelSelector=selector, step=3600).get("series", [])
    assert all(p["value"] % 16 == 0 for s in series for p in s["points"]), series
    server.query("LabelValues", name="pusher")


with Server() as server:
    end = time.monotonic() + SECONDS
    pushers = [Worker(i, push) for i in range(4)]
    queriers = [Worker(i, query) for i in range(4)]
    for w in pushers + queriers:
        w.start()
    for w in pushers + queriers:
        w.join()
    assert not faults, faults
    pushed = sum(w.done for w in pushers)
    assert server.total() == 16 * pushed
    for w in pushers:
        assert server.total(f'{{pusher="{w.number}"}}') == 16 * w.done
    print(f"{pushed} profiles pushed, {sum(w.done for w in queriers)} times asked")
