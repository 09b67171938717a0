"""Operating a coordinator: words, AdminServer, Prometheus, quotas and zoo.cfg, beside ZooKeeper 3.9.4 under the same traffic."""
import json
import os
import pathlib
import re
import resource
import socket
import ssl
import struct
import subprocess
import sys
import urllib.request

from harness import venv
from harness.broker import ZooKeeper
from harness.context import expect, expect_equal, expect_in
from harness.process import Child, free_port, rss_bytes, wait_until
from harness.runner import only

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "zookeeper-tls")]
from admin_http import outline, request, tls_context  # noqa: E402
from certificates import PASSWORD, Certificates  # noqa: E402
from raw_session import connect_request, create_request, raw_session, read_frame  # noqa: E402

PROMETHEUS = "org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider"
# What a server without a JVM can't have.
JVM = re.compile(r"(\w+_)?jvm_|java\.")
PAIR = {}


def start(context, kind, prometheus):
    settings = {"admin.enableServer": "true", "admin.serverAddress": "127.0.0.1", "admin.serverPort": free_port(),
                "enforceQuota": "true"}
    if prometheus:
        settings |= {"metricsProvider.className": PROMETHEUS, "metricsProvider.httpHost": "127.0.0.1",
                     "metricsProvider.httpPort": free_port()}
    server = context.new_coordinator(kind, settings=settings)
    server.admin, server.metrics = settings["admin.serverPort"], settings.get("metricsProvider.httpPort")
    load = subprocess.Popen([venv.python(context), HERE / "load.py", server.connect], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    server.outcome = []
    for line in load.stdout:
        if line.strip() == "ready":
            break
        server.outcome.append(line.strip())
    server.load = load
    return server


def pair(context, prometheus=False):
    """ZooKeeper 3.9.4 and Milena after the same traffic, with the client that made it still there."""
    if prometheus not in PAIR:
        PAIR[prometheus] = [start(context, kind, prometheus) for kind in ("zookeeper", "milena")]
    return PAIR[prometheus]


def leave(prometheus=False):
    for server in PAIR.pop(prometheus):
        server.load.stdin.close()
        server.load.wait()
        server.stop()


def get(port, path):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as response:
        return response.headers.get("Content-Type"), response.read().decode()


def without_jvm(names):
    return [name for name in names if not JVM.match(name)]


def shape(text):
    """A text with its numbers, sessions, versions and dates taken out."""
    text = re.sub(r"version: .*", "version: V", text)
    text = re.sub(r"expire at .*:", "expire at D:", text)
    text = re.sub(r"0x[0-9a-f]+", "0xN", text)
    return re.sub(r"\b\d+(\.\d+)?\b", "N", text)


def key_shape(value):
    """The field names of a JSON value, in order, with one element of each list."""
    if isinstance(value, dict):
        return {re.sub(r"^\d+$", "N", key): key_shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [key_shape(value[0])] if value else []
    return type(value).__name__


@only("milena")
def test_quotas(context):
    theirs, ours = pair(context)
    expect_equal(ours.outcome, theirs.outcome, "what the writes gave")
    expect_in("QuotaExceededError", theirs.outcome[0], "the traffic")


@only("milena")
def test_words(context):
    theirs, ours = pair(context)
    for word in ("mntr", "conf", "envi"):
        lines = [[re.split("[=\t]", line)[0] for line in server.command(word.encode()).splitlines()] for server in (theirs, ours)]
        ordered = [[name for name in names if "namespace" not in name] for names in lines]
        expect_equal(ordered[1], without_jvm(ordered[0]), f"the keys of {word}, in order")
        expect_equal(sorted(set(lines[1]) - set(ordered[1])), sorted(set(lines[0]) - set(ordered[0])), f"the namespaces of {word}")
    for word in ("srvr", "dirs", "isro", "ruok", "gtmk", "wchs", "wchc", "crst", "srst"):
        answers = [shape(server.command(word.encode())) for server in (theirs, ours)]
        if word == "wchc":
            answers = [sorted(answer.splitlines()) for answer in answers]
        expect_equal(answers[1], answers[0], word)
    for word in ("cons", "stat", "wchp"):
        answers = [sorted(shape(server.command(word.encode())).splitlines()) for server in (theirs, ours)]
        expect_equal(answers[1], answers[0], word)
    dumps = [[line for line in shape(server.command(b"dump")).splitlines() if "Sets" not in line and "expire" not in line]
             for server in (theirs, ours)]
    expect_equal(sorted(dumps[1]), sorted(dumps[0]), "dump")
    masks = [server.command(b"stmk" + struct.pack(">q", 7)) + server.command(b"gtmk") for server in (theirs, ours)]
    expect_equal(masks[1], masks[0], "stmk and gtmk")
    numbers = [dict(line.split("\t") for line in server.command(b"mntr").splitlines()) for server in (theirs, ours)]
    for key in ("zk_znode_count", "zk_ephemerals_count", "zk_approximate_data_size", "zk_watch_count", "zk_global_sessions",
                "zk_app_quota_count_usage_per_namespace", "zk_app_quota_bytes_limit_per_namespace"):
        expect_equal(numbers[1][key], numbers[0][key], key)
    return f"{len(numbers[1])} keys of mntr"


@only("milena")
def test_words_have_a_whitelist(context):
    server = context.new_coordinator("milena", settings={"4lw.commands.whitelist": "ruok"})
    expect_equal(server.command(b"ruok"), "imok", "an allowed word")
    expect_in("Mode: standalone", server.command(b"srvr"), "srvr is always allowed")
    expect_equal(server.command(b"mntr"), "mntr is not executed because it is not in the whitelist.\n", "another word")
    server.stop()


@only("milena")
def test_admin_server(context):
    theirs, ours = pair(context)
    links = [re.findall(r'href="([^"]+)"', get(server.admin, "/commands")[1]) for server in (theirs, ours)]
    expect_equal(links[1], links[0], "the list")
    without_auth = ["/commands/snapshot", "/commands/restore"]  # in the tests below
    for link in [link for link in links[1] if link not in without_auth] + ["/commands/none-such", "/commands/mntr"]:
        answers = [get(server.admin, link) for server in (theirs, ours)]
        expect_equal(answers[1][0].split(";")[0], answers[0][0].split(";")[0], f"content type of {link}")
        shapes = [key_shape(json.loads(answer[1])) for answer in answers]
        for fields in shapes:
            if link.endswith("/system_properties"):
                for key in [key for key in fields if not key.startswith("zookeeper.") and key not in ("command", "error")]:
                    del fields[key]
                fields.pop("zookeeper.jmx.log4j.disable", None)
        names = [[name for name in fields if "namespace" not in name] for fields in shapes]
        if link.endswith("/system_properties"):
            names = [sorted(fields) for fields in names]
        expect_equal(names[1], without_jvm(names[0]), f"the fields of {link}")
        for name in names[1]:
            expect_equal(shapes[1][name], shapes[0][name], f"{name} of {link}")
    leave()
    return f"{len(links[1])} commands"


def with_admin(context, kind, **settings):
    port = free_port()
    server = context.new_coordinator(kind, settings={
        "admin.enableServer": "true", "admin.serverAddress": "127.0.0.1", "admin.serverPort": port, "admin.rateLimiterIntervalInMS": 0,
        **settings})
    server.admin = port
    return server


def admin_pair(context, **settings):
    """Both servers, each with an AdminServer; nothing but what the test does has been done to them."""
    return [with_admin(context, kind, **settings) for kind in ("zookeeper", "milena")]


def ask_both(servers, method, command, authorization=None, body=None, **more):
    headers = {} if authorization is None else {"Authorization": authorization}
    return [outline(request(server.admin, method, command, headers, body, **more)) for server in servers]


@only("milena")
def test_who_may_take_and_restore_snapshots(context):
    """The same answers, but for requests of the wrong method, over which ZooKeeper trips (500)."""
    cases = [("GET", "snapshot", None), ("GET", "snap", None), ("POST", "restore", None, b"x"), ("POST", "rest", "nope x", b"x"),
             ("POST", "none", None, b"x"), ("PUT", "ruok", None)]
    cases += [("GET", "snapshot", text) for text in ("nope x", "digest", "a b c", "world anyone", "sasl x", "x509", "auth x")]
    cases += [("GET", "snap?streaming=false", "digest root:pw"), ("GET", "snapshot", "ip"), ("GET", "snapshot?streaming=yes", "ip"),
              ("HEAD", "snapshot", "ip"), ("POST", "restore", "ip", b""), ("POST", "restore", "ip", b"garbage")]
    servers = admin_pair(context)
    for case in cases:
        theirs, ours = ask_both(servers, *case)
        if case[0] == "PUT":
            theirs, ours = theirs[0], ours[0]
        expect_equal(ours, theirs, str(case))
    counters = [[line for line in server.command(b"mntr").splitlines() if re.match("zk_(snapshot|restore)_.*count", line)] for server in servers]
    expect_equal(sorted(counters[1]), sorted(counters[0]), "counters")
    for server in servers:
        server.stop()
    count = len(cases)
    for settings in ({"admin.snapshot.enabled": "false", "admin.restore.enabled": "false"},
                     {"serializeLastProcessedZxid.enabled": "false"}, {"admin.rateLimiterIntervalInMS": 100_000_000}):
        servers = admin_pair(context, **settings)
        for case in 2 * [("GET", "snapshot", "ip"), ("POST", "restore", "ip", b"x")]:
            theirs, ours = ask_both(servers, *case)
            expect_equal(ours, theirs, f"{case} with {settings}")
            count += 1
        for server in servers:
            server.stop()
    return f"{count} answers"


@only("milena")
def test_a_snapshot_of_one_is_restored_by_the_other(context):
    """Streamed from one, restored into the other, streamed from there and restored into the first kind again."""
    program = [venv.python(context), HERE / "tree.py"]
    for first_kind, second_kind in (("zookeeper", "milena"), ("milena", "zookeeper")):
        trees, sizes = [], []
        snapshot = None
        for kind in (first_kind, second_kind, first_kind):
            server = with_admin(context, kind)
            if snapshot is None:
                context.run([*program, "fill", server.connect])
            else:
                status, _, body = request(server.admin, "POST", "restore", {"Authorization": "ip"}, snapshot)
                expect_equal((status, json.loads(body)["last_zxid"]), (200, zxid), f"restored by {kind}: {server.child.text()[-1500:]}")
            if kind == "milena":  # for ZooKeeper a restore lasts until the next start
                server.stop()
                server.start()
            trees.append(context.run([*program, "show", server.connect]).out)
            status, headers, snapshot = request(server.admin, "GET", "snapshot", {"Authorization": "ip"})
            expect_equal((status, len(snapshot)), (200, int(headers["snapshot_size"])), f"the snapshot of {kind}")
            zxid = int(headers["last_zxid"], 16)
            sizes.append(len(snapshot))
            context.run([*program, "add", server.connect])  # writes go on
            server.stop()
        expect_in("/app/closed", trees[0], "the tree")
        expect_equal(trees[1], trees[0], f"{second_kind} after {first_kind}")
        expect_equal(trees[2], trees[0], f"{first_kind} after {second_kind}")
    return f"{len(trees[0].splitlines())} znodes, {sizes[0]} bytes, both ways and back"


@only("milena")
def test_admin_server_over_tls(context):
    made = Certificates(context)
    for authority in ("authority", "other"):
        made.authority(authority)
    made.issue("server", "authority", "/CN=server", "DNS:localhost,IP:127.0.0.1")
    made.issue("client", "authority", "/CN=client")
    made.issue("stranger", "other", "/CN=client")
    made.keytool_trust_store("trust.p12", "authority", "PKCS12")
    stores = {f"ssl.{part}{name}.{key}": value for part in ("quorum.", "") for name, file in (("keyStore", "server"), ("trustStore", "trust"))
              for key, value in (("location", made.path(f"{file}.p12")), ("password", PASSWORD))}
    provider = {"authProvider.x509": "org.apache.zookeeper.server.auth.X509AuthenticationProvider"}
    clients = {"plain": None, "tls": tls_context(made), "tls 1.2": tls_context(made, version=ssl.TLSVersion.TLSv1_2),
               "tls 1.3": tls_context(made, version=ssl.TLSVersion.TLSv1_3), "client": tls_context(made, "client"),
               "stranger": tls_context(made, "stranger")}
    count = 0
    for settings in ({"admin.forceHttps": "true"}, {"admin.portUnification": "true"},
                     {"admin.portUnification": "true", "admin.needClientAuth": "true", **provider},
                     {"admin.portUnification": "true", "admin.forceHttps": "true", "admin.needClientAuth": "true"}):
        servers = admin_pair(context, **settings, **stores)
        for name, tls in clients.items():
            for command in ("ruok", "snapshot?streaming=false"):
                theirs, ours = ask_both(servers, "GET", command, "x509", tls=tls)
                expect_equal(ours, theirs, f"{command} of {name} with {settings}")
                count += theirs is not None
        insecure = [re.search(r"zk_insecure_admin_count\t(\d+)", server.command(b"mntr")).group(1) for server in servers]
        expect_equal(insecure[1], insecure[0], f"insecure_admin_count with {settings}")
        for server in servers:
            server.stop()
    return f"{count} answers"


def counter(server, name):
    return int(re.search(rf"zk_{name}\t(\d+)", server.command(b"mntr")).group(1))


@only("milena")
def test_request_throttler(context):
    """One request at a time in the pipeline: all are answered, in order, and what the gone had in the queue is dropped."""
    servers = [context.new_coordinator(kind, settings={"request_throttle_max_requests": 1, "request_throttle_stall_time": 1})
               for kind in ("zookeeper", "milena")]
    for server in servers:
        clients = [raw_session(server) for _ in range(5)]
        for number in range(40):
            for at, client in enumerate(clients):
                client.sendall(create_request(number, f"/c{at}-{number}"))
        for client in clients:
            for number in range(40):
                xid, _, error = struct.unpack(">iqi", read_frame(client)[:16])
                expect_equal((xid, error), (number, 0), server.kind)
        expect(counter(server, "request_throttle_wait_count") > 0, f"{server.kind} had requests wait")
        expect_equal(counter(server, "cnt_request_throttle_queue_time_ms"), 5 * 41 if server.kind == "zookeeper" else 5 * 40,
                     "requests through the queue; ZooKeeper's new sessions are among them")
        clients[0].sendall(b"".join(create_request(number, f"/gone-{number}") for number in range(3000)))
        clients[0].close()
        wait_until(f"{server.kind} to drop", lambda server=server: counter(server, "stale_requests_dropped") == 1)
        for client in clients[1:]:
            client.sendall(create_request(100, f"/after-{id(client)}"))
            expect_equal(struct.unpack(">i", read_frame(client)[12:16])[0], 0, "others are served")
            client.close()
        server.stop()


@only("milena")
def test_large_requests(context):
    servers = [context.new_coordinator(kind, settings={"largeRequestThreshold": 1000, "largeRequestMaxBytes": 5000})
               for kind in ("zookeeper", "milena")]
    for server in servers:
        client = raw_session(server)
        for number, size in enumerate((900, 4000, 4500)):
            client.sendall(create_request(number, f"/n{number}", b"x" * size))
            expect_equal(struct.unpack(">iqi", read_frame(client)[:16])[::2], (number, 0), f"{size} bytes to {server.kind}")
        client.sendall(create_request(9, "/large", b"x" * 5000))
        expect_equal(read_frame(client), b"", f"{server.kind} closes")
        expect_equal(counter(server, "large_requests_rejected"), 1, server.kind)
        expect_equal(int(re.search(r"Node count: (\d+)", server.command(b"srvr")).group(1)), 5 + 3, f"znodes of {server.kind}")
        server.stop()


@only("milena")
def test_prometheus(context):
    theirs, ours = pair(context, prometheus=True)
    answers = [get(server.metrics, "/metrics") for server in (theirs, ours)]
    expect_equal(answers[1][0].replace(" ", "").lower(), answers[0][0].replace(" ", "").lower(), "content type")
    types = [dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.M)) for _, text in answers]
    expected = {name: kind for name, kind in types[0].items() if not JVM.match(name)}
    expect_equal(types[1], expected, "names and types")
    samples = [{line.rsplit(" ", 1)[0] for line in text.splitlines() if line and not line.startswith("#")} for _, text in answers]
    expect_equal(sorted(samples[1] - samples[0]), [], "samples that ZooKeeper doesn't have")
    expect_equal(sorted(name for name in samples[0] - samples[1] if not JVM.match(name)), [], "samples that are missing")
    for name in ("znode_count", "watch_count", "num_alive_connections", "ephemerals_count"):
        values = [re.search(rf"^{name} (.*)$", text, re.M).group(1) for _, text in answers]
        expect_equal(values[1], values[0], name)
    leave(prometheus=True)
    return f"{len(types[1])} metrics, {len(samples[1])} samples"


