"""TLS to the coordinator: who gets in and as whom, in the same words as ZooKeeper 3.9.4; zkCli, Kafka 3.9.2 and our own broker over it."""
import os
import pathlib
import socket
import ssl
import sys

from harness import jars
from harness.broker import Broker
from harness.context import expect, expect_equal, expect_in
from harness.process import free_port, wait_until
from harness.runner import only

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import tls_client  # noqa: E402
from certificates import PASSWORD, Certificates  # noqa: E402
from revocation import KINDER, Revocation  # noqa: E402

LONG = os.environ.get("MILENA_LONG") == "1"

# Subjects that show how a name is written: order, levels, escapes, attributes without a keyword, other alphabets.
SUBJECTS = {
    "client": "/CN=client",
    "organisation": "/C=CZ/ST=Praha/L=Praha 1/O=Org, Inc./OU=a=b/CN=some body",
    "levels": "/C=CZ/O=Org+CN=x/CN=n",
    "mail": "/O=Org/CN=me/emailAddress=me@example.org",
    "domain": "/DC=org/DC=example/UID=u1/CN=a",
    "odd": '/CN=#a "b" <c>;d\\\\e',
    "letters": "/CN=Jesenská 日本",
    "spaces": "/CN= a ",
    "numbers": "/serialNumber=12/CN=x/title=T/SN=s/GN=g",
    "twice": "/CN=a/CN=b",
    "boss": "/CN=boss",
}
NAMES_IN_LISTS = ["", "CN=a", "a", "cn = a , o=b", 'CN="a,b"', "E=a", "CN=a,", "CN=a\\zb", "1.2.3=x"]


def certificates(context):
    if not hasattr(context, "certificates"):
        made = context.certificates = Certificates(context)
        made.authority("authority")
        made.authority("other")
        made.issue("server", "authority", "/CN=server", "DNS:localhost,IP:127.0.0.1")
        for name, subject in SUBJECTS.items():
            made.issue(name, "authority", subject)
        made.issue("stranger", "other", "/CN=client")
        made.path("trust.pem").write_text(made.path("authority.crt").read_text())
        made.keytool_trust_store("trust.p12", "authority", "PKCS12")
    return context.certificates


def settings(context, secure_port, **more):
    made = certificates(context)
    return {
        "secureClientPort": secure_port, "secureClientPortAddress": "127.0.0.1",
        "serverCnxnFactory": "org.apache.zookeeper.server.NettyServerCnxnFactory",
        "ssl.keyStore.location": made.path("server.p12"), "ssl.keyStore.password": PASSWORD,
        "ssl.trustStore.location": made.path("trust.p12"), "ssl.trustStore.password": PASSWORD,
        "X509AuthenticationProvider.superUser": "CN=boss", **more,
    }


def secure_coordinator(context, kind="milena", **more):
    """With the port of TLS as `secure_port`."""
    port = free_port()
    server = context.new_coordinator(kind, start=False, settings=settings(context, port, **more))
    server.secure_port = port
    server.secure_connect = f"localhost:{port}"
    server.start()
    wait_until("the port of TLS", lambda: is_open(port))  # ZooKeeper opens it behind the other one, which answers by then
    return server


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def context_of(context, name=None, **more):
    return tls_client.tls_context(certificates(context), name, "authority", **more)


def identities(context, server):
    found = {}
    for name in SUBJECTS:
        client = tls_client.Client(server.secure_port, context_of(context, name))
        found[name] = client.who_am_i()
        client.close()
    return found


def access(context, server):
    """What three certificates and a client in plaintext may do."""
    port = server.secure_port
    client, other, boss = (tls_client.Client(port, context_of(context, name)) for name in ("client", "levels", "boss"))
    plain = tls_client.Client(server.port, None)
    found = [client.create("/mine", (31, "x509", "CN=client")), client.create("/auth", (31, "auth", "")),
             client.acl_of("/auth"), boss.create("/of-boss", (31, "auth", "")), boss.acl_of("/of-boss"),
             client.create("/mine/below", (31, "world", "anyone")), other.create("/mine/other", (31, "world", "anyone")),
             plain.create("/by-plain", (31, "x509", "CN=client")), plain.create("/plain-auth", (31, "auth", "")),
             plain.who_am_i()]
    for path in ("/mine", "/auth", "/of-boss", "/by-plain"):
        found.append([one.read(path) for one in (client, other, boss, plain)])
    for number, name in enumerate(NAMES_IN_LISTS):
        found.append((name, client.create(f"/list{number}", (31, "x509", name)), boss.acl_of(f"/list{number}")))
    for one in (client, other, boss, plain):
        one.close()
    return found


def refusals(context, server):
    port = server.secure_port
    return {"stranger": tls_client.refusal(port, context_of(context, "stranger")),
            "no certificate": tls_client.refusal(port, context_of(context)),
            "plaintext": tls_client.refusal(port, None),
            "a word": tls_client.word(port, context_of(context, "client"))[:18],
            "TLS 1.3": tls_client.refusal(port, context_of(context, "client", version=ssl.TLSVersion.TLSv1_3)),
            "TLS on the other port": tls_client.refusal(server.port, context_of(context, "client"))}


