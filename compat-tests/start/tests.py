"""What a broker does that can't start, or can't go on: one clear message, exit code 1, and nothing is lost."""
import re
import signal
import socket
import struct
import time
from types import SimpleNamespace

from harness import wire
from harness.broker import READY
from harness.context import expect, expect_equal, expect_in
from harness.process import Failure, free_port, wait_until
from harness.runner import only
from harness.small_disk import SmallDisk


def refuses(context, broker, *message_parts, code=1):
    """The broker ends by itself with this exit code; Milena says why in one line that has all parts."""
    if broker.own_coordinator and not broker.embedded and broker.coordinator.child is None:
        broker.coordinator.start()
    child = broker.launch()
    wait_until("the end or the start of the broker", lambda: READY in child.text() or not child.running(), 120)
    actual = child.wait(60)
    text = child.text()
    broker.child = None
    expect_equal(actual, code, f"exit code; {text[-1500:]}")
    expect(READY not in text, "it claims to have started")
    if context.target == "milena":
        lines = [line for line in text.splitlines() if all(part in line for part in message_parts)]
        expect(len(lines) == 1, f"{len(lines)} lines with {message_parts}:\n{text[-3000:]}")
        return lines[0]
    return None


def test_invalid_values(context):
    cases = [({"num.network.threads": "many"}, ("num.network.threads", "many")),
             ({"log.segment.bytes": "1"}, ("log.segment.bytes", "1")),
             ({"log.cleanup.policy": "burn"}, ("log.cleanup.policy", "burn")),
             ({"zookeeper.connect": "127.0.0.1:no-port"}, ("zookeeper.connect", "127.0.0.1:no-port")),
             ({"broker.id": "x"}, ("broker.id", "x"))]
    lines = []
    for settings, parts in cases:
        broker = context.new_broker(settings, start=False)
        lines.append(refuses(context, broker, "server.properties", *parts))
        broker.dispose()
    return f"{lines[0]}"


@only("milena")
def test_file_that_is_not_there(context):
    done = context.run([context.binary, "broker", context.work / "none-such.properties"], code=1)
    expect_in("none-such.properties", done.out + done.err)
    expect(context.run([context.binary, "no-such-command"], code=None).code == 1, "an unknown command")
    out = context.run([context.binary, "--version"]).out
    expect(re.search(r"\d+\.\d+", out), out)
    expect_in("start", context.run([context.binary, "--help"]).out)


@only("milena")
def test_combinations_that_cannot_be(context):
    """The message names the file and the line, the keys and their values, and what is allowed."""
    cases = [({"broker.id": -2}, ("broker.id=-2", "reserved.broker.max.id=1000 by default", "allowed: -1 ")),
             ({"log.retention.minutes": 0}, ("log.retention.minutes=0", "allowed: -1 ")),
             ({"replica.socket.timeout.ms": 1}, ("replica.socket.timeout.ms=1", "replica.fetch.wait.max.ms=500 by default")),
             ({"queued.max.request.bytes": 1}, ("queued.max.request.bytes=1", "socket.request.max.bytes=104857600 by default"))]
    for settings, parts in cases:
        broker = context.new_broker(settings, start=False)
        line = 1 + list(broker.settings).index(next(iter(settings)))
        refuses(context, broker, f"{broker.properties}:{line}: ", *parts)
        broker.dispose()


@only("milena")
def test_what_has_no_effect_only_warns(context):
    useless = {"no.such.key": 1, "num.io.threads": 99, "auto.leader.rebalance.enable": "false", "ssl.key.password": "secret"}
    broker = context.new_broker({**useless, "background.threads": 10})
    text = broker.log.read_text()
    for key in useless:
        lines = [line for line in text.splitlines() if key in line]
        expect(len(lines) == 1 and "server.properties:" in lines[0] and " WARN " in lines[0], f"{key} is named once: {lines}")
    expect("secret" not in text, "a secret is hidden")
    expect("background.threads" not in text, "a default is not named")
    expect_equal(broker.stop(), 0, "exit code")


