"""What every scenario needs: servers that are started, asked and stopped; flame graphs as dictionaries.

Programs come from $HEARTH_BIN.  Everything listens on loopback, on ports the system chooses.
"""

import atexit
import base64
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

BIN = pathlib.Path(os.environ.get("HEARTH_BIN", "build/dev/bin")).resolve()
IS_SANITIZED = "fsanitize" in os.environ.get("HEARTH_BUILD_FLAGS", "")
CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
SKIPPED = 77

_started = []
_folder = tempfile.mkdtemp(prefix="hearth-test-")


@atexit.register
def _cleanup():
    for server in _started:
        server.kill()
    shutil.rmtree(_folder, ignore_errors=True)


def skip(why):
    print("skipped:", why)
    sys.exit(SKIPPED)


def folder(name):
    path = os.path.join(_folder, name)
    os.makedirs(path, exist_ok=True)
    return path


def write_file(name, text):
    """Put in place at once, as a ConfigMap would be."""
    path = os.path.join(_folder, name)
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until(what, condition, seconds=20):
    """Polls; the last fault tells why it never came true."""
    end, fault = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (OSError, RpcError, AssertionError, http.client.HTTPException) as e:
            fault = e
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {seconds} s ({fault})")


def connect(host, port, timeout, tls=None):
    if tls is None:
        return http.client.HTTPConnection(host, port, timeout=timeout)
    return http.client.HTTPSConnection(host, port, timeout=timeout, context=tls)


class RpcError(Exception):
    def __init__(self, status, code, text):
        super().__init__(f"{status} {code}: {text}")
        self.status, self.code, self.text = status, code, text


class Server:
    """One process.  `with Server(...) as s:` stops it at the end and checks that it ended well.

    `tls`: an ssl.SSLContext to speak to it.  `listeners`: several in place of one; the first one is asked, the ports of
    all are in `ports`.  `is_awaited`: not before it is ready.
    """

    def __init__(self, *args, port=0, name="hearth", env=None, program=(BIN / "hearth",), tls=None, listeners=None,
                 is_awaited=True):
        self.log_path = os.path.join(_folder, f"{name}-{len(_started)}.log")
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            [*program, f"--listeners={listeners}" if listeners else f"--listen=127.0.0.1:{port}", *args],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env={**os.environ, **(env or {})})
        _started.append(self)
        self.name, self.tls, self.ports = name, tls, []
        wanted = listeners.count(",") + 1 if listeners else 1
        for line in self.process.stdout:
            match = re.search(r"listening on (\S+):(\d+)", line)
            if match:
                self.ports.append(int(match[2]))
            if len(self.ports) == wanted:
                break
        else:
            raise AssertionError(f"{name} did not start: {self.tail()}")
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.port = self.ports[0]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.address}"
        if is_awaited:
            self.await_ready()

    def await_ready(self):
        wait_until(f"{self.name} ready", self.is_ready)

    def is_ready(self):
        if not self.is_alive():
            raise RuntimeError(f"{self.name} ended with {self.process.returncode}: {self.tail()}")
        return self.get("/ready")[0] == 200

    def tail(self):
        self.log.flush()
        with open(self.log_path, errors="replace") as file:
            return file.read()[-6000:]

    def request(self, method, path, body=None, headers=None, timeout=60):
        """(status, headers, body)"""
        connection = connect("127.0.0.1", self.port, timeout, self.tls)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def rpc(self, path, message, headers=None, timeout=60):
        """A Connect call in JSON: the answer, or RpcError."""
        status, _, body = self.request("POST", path, json.dumps(message).encode(),
                                       {"content-type": "application/json", **(headers or {})}, timeout)
        if status == 200:
            return json.loads(body)
        try:
            fault = json.loads(body)
        except ValueError:
            fault = {}
        raise RpcError(status, fault.get("code"), fault.get("message", body[:200]))

    def query(self, method, headers=None, **message):
        now = int(time.time() * 1000)
        message = {"start": now - 3_600_000, "end": now + 60_000, **message}
        return self.rpc(f"/querier.v1.QuerierService/{method}", message, headers)

    def push(self, profile, service="test", name="process_cpu", headers=None, **labels):
        pairs = {"__name__": name, "service_name": service, **labels}
        return self.rpc("/push.v1.PusherService/Push", push_body(profile, pairs), headers)

    def flame(self, selector="{}", profile_type=CPU, headers=None, **more):
        """{path: (total, self)}, "" being the whole."""
        answer = self.query("SelectMergeStacktraces", headers, labelSelector=selector, profileTypeID=profile_type,
                            **{"maxNodes": 1 << 20, **more})
        return flame_paths(answer["flamegraph"])

    def total(self, selector="{}", profile_type=CPU, **more):
        return self.flame(selector, profile_type, **more)[""][0]

    def metrics(self):
        """{name{labels}: value}"""
        text = self.get("/metrics")[2].decode()
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, value in rows}

    def metric(self, name):
        """The sum over the labels of one family; None when it is not there."""
        rows = [v for k, v in self.metrics().items() if k.split("{")[0] == name]
        return sum(rows) if rows else None

    def rss(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024

    def is_alive(self):
        return self.process.poll() is None

    def stop(self):
        """SIGTERM; it has to end by itself, and well."""
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} did not stop: {self.tail()}")
        assert status == 0, f"{self.name} ended with {status}: {self.tail()}"

    def kill(self):
        if self.is_alive():
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            print(f"--- log of {self.name}\n{self.tail()}", file=sys.stderr)


