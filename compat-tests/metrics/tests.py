"""The broker's Prometheus endpoint, which Kafka hasn't: every number beside what stock clients did, in the format of a stock parser."""
import socket

from harness import venv
from harness.broker import READY
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