def test_log_dir_that_cannot_be_written(context):
    occupied = context.work / "a-file"
    occupied.write_text("not a directory")
    broker = context.new_broker({"log.dirs": occupied / "logs"}, start=False)
    line = refuses(context, broker, str(occupied / "logs"))
    broker.dispose()
    expect_equal(occupied.read_text(), "not a directory", "the file")
    return line


def test_port_in_use(context):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        broker = context.new_broker({"listeners": f"PLAINTEXT://127.0.0.1:{port}"}, start=False)
        line = refuses(context, broker, str(port), "in use")
        broker.dispose()
    return line


def test_coordinator_port_in_use(context):
    if context.target == "kafka":
        return None
    broker = context.new_broker(start=False)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", broker.coordinator.port))
        other.listen()
        line = refuses(context, broker, str(broker.coordinator.port), "in use")
        broker.dispose()
    return line


def meta_properties(broker):
    return broker.data / "meta.properties"


def test_directory_of_another_cluster(context):
    broker = context.new_broker()
    broker.stop()
    meta = meta_properties(broker)
    original = meta.read_text()
    before = sorted(path.name for path in broker.data.iterdir())
    meta.write_text(re.sub("cluster.id=.*", "cluster.id=AAAAAAAAAAAAAAAAAAAAAA", original))
    line = refuses(context, broker, "AAAAAAAAAAAAAAAAAAAAAA")
    if broker.own_coordinator:
        broker.coordinator.stop()
    meta.write_text(re.sub("broker.id=.*", "broker.id=77", original))
    refuses(context, broker, "77", "broker.id")
    expect(set(before) <= {path.name for path in broker.data.iterdir()}, "nothing was removed")
    if broker.own_coordinator:
        broker.coordinator.stop()
    meta.write_text(original)
    broker.start()
    broker.stop()
    return line


def test_second_broker_on_the_same_directory(context):
    first = context.new_broker()
    second = context.new_broker({"log.dirs": first.data, "broker.id": 1}, start=False)
    line = refuses(context, second, str(first.data))
    second.dispose()
    expect(first.running(), "the first one goes on")
    context.run(["kcat", "-b", first.bootstrap, "-P", "-t", "goes-on", "-p", "0"], stdin="x\n")
    first.stop()
    return line


@only("milena")
def test_same_broker_id_twice(context):
    first = context.new_broker()
    second = context.new_broker({"broker.id": 0, "zookeeper.session.timeout.ms": 6000}, start=False,
                                coordinator=first.coordinator)
    line = refuses(context, second, "/brokers/ids/0")
    expect(first.running(), "the first one goes on")
    first.stop()
    return line


def test_coordinator_that_is_not_there(context):
    coordinator = context.new_coordinator(start=False)
    broker = context.new_broker({"zookeeper.connection.timeout.ms": 1500}, start=False, coordinator=coordinator)
    line = refuses(context, broker, "FATAL", "Timed out waiting for connection to ZooKeeper",
                   f"; the last try ended with {coordinator.connect}: Connection refused")
    broker.dispose()
    return line


def test_restart_keeps_everything(context):
    broker = context.new_broker()
    topics = {f"kept-{number}": "".join(f"{number}-{line}\n" for line in range(500)) for number in range(5)}
    for topic, data in topics.items():
        context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", topic, "-p", "0"], stdin=data)
    for _ in range(2):
        code = broker.stop()
        expect(code in (0, 143), f"exit code {code}")
        expect((broker.data / ".kafka_cleanshutdown").exists(), "no marker of a clean shutdown")
        broker.start()
        for topic, data in topics.items():
            context.wait_for_topic(broker, topic)
            out = context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e",
                               "-q"]).out
            expect_equal(out, data, topic)
    broker.stop()


def test_generated_broker_id(context):
    """Without broker.id the broker takes one behind reserved.broker.max.id, leads by it, and keeps it."""
    broker = context.new_broker({"broker.id": -1})

    def leads():
        return "leader 1001" in context.run(["kcat", "-b", broker.bootstrap, "-L", "-t", "of-1001"]).out

    for count in (1, 2):
        wait_until("leader 1001", leads)
        context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "of-1001", "-p", "0", "-X", "acks=all", "-X", "message.timeout.ms=60000"],
                    stdin=f"{count}\n")
        out = context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", "of-1001", "-p", "0", "-o", "beginning", "-e", "-q"]).out
        expect_equal(out.split(), ["1", "2"][:count], "records")
        expect_in("broker.id=1001", (broker.data / "meta.properties").read_text())
        broker.stop()
        if count == 1:
            broker.start()