def ends_with(context, text, code, *parts):
    """A zoo.cfg of these lines ends the coordinator with this code and one line that has all parts."""
    path = context.work / (context.name("bad") + ".cfg")
    path.write_text(text, encoding="utf-8")
    done = context.run([context.binary, "coordinator", path], code=None)
    output = done.out + done.err
    expect_equal(done.code, code, f"exit code with {text!r}: {output[-800:]}")
    lines = [line for line in output.splitlines() if "FATAL" in line]
    expect(len(lines) == 1 and all(part in lines[0] for part in parts), f"{parts} in {output[-1500:]}")


@only("milena")
def test_exit_codes_of_zookeeper(context):
    """2, 3, 4 and 1, as ZooKeeper 3.9.4 ends in these cases."""
    data = context.work / context.name("data")
    base = f"dataDir={data}\nclientPortAddress=127.0.0.1\n"
    off = base + "admin.enableServer=false\n"
    ends_with(context, off + "clientPort=abc\n", 2, ":4:", "clientPort=abc", "from 0 to 65535")
    ends_with(context, "clientPort=2181\n", 2, "dataDir")
    ends_with(context, off + "clientPort=0\nelectionAlg=1\n", 2, "electionAlg=1")
    ends_with(context, off + "clientPort=0\nserver.1=a:1:2\nserver.2=b:1:2\n", 2, "server.2", "zookeeper.connect", "Apache ZooKeeper")
    ends_with(context, off + "clientPort=0\nmetricsProvider.className=none\n", 2, "metricsProvider.className=none")
    ends_with(context, "dataDir=/proc/none\nclientPort=0\nadmin.enableServer=false\n", 3, "/proc/none")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ends_with(context, base + f"clientPort=0\nadmin.serverPort={port}\n", 4, "AdminServer", str(port))
        ends_with(context, off + f"clientPort={port}\n", 1, str(port))
        ends_with(context, off + f"clientPort=0\nmetricsProvider.className={PROMETHEUS}\nmetricsProvider.httpHost=127.0.0.1\n"
                  f"metricsProvider.httpPort={port}\n", 1, "Prometheus", str(port))


