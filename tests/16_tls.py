"""TLS from outside: curl and openssl speak to it, certificates are renewed in place, listeners show what they should,
processes of a cluster know each other by certificates."""

import sys, pathlib; sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))
import http.client
import shutil
import signal
import ssl
import subprocess

from certs import Authority
from hearth import BIN, Cluster, RpcError, Server, connect, run_ctl, wait_until
from pprof import pprof

ca, strangers = Authority("ca"), Authority("strangers")
pair, agent, stranger = ca.issue("server"), ca.issue("agent"), strangers.issue("stranger")
SHOWS = (f"--tls.cert-file={pair[0]}", f"--tls.key-file={pair[1]}")
CA = f"--tls.client-ca-file={ca.ca}"


def ask(port, path, tls=None, method="GET"):
    """The status, or what went wrong."""
    connection = connect("127.0.0.1", port, 10, tls)
    try:
        connection.request(method, path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException) as e:
        return e
    finally:
        connection.close()


def curl(server, *args):
    done = subprocess.run(["curl", "-sS", "-m", "20", "--cacert", ca.ca, *args, f"https://localhost:{server.port}/ready"],
                          capture_output=True, text=True)
    return done.stdout or done.stderr


def s_client(server, *args):
    done = subprocess.run(["openssl", "s_client", "-connect", server.address, "-CAfile", ca.ca, *args], text=True,
                          errors="replace", input="", capture_output=True, timeout=20)
    return done.stdout + done.stderr


# One listener, in TLS when there is a certificate.
with Server(*SHOWS, tls=ca.client()) as server:
    server.push(pprof({"main;work": 5}))
    assert server.total() == 5
    if shutil.which("curl"):
        assert curl(server, "-w", "%{http_version}") == "ready\n2"
        assert curl(server, "-w", "%{http_version}", "--http1.1") == "ready\n1.1"
        assert curl(server, "-w", "%{http_version}", "--tls-max", "1.2") == "ready\n2"
    assert "ALPN protocol: h2" in s_client(server, "-alpn", "h2,http/1.1")
    assert "no application protocol" in s_client(server, "-alpn", "spdy/3")
    assert "Verification: OK" in s_client(server, "-tls1_2")
    assert isinstance(ask(server.port, "/ready"), Exception), "clear text to a TLS port"
    assert isinstance(ask(server.port, "/ready", ssl.create_default_context()), ssl.SSLError)
    metrics = server.metrics()
    assert metrics['hearth_tls_handshakes_total{result="ok"}'] > 5
    assert metrics['hearth_tls_handshakes_total{result="failed"}'] >= 2
    label = '{file="%s"}' % pair[0]
    expires = metrics["hearth_tls_certificate_expiry_timestamp_seconds" + label]
    assert metrics["hearth_tls_reload_successful" + label] == 1

    # Renewed in place: new connections see it, one that is open goes on.
    open_connection = connect("localhost", server.port, 20, ca.client())
    open_connection.request("GET", "/ready")
    open_connection.getresponse().read()
    ca.issue("server", days=30)
    wait_until("the new certificate", lambda: server.metrics()[
        "hearth_tls_certificate_expiry_timestamp_seconds" + label] > expires + 20 * 86400)
    open_connection.request("GET", "/ready")
    assert open_connection.getresponse().read() == b"ready\n"
    open_connection.close()
    subject = s_client(server, "-showcerts")
    assert "Verification: OK" in subject, subject

    # A bad one changes nothing but the metric, and is said once.
    good = open(pair[0]).read()
    open(pair[0], "w").write(good[:200])
    wait_until("the bad certificate noticed", lambda: server.metrics()["hearth_tls_reload_successful" + label] == 0)
    server.process.send_signal(signal.SIGHUP)
    assert server.get("/ready")[0] == 200
    open(pair[0], "w").write(good)
    wait_until("the good one again", lambda: server.metrics()["hearth_tls_reload_successful" + label] == 1)
    log = server.tail()
    assert 1 <= log.count("certificates not taken in") <= 2 and pair[0] in log, log

# Certificates of clients.
with Server(*SHOWS, CA, tls=ca.client(agent)) as server:
    assert isinstance(ask(server.port, "/ready", ca.client()), Exception)
    assert isinstance(ask(server.port, "/ready", ca.client(stranger)), Exception)
    server.push(pprof({"main": 1}), service="checkout")
    shown = ("--ca-file", ca.ca, "--cert-file", agent[0], "--key-file", agent[1])
    status, out, err = run_ctl("labels", "service_name", *shown, server=server)
    assert status == 0 and "checkout" in out, (status, out, err)
    status, out, err = run_ctl("labels", *shown[:2], server=server)
    assert status != 0 and "certificate required" in err, (status, out, err)
    assert server.metrics()['hearth_tls_handshakes_total{result="no_certificate"}'] >= 1
    assert server.metrics()['hearth_tls_handshakes_total{result="bad_certificate"}'] >= 1
