"""The broker's Prometheus endpoint, which Kafka hasn't: every number beside what stock clients did, in the format of a stock parser."""
import importlib.util
import pathlib
import re
import socket
import urllib.request

from harness import jars, venv
from harness.broker import READY, Broker
from harness.context import expect, expect_equal, expect_in
from harness.process import free_port, wait_until
from harness.runner import only, sanitizer_workload


def new_broker(context, settings=None):
    port = free_port()
    return context.new_broker({"milena.prometheus.port": port, **(settings or {})}), port


@only("milena")
@sanitizer_workload
def test_numbers(context):
    broker, port = new_broker(context)
    program = context.root / "compat-tests" / "metrics" / "client.py"
    out = context.run([venv.python(context, "metrics"), program, broker.bootstrap, f"http://127.0.0.1:{port}/metrics"]).out
    expect_in("metrics done", out)
    expect_equal(broker.stop(), 0, "exit code")
    return out.strip()


def load_jmx():
    spec = importlib.util.spec_from_file_location("metrics_jmx", pathlib.Path(__file__).with_name("jmx.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def operate(context, broker):
    program = context.root / "compat-tests" / "metrics" / "operations.py"
    expect_in("operations done", context.run([venv.python(context, "metrics"), program, broker.bootstrap]).out)


def samples_of_kafka(context):
    """Kafka 3.9.2 does the operations; its MBeans under the names of the JMX exporter."""
    broker, port = Broker("kafka", context.work / context.name("kafka")), free_port()
    broker.java_options = [f"-Dcom.sun.management.jmxremote.{option}" for option in (
        f"port={port}", f"rmi.port={port}", "host=127.0.0.1", "authenticate=false", "ssl=false")] + ["-Djava.rmi.server.hostname=127.0.0.1"]
    context.brokers.append(broker)
    broker.start()
    operate(context, broker)
    out = context.run(jars.java("3.9.2", "org.apache.kafka.tools.JmxTool", "--jmx-url",
                                f"service:jmx:rmi:///jndi/rmi://127.0.0.1:{port}/jmxrmi", "--one-time", "--report-format", "tsv")).out
    broker.dispose()
    return load_jmx().samples(out)


def samples_of_milena(context):
    broker, port = new_broker(context)
    operate(context, broker)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as response:
        lines = [line for line in response.read().decode().splitlines() if not line.startswith("#")]
    broker.dispose()
    found = {}
    for line in lines:
        name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
        found[name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels or ""))] = value
    return found


# Of kafka_exporter, of any process, and what the JMX exporter doesn't have: sums, and connections for which its example has no rule.
OTHER = re.compile(r"kafka_(consumergroup|topic|broker)s?_|kafka_brokers$|process_|.*_sum$|kafka_server_socket_server_metrics_connection_count$")
# Kafka has these with a topic once something was refused.
LATER = {f"kafka_server_brokertopicmetrics_{name}_total" for name in ("bytesrejected", "failedproducerequests", "failedfetchrequests")}
# What both must have done alike.
SAME = re.compile(r"kafka_server_(replicamanager|kafkaserver)_|kafka_controller_|kafka_coordinator_|kafka_cluster_partition_|"
                  r"kafka_log_log_(log|num)|kafka_log_logmanager_|kafka_server_brokertopicmetrics_(messagesin|failed\w+)_total|"
                  r"kafka_network_requestmetrics_errors_total")
SAME_REQUESTS = ("CreateTopics", "DeleteTopics", "OffsetCommit", "LeaveGroup")


@only("milena")
def test_beside_kafka(context):
    """Names and labels are those of Kafka's MBeans, and so are the numbers after the same operations."""
    theirs, ours = samples_of_kafka(context), samples_of_milena(context)
    known = {(name, frozenset(key for key, _ in labels)) for name, labels in theirs}
    unknown = {(name, frozenset(key for key, _ in labels)) for name, labels in ours if not OTHER.match(name) and name not in LATER} - known
    expect_equal(sorted(map(str, unknown)), [], "names that Kafka doesn't have")
    compared = 0
    for (name, labels), value in ours.items():
        keys = dict(labels)
        if not SAME.match(name) or OTHER.match(name) or keys.get("topic", "orders") != "orders" or not labels and "messagesin" in name:
            continue
        if keys.get("request", "CreateTopics") not in SAME_REQUESTS or (name in LATER and labels):
            continue
        expect((name, labels) in theirs, f"{name} {keys} isn't there")
        expect_equal(float(value), float(theirs[name, labels]), f"{name} {keys}")
        compared += 1
    for name, labels in theirs:
        if name == "kafka_network_requestmetrics_errors_total" and dict(labels)["request"] in SAME_REQUESTS:
            expect((name, labels) in ours, f"{name} {dict(labels)} is missing")
    expect(compared > 40, f"{compared} compared")
    return f"{len({name for name, _ in ours})} names, {compared} numbers are Kafka's"


def ask(port, target="/metrics"):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while part := connection.recv(65536):
            data += part
        return data.decode()


@only("milena")
def test_scrapers_that_never_read(context):
    """They cost nobody anything: neither clients nor other scrapers."""
    broker, port = new_broker(context)
    lazy = []
    for _ in range(7):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", port))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        lazy.append(connection)
    context.run(["kcat", "-P", "-b", broker.bootstrap, "-t", "lines"], stdin="a\nb\nc\n")
    answer = ask(port)
    expect_in('kafka_server_brokertopicmetrics_messagesin_total{topic="lines"} 3\n', answer)
    expect(answer.startswith("HTTP/1.1 200"), answer[:100])
    expect(ask(port, "/").startswith("HTTP/1.1 404"), "another path")
    for connection in lazy:
        connection.close()
    expect_equal(broker.stop(), 0, "exit code")


def refusal(context, settings, *parts):
    """The broker ends at once; one line has all parts."""
    broker = context.new_broker(settings, start=False)
    child = broker.launch()
    wait_until("the end of the broker", lambda: READY in child.text() or not child.running(), 120)
    expect_equal(child.wait(60), 1, f"exit code; {child.text()[-1500:]}")
    broker.child = None
    lines = [line for line in child.text().splitlines() if "milena.prometheus" in line]
    expect(len(lines) == 1 and all(part in lines[0] for part in parts), f"{parts} in {child.text()[-3000:]}")
    broker.dispose()
    return lines[0]


@only("milena")
def test_what_stops_the_start(context):
    refusal(context, {"milena.prometheus.port": "web"}, "server.properties:", "milena.prometheus.port", "web")
    refusal(context, {"milena.prometheus.port": 70000}, "server.properties:", "70000", "[0,...,65535]")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        return refusal(context, {"milena.prometheus.port": port}, f"127.0.0.1:{port}", "in use")


@only("milena")
def test_off_unless_asked_for(context):
    broker = context.new_broker()
    expect("Prometheus" not in broker.log.read_text(), "nothing was opened")
    expect_equal(broker.stop(), 0, "exit code")
