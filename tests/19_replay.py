"""hearthctl replay: what one server holds is dumped and pushed into another, and answers the same there."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import json
import os
import signal
import subprocess
import time

from hearth import BIN, CPU, Server, folder, run_ctl
from pprof import pprof

dir = folder("replay")


def ctl(server, *args, want=0):
    status, out, err = run_ctl(*args, server=server)
    assert status == want, f"hearthctl {args}: status {status}, not {want}\n{out}{err}"
    return out, err


def archive(name):
    return os.path.join(dir, name)


def sizes(path):
    """Bytes of the file and how many records it has, read as another program would."""
    with open(path, "rb") as file:
        data = file.read()

    def uvarint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value, at

    assert data[:8] == b"PYRPLAY1"
    n, at = uvarint(8)
    header, at, records = json.loads(data[at:at + n]), at + n, 0
    while at < len(data):
        n, at = uvarint(at)
        at, records = at + n, records + 1
    assert at == len(data)
    return header, records


now = time.time_ns()
with Server("--multitenancy=true") as server:
    for tenant, weight in (("one", 1), ("two", 100)):
        headers = {"X-Scope-OrgID": tenant}
        for i in range(20):
            profile = pprof({"main;work": weight * (i + 1), f"main;{tenant}": weight}, time_ns=now - i * 50_000_000)
            server.push(profile, service=f"s{i % 3}", headers=headers, pod=f'p"{i % 2}')
        server.push(pprof({"main": 5}, time_ns=now), service="plain", headers=headers)
    flames = {tenant: server.flame(headers={"X-Scope-OrgID": tenant}) for tenant in ("one", "two")}
    labels = server.query("LabelValues", {"X-Scope-OrgID": "two"}, name="pod", matchers=["{}"])

    both, one = archive("both"), archive("one")
    out, _ = ctl(server, "replay", "dump", "--tenant", "one,two", "-o", both)
    assert "42 profiles" in out, out
    header, records = sizes(both)
    assert header["version"] == 1 and header["tenants"] == ["one", "two"] and records == 42, header
    out, _ = ctl(server, "replay", "dump", "--tenant", "one", "-o", one, '{service_name="s0"}')
    assert "7 profiles" in out and sizes(one)[0]["tenants"] == ["one"], out
    ctl(server, "replay", "dump", want=2)
    ctl(server, "replay", "dump", "-o", archive("none"), want=1)  # the server wants a tenant
    ctl(server, "replay", want=2)

with Server("--multitenancy=true") as server:
    begin = time.time()
    out, _ = ctl(server, "replay", "push", "--speed", "2", both)
    took = time.time() - begin
    assert "pushed 42 profiles of an archive of 42" in out, out
    assert took > 0.45, f"a second of profiles at twice the speed took {took} s"
    for tenant, flame in flames.items():
        assert server.flame(headers={"X-Scope-OrgID": tenant}) == flame, tenant
    assert server.query("LabelValues", {"X-Scope-OrgID": "two"}, name="pod", matchers=["{}"]) == labels
    out, _ = ctl(server, "replay", "push", "--keep-time", "--tenant", "three", one, "--json")
    assert json.loads(out) == {"pushed": 7, "refused": 0}, out

    # in a loop, until interrupted
    looping = subprocess.Popen([BIN / "hearthctl", "--url", server.url, "replay", "push", "--loop", "--speed", "50", one],
                               stdout=subprocess.PIPE, text=True)
    time.sleep(1.5)
    looping.send_signal(signal.SIGINT)
    out = looping.communicate(timeout=30)[0]
    assert looping.returncode == 0 and int(out.split()[1]) > 14, out

    # damage and misuse
    with open(both, "rb") as file:
        data = file.read()
    for name, body, word in (("cut", data[:-3], "cut short"), ("other", b"PYRPLAY9" + data[8:], "not an archive"),
                             ("empty", b"", "not a file with something")):
        with open(archive(name), "wb") as file:
            file.write(body)
        assert word in ctl(server, "replay", "push", archive(name), want=1)[1], name
    ctl(server, "replay", "push", "--speed", "0", both, want=2)
    ctl(server, "replay", "push", archive("missing"), want=1)
