"""zoo.cfg of one server: ports, lone server lines, prefixes and limits, read as ZooKeeper 3.9.4 reads them."""
import pathlib
import socket
import sys

from harness.broker import ZooKeeper
from harness.context import expect, expect_equal
from harness.process import free_port, wait_until
from harness.runner import only

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "zookeeper-oracle"))
import codec  # noqa: E402
import oracle  # noqa: E402
import stream  # noqa: E402

KINDS = ("zookeeper", "milena")
LINE = "server.1=127.0.0.1:28881:38881"
# name: lines of zoo.cfg, dataDir/myid, the port that is open (or none), or an exit code
PORTS = {
    "no port": ("", None, None),
    "clientPort": ("clientPort={a}", None, "a"),
    "server line, no myid": (LINE + ";{b}", None, None),
    "server line, its myid": (LINE + ";{b}", "1", "b"),
    "server line, another myid": (LINE + ";{b}", "2", None),
    "server line, bad myid": (LINE + ";{b}", "one", 2),
    "server line with an address": (LINE + ":participant;127.0.0.1:{b}", "1", "b"),
    "server line without clients": (LINE + "\nclientPort={a}", "1", "a"),
    "both, no myid": (LINE + ";{b}\nclientPort={a}", None, "a"),
    "both differ": (LINE + ";{b}\nclientPort={a}", "1", 2),
    "both agree": (LINE + ";127.0.0.1:{a}\nclientPort={a}", "1", "a"),
    "two addresses": (LINE + ";{a}\nclientPort={a}\nclientPortAddress=127.0.0.1", "1", 2),
    "an observer": (LINE + ":observer;{b}", "1", 2),
    "no quorum ports": ("server.1=127.0.0.1;{b}", "1", 2),
    "no number": ("server.x=127.0.0.1:28881:38881;{b}", "1", 2),
}


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    except OSError:
        return False


def prepared(context, kind, lines, myid=None, options=()):
    server = ZooKeeper(kind, context.work / context.name("coordinator"), context.binary)
    context.brokers.append(server)
    server.java_options = server.java_options + list(options)
    data = server.directory / "data"
    data.mkdir()
    if myid:
        (data / "myid").write_text(myid + "\n")
    server.properties.write_text(f"dataDir={data}\n4lw.commands.whitelist=*\n{lines}\n")
    return server


def found(context, kind, lines, myid, ports):
    """The name of the port that is open once all is started, None, or the exit code."""
    server = prepared(context, kind, f"{lines}\nadmin.enableServer=false", myid)
    child = server.launch()
    # ZooKeeper's container manager comes after the ports.
    signs = ["ContainerManager"] if kind == "zookeeper" else ["serves clients", "no client can come"]
    wait_until("a start or its end", lambda: any(sign in child.text() for sign in signs) or not child.running())
    names = [name for name, port in ports.items() if is_open(port)] if child.running() else []
    code = None if child.running() else child.wait()
    server.kill()
    context.brokers.remove(server)
    expect(len(names) < 2, f"{kind} has both ports open")
    return code if code is not None else names[0] if names else None


@only("milena")
def test_ports(context):
    wrong = []
    for case, (lines, myid, expected) in PORTS.items():
        for kind in KINDS:
            ports = {"a": free_port(), "b": free_port()}
            outcome = found(context, kind, lines.format(**ports), myid, ports)
            if outcome != expected:
                wrong.append(f"{case}: {kind} has {outcome}, not {expected}")
    expect(not wrong, "\n".join(wrong))
    return f"{len(PORTS)} cases on both"


def start(context, kind, lines, options=()):
    server = prepared(context, kind, f"clientPort={{}}\nadmin.enableServer=false\n{lines}", options=options)
    server.properties.write_text(server.properties.read_text().format(server.port))
    return server.start()


def opens_the_tree(context, kind, lines, options):
    """Whether a znode that nobody may change is changed."""
    server = start(context, kind, lines, options)
    side = oracle.Side(kind, server.port)
    side.handshake(0, 0, bytes(16), 30000, 0, True)
    connection = side.connections[0]

    def ask(request):
        connection.pending = [request]
        connection.send(codec.frame_of(request, 1))
        return connection.read_replies(exact=True)[-1][3]

    expect_equal(ask(("create", "/read-only", b"", [(1, "world", "anyone")], 0)), 0, "create")
    error = ask(("setData", "/read-only", b"changed", -1))
    expect(error in (0, -102), f"setData: {error}")
    side.close()
    server.stop()
    context.brokers.remove(server)
    return error == 0


@only("milena")
def test_keys_count_under_their_names_alone(context):
    for lines, options, expected in (("", (), False), ("skipACL=yes", (), True), ("zookeeper.skipACL=yes", (), False),
                                     ("", ("-Dzookeeper.skipACL=yes",), True), ("", ("-DskipACL=yes",), False)):
        for kind in KINDS:
            expect_equal(opens_the_tree(context, kind, lines, options), expected, f"{kind} with {lines} {options}: the tree is open")


@only("milena")
def test_the_limit_of_the_logs_size_may_be_off(context):
    for kind in KINDS:
        for lines, options in (("snapSizeLimitInKb=-1", ()), ("", ("-Dzookeeper.snapSizeLimitInKb=-1",))):
            server = start(context, kind, lines, options)
            server.stop()
            context.brokers.remove(server)
