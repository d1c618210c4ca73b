"""A server starts at once, says where it listens, is ready and healthy, and stops when told."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import json
import subprocess
import time

from hearth import BIN, IS_SANITIZED, Server, free_port

begun = time.monotonic()
with Server() as server:
    took = time.monotonic() - begun
    assert took < (3 if IS_SANITIZED else 0.5), f"an empty server took {took:.2f} s to start"
    for path in ("/ready", "/healthy", "/metrics", "/api/v1/status/buildinfo"):
        status, headers, body = server.get(path)
        assert status == 200 and body, f"{path}: {status}"
    assert json.loads(server.get("/api/v1/status/buildinfo")[2])
    assert server.get("/no/such/path")[0] == 404
    assert server.request("DELETE", "/ready")[0] == 405
    assert server.query("ProfileTypes") == {}

# Mistakes on the command line end it at once, with words and a status.
for flags, word in ((["--no-such-flag"], "no-such-flag"), (["--target=kitchen"], "target"),
                    (["--retention=soon"], "retention"), (["--listen=nowhere"], "listen"), (["--shard-map=/no/such/file"], "/no/such/file")):
    done = subprocess.run([BIN / "hearth", "--listen=127.0.0.1:0", *flags], capture_output=True, text=True, timeout=20)
    assert done.returncode not in (0, -6, -11), f"{flags} ended with {done.returncode}"
    assert word in done.stderr, f"{flags}: {done.stderr}"
port = free_port()
with Server(port=port):
    done = subprocess.run([BIN / "hearth", f"--listen=127.0.0.1:{port}"], capture_output=True, text=True, timeout=20)
    assert done.returncode != 0 and str(port) in done.stderr, done.stderr