def set_config(connection, broker_id, key, value):
    answer = connection.ask(wire.alter_config(wire.BROKER_RESOURCE, str(broker_id), key, value))
    expect_equal(wire.alter_config_error(answer), 0, f"{key}={value}")


def test_dynamic_configs_of_a_generated_broker_id(context):
    """They count after a restart, although they are read before the id is known."""
    broker = context.new_broker({"broker.id": -1})

    def produce():
        with wire.Wire(broker) as connection:
            connection.ask(wire.header(wire.METADATA, 1) + struct.pack(">i", 1) + wire.string("t"))  # makes it
            return wire.produce_error(connection.ask(wire.produce(3, "t", wire.batch(wire.record(bytes(2000))))), "t")

    wait_until("a produced record", lambda: produce() == 0)
    with wire.Wire(broker) as connection:
        set_config(connection, 1001, "message.max.bytes", "1000")
    wait_until("the refusal of a large record", lambda: produce() == wire.MESSAGE_TOO_LARGE)
    broker.stop()
    broker.start()
    errors = []
    wait_until("a leader", lambda: errors.append(produce()) or errors[-1] not in wire.NO_LEADER_YET)
    expect_equal(errors[-1], wire.MESSAGE_TOO_LARGE, "after a restart")
    broker.stop()


def address_told_at(port):
    """Where the broker is, as those hear it who ask at that port; None if nobody answers there or no broker is named yet."""
    try:
        with wire.Wire(SimpleNamespace(port=port), guard_s=5) as connection:
            answer = connection.ask(wire.header(wire.METADATA, 1) + struct.pack(">i", 0))
    except (OSError, wire.Closed):
        return None
    if answer[4:8] == bytes(4):
        return None
    (length,) = struct.unpack_from(">h", answer, 12)  # behind correlation id, count of brokers, id
    return answer[14:14 + length].decode(), struct.unpack_from(">i", answer, 14 + length)[0]


def test_listeners_change_live(context):
    """One more, advertised as it is or as told, moved, and gone again, while the other's connection stays."""
    broker = context.new_broker()
    plain, extra = f"PLAINTEXT://127.0.0.1:{broker.port}", free_port()
    connection = wire.Wire(broker)

    def told(port, host, told_port=None):
        wait_until(f"{host} at {port}", lambda: address_told_at(port) == (host, told_port or port))

    def listen(*others):
        set_config(connection, 0, "listeners", ",".join([plain, *(f"EXTRA://127.0.0.1:{port}" for port in others)]))

    set_config(connection, 0, "listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,EXTRA:PLAINTEXT")
    listen(extra)
    told(extra, "127.0.0.1")
    set_config(connection, 0, "advertised.listeners", f"{plain},EXTRA://example.org:77")
    told(extra, "example.org", 77)
    told(broker.port, "127.0.0.1")
    set_config(connection, 0, "advertised.listeners", None)
    told(extra, "127.0.0.1")
    if context.target == "milena":  # Kafka advertises the new address, and goes on listening at the old one
        moved = free_port()
        listen(moved)
        told(moved, "127.0.0.1")
        expect_equal(address_told_at(extra), None, "the old address")
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            listen(taken.getsockname()[1])
            wait_until("a complaint", lambda: "Listener EXTRA is not where the dynamic config wants it" in broker.child.text())
            expect_equal(address_told_at(moved), ("127.0.0.1", moved), "as long as the new port is in use")
        listen(extra)
        told(extra, "127.0.0.1")
    broker.stop()
    broker.start()
    told(extra, "127.0.0.1")
    connection.socket.close()
    connection = wire.Wire(broker)
    listen()
    wait_until("the end of the listener", lambda: address_told_at(extra) is None)
    connection.ask(wire.api_versions_v0())
    connection.socket.close()
    broker.stop()