@only("milena")
def test_options_of_the_environment(context):
    server = ZooKeeper("milena", context.work / context.name("coordinator"), context.binary)
    context.brokers.append(server)
    os.environ["SERVER_JVMFLAGS"] = "-Xmx1g -Dzookeeper.4lw.commands.whitelist=none -Dzookeeper.maxCnxns=1"
    try:
        server.start()
    finally:
        del os.environ["SERVER_JVMFLAGS"]
    expect_equal(server.command(b"ruok"), "imok", "the file wins")
    with socket.create_connection(("127.0.0.1", server.port)) as first:
        first.sendall(b"\0")
        wait_until("the limit of the environment", lambda: server.command(b"ruok") == "")
    server.stop()


@only("milena")
def test_compressed_snapshots_go_both_ways(context):
    """Written by one, opened by the other, with either codec."""
    python = venv.python(context)
    for method, writer, reader in (("gz", "milena", "zookeeper"), ("snappy", "zookeeper", "milena"),
                                   ("snappy", "milena", "zookeeper"), ("gz", "zookeeper", "milena")):
        settings = {"snapshot.compression.method": method, "snapCount": 10}
        first = context.new_coordinator(writer, settings=settings)
        program = ("import sys; from kazoo.client import KazooClient; c = KazooClient(sys.argv[1], timeout=20); c.start(60); "
                   "[c.create('/n-', b'x' * 2000, sequence=True) for _ in range(60)]; c.stop()")
        context.run([python, "-c", program, first.connect])
        directory = first.directory / "data" / "version-2"
        wait_until("compressed snapshots", lambda: sum(file.name.endswith("." + method) for file in directory.iterdir()) > 1)
        first.stop()
        # What the older logs hold must come from a snapshot; the newest one may not have been written to its end.
        snapshots = sorted(int(file.name.split(".")[1], 16) for file in directory.glob(f"snapshot.*.{method}"))
        logs = sorted(directory.glob("log.*"), key=lambda log: int(log.suffix[1:], 16))
        for log, following in zip(logs, logs[1:]):
            if int(following.suffix[1:], 16) <= snapshots[-2]:
                log.unlink()
        second = ZooKeeper(reader, context.work / context.name("coordinator"), context.binary)
        context.brokers.append(second)
        text = second.properties.read_text(encoding="utf-8")
        second.properties.write_text(re.sub("dataDir=.*", f"dataDir={first.directory / 'data'}", text), encoding="utf-8")
        second.start()
        expect_in("Node count: 65\n", second.command(b"srvr"), f"{method} from {writer} in {reader}")
        second.stop()