with Server(*SHOWS, CA, "--tls.client-auth=optional", tls=ca.client()) as server:
    assert ask(server.port, "/ready", ca.client(agent)) == 200
    assert isinstance(ask(server.port, "/ready", ca.client(stranger)), Exception)

# Several listeners, each with its own face.
PUSH, QUERY, SHARD = "/push.v1.PusherService/Push", "/querier.v1.QuerierService/ProfileTypes", "/hearth.shard.v1.Shard/Status"
faces = "127.0.0.1:0 admin, 127.0.0.1:0 tls public, 127.0.0.1:0 mtls internal, 127.0.0.1:0"
with Server(*SHOWS, CA, listeners=faces) as server:
    admin, public, internal, all_of_it = server.ports
    tls, mutual = ca.client(), ca.client(agent)
    for path, method, shown in (("/metrics", "GET", (1, 0, 0)), ("/config", "GET", (1, 0, 0)), ("/ready", "GET", (1, 1, 1)),
                                (PUSH, "POST", (0, 1, 0)), (QUERY, "POST", (0, 1, 0)), ("/ingest", "POST", (0, 1, 0)),
                                (SHARD, "POST", (0, 0, 1)), ("/grpc.health.v1.Health/Check", "POST", (1, 1, 1))):
        seen = (ask(admin, path, None, method), ask(public, path, tls, method), ask(internal, path, mutual, method))
        assert tuple(int(status != 404) for status in seen) == shown, (path, seen)
        assert ask(all_of_it, path, None, method) != 404
    assert isinstance(ask(internal, "/ready", tls), Exception)

# A cluster whose processes show each other certificates.
node = ca.issue("node")
peers = (f"--tls.cert-file={node[0]}", f"--tls.key-file={node[1]}", CA, f"--peers.ca-file={ca.ca}",
         f"--peers.cert-file={node[0]}", f"--peers.key-file={node[1]}")
with Cluster(shards=2, frontends=1, queriers=1, args=peers, tls=ca.client(agent)) as cluster:
    for i in range(12):
        cluster.frontends[0].push(pprof({"main;work": i}), service=f"service-{i}")
    assert cluster.queriers[0].total() == sum(range(12))
    assert all(s.metric("hearth_shard_profiles") for s in cluster.shards.values())
    # A frontend that is not known by its certificate is refused, and its client hears why.
    outsider = strangers.issue("outsider")
    bad = [f"--peers.cert-file={outsider[0]}", f"--peers.key-file={outsider[1]}"]
    with cluster.start("frontend", "--target=frontend", *bad) as frontend:
        try:
            frontend.push(pprof({"x": 1}))
            raise AssertionError("a stranger's push was taken")
        except RpcError as e:
            assert e.code == "unavailable", e

# Any certificate of the CA may push and ask, but only one that bears a name of the cluster may speak to a shard.
named = [*peers, "--auth.cluster-names=node, spare"]
with Cluster(shards=1, frontends=1, queriers=1, args=named, tls=ca.client(agent)) as cluster:
    cluster.frontends[0].push(pprof({"main;work": 7}))
    assert cluster.queriers[0].total() == 7
    unnamed = [f"--peers.cert-file={agent[0]}", f"--peers.key-file={agent[1]}"]
    with cluster.start("frontend", "--target=frontend", *unnamed) as frontend:
        try:
            frontend.push(pprof({"x": 1}))
            raise AssertionError("a push by an agent's certificate was taken")
        except RpcError as e:
            assert e.code != "deadline_exceeded" and "certificates" in str(e), e

# Mistakes end it at once, in words.
for flags, words in (([f"--tls.cert-file={pair[0]}"], "one without the other"),
                     ([*SHOWS, "--auth.cluster-names=node"], "client-ca-file"),
                     ([f"--tls.cert-file={pair[0]}", f"--tls.key-file={agent[1]}"], "does not match"),
                     ([f"--tls.cert-file={pair[0]}", "--tls.key-file=/no/such/file"], "/no/such/file"),
                     (["--listeners=:0 tls"], "need --tls.cert-file"), (["--listeners=:0 mtls", *SHOWS], "--tls.client-ca-file"),
                     (["--listeners=:0 nonsense"], "nonsense"), (["--listeners=nowhere"], "HOST:PORT")):
    done = subprocess.run([BIN / "hearth", *flags], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and words in done.stderr, (flags, done)
