"""Power cuts: a machine in QEMU takes pushes and is killed, again and again on one disk; what was acknowledged is there, once.

powercut.py KERNEL_PACKAGE [CUTS]: a linux-image .deb, unpacked below build/powercut; a server of $HEARTH_BIN and the libraries
that it needs make the guest.  What the guest's kernel held back is lost with it: the last run, which syncs only once an hour, has to
lose something, else the trial proves nothing.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import gzip
import os
import re
import shutil
import subprocess
import time

import hearth
from hearth import BIN, Server, free_port, wait_until
from oracle import Load, Oracle, SEED, chance

WORK = pathlib.Path("build/powercut").resolve()
MODULES = ("virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci", "virtio_blk", "failover",
           "net_failover", "virtio_net", "libcrc32c", "crc32c_generic", "crc16", "mbcache", "jbd2", "ext4")
INIT = """#!/bin/busybox sh
for i in 1 2 3; do for m in /modules/*.ko; do /bin/busybox insmod $m 2> /dev/null; done; done
/bin/busybox mount -t proc p /proc; /bin/busybox mount -t devtmpfs d /dev
/bin/busybox mount -t ext4 -o noatime /dev/vda /mnt || echo no disk
/bin/busybox ifconfig lo 127.0.0.1 up
/bin/busybox ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
/bin/hearth --listen=0.0.0.0:4040 --data.dir=/mnt/data --wal.segment-bytes=256KiB --memory-limit=64MiB \\
    $(/bin/busybox sed 's/.*hearth://' /proc/cmdline)
/bin/busybox poweroff -f
"""


def put(root, path, source=None, text=None):
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if source:
        shutil.copy(source, target)
    else:
        target.write_text(text)
    target.chmod(0o755)


def make_guest(package):
    """(kernel, initramfs)"""
    shutil.rmtree(WORK, ignore_errors=True)
    root = WORK / "root"
    for name in ("proc", "dev", "mnt", "tmp"):
        (root / name).mkdir(parents=True)
    subprocess.run(["dpkg-deb", "-x", package, WORK / "kernel"], check=True)
    for module in MODULES:
        [file] = (WORK / "kernel").glob(f"lib/modules/*/kernel/**/{module}.ko")
        put(root, f"/modules/{module}.ko", file)
    libraries = subprocess.run(["ldd", BIN / "hearth"], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(", libraries):
        put(root, library, library)
    put(root, "/bin/hearth", BIN / "hearth")
    put(root, "/bin/busybox", shutil.which("busybox"))
    put(root, "/init", text=INIT)
    names = subprocess.run(["find", "."], cwd=root, capture_output=True, check=True).stdout
    archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=root, input=names, capture_output=True, check=True)
    (WORK / "initramfs").write_bytes(gzip.compress(archive.stdout, 1))
    [kernel] = (WORK / "kernel").glob("boot/vmlinuz-*")
    return kernel, WORK / "initramfs"


def make_disk(name):
    path = WORK / name
    with open(path, "wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", path], check=True)
    return path


class Guest(Server):
    def __init__(self, guest, disk, args=""):
        kernel, initramfs = guest
        self.name, self.tls, self.port = "guest", None, free_port()
        self.log_path = str(WORK / f"console-{len(hearth._started)}")
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "512", "-nographic", "-no-reboot", "-kernel", kernel,
             "-initrd", initramfs, "-append", f"console=ttyS0 quiet panic=-1 no_timer_check hearth:{args}",
             "-drive", f"file={disk},format=raw,if=virtio,cache=none",
             "-nic", f"user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:{self.port}-10.0.2.15:4040"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        hearth._started.append(self)
        wait_until("the guest", lambda: self.request("GET", "/ready", timeout=2)[0] == 200, seconds=120)


def cuts(guest, n):
    oracle, disk = Oracle(padding=1500), make_disk("disk")
    for i in range(n):
        machine = Guest(guest, disk)
        oracle.check(machine)
        load = Load(oracle, lambda: [machine])
        time.sleep(chance.uniform(0.3, 5))
        machine.kill()
        load.end()
    machine = Guest(guest, disk)
    oracle.check(machine)
    counts = oracle.counts()
    oracle.settle(machine)
    machine.kill()
    assert counts["acked"] > 0
    print(f"{n} power cuts: {counts}, then each once")


def bites(guest):
    """Acknowledged without a sync: some of it has to be gone."""
    oracle, disk = Oracle(), make_disk("careless")
    args = "--wal.mode=interval --wal.interval=1h"
    machine = Guest(guest, disk, args)
    for _ in range(30):
        assert oracle.push(machine) == "acked"
    machine.kill()
    machine = Guest(guest, disk, args)
    there = machine.total()
    machine.kill()
    assert there < 30, "nothing was lost without a sync: what survives proves nothing"
    print(f"without a sync {30 - there} of 30 were lost, as they should")


print("seed", SEED)
made = make_guest(sys.argv[1])
cuts(made, int(sys.argv[2]) if len(sys.argv) > 2 else 20)
bites(made)
