"""The image's root folder, read-only, as user 65532, with the chart's arguments: started, pushed to, queried.

Assembled by deploy/image/build.sh as for the image itself, then entered by unshare and chroot instead of a container
engine, which a test machine need not have.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import re
import subprocess

from hearth import BIN, IS_SANITIZED, Server, folder, run_ctl, skip
from pprof import pprof

PROJECT = pathlib.Path(__file__).resolve().parent.parent
ENTER = """
mount --bind "$0" "$0" && mount -t proc proc "$0/proc" &&
mount -t tmpfs -o mode=0755,uid=65532,gid=65532 data "$0/var/lib/hearth" &&
mount -o remount,ro,bind "$0" && exec chroot --userspec=65532:65532 "$0" /usr/bin/hearth "$@"
"""

root = folder("root")
if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
    skip("this user may not unshare a mount namespace")
built = subprocess.run([PROJECT / "deploy/image/build.sh", "--root", root, BIN], capture_output=True, text=True)
assert built.returncode == 0, built.stderr
packages = pathlib.Path(root, "usr/share/hearth/packages").read_text().split("\n")
assert any(p.startswith("libnghttp2-14 ") for p in packages) and any(p.startswith("libc6 ") for p in packages), packages
for path in pathlib.Path(root).rglob("*"):
    assert path.name not in ("sh", "bash", "dash", "apt", "dpkg"), path

text = (PROJECT / "deploy/helm/hearth/rendered/single.yaml").read_text()
args = [a.strip(' "') for a in re.findall(r"- (--.*)", re.search(r"args:\n((?: +- .*\n)+)", text)[1])]
os.makedirs(f"{root}/etc/hearth/config")
config = re.search(r"config.yaml: \|\n((?:    .*\n)+)", text)[1]
pathlib.Path(root, "etc/hearth/config/config.yaml").write_text(re.sub(r"^    ", "", config, flags=re.M))
os.chmod(os.path.dirname(root), 0o755)  # the way to the root is not part of it

args = [a for a in args if not a.startswith("--listen")]
with Server(*args, program=["unshare", "-m", "sh", "-c", ENTER, root], env={"ASAN_OPTIONS": "detect_leaks=0"}) as server:
    with open(f"/proc/{server.process.pid}/status") as file:
        assert re.search(r"^Uid:\s+65532\s+65532", file.read(), re.M)
    server.push(pprof({"main;work": 3}), service="inside")
    assert server.total('{service_name="inside"}') == 3
    assert run_ctl("types", server=server)[0] == 0
    assert server.request("POST", "/", b"")[0] in (404, 405)
    try:
        open(f"/proc/{server.process.pid}/root/etc/passwd", "a")
        raise AssertionError("the root can be written")
    except OSError:
        pass

files = [p for p in pathlib.Path(root).rglob("*") if p.is_file() and not p.is_symlink() and "/doc/" not in str(p)]
size = sum(p.stat().st_size for p in files)
print(f"{size / 1e6:.1f} MB in the image" + (" (with sanitizers)" if IS_SANITIZED else ""))
if not IS_SANITIZED:
    assert size < 30e6