@only("milena")
def test_many_idle_sessions(context):
    """Each has its session and is answered; memory for a connection stays small. 10,000 of them in the long mode."""
    wanted = 10_000 if os.environ.get("MILENA_LONG") else 1_000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = hard if hard != resource.RLIM_INFINITY else 65_536
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    wanted = min(wanted, limit - 200)
    server = context.new_coordinator("milena")
    before = rss_bytes(server.child.pid)
    clients = []
    try:
        for _ in range(wanted):
            client = socket.create_connection(("127.0.0.1", server.port))
            client.sendall(connect_request(30_000))
            clients.append(client)
        for client in clients:
            length = struct.unpack(">i", client.recv(4, socket.MSG_WAITALL))[0]
            answer = client.recv(length, socket.MSG_WAITALL)
            expect(struct.unpack(">q", answer[8:16])[0] != 0, "a session")
        per_session = (rss_bytes(server.child.pid) - before) / wanted
        for client in clients:
            client.sendall(struct.pack(">iii", 8, -2, 11))
        for client in clients:
            length = struct.unpack(">i", client.recv(4, socket.MSG_WAITALL))[0]
            expect_equal(struct.unpack(">i", client.recv(length, socket.MSG_WAITALL)[:4])[0], -2, "a ping's answer")
        expect_in(f"zk_global_sessions\t{wanted}\n", server.command(b"mntr"), "sessions")
        expect(per_session < 8192, f"{per_session:.0f} bytes for a session")
    finally:
        for client in clients:
            client.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    expect_equal(server.stop(), 0, "exit code")
    return f"{wanted} sessions, {per_session:.0f} bytes each"


