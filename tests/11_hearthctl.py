"""hearthctl end to end: push files and streams, list, top, flame; messages and exit codes that scripts rely on."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import gzip
import json
import os
import re
import shutil
import subprocess
import time

from hearth import BIN, CPU, Server, folder, free_port, run_ctl, wait_until
from pprof import pprof

dir = folder("profiles")


def profile_file(name, body):
    path = os.path.join(dir, name)
    with open(path, "wb") as file:
        file.write(body)
    return path


WALL = "wall:wall:nanoseconds:wall:nanoseconds"
OLD = 1_600_000_000 * 10**9
plain = profile_file("a.pb", pprof({"main;work;read": 30, "main;idle": 70}, time_ns=OLD))
zipped = profile_file("b.pb.gz", gzip.compress(pprof({"main;work": 20}, time_ns=OLD)))
broken = profile_file("c.pb.gz", gzip.compress(b"x" * 100)[:-8])
words = profile_file("notes.txt", b"this is no profile\n")


def ctl(*args, want=0, **more):
    status, out, err = run_ctl(*args, **{"server": server, **more})
    assert status == want, f"hearthctl {args}: status {status}, not {want}\n{out}{err}"
    return out, err


with Server() as server:
    # push
    out, err = ctl("push", "--name", "checkout", "--label", "pod=a", plain, zipped)
    assert out.startswith("pushed 2 of 2 profiles") and "as checkout" in out and "spread by file order" in out, out
    out, err = ctl("push", "--name", "checkout", zipped, broken, words, os.path.join(dir, "missing"), dir, want=1)
    assert out.startswith("pushed 1 of 5 profiles") and "4 refused" in out, out
    for name in ("c.pb.gz", "notes.txt", "missing"):
        assert sum(name in line for line in err.splitlines()) == 1, err
    out, err = ctl("push", "--name", "piped", "-", stdin=open(zipped, "rb").read())
    assert "pushed 1 of 1 profile " in out, out
    out, err = ctl("push", "--name", "old", "--keep-time", plain, want=1)
    assert "window" in err, err
    out, _ = ctl("push", "--json", "--name", "checkout", words, want=1)
    answer = json.loads(out)
    assert answer["pushed"] == 0 and answer["refusals"][0]["file"] == words, answer

    perf = b"""work 1234/1240 [002] 5678.900001:   10101010 cpu-clock:pppH:
\t    55d0c0ffee10 inner+0x10 (/usr/bin/work)
\t    55d0c0ffee80 main+0x20 (/usr/bin/work)
\t    7f0000001234 [unknown] (/usr/lib/libc.so.6)

work 1234/1240 [002] 5678.910101:   10101010 cpu-clock:pppH:
\t    55d0c0ffee10 inner+0x14 (/usr/bin/work)
\t    55d0c0ffee80 main+0x20 (/usr/bin/work)
\t    7f0000001234 [unknown] (/usr/lib/libc.so.6)