@only("milena")
def test_as_zookeeper(context):
    """The same questions to ZooKeeper 3.9.4 and to us: the same answers."""
    compared = 0
    for more in ({}, {"ssl.clientAuth": "want", "client.portUnification": "true", "ssl.protocol": "TLSv1.3"}):
        found = []
        for kind in ("zookeeper", "milena"):
            server = secure_coordinator(context, kind, **more)
            found.append((identities(context, server), refusals(context, server), access(context, server)))
            server.stop()
        for theirs, ours in zip(*found):
            expect_equal(ours, theirs, f"{more}")
            compared += len(ours)
    return f"{compared} answers equal"


@only("milena")
def test_refused_clients_cost_nobody_anything(context):
    """A session goes on answering while others fail, hang, or send rubbish."""
    server = secure_coordinator(context)
    good = tls_client.Client(server.secure_port, context_of(context, "client"))
    expect_equal(good.create("/good", (31, "world", "anyone")), 0)
    hanging = []
    for _ in range(20):
        silent = socket.create_connection(("127.0.0.1", server.secure_port))
        begun = socket.create_connection(("127.0.0.1", server.secure_port))
        begun.sendall(bytes.fromhex("1603010200010001fc0303"))
        rubbish = socket.create_connection(("127.0.0.1", server.secure_port))
        rubbish.sendall(b"\x16" * 3000)
        hanging += [silent, begun, rubbish]
        expect(tls_client.refusal(server.secure_port, context_of(context, "stranger")), "the stranger got in")
        expect(tls_client.refusal(server.secure_port, None), "plaintext got in")
        expect_equal(good.read("/good"), 0)
    for connection in hanging:
        connection.close()
    expect_equal(tls_client.word(server.secure_port, None), "", "a word in plaintext")
    expect_equal(good.read("/good"), 0)
    expect_equal(server.command(b"ruok"), "imok")
    text = server.log.read_text("utf-8")
    expect_in("TLS handshake with 127.0.0.1 failed", text)
    expect(PASSWORD not in text, "the password is in the log")
    expect(PASSWORD not in server.command(b"conf"), "the password is in conf")
    good.close()
    expect_equal(server.stop(), 0, "exit code")


@only("milena")
def test_stores_of_java(context):
    """JKS on ZooKeeper's port and on ours, as keytool makes it; and with a wrong password on neither."""
    made = certificates(context)
    stores = {"ssl.keyStore.location": made.keytool_key_store("server.jks", "server"),
              "ssl.trustStore.location": made.keytool_trust_store("trust.jks", "authority", "JKS")}
    served = 0
    for kind in ("zookeeper", "milena"):
        for types in ({}, {"ssl.keyStore.type": "JKS", "ssl.trustStore.type": "JKS"}):
            server = secure_coordinator(context, kind, **stores, **types)
            client = tls_client.Client(server.secure_port, context_of(context, "client"))
            expect_equal(client.create("/a", (31, "world", "anyone")), 0, kind)
            client.close()
            expect(tls_client.refusal(server.secure_port, context_of(context, "stranger")), f"the stranger got in to {kind}")
            server.stop()
            served += 1
    for store in ("keyStore", "trustStore"):
        server = context.new_coordinator("milena", start=False,
                                         settings=settings(context, free_port(), **stores, **{f"ssl.{store}.password": "not-it"}))
        done = context.run([context.binary, "coordinator", server.properties], code=None)
        expect(done.code != 0, "it started")
        expect_in(f"{stores[f'ssl.{store}.location']}: its password is wrong, or the file is damaged", done.out + done.err)
        expect("not-it" not in done.out + done.err, "the password is in the log")
    return f"{served} servers"


@only("milena")
def test_revocation(context):
    """ssl.crl and ssl.ocsp: who is let in by ZooKeeper is let in by us, and nobody else but for one kind."""
    made = certificates(context)
    with Revocation(made) as lists:
        names = lists.clients(f"http://127.0.0.1:{free_port()}", LONG)
        compared = 0
        for key in ("ssl.crl", "ssl.ocsp"):
            theirs, ours = ([name for name in names if not tls_client.refusal(port, context_of(context, name))]
                            for port in (one_that_checks(context, kind, key) for kind in ("zookeeper", "milena")))
            expect_equal([name for name in ours if name not in KINDER], theirs, f"who is let in with {key}")
            expect({"file-good", "http-good"} <= set(ours) and not [name for name in ours if name.endswith("-bad")], f"{ours}")
            expect_equal("ocsp-good" in ours, key == "ssl.ocsp", key)
            compared += len(names)
    text = context.brokers[-1].log.read_text("utf-8")
    expect_in("The certificate CN=nothing-good names no revocation list", text)
    expect_in("certificate verify failed: certificate revoked", text)
    return f"{compared} clients"


def one_that_checks(context, kind, key):
    return secure_coordinator(context, kind, **{key: "true"}).secure_port