@only("milena")
def test_a_full_disk_ends_it_with_a_word(context):
    """RLIMIT_FSIZE stands in for a disk that is full: what was acknowledged is there afterwards, and no more is."""
    directory = context.work / context.name("coordinator")
    server = ZooKeeper("milena", directory, context.binary, settings={"preAllocSize": 16})
    context.brokers.append(server)
    limit = 200 * 1024
    command = ["prlimit", f"--fsize={limit}", context.binary, "coordinator", server.properties]
    server.child = Child(command, server.log)
    wait_until("the coordinator", lambda: server.serves() or not server.child.running())
    program = ("import sys, logging; logging.disable(50)\nfrom kazoo.client import KazooClient\n"
               "c = KazooClient(sys.argv[1], timeout=20); c.start(60)\nn = 0\n"
               "try:\n  while True:\n    c.create(f'/n{n}', b'x' * 2000); n += 1\nexcept Exception: pass\nprint(n)")
    written = int(context.run([venv.python(context), "-c", program, server.connect]).out)
    code = server.child.wait()
    expect_equal(code, 1, "exit code")
    expect_in("the transaction log cannot be written", server.child.text(), "log")
    expect(written > 50, f"{written} znodes were written before")
    server.child = None
    server.start()
    nodes = int(re.search(r"Node count: (\d+)", server.command(b"srvr")).group(1))
    expect(written + 5 <= nodes <= written + 6, f"{nodes} znodes after {written} acknowledged creates")
    server.stop()
