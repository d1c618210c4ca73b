"""What it costs to be several: the CPU of one process, and of a frontend with three shards, for the same pushes.

    cluster.py BIN COMMAND...     BIN: a folder with hearth; COMMAND pushes to {url} and ends

CPU of all threads of all processes, from before the first push until all of them are quiet.
"""

import glob
import os
import subprocess
import sys
import time

PATIENCE_S = 120
ANY_PUSH = ("--limits.ingestion_rate_mb=unlimited", "--limits.reject_older_than=unlimited",
            "--limits.max_profile_size_bytes=67108864", "--limits.max_profile_stacktrace_samples=100000")


def cpu_seconds(server):
    total = 0
    for path in glob.glob(f"/proc/{server.process.pid}/task/*/schedstat"):
        with open(path) as file:
            total += int(file.read().split()[0])
    return total / 1e9


def wait_until_quiet(servers):
    before, quiet, end = sum(map(cpu_seconds, servers)), 0, time.monotonic() + PATIENCE_S
    while quiet < 3 and time.monotonic() < end:
        time.sleep(2)
        now = sum(map(cpu_seconds, servers))
        quiet = quiet + 1 if now - before < 0.12 else 0
        before = now


def measure(what, servers, front, command):
    time.sleep(2)
    before = list(map(cpu_seconds, servers))
    subprocess.run([word.replace("{url}", front.url) for word in command], stdout=subprocess.DEVNULL, check=True)
    wait_until_quiet(servers)
    spent = [cpu_seconds(server) - since for server, since in zip(servers, before)]
    taken = front.metric("hearth_ingest_profiles_total") or 0
    each = ", ".join(f"{server.name} {s:.2f} s and {server.rss() / 1e6:.0f} MB" for server, s in zip(servers, spent))
    print(f"{what}: {sum(spent) * 1000 / max(taken, 1):.3f} s of CPU for 1,000 profiles ({taken:.0f}): {each}")
    return sum(spent) / max(taken, 1)


def main():
    command = sys.argv[2:]
    with Server("--target=all", f"--data.dir={folder('one')}", *ANY_PUSH) as one:
        alone = measure("one process", [one], one, command)
    with Cluster(shards=3, frontends=1, queriers=0, args=ANY_PUSH) as cluster:
        together = measure("frontend and three shards", cluster.servers(), cluster.frontends[0], command)
    print(f"limit  a frontend and three shards take {together / alone:.2f} times the CPU of one process (aim: 1.3)")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    os.environ["HEARTH_BIN"] = sys.argv[1]
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "lib"))
    from hearth import Cluster, Server, folder
    main()
