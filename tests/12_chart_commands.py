"""The commands and ConfigMaps that the chart renders run as they stand, and the cluster answers like one process.

deploy/helm/hearth/rendered holds what both modes render to; with helm at hand it is rendered anew and compared.  Only
what a pod has of its own is replaced: paths of mounts, the names that DNS would answer, the port.
"""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import os
import re
import shutil
import subprocess

import hearth
from hearth import Server, folder, free_port, write_file
from pprof import pprof

CHART = pathlib.Path(__file__).resolve().parent.parent / "deploy/helm/hearth"
HELM = shutil.which("helm") or os.environ.get("HELM")


def rendered(mode):
    text = (CHART / f"rendered/{mode}.yaml").read_text()
    if HELM:
        fresh = subprocess.run([HELM, "template", "hearth", CHART, "-n", "profiles", "--set", f"mode={mode}"],
                               capture_output=True, text=True, check=True).stdout
        assert fresh == text, f"rendered/{mode}.yaml is not what the chart renders to"
    return [d for d in text.split("\n---\n") if "kind:" in d]


def field(document, pattern):
    return re.search(pattern, document, re.M)[1]


def config_map(documents, name):
    """The one entry of a ConfigMap: its file name and text."""
    for d in documents:
        if field(d, r"^kind: (\w+)") == "ConfigMap" and field(d, r"^  name: (\S+)") == name:
            key, block = re.search(r"^data:\n  (\S+): \|\n((?:    .*\n?|\n)*)", d, re.M).groups()
            return key, re.sub(r"^    ", "", block, flags=re.M)
    raise AssertionError(f"no ConfigMap {name}")


def workloads(documents):
    """{name: (replicas, arguments, mounts {volume: path}, volumes {volume: ConfigMap})}"""
    out = {}
    for d in documents:
        if field(d, r"^kind: (\w+)") in ("Deployment", "StatefulSet"):
            args = re.search(r"^( +)args:\n((?:\1  - .*\n)+)", d, re.M)[2]
            mounts = dict(re.findall(r"- name: (\S+)\n +mountPath: (\S+)", d))
            volumes = dict(re.findall(r"- name: (\S+)\n +configMap:\n +name: (\S+)", d))
            assert "subPath" not in d and "readOnlyRootFilesystem: true" in d and "runAsNonRoot: true" in d
            assert "path: /healthy" in d and "path: /ready" in d
            out[field(d, r"^  name: (\S+)")] = (int(field(d, r"^  replicas: (\d+)")),
                                                [a.strip(' "') for a in re.findall(r"- (.*)", args)], mounts, volumes)
    return out


class Pods:
    def __init__(self, mode):
        self.documents = rendered(mode)
        self.names, self.servers = {}, {}
        for name, (replicas, *_) in workloads(self.documents).items():
            for i in range(replicas):
                self.names[f"{name}-{i}"] = free_port()
        for name, (replicas, args, mounts, volumes) in workloads(self.documents).items():
            for i in range(replicas):
                self.start(f"{name}-{i}", args, mounts, volumes)

    def start(self, pod, args, mounts, volumes):
        for volume, path in mounts.items():
            here = folder(f"{pod}{path}")
            if volume in volumes:
                key, text = config_map(self.documents, volumes[volume])
                text = re.sub(r'"address": "([\w-]+)\.[^"]*"',
                              lambda m: f'"address": "127.0.0.1:{self.names[m[1]]}"', text)
                write_file(f"{pod}{path}/{key}", text)
            args = [a.replace(f"={path}", f"={here}") for a in args]
        assert "--listen=:4040" in args
        args = [a for a in args if not a.startswith("--listen")]
        check = subprocess.run([hearth.BIN / "hearth", *args, "--config.check"], capture_output=True, text=True,
                               env={**os.environ, "HOSTNAME": pod})
        assert check.returncode == 0, f"{pod}: {check.stderr}"
        self.servers[pod] = Server(*args, port=self.names[pod], name=pod, env={"HOSTNAME": pod})

    def of(self, part):
        return [s for name, s in self.servers.items() if part in name]

    def stop(self):
        for server in self.servers.values():
            server.stop()


def push_some(servers):
    for i in range(24):
        profile = pprof({"main;work": i + 1, "main": 1})
        servers[i % len(servers)].push(profile, service=f"service-{i % 8}", pod=f"pod-{i}")


single = Pods("single")
push_some(single.of("hearth"))
want = single.of("hearth")[0].flame()
assert want[""][0] == sum(range(1, 25)) + 24, want
single.stop()

cluster = Pods("cluster")
push_some(cluster.of("frontend"))
for querier in cluster.of("querier"):
    assert querier.flame() == want
assert len(cluster.of("shard")) == 3 and all(s.metric("hearth_shard_profiles") for s in cluster.of("shard"))
cluster.stop()
print(f"{len(cluster.servers) + 1} pods' commands were run",
      "and compared with helm's rendering" if HELM else "(no helm to render anew)")