def refused(code, word, call):
    """The call has to end in this fault, with this word in its text."""
    try:
        call()
    except RpcError as e:
        assert e.code == code and word in e.text, e
        return
    raise AssertionError(f"not refused: {code}")


def push_body(profile, pairs):
    return {"series": [{"labels": [{"name": k, "value": v} for k, v in pairs.items()],
                        "samples": [{"rawProfile": base64.b64encode(profile).decode()}]}]}


def flame_paths(graph):
    names = graph["names"]
    boxes, paths = [(0, int(graph.get("total", 0)), "")], {}
    for depth, level in enumerate(graph["levels"]):
        values, x, above, here = [int(v) for v in level["values"]], 0, 0, []
        for dx, total, own, name in zip(*[iter(values)] * 4):
            x += dx
            if depth == 0:
                path = ""
            else:
                while above < len(boxes) and boxes[above][1] < x + total:
                    above += 1
                assert above < len(boxes) and boxes[above][0] <= x, f"level {depth}: a box outside its parent"
                parent = boxes[above][2]
                path = (parent + ";" if parent else "") + names[name]
            assert path not in paths, f"{path} twice"
            paths[path] = (total, own)
            here.append((x, x + total, path))
            x += total
        boxes = here
    return paths


def run_ctl(*args, server=None, stdin=None, env=None, timeout=60):
    """(status, standard output, standard error) of hearthctl."""
    clean = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR") and not k.startswith("HEARTH_")}
    done = subprocess.run([BIN / "hearthctl", *(["--url", server.url] if server else []), *args], input=stdin,
                          capture_output=True, timeout=timeout, env={**clean, **(env or {})})
    return done.returncode, done.stdout.decode(), done.stderr.decode()


class Cluster:
    """Frontends, shards and queriers on loopback, with one map file."""

    def __init__(self, shards=3, frontends=2, queriers=1, shard_args=(), args=(), tls=None):
        self.args, self.shard_args, self.epoch, self.tls = args, shard_args, 0, tls
        self.id = f"cluster-{len(_started)}"
        self.ports, self.shards, self.frontends, self.queriers = {}, {}, [], []
        self.write_map([f"shard-{i}" for i in range(shards)])
        for name in list(self.ports):
            self.start_shard(name)
        for _ in range(frontends):
            self.add_frontend()
        for _ in range(queriers):
            self.add_querier()

    def write_map(self, names):
        self.epoch += 1
        for name in names:
            self.ports.setdefault(name, free_port())
        rows = [{"name": n, "address": f"127.0.0.1:{self.ports[n]}"} for n in names]
        self.map_path = write_file(f"{self.id}.json", json.dumps({"cluster_id": "test", "epoch": self.epoch, "shards": rows}))

    def start(self, name, *args, port=0):
        return Server(f"--shard-map={self.map_path}", *self.args, *args, port=port, name=name, tls=self.tls)

    def start_shard(self, name):
        self.shards[name] = self.start(name, "--target=shard", f"--shard.name={name}",
                                       f"--data.dir={folder(self.id + name)}", *self.shard_args, port=self.ports[name])
        return self.shards[name]

    def add_frontend(self):
        self.frontends.append(self.start("frontend", "--target=frontend"))
        return self.frontends[-1]

    def add_querier(self):
        self.queriers.append(self.start("querier", "--target=querier"))
        return self.queriers[-1]

    def servers(self):
        return [*self.frontends, *self.queriers, *self.shards.values()]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for server in self.servers():
            server.__exit__(kind)