@only("milena")
def test_interrupt_and_hangup_end_cleanly(context):
    """The exit codes are ours: a JVM ends with 128 + the signal's number."""
    for number, name in ((signal.SIGINT, "Ctrl-C"), (signal.SIGHUP, "the terminal's end")):
        broker = context.new_broker()
        broker.child.popen.send_signal(number)
        expect_equal(broker.child.wait(60), 0, f"exit code after {name}")
        broker.child = None
        expect((broker.data / ".kafka_cleanshutdown").exists(), "no marker of a clean shutdown")


@only("milena")
def test_hangup_of_what_nohup_started(context):
    broker = context.new_broker(start=False)
    started_by_nohup = ["nohup", *broker.command()]
    broker.command = lambda: started_by_nohup
    broker.start()
    broker.child.popen.send_signal(signal.SIGHUP)
    broker.stop()
    expect((broker.data / ".kafka_cleanshutdown").exists(), "it didn't take the SIGTERM that came later")


def test_stop_while_starting(context):
    """Kafka doesn't wait for its start to be through, either."""
    coordinator = context.new_coordinator(start=False)
    broker = context.new_broker({"zookeeper.connection.timeout.ms": 3_600_000}, start=False, coordinator=coordinator)
    child = broker.launch()
    wait_until("its way to the coordinator", lambda: "Connecting to zookeeper" in child.text() or not child.running(), 120)
    child.popen.send_signal(signal.SIGTERM)
    code = child.wait(60)
    text = child.text()
    broker.child = None
    expect_equal(code, 1, f"exit code; {text[-1500:]}")
    expect_in("Halting", text)
    broker.dispose()


@only("milena")
def test_a_coordinator_without_its_key_store(context):
    path = context.work / "zoo.cfg"
    path.write_text(f"dataDir={context.work}/zk\nsecureClientPort={free_port()}\nssl.keyStore.location=/none.p12\n")
    out = context.run([context.binary, "coordinator", path], code=2).out
    expect_in(f"FATAL {path}:3: ssl.keyStore.location: Cannot read /none.p12: No such file or directory "
              "(org.apache.zookeeper.server.ZooKeeperServerMain)", out)


def test_full_disk(context):
    """The log dir goes offline, and the broker with its last one, as Kafka's does; with room again all is there."""
    with SmallDisk(context, 24_000_000) as disk:
        broker = context.new_broker({"log.dirs": disk.directory / "logs", "log.segment.bytes": 4_000_000,
                                     "log.index.size.max.bytes": 100_000, "offsets.topic.num.partitions": 1},
                                    start=False)
        plain = broker.command
        broker.command = lambda: disk.prefix + plain()
        broker.start()
        acknowledged = 0
        while broker.running():
            value = f"{acknowledged} ".ljust(50_000, "f")
            done = context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "fills", "-p", "0", "-X",
                                "message.timeout.ms=5000", "-X", "request.required.acks=-1"], stdin=value + "\n",
                               code=None)
            if done.code == 0:
                acknowledged += 1
            expect(acknowledged < 2000, "the disk never was full")
        code = broker.child.wait(60)
        broker.child = None
        text = broker.log.read_text("utf-8", "replace")
        expect_equal(code, 1, f"exit code; {text[-2000:]}")
        expect(acknowledged > 50, f"only {acknowledged} records before the disk was full")
        if context.target == "milena":
            expect(any(str(disk.directory) in line and re.search("No space|too large", line)
                       for line in text.splitlines()), f"no clear message: {text[-2000:]}")
        disk.grow(200_000_000)
        end = time.monotonic() + 60
        while True:
            try:
                broker.start()
                break
            except Failure:  # until the old session has expired
                if time.monotonic() > end:
                    raise
                time.sleep(1)
        context.wait_for_topic(broker, "fills")
        out = context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", "fills", "-p", "0", "-o", "beginning", "-e", "-q"])
        numbers = [int(line.split()[0]) for line in out.out.splitlines()]
        expect(set(range(acknowledged)) <= set(numbers), f"{acknowledged} acknowledged, {len(numbers)} found")
        context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", "fills", "-p", "0"], stdin="works again\n")
        broker.stop()
        if broker.own_coordinator:
            broker.coordinator.kill()
    return f"{acknowledged} records acknowledged before it was full, all found"
