"""ZooKeeper's protocol by raw sockets: each case answered as ZooKeeper 3.9.4 answered it (behaviour.tsv)."""
import pathlib
import re
import socket
import struct
import sys
import time

from harness.context import expect, expect_equal
from harness.runner import only

HERE = pathlib.Path(__file__).parent
sys.path.append(str(HERE.parent / "zookeeper-admin"))
from raw_session import connect_request, create_request, read_frame  # noqa: E402


def rows(text):
    return [tuple(line.split("\t", 1)) for line in text.splitlines() if "\t" in line]


@only("milena")
def test_every_case(context):
    coordinator = context.new_coordinator()
    out = context.run([sys.executable, str(HERE / "probe.py"), str(coordinator.port)]).out
    expected = rows((HERE / "behaviour.tsv").read_text(encoding="utf-8"))[1:]
    found = dict(rows(out))
    different = [f"{case}\n  expected {answer}\n  found    {found.get(case)}" for case, answer in expected
                 if found.get(case) != answer]
    expect(not different, "\n".join(different))
    return f"{len(expected)} cases equal"


def text(value):
    return struct.pack(">i", len(value)) + value.encode()


def request(xid, op, body=b""):
    return struct.pack(">iii", 8 + len(body), xid, op) + body


def session(host, port):
    client = socket.create_connection((host, port), timeout=60)
    client.sendall(connect_request(30_000))
    read_frame(client)
    return client


def ask(client, *of):
    client.sendall(request(*of))
    reply = read_frame(client)
    return struct.unpack(">iqi", reply[:16]), reply[16:]


RECONFIG = struct.pack(">ii", -1, -1) + text("x") + struct.pack(">q", -1)


@only("milena")
def test_reconfig_of_one_server(context):
    """Disabled, it says so; enabled, one server can't do it. Either way it takes a zxid, and the connection goes on."""
    answers = []
    for kind in ("zookeeper", "milena"):
        answers.append([])
        for enabled in ("false", "true"):
            server = context.new_coordinator(kind, settings={"reconfigEnabled": enabled})
            client = session("127.0.0.1", server.port)
            answers[-1] += [ask(client, 1, 16, RECONFIG), ask(client, 2, 3, text("/none") + b"\0")]
            # The end of the session. One more behind it ZooKeeper answers or not, as its threads meet.
            client.sendall(request(3, -11))
            answers[-1].append(read_frame(client))
            server.stop()
    expect_equal([answers[0][at][0][2] for at in (0, 3)], [-123, -6], "ZooKeeper's errors")
    expect_equal(answers[1], answers[0], "answers")


def addresses_of(server):
    """Those of the connections that wait for requests, by the words cons and dump. While it answers the last request,
    ZooKeeper doesn't count a connection among them yet."""
    for _ in range(200):
        words = [server.command(word) for word in (b"cons", b"dump")]
        found = [sorted(set(re.findall(r" (/\S+):\d+(?:\[1\]| sessionId)", word))) for word in words]
        if all(found):
            break
        time.sleep(0.02)
    return found


@only("milena")
def test_clients_of_both_protocols(context):
    """By IPv4 and, where the machine has it, by IPv6: on one port, each with its own address in ACLs and words."""
    answers = []
    for kind in ("zookeeper", "milena"):
        server = context.new_coordinator(kind, settings={"clientPortAddress": "0.0.0.0"})
        answers.append([])
        for host, patterns in (("127.0.0.1", ("127.0.0.1", "127.0.0.2", "127.0.0.0/8", "::1")),
                               ("::1", ("::1", "0:0:0:0:0:0:0:1", "::2", "::/0", "127.0.0.1"))):
            try:
                client = session(host, server.port)
            except OSError as error:
                answers[-1].append(error.errno)
                continue
            answers[-1].append(ask(client, 1, 107))
            for number, pattern in enumerate(patterns):
                path = f"/{len(answers[-1])}-{number}"
                acl = struct.pack(">ii", 1, 31) + text("ip") + text(pattern) + struct.pack(">i", 0)
                answers[-1] += [ask(client, 2, 1, text(path) + text("x") + acl)[0][2], ask(client, 3, 4, text(path) + b"\0")[0][2]]
            answers[-1].append(addresses_of(server))
        server.stop()
    expect_equal(answers[1], answers[0], "answers")
    return f"{len(answers[0])} answers"


