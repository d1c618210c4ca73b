"""Clients that others wrote, in every stream kind each can: tests/interop/run.py SERVER [go|python|node|browser]...

SERVER is a program like rpc-conformance: one ServerCompatRequest on standard input, one ServerCompatResponse on
standard output, each behind its length.  What the clients need is installed below build/interop; a client whose tool
is missing is left out.  `./dev interop` calls this.
"""

import importlib.util
import pathlib
import re
import shutil
import struct
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BUILD = ROOT / "build/interop"
PROTOS = ["tests/conformance/config.proto", "tests/conformance/service.proto"]
LIMIT_S = 300  # for one client
HTTP_2, CONNECT, RECEIVE_LIMIT = 2, 1, 4 << 20
PYTHON_PACKAGES = ["grpcio==1.85.1", "grpcio-tools==1.85.1"]
NODE_PACKAGES = ["@bufbuild/protobuf@2.17.0", "esbuild@0.28.1"]
NODE_PACKAGES += [f"@connectrpc/connect{part}@2.2.0" for part in ("", "-node", "-web")]


class Missing(Exception):
    """A tool that a client needs."""


class Failed(Exception):
    """Of a step of preparing: its output."""


def tool(*names):
    for name in names:
        if path := shutil.which(name):
            return path
    raise Missing(names[0])


def step(*command, cwd=ROOT):
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")


def folder(name):
    """The client's sources, copied to where what they need is put beside them."""
    to = BUILD / name
    to.mkdir(parents=True, exist_ok=True)
    shutil.copytree(HERE / name, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return to


# --- each: installs what is missing, returns a command that takes HOST:PORT -------------------------------------------


def go():
    compiler, protoc, to = tool("go"), tool("protoc"), folder("go")
    step(compiler, "build", "-o", to / "protoc-gen-go", "google.golang.org/protobuf/cmd/protoc-gen-go", cwd=to)
    (to / "gen").mkdir(exist_ok=True)
    mapped = [f"--go_opt=M{p}=interop/gen" for p in PROTOS]
    step(protoc, f"--plugin={to}/protoc-gen-go", f"--go_out={to}", "--go_opt=module=interop", *mapped, *PROTOS)
    step(compiler, "build", "-o", to / "interop", ".", cwd=to)
    return [to / "interop"]


def python():
    if importlib.util.find_spec("ensurepip") is None:
        raise Missing("python3-venv")
    to = folder("python")
    interpreter = to / "venv/bin/python"
    if not interpreter.exists():
        step(sys.executable, "-m", "venv", to / "venv")
        step(interpreter, "-m", "pip", "install", "-q", *PYTHON_PACKAGES)
    step(interpreter, "-m", "grpc_tools.protoc", f"-I{ROOT}", f"--python_out={to}", f"--grpc_python_out={to}", *PROTOS)
    return [interpreter, to / "client.py"]


def node_packages():
    """Node's and the browser's client share a folder."""
    npm, protoc, to = tool("npm"), tool("protoc"), folder("node")
    if not (to / "node_modules/esbuild").exists():
        step(npm, "install", "--no-audit", "--no-fund", "--save-exact", *NODE_PACKAGES, cwd=to)
    step(protoc, "--include_imports", f"--descriptor_set_out={to}/service.binpb", *PROTOS)
    return to


def node():
    interpreter, to = tool("node"), node_packages()
    return [interpreter, to / "node.mjs"]


def browser():
    interpreter, chromium, to = tool("node"), tool("chromium", "chromium-browser"), node_packages()
    step(to / "node_modules/.bin/esbuild", "page.mjs", "--bundle", "--format=iife", "--loader:.binpb=binary",
         "--outfile=page.js", cwd=to)
    return [interpreter, to / "browser.mjs", chromium]


# --- the server -------------------------------------------------------------------------------------------------------


def varint(data):
    """(the number that stands first, the rest)"""
    n = next(i for i, byte in enumerate(data) if byte < 128) + 1
    return sum((byte & 127) << 7 * i for i, byte in enumerate(data[:n])), data[n:]


def message(data):
    """{field number: value} of a message that has only varints and bytes"""
    fields = {}
    while data:
        key, data = varint(data)
        value, data = varint(data)
        if key & 7 == 2:
            value, data = data[:value], data[value:]
        fields[key >> 3] = value
    return fields


def server_start(program):
    server = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    order = bytes((1 << 3, CONNECT, 2 << 3, HTTP_2, 6 << 3, 0x80, 0x80, 0x80, 0x02))  # protocol, version, 4 MiB
    server.stdin.write(struct.pack(">I", len(order)) + order)
    server.stdin.close()
    answer = message(server.stdout.read(struct.unpack(">I", server.stdout.read(4))[0]))
    return server, f"{answer[1].decode()}:{answer[2]}"


def run(name, prepare, address):
    """(passed, failed)"""
    try:
        command = prepare()
    except Missing as missing:
        print(f"{name}: left out, there is no {missing}", flush=True)
        return 0, 0
    except Failed as why:
        print(f"{name}: cannot be prepared: {why}")
        return 0, 1
    try:
        out = subprocess.run([*map(str, command), address], capture_output=True, text=True, timeout=LIMIT_S)
        text = out.stdout + out.stderr
    except subprocess.TimeoutExpired as late:
        text = f"{late.stdout or ''}\nran past {LIMIT_S} s"
    closing = re.search(r"^(\d+) passed, (\d+) failed$", text, re.M)
    passed, failed = (int(closing[1]), int(closing[2])) if closing else (0, 1)
    if failed:
        print(text[:10000].rstrip())
    print(f"{name}: {passed} passed, {failed} failed", flush=True)
    return passed, failed


def main():
    clients = {f.__name__: f for f in (go, python, node, browser)}
    asked = sys.argv[2:] or list(clients)
    if unknown := set(asked) - set(clients):
        sys.exit(f"no client called {unknown.pop()}: {', '.join(clients)}")
    server, address = server_start(sys.argv[1])
    try:
        counts = [run(name, clients[name], address) for name in asked]
    finally:
        server.terminate()
        server.wait()
    passed, failed = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
