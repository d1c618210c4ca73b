"""Real clients and recorded answers against this build: tests/clients.py BIN SHARED [golden|grpc|sdks|helm|h2spec]...

SHARED is the folder that holds clients/ and golden/.  `./dev clients` calls this.
"""

import os
import pathlib
import subprocess
import sys

os.environ["HEARTH_BIN"] = sys.argv[1]
sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
from certs import Authority  # noqa: E402
from hearth import Server  # noqa: E402

SHARED = pathlib.Path(sys.argv[2]).resolve()
HERE = pathlib.Path(__file__).resolve().parent.parent
LIMITS = ["--limits.max_query_length=unlimited", "--limits.max_query_lookback=unlimited"]
status = 0


def run(*command):
    global status
    print("==", *command, flush=True)
    status |= subprocess.run([str(c) for c in command]).returncode != 0


def run_h2spec():
    """In clear text and over TLS."""
    ca = Authority()
    crt, key = ca.issue("server")
    with Server() as clear, Server(f"--tls.cert-file={crt}", f"--tls.key-file={key}", tls=ca.client()) as tls:
        run(SHARED / "clients/h2spec.sh", "127.0.0.1", clear.port, "strict")
        run(SHARED / "clients/h2spec.sh", "127.0.0.1", tls.port, "tls", "strict")


with Server(*LIMITS) as server, Server(*LIMITS, "--multitenancy") as tenants:
    for word in sys.argv[3:] or ["golden", "grpc", "sdks", "helm", "h2spec"]:
        if word == "golden":
            for family in ("pprof-push/*", "pprof-ingest/*", "multi/*"):
                run(sys.executable, SHARED / "golden/replay.py", "--url", server.url, "--tenant-url", tenants.url,
                    "--rpc", "ProfileTypes,LabelNames,LabelValues,Series,SelectMergeStacktraces,SelectMergeProfile,"
                             "SelectSeries,Diff",
                    "--kind", "types,names,labelsets,flamegraph,timeseries,pprof,pprof-field,diff", "--only", family)
        elif word == "grpc":
            run(SHARED / "clients/grpc-clients/run.sh", server.url)
        elif word == "sdks":
            run(SHARED / "clients/sdks/run.sh", server.url, "go", "node", "python", "rust")
        elif word == "helm":
            run(SHARED / "clients/helm.sh", HERE / "deploy/helm/hearth")
        elif word == "h2spec":
            run_h2spec()
        else:
            sys.exit(f"no clients called {word}: golden, grpc, sdks, helm, h2spec")
sys.exit(status)