@only("milena")
def test_handshakes(context):
    """With and without the byte of clients that would read from a server without a quorum, new and old clients."""
    answers = []
    for kind in ("zookeeper", "milena"):
        server = context.new_coordinator(kind)
        answers.append([])
        for last_bytes in (b"", b"\0", b"\1"):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            body = struct.pack(">iqiqi", 0, 0, 7000, 0, 16) + bytes(16) + last_bytes
            client.sendall(struct.pack(">i", len(body)) + body)
            answer = read_frame(client)
            answers[-1].append((answer[:8], len(answer), answer[36:], ask(client, 1, 3, text("/zookeeper") + b"\0")[0][2]))
            answers[-1].append(ask(client, 2, 1, text("/" + last_bytes.hex()) + text("x") + struct.pack(">ii", 1, 31) + text("world") +
                                   text("anyone") + struct.pack(">i", 0))[0][2])
        answers[-1].append(server.command(b"isro"))
        server.stop()
    expect_equal(answers[1], answers[0], "answers")


@only("milena")
def test_the_word_hash(context):
    """Digests of the same transactions, at most a thousand of them; the digests are of trees whose times differ."""
    found = []
    for kind in ("zookeeper", "milena"):
        server = context.new_coordinator(kind)
        client = session("127.0.0.1", server.port)
        create = text("/n-") + text("x") + struct.pack(">ii", 1, 31) + text("world") + text("anyone") + struct.pack(">i", 2)
        client.sendall(b"".join(request(number, 1, create) for number in range(700)))
        for _ in range(700):
            read_frame(client)
        found.append(re.sub(r": -?\d+$", ": N", server.command(b"hash"), flags=re.M))
        server.stop()
    expect_equal(found[1], found[0], "zxids")
    expect_equal(len(found[0].split()), 2 * 5, "lines of two words")


def is_refused(port, source):
    """Whether a connection from there is closed unheard."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0)) as client:
            client.sendall(connect_request(30_000))
            return read_frame(client) == b""
    except ConnectionError:
        return True


def accepted(port, source):
    """A session from there; a connection that was closed may take a moment to go."""
    while True:
        client = None
        try:  # a connect, too, may already see that it was closed
            client = socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(source, 0))
            client.sendall(connect_request(30_000))
            if read_frame(client):
                return client
        except ConnectionError:
            pass
        if client:
            client.close()


@only("milena")
def test_connections_and_requests_are_bounded(context):
    """maxClientCnxns and maxCnxns: one more is closed unheard, and the log says which bound it was, until another goes.
    globalOutstandingLimit: with one request in the pipeline all others wait, and each is answered in its turn."""
    requests = 150
    for kind in ("zookeeper", "milena"):
        server = context.new_coordinator(kind, settings={"maxCnxns": 3, "maxClientCnxns": 2, "globalOutstandingLimit": 1})
        clients = [accepted(server.port, source) for source in ("127.0.0.1", "127.0.0.1")]
        expect(is_refused(server.port, "127.0.0.1"), f"{kind} takes a third of one address")
        clients.append(accepted(server.port, "127.0.0.2"))
        expect(is_refused(server.port, "127.0.0.2"), f"{kind} takes a fourth of all")
        if kind == "milena":
            said = server.child.text()
            for words in ("Too many connections from 127.0.0.1 - max is 2", "Too many connections: 3, from 127.0.0.2 - maxCnxns is 3"):
                expect(words in said, said)
        for at, client in enumerate(clients):
            client.sendall(b"".join(create_request(number, f"/c{at}-{number}") + request(number, 3, text(f"/c{at}-{number}") + b"\0")
                                    for number in range(requests)))
        for client in clients:
            found = [struct.unpack(">iqi", read_frame(client)[:16])[::2] for _ in range(2 * requests)]
            expect_equal(found, [(number // 2, 0) for number in range(2 * requests)], f"answers of {kind}")
        clients.pop(0).close()
        clients.append(accepted(server.port, "127.0.0.1"))
        server.stop()