"""
    ctl("push", "--name", "perf", "-", stdin=perf)
    out, _ = ctl("flame", "--type", CPU, "--collapsed", '{service_name="perf"}')
    assert out == "work;libc.so.6!0x7f0000001234;main;inner 20202020\n", out

    # lists
    out, _ = ctl("types")
    assert out.splitlines()[0].startswith("PROFILE TYPE") and CPU in out, out
    assert json.loads(ctl("types", "--json")[0])[0]["ID"] == CPU
    out, _ = ctl("labels")
    assert any(line.split()[:3] == ["service_name", "3", "checkout,"] for line in out.splitlines()), out
    assert json.loads(ctl("labels", "service_name", "--json")[0]) == ["checkout", "perf", "piped"]
    assert ctl("labels", "pod", '{service_name="checkout"}')[0] == "a\n"
    out, _ = ctl("series", '{pod="a"}')
    assert "checkout" in out and 'pod="a"' in out and "piped" not in out, out
    assert json.loads(ctl("series", "--json", '{pod="a"}')[0])[0]["pod"] == "a"

    # top and flame
    rows = json.loads(ctl("top", "--json", '{pod="a"}')[0])
    assert rows["total"] == 120 and rows["functions"][0] == {"name": "idle", "self": 70, "total": 70}, rows
    out, _ = ctl("top", "--sort", "total", "--limit", "1", '{pod="a"}')
    assert "main" in out and "100.0%" in out and "1 of 4 functions" in out, out
    assert ctl("flame", "--collapsed", '{pod="a"}')[0].splitlines() == [
        "main;idle 70", "main;work 20", "main;work;read 30"]
    graph = json.loads(ctl("flame", "--json", '{pod="a"}')[0])
    assert graph["total"] == 120 and graph["names"][0] == "total" and graph["levels"][0] == [0, 120, 0, 0], graph
    picture, _ = ctl("flame", "--type", CPU, '{pod="a"}', env={"COLUMNS": "61"})
    lines = picture.splitlines()
    assert lines[1].startswith("|total 120ns") and len(lines[1]) == 61, picture
    assert lines[3].startswith("|idle 58.3%") and "|work 41.7%" in lines[3] and "\033" not in picture, picture
    assert "\033[38;5;16;48;5;" in ctl("flame", "--color", "always", '{pod="a"}')[0]
    assert "read" not in ctl("flame", "--depth", "2", '{pod="a"}')[0]
    assert "left out" in ctl("flame", "--min-percent", "50", '{pod="a"}')[0]
    print(picture)

    # diff: two selectors, or one and the time before
    rows = json.loads(ctl("diff", "--json", '{service_name="piped"}', '{pod="a"}')[0])
    assert rows["left"] == 20 and rows["right"] == 120, rows
    assert rows["functions"][0] == {"name": "idle", "leftSelf": 0, "rightSelf": 70, "leftTotal": 0, "rightTotal": 70}
    out, _ = ctl("diff", "--sort", "total", "--limit", "1", '{service_name="piped"}', '{pod="a"}')
    assert "+100ns" in out and "main" in out and "1 of 4 functions" in out, out
    out, err = ctl("diff", '{pod="a"}')
    assert "+70ns" in out and "on the left side" in err, out + err
    out, _ = ctl("diff", "--left-from", "-1h", '{pod="a"}')
    assert "+" not in out, out

    # pprof: what was selected, whole or cut, as a file or a stream
    merged = os.path.join(dir, "merged.pb.gz")
    out, _ = ctl("pprof", "-o", merged, '{pod="a"}')
    assert f"wrote {merged}: 3 stacks" in out, out
    ctl("push", "--name", "again", merged)
    assert ctl("flame", "--collapsed", '{service_name="again"}')[0] == ctl("flame", "--collapsed", '{pod="a"}')[0]
    ctl("pprof", "--max-nodes", "2", "--output", merged, '{pod="a"}')
    ctl("push", "--name", "cut", merged)
    assert ctl("flame", "--collapsed", '{service_name="cut"}')[0].splitlines() == ["main;idle 70", "main;other 50"]
    with open(merged, "wb") as file:
        subprocess.run([os.path.join(BIN, "hearthctl"), "pprof", "--url", server.url, '{pod="a"}'], stdout=file, check=True)
    if shutil.which("go"):
        done = subprocess.run(["go", "tool", "pprof", "-top", merged], capture_output=True, text=True)
        assert "100% of 120ns total" in done.stdout and re.search(r"70ns .* idle\n", done.stdout), done
    assert "nothing matches" in ctl("pprof", "-o", merged, '{pod="zzz"}', want=1)[1]
    assert "cannot write" in ctl("pprof", "-o", dir, '{pod="a"}', want=1)[1]

    # nothing there is no fault, a bad question is; both say what to do
    assert "nothing matches" in ctl("flame", '{pod="zzz"}')[1]
    assert "--from -24h" in ctl("types", "--from", "-3h", "--to", "-2h")[1]
    assert "selector" in ctl("flame", "{pod=", want=1)[1]

    # usage: status 2 and a hint
    for args, word in ((["flmae"], "did you mean `flame`"), (["flame", "--form", "-1h"], "did you mean --from"),
                       (["push", plain], "--name"), (["push", "--name", "x"], "push what"),
                       (["types", "--from", "soon"], "not a time"), (["top", "--limit", "many"], "--limit"),
                       (["diff", "a", "b", "c"], "two selectors"), (["top", "-o", "x"], "it is for: pprof"),
                       (["diff", "--left-from", "-1m", "--left-to", "-2m"], "--left-from is after"),
                       (["types", "--url", "https://x", "--ca-file", "/no/such"], "/no/such")):
        _, err = ctl(*args, want=2)
        assert word in err, f"{args}: {err}"

# a newcomer's first look, at an idle server that profiles itself: where it waits
with Server("--self-profile") as server:
    if "fsanitize=thread" in os.environ.get("HEARTH_BUILD_FLAGS", ""):
        print("no self-profile under ThreadSanitizer")
    else:
        wait_until("a picture", lambda: "total" in ctl("flame")[0], seconds=60)
        picture, said = ctl("flame", '{service_name="hearth"}')
        print(picture)
        assert "one of" in said and "showing" in said, said
        stacks = ctl("flame", "--type", WALL, "--collapsed", '{service_name="hearth"}')[0].splitlines()
        assert any(s.startswith("loop_main;uv_run;") for s in stacks), stacks
        assert any(s.startswith("crew_main;queue_pop;") for s in stacks), stacks
        # the type is one of those that the selector has, the CPU profile first
        ctl("push", "--name", "checkout", plain)
        assert CPU in ctl("flame")[1] and ctl("flame", '{service_name="checkout"}')[0].startswith(CPU)

# nobody there: status 3, soon
server_gone = f"http://127.0.0.1:{free_port()}"
before = time.monotonic()
status, _, err = run_ctl("types", "--url", server_gone)
assert status == 3 and "no answer" in err and time.monotonic() - before < 10, (status, err)
status, out, err = run_ctl("push", "--url", server_gone, "--name", "x", plain, zipped)
assert status == 3 and "pushed 0 of 2" in out and err.count("no answer") == 1, (status, out, err)

# help, version, completion need no server
assert run_ctl("help")[0] == 0 and run_ctl()[0] == 2 and run_ctl("version")[1].startswith("hearthctl ")
for command in ("push", "types", "labels", "series", "top", "flame", "diff", "pprof", "wal", "block", "completion", "version",
                "help"):
    status, out, _ = run_ctl(command, "--help")
    assert status == 0 and "Examples:" in out and f"hearthctl {command}" in out, command
script = run_ctl("completion", "bash")[1]
script += "\nCOMP_WORDS=(hearthctl fl) COMP_CWORD=1; _hearthctl; echo ${COMPREPLY[@]}\n"
assert subprocess.run(["bash", "-c", script], capture_output=True, text=True).stdout.split() == ["flame"]
