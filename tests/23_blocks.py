"""What is sealed is on disk: a restart has it, hearthctl tells what it is, damage is refused by name, retention removes it."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import http.client
import random
import shutil
import signal
import subprocess
import time

from hearth import BIN, RpcError, Server, folder, wait_until
from pprof import pprof

data = folder("data")
SELECTOR = '{service_name="old"}'
noise = random.Random(23)  # a block of more than a page is mapped


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
        server.push(pprof({"main;work": 3, f"main;call_{i}_{noise.randbytes(200).hex()}": 1}, time_ns=int((now - 2400) * 1e9) + i), service="old")
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
assert done.returncode not in (0, -6, -11) and "listening on" in done.stdout, (done.returncode, done.stderr)
assert f"{blocks()[0].name}: block: damaged: bytes 0 to" in done.stderr and "set-aside" in done.stderr, done.stderr
assert ctl("ls", data + "/none")[0] == 1 and ctl("sing", data)[0] == 2

# set aside, on request, what it held is gone unless the log still has it (shard/load_damage_test.c), and that is said
damaged = blocks()[0]
shutil.rmtree(pathlib.Path(data, "wal"))
with Server(f"--data.dir={data}", "--data.damaged-blocks=set-aside") as server:
    assert server.metric("hearth_blocks_set_aside_total") == 1, server.tail()
    assert damaged.with_suffix(".damaged").name in server.tail() and damaged.with_suffix(".damaged").exists()
    assert server.total(SELECTOR) == 0 and not blocks()
    server.stop()
damaged.write_bytes(whole)  # the operator found a copy after all

# the listener is up before the blocks are: it says what it waits for, and takes and answers nothing until then
if shutil.which("strace"):
    slow = ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=getdents64", "-e",
            "inject=getdents64:delay_enter=500000:when=4+", BIN / "hearth")
    with Server(f"--data.dir={data}", program=slow, env={"ASAN_OPTIONS": "detect_leaks=0"}, is_awaited=False) as server:
        status, _, text = server.get("/ready")
        assert status == 503 and b"block files" in text, (status, text)
        for ask in (lambda: server.push(pprof({"main": 1})), lambda: server.total(SELECTOR)):
            try:
                ask()
                assert not "answered"
            except RpcError as e:
                assert e.code == "unavailable" and "block files" in str(e), e
        server.await_ready()
        assert server.metric("hearth_blocks_opened_files") == server.metric("hearth_blocks_opened_of_files") == 1
        assert server.total(SELECTOR) == 80
        server.stop()
    with Server(f"--data.dir={data}", program=slow, env={"ASAN_OPTIONS": "detect_leaks=0"}, is_awaited=False) as server:
        server.stop()  # in the middle of it

# a block that is cut short while it is mapped: the process dies, and says of what
with start() as server:
    assert server.total(SELECTOR) == 80
    blocks()[0].write_bytes(b"")
    try:
        server.total(SELECTOR)
        assert not "answered"
    except (OSError, http.client.HTTPException):
        pass
    assert server.process.wait(timeout=60) == -signal.SIGBUS and f'{blocks()[0].name}"' in server.tail(), server.tail()
    server.stop = lambda: None
blocks()[0].write_bytes(whole)

with Server(f"--data.dir={data}", "--retention=20m") as server:
    wait_until("retention", lambda: not blocks())
