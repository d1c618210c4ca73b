"""hearth-load against a real server: right answers end well, and whatever is lost, doubled or leaked does not."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import json
import os
import signal
import subprocess
import threading
import time

from hearth import BIN, Server, folder

FINE, WRONG, USAGE, UNREACHABLE = 0, 1, 2, 3
dir = folder("load")


def command(url, *args):
    """The smoke preset for five seconds; how late things are sent is no matter here."""
    return [BIN / "hearth-load", "smoke", f"--url={url}", "--duration=5s", "--late-percent-max=100",
            "--refused-percent-max=0", *args]


def load(url, *args, want):
    done = subprocess.run(command(url, *args), capture_output=True, text=True, timeout=200)
    assert done.returncode == want, f"hearth-load {args}: status {done.returncode}, not {want}\n{done.stdout}{done.stderr}"
    return done.stdout


with Server("--multitenancy=true") as server:
    json_path, html_path = os.path.join(dir, "r.json"), os.path.join(dir, "r.html")
    out = load(server.url, "--tenants=2", f"--json={json_path}", f"--html={html_path}", f"--server-pid={server.process.pid}",
               want=FINE)
    print(out)
    with open(json_path) as file:
        report = json.load(file)
    assert report["version"] == 1 and report["result"] == FINE and report["acked"] == 100, report
    assert report["verification"]["wrong"] == 0 and report["verification"]["stacks"] > 1000, report["verification"]
    assert report["queries"] > 0 and report["queries_failed"] == 0, report
    assert report["server_rss_bytes_max"] > 0 and len(report["seconds"]) >= 5, report
    with open(html_path) as file:
        page = file.read()
    assert page.count("<svg") == 4 and "http://" not in page.split("<h2>Settings")[0].replace(server.url, ""), page[:400]

    # each planted fault is found
    assert "of one there should be" in load(server.url, "--tenants=2", "--duration=2s", "--plant-fault=count", want=WRONG)
    load(server.url, "--tenants=2", "--duration=2s", "--plant-fault=lost", want=WRONG)
    load(server.url, "--tenants=2", "--duration=2s", "--plant-fault=leak", want=WRONG)

    # batches, churn, the closed loop, and the stacks of a real profile
    load(server.url, "--tenants=2", "--duration=2s", "--formats=connect,grpc", "--batch=3", "--churn=500ms", want=FINE)
    load(server.url, "--tenants=2", "--duration=1s", "--max", "--in-flight=4", want=FINE)

    # A server that does not answer in time: nobody knows what it has taken, until it is asked.
    running = subprocess.Popen(command(server.url, "--tenants=2", "--duration=4s", "--timeout=1s", "--settle=1s"),
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    time.sleep(1.5)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    server.process.send_signal(signal.SIGCONT)
    out = running.communicate(timeout=120)[0]
    assert running.returncode == FINE and " are settled, 0 contradict" in out, out

    # Interrupted, it verifies what it has sent.
    running = subprocess.Popen(command(server.url, "--tenants=2", "--duration=10m"), stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
    time.sleep(2)
    running.send_signal(signal.SIGINT)
    out = running.communicate(timeout=60)[0]
    assert running.returncode == FINE and " 0 wrong" in out, out

    # nobody there, and words that mean nothing
    load("http://127.0.0.1:1", want=UNREACHABLE)
    load(server.url, "--no-such-thing", want=USAGE)

# A server that loses what it has acked: it is killed after the load, and its successor is asked.
with Server() as server:
    first = server
    running = subprocess.Popen(command(server.url, "--settle=4s", "--duration=2s"), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    for line in running.stderr:
        if line.startswith("loaded, 40 acked"):
            break
    threading.Thread(target=running.stderr.read, daemon=True).start()
    first.kill()
    with Server(port=first.port):
        out = running.stdout.read()
        assert running.wait(timeout=120) == WRONG, out
        assert "in all 0, not" in out, out
    first.stop = lambda: None
