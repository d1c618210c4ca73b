"""What is sealed is on disk: a restart has it, hearthctl tells what it is, damage is refused by name, retention removes it."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import subprocess
import time

from hearth import BIN, Server, folder, wait_until
from pprof import pprof

data = folder("data")
SELECTOR = '{service_name="old"}'


def blocks():
    return sorted(pathlib.Path(data, "blocks").glob("*/*.block"))


def ctl(*args):
    done = subprocess.run([BIN / "hearthctl", "block", *map(str, args)], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def start():
    return Server(f"--data.dir={data}")


with start() as server:
    now = time.time()
    for i in range(20):
        server.push(pprof({"main;work": 3, f"main;call_{i}": 1}, time_ns=int((now - 2400) * 1e9) + i), service="old")
    wait_until("a block on disk", blocks)
    wait_until("the exchange", lambda: server.metric("hearth_shard_bytes") > 0 and server.total(SELECTOR) == 80)
    server.stop()
assert len(blocks()) == 1 and not list(pathlib.Path(data, "blocks").glob("*/*.new"))

status, out, err = ctl("ls", data)
assert status == 0 and "tenant=anonymous" in out and "profiles=20" in out and len(out.splitlines()) == 1, (out, err)
status, out, _ = ctl("verify", pathlib.Path(data, "blocks"))
assert status == 0 and "sound" in out, out
status, out, _ = ctl("dump", blocks()[0])
assert status == 0 and 'service_name="old"' in out and "function key" in out, out

with start() as server:
    assert server.total(SELECTOR) == 80
    names = str(server.flame(SELECTOR))
    assert all(f"call_{i}" in names for i in range(20)) and "work" in names, names
    server.stop()

whole = blocks()[0].read_bytes()
blocks()[0].write_bytes(whole[:300] + bytes([whole[300] ^ 4]) + whole[301:])
status, out, err = ctl("verify", data)
assert status == 1 and "bytes 0 to" in err and blocks()[0].name in err, (status, out, err)
done = subprocess.run([BIN / "hearth", "--listen=127.0.0.1:0", f"--data.dir={data}"], capture_output=True, text=True,
                      timeout=60)
assert done.returncode not in (0, -6, -11) and blocks()[0].name in done.stderr, (done.returncode, done.stderr)
assert ctl("ls", data + "/none")[0] == 1 and ctl("sing", data)[0] == 2

blocks()[0].write_bytes(whole)
with Server(f"--data.dir={data}", "--retention=20m") as server:
    wait_until("retention", lambda: not blocks())