@only("milena")
def test_zkcli(context):
    """zkCli of 3.9.4 with a client certificate, on a coordinator without a plaintext port."""
    made = certificates(context)
    server = secure_coordinator(context)
    script = """whoami
create /cli first
get /cli
create /mine data x509:CN=client:cdrwa
getAcl /mine
get /mine
create /auth data auth::cdrwa
getAcl /auth
setAcl /cli x509:CN=boss:r
get /cli
create /bad data x509:nobody:r
quit
"""
    options = ["-Dzookeeper.client.secure=true",
               "-Dzookeeper.clientCnxnSocket=org.apache.zookeeper.ClientCnxnSocketNetty",
               f"-Dzookeeper.ssl.keyStore.location={made.path('client.p12')}",
               f"-Dzookeeper.ssl.keyStore.password={PASSWORD}",
               f"-Dzookeeper.ssl.trustStore.location={made.path('trust.pem')}"]
    done = context.run(jars.java(jars.ZOOKEEPER, "org.apache.zookeeper.ZooKeeperMain", "-waitforconnection", "-server",
                                 server.secure_connect, options=options), stdin=script, code=None)  # the code is that of the last command
    text = done.out + done.err
    for part in ("x509: CN=client", "Created /cli", "first\n", "Created /mine", "'x509,'CN=client\n: cdrwa", "Created /auth",
                 "Insufficient permission : /cli", "Acl is not valid : /bad"):
        expect_in(part, text)
    server.stop()


def round_trip(context, broker, topic):
    data = "".join(f"{number}\n" for number in range(2000))
    context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", topic, "-p", "0"], stdin=data)
    out = context.run(["kcat", "-b", broker.bootstrap, "-G", topic + "-group", "-X", "auto.offset.reset=earliest", "-e",
                       "-q", topic]).out
    expect_equal(out, data, topic)


def broker_settings(context, connect, **more):
    made = certificates(context)
    return {
        "zookeeper.connect": connect, "zookeeper.ssl.client.enable": "true",
        "zookeeper.clientCnxnSocket": "org.apache.zookeeper.ClientCnxnSocketNetty",
        "zookeeper.ssl.keystore.location": made.path("client.p12"), "zookeeper.ssl.keystore.password": PASSWORD,
        "zookeeper.ssl.truststore.location": made.path("trust.p12"), "zookeeper.ssl.truststore.password": PASSWORD,
        # Certificates name localhost, which may be ::1 as well. ZooKeeper's client draws one of the addresses for each attempt.
        "zookeeper.connection.timeout.ms": 60000,
        "num.partitions": 1, **more,
    }


@only("milena")
def test_kafka_on_our_secure_port(context):
    """Kafka's own defaults: TLS 1.2 alone, and the host name is checked."""
    server = secure_coordinator(context)
    broker = Broker("kafka", context.work / "kafka", settings=broker_settings(context, server.secure_connect + "/a/chroot"),
                    coordinator=server)
    context.brokers.append(broker)
    broker.start()
    round_trip(context, broker, "over-tls")
    # The coordinator goes and comes back under it. That it is registered doesn't tell that it is back: its session goes on, or
    # ends if it looks too long at the other address of localhost, and then it registers again.
    connected = "Session establishment complete"
    before = broker.child.text().count(connected)
    server.stop()
    server.start()
    wait_until("the broker's return", lambda: broker.child.text().count(connected) > before)
    wait_until("its registration", lambda: registered(context, server))
    round_trip(context, broker, "after-restart")
    broker.stop()
    server.stop()


def registered(context, server):
    client = tls_client.Client(server.secure_port, context_of(context, "client"))
    code = client.read("/a/chroot/brokers/ids/0")
    client.close()
    return code == 0


@only("milena")
def test_our_broker_on_apache_zookeeper(context):
    server = secure_coordinator(context, "zookeeper")
    broker = Broker("milena", context.work / "ours", context.binary,
                    broker_settings(context, server.secure_connect + "/a/chroot"), coordinator=server)
    context.brokers.append(broker)
    broker.start()
    round_trip(context, broker, "over-tls")
    expect(registered(context, server), "the broker isn't registered")
    expect_equal(broker.stop(), 0, "exit code")
    made = certificates(context)
    broker.settings["zookeeper.ssl.keystore.location"] = made.keytool_key_store("broker.jks", "client")
    broker.settings["zookeeper.ssl.truststore.location"] = made.keytool_trust_store("broker-trust.jks", "authority", "JKS")
    broker.write_properties()
    broker.start()
    expect(registered(context, server), "the broker isn't registered with stores of Java")
    expect_equal(broker.stop(), 0, "exit code")
    # By what Kafka's keys leave to ZooKeeper's own properties, and without a certificate: no session.
    broker.settings["zookeeper.ssl.keystore.location"] = certificates(context).path("stranger.p12")
    broker.settings["zookeeper.connection.timeout.ms"] = 1500
    broker.write_properties()
    broker.launch()
    expect(broker.child.wait() != 0, "it started")
    text = broker.log.read_text("utf-8")
    expect_in("No session over TLS with localhost", text)
    expect(PASSWORD not in text, "the password is in the log")
    broker.child = None
    server.stop()
