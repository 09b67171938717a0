"""Consumer groups of KIP-848. The target `kafka` is Kafka 4.3.1 in KRaft mode here: 3.9.2 with ZooKeeper has no such groups."""
import concurrent.futures
import importlib.util
import pathlib
import re
import subprocess

from harness import go, jars, recorded, tools, venv
from harness.broker import Broker
from harness.context import expect, expect_equal, expect_in
from harness.kraft import Kraft
from harness.process import wait_until
from harness.runner import only, sanitizer_workload

HERE = pathlib.Path(__file__).parent
_spec = importlib.util.spec_from_file_location("mixed_groups", HERE / "mixed.py")
mixed = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(mixed)

_spec = importlib.util.spec_from_file_location("groups_tool", HERE / "tool.py")
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)

SETTINGS = {
    "group.consumer.heartbeat.interval.ms": 300, "group.consumer.min.heartbeat.interval.ms": 300,
    "group.consumer.session.timeout.ms": 10000, "group.consumer.min.session.timeout.ms": 1000,
}


def new_broker(context, more=None):
    settings = {**SETTINGS, **(more or {})}
    if context.target == "milena":
        return context.new_broker(settings)
    made = Kraft(context.work / context.name("kraft"), settings)
    context.brokers.append(made)
    return made.start()


def broker(context):
    if context.shared is None:
        context.shared = new_broker(context)
    return context.shared


def client(context, *scenarios):
    out = context.run(jars.java("4.3.1", "ConsumerGroupClient", broker(context).bootstrap, *scenarios)).out
    for scenario in scenarios:
        expect_in(f"{scenario} done", out)


@sanitizer_workload
def test_java(context):
    """Members come and go under both assignors, static ones keep what they had, expressions find new topics."""
    client(context, "come-and-go", "range", "static", "regex")


CLASSIC_ASSIGNORS = ["RangeAssignor", "RoundRobinAssignor", "StickyAssignor", "CooperativeStickyAssignor"]
REMOTE_ASSIGNORS = ["remote-uniform", "remote-range"]


def test_assignors(context):
    """Every assignor of the Java clients 3.9.2 and 4.3.1 at once: who has what is as on Kafka 4.3.1. So it is when a group changes its
    assignor in two rounds, and when static members are restarted."""
    clients = {version: context.spawn(jars.java(version, "AssignorClient", broker(context).bootstrap, version, *CLASSIC_ASSIGNORS,
                                                *REMOTE_ASSIGNORS, "upgrade", "static")) for version in ("3.9.2", "4.3.1")}
    expected = recorded.answers(HERE / "assignors.txt")["both versions"]
    for version, one in clients.items():
        expect_equal(one.wait(), 0, f"{version}: {one.text()[-3000:]}")
        lines = re.findall(r"^.*: .*taken from who stayed.*|^remote-range: .*", one.text(), re.MULTILINE)
        context.say("\n".join([f"[{version}]", *lines]))
        expect_equal(lines, expected, version)


@sanitizer_workload
def test_rolling_upgrade_and_downgrade(context):
    """From the classic protocol to the newer one and back, member by member, while records flow."""
    client(context, "roll")


@sanitizer_workload
def test_mixed_answers(context):
    """What members of both protocols in one group are answered, and what is written: as Kafka 4.3.1 does it."""
    at = new_broker(context, {"group.consumer.session.timeout.ms": 4000, "group.min.session.timeout.ms": 1000})
    topic_id = mixed.prepare(at.bootstrap)
    with concurrent.futures.ThreadPoolExecutor(len(mixed.SCENARIOS)) as pool:
        running = {one.__name__: pool.submit(mixed.run, at.bootstrap, one, topic_id) for one in mixed.SCENARIOS}
    expected, count = recorded.answers(HERE / "mixed.txt"), 0
    for name, lines in running.items():
        context.say("\n".join([f"[{name}]", *lines.result()]))
    for name, lines in running.items():
        for line, should in zip(lines.result(), expected[name]):
            expect_equal(line, should, name)
        expect_equal(len(lines.result()), len(expected[name]), name)
        count += len(expected[name])
    expect_equal(set(expected), set(running))
    at.stop()
    return f"{count} answers and records"


def librdkafka(context, program, done):
    out = context.run([venv.python(context), HERE / program, broker(context).bootstrap]).out
    expect_in(done, out)
    return out.strip()


@sanitizer_workload
def test_confluent_kafka(context):
    return librdkafka(context, "client.py", "librdkafka done")


@sanitizer_workload
def test_confluent_kafka_kinds(context):
    """Static members, regular expressions, and copies in transactions while members come and go."""
    return librdkafka(context, "client_kinds.py", "kinds of librdkafka done")


def test_franz_go(context):
    """Members come and go under both assignors, and copy in transactions. It asks for a newer Go than Debian 12 has."""
    program = go.build(context, HERE / "go", "go-groups", at_least=(1, 26))
    out = context.run([program, broker(context).bootstrap]).out
    expect_in("franz-go groups done", out)
    return out.strip()


class Holder:
    """A member in a process of its own, whose lines tell what it has."""

    def __init__(self, context, at, group, topic):
        self.child = context.spawn(jars.java("4.3.1", "ConsumerGroupClient", at.bootstrap, "hold", group, topic), stdin=subprocess.PIPE)

    def text(self):
        return self.child.text()

    def has(self):
        """Partitions, member id and epoch, as last told."""
        found = re.findall(r"has (\d+) as (\S+) in epoch (-?\d+)", self.text())
        return (int(found[-1][0]), found[-1][1], int(found[-1][2])) if found else (0, "", 0)

    def read(self):
        found = re.findall(r"read (\d+)", self.text())
        return int(found[-1]) if found else 0

    def end(self):
        self.child.popen.stdin.close()
        self.child.wait()
        expect_in("ended null", self.text())


def send(context, at, topic, count):
    lines = "".join(f"{number}\n" for number in range(count))
    context.run(["kcat", "-b", at.bootstrap, "-P", "-t", topic], stdin=lines)


def test_tools(context):
    """kafka-consumer-groups over a group with a member, and without."""
    at = broker(context)
    boot = ["--bootstrap-server", at.bootstrap]
    with tools.ToolServer(context, "4.3.1") as server:
        groups = lambda *arguments, code=0: server.run("kafka-consumer-groups", *boot, *arguments, code=code).out
        server.run("kafka-topics", *boot, "--create", "--topic", "tools", "--partitions", "2")
        send(context, at, "tools", 10)
        member = Holder(context, at, "tools-group", "tools")
        wait_until("all records", lambda: member.read() == 10)
        out = groups("--describe", "--group", "tools-group")
        expect_equal(len(re.findall(r"tools-group\s+tools\s+\d\s+(\d+)\s+\1\s+0\s+" + member.has()[1], out)), 2, out)
        out = groups("--describe", "--group", "tools-group", "--state")
        expect(re.search(r"tools-group\s+\S+:\d+\s+\(\d\)\s+uniform\s+Stable\s+1\b", out), out)
        out = groups("--describe", "--group", "tools-group", "--state", "--verbose")
        expect(re.search(r"uniform\s+Stable\s+2\s+2\s+1\s*$", out), out)
        out = groups("--describe", "--group", "tools-group", "--members", "--verbose")
        expect(re.search(member.has()[1] + r"\s+/127.0.0.1\s+\S+\s+2\s+2\s+tools:0,1\s+2\s+tools:0,1", out), out)
        expect_in("tools-group", groups("--list", "--type", "consumer"))
        expect("tools-group" not in groups("--list", "--type", "classic"), "it's no classic group")
        expect(re.search(r"tools-group\s+Stable", groups("--list", "--state", "Stable")), "listed with its state")
        out = groups("--delete", "--group", "tools-group", code=None)
        expect_in("GroupNotEmptyException", out)
        out = groups("--delete-offsets", "--group", "tools-group", "--topic", "tools", code=None)
        expect_in("actively subscribed", out)
        member.end()
        expect(re.search(r"tools-group\s+Empty", groups("--list", "--state")), "empty")
        out = groups("--reset-offsets", "--group", "tools-group", "--topic", "tools", "--to-earliest", "--execute")
        expect_equal(len(re.findall(r"tools-group\s+tools\s+\d\s+0\b", out)), 2, out)
        out = groups("--describe", "--group", "tools-group")
        expect_equal(len(re.findall(r"tools-group\s+tools\s+\d\s+0\s+\d+", out)), 2, out)
        groups("--delete-offsets", "--group", "tools-group", "--topic", "tools")
        groups("--delete", "--group", "tools-group", code=None)
        expect("tools-group" not in groups("--list"), "deleted")


def every_command(context, version):
    at = new_broker(context)
    with tools.ToolServer(context, version) as server:
        lines = tool.everything(tool.Session(context, at, server, newer=version == "4.3.1"))
    context.say("\n".join([f"[{version}]", *lines]))
    at.stop()
    return lines


def test_every_command(context):
    """kafka-consumer-groups of 3.9.2 and 4.3.1, side by side: exit codes and output as over Kafka 4.3.1."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = {version: pool.submit(every_command, context, version) for version in ("3.9.2", "4.3.1")}
    count = 0
    for version, lines in running.items():
        expected = (HERE / f"tool-{version}.txt").read_text(encoding="utf-8").splitlines()[1:]
        for line, should in zip(lines.result(), expected):
            expect_equal(line, should, version)
        expect_equal(len(lines.result()), len(expected), version)
        count += sum(line.startswith("$ ") for line in expected)
    return f"{count} commands"


def test_group_configs(context):
    """Session timeout and heartbeat interval of one group alone, by kafka-configs."""
    at = new_broker(context)
    group = mixed.Group(at.bootstrap, "configured/1", mixed.prepare(at.bootstrap), [])
    with tools.ToolServer(context, "4.3.1") as server:
        def configs(*arguments, code=0):
            done = server.run("kafka-configs", "--bootstrap-server", at.bootstrap, "--entity-type", "groups", "--entity-name", group.id,
                              *arguments, code=code)
            return done.out + done.err

        def refused(config):
            return configs("--alter", "--add-config", config, code=None)
        member = mixed.Newer(group, "N")

        def is_told(interval_ms):
            member.join()  # again; its session may be over, as the tool is slow
            return member.interval_ms == interval_ms
        expect(is_told(300), "the broker's interval")
        expect("consumer." not in configs("--describe"), "nothing of its own")
        configs("--alter", "--add-config", "consumer.session.timeout.ms=11000,consumer.heartbeat.interval.ms=400")
        wait_until("the new interval", lambda: is_told(400))
        out = configs("--describe")
        expect(re.search(r"consumer.session.timeout.ms=11000 sensitive=false synonyms=\{DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=11000, "
                         r"STATIC_BROKER_CONFIG:group.consumer.session.timeout.ms=10000, "
                         r"DEFAULT_CONFIG:group.consumer.session.timeout.ms=45000\}", out), out)
        expect_in("consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
                  refused("consumer.session.timeout.ms=1"))
        expect_in("consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms",
                  refused("consumer.heartbeat.interval.ms=15001"))
        expect_in("consumer.session.timeout.ms must be greater than consumer.heartbeat.interval.ms",
                  refused("consumer.session.timeout.ms=5000,consumer.heartbeat.interval.ms=5000"))
        expect_in("consumer.assignment.interval.ms must be less than or equal to group.consumer.max.assignment.interval.ms",
                  refused("consumer.assignment.interval.ms=15001"))
        configs("--alter", "--add-config", "consumer.assignment.interval.ms=2000")
        expect_in("DEFAULT_CONFIG:group.consumer.assignment.interval.ms=1000}", configs("--describe"))
        listed = server.run("kafka-configs", "--bootstrap-server", at.bootstrap, "--entity-type", "groups", "--describe").out
        expect_in(f"Dynamic configs for group {group.id} are:", listed)
        expect_in("consumer.assignment.interval.ms=2000", listed)
        expect_in("Not a number of type INT", refused("consumer.session.timeout.ms=soon"))
        expect_in("Unknown group config name: retention.ms", refused("retention.ms=1"))
        configs("--alter", "--delete-config", "consumer.session.timeout.ms")
        expect("consumer.session.timeout.ms" not in configs("--describe"), "deleted")
        at.stop()
        at.start()
        again = mixed.Group(at.bootstrap, group.id, group.topic_id, [])
        member = mixed.Newer(again, "N")
        expect(is_told(400), "it is still there after a restart")
        configs("--alter", "--delete-config", "consumer.heartbeat.interval.ms")
        wait_until("the broker's interval", lambda: is_told(300))
    at.stop()


def restarts(context, stop):
    at = new_broker(context)
    context.run(["kcat", "-b", at.bootstrap, "-P", "-t", "kept"], stdin="first\n")
    member = Holder(context, at, "kept-group", "kept")
    wait_until("the first record", lambda: member.read() == 1)
    before = member.has()
    expect_equal(before[0], 1, "it has the topic")
    for turn in range(2):
        stop(at)
        at.start()
        send(context, at, "kept", 10)
        wait_until("the records after the restart", lambda: member.read() == 1 + 10 * (turn + 1))
    expect_equal(member.has(), before, "the same member in the same epoch, with what it had")
    expect_equal(member.text().count("has "), 1, "and it never lost it")
    with tools.ToolServer(context, "4.3.1") as server:
        out = server.run("kafka-consumer-groups", "--bootstrap-server", at.bootstrap, "--describe", "--group", "kept-group").out
        expect(re.search(r"kept-group\s+kept\s+0\s+21\s+21\s+0\s+" + before[1], out), out)
    member.end()
    expect_equal(at.stop() in (0, 143), True, "a clean stop")


def test_restart(context):
    restarts(context, lambda at: at.stop())


def test_sigkill(context):
    restarts(context, lambda at: at.kill())


@only("milena")
def test_switched_off(context):
    """With group.coordinator.rebalance.protocols=classic nothing of it is offered."""
    at = context.new_broker({**SETTINGS, "group.coordinator.rebalance.protocols": "classic"})
    on = context.run(tools.command("4.3.1", "kafka-broker-api-versions", "--bootstrap-server", broker(context).bootstrap)).out
    off = context.run(tools.command("4.3.1", "kafka-broker-api-versions", "--bootstrap-server", at.bootstrap)).out
    expect_in("ConsumerGroupHeartbeat(68): 0 to 1", on)
    expect_in("ConsumerGroupHeartbeat(68): UNSUPPORTED", off)
    at.stop()


def test_feature(context):
    out = context.run(tools.command("4.3.1", "kafka-features", "--bootstrap-server", broker(context).bootstrap, "describe")).out
    expect(re.search(r"Feature: group.version\s+SupportedMinVersion: 0\s+SupportedMaxVersion: 1\s+FinalizedVersionLevel: 1\s", out), out)


def has_feature(context, at):
    """Whether clients are told to use the newer protocol, and may."""
    out = context.run(tools.command("4.3.1", "kafka-features", "--bootstrap-server", at.bootstrap, "describe")).out
    apis = context.run(tools.command("4.3.1", "kafka-broker-api-versions", "--bootstrap-server", at.bootstrap), code=None).out
    served = re.search(rf"id: 0.*?ConsumerGroupHeartbeat\(68\): (\w+)", apis, re.DOTALL)
    expect(served, apis)
    expect_equal(served[1] != "UNSUPPORTED", "Feature: group.version" in out, "feature and API go together")
    return "Feature: group.version" in out


@only("milena")
def test_beside_kafka(context):
    """A broker of Kafka 3.9.2 comes into the cluster, which would drop the records of such groups: their members are told that the cluster
    doesn't have the protocol, classic ones go on in the same group where they were, and newer ones when it has left."""
    at = context.new_broker({**SETTINGS, "group.consumer.session.timeout.ms": 2000})

    def reader(version, protocol):
        return context.spawn(tools.command(version, "kafka-console-consumer", "--bootstrap-server", at.bootstrap, "--topic", "news", "--group",
                                           "g", "--consumer-property", f"group.protocol={protocol}", "--consumer-property",
                                           "auto.offset.reset=earliest", "--consumer-property", "auto.commit.interval.ms=100"))

    def write(line):
        context.run(["kcat", "-b", at.bootstrap, "-t", "news", "-P"], stdin=f"{line}\n")

    def read_by(child, line):
        wait_until(f"{line} to be read", lambda: line in child.text().splitlines() or not child.running())
        expect_in(line, child.text().splitlines(), child.text())

    write("one")
    java = reader("4.3.1", "consumer")
    rdkafka = context.spawn([venv.python(context), HERE / "member.py", at.bootstrap, "h", "consumer", "news", "rdkafka", "1"],
                            stdin=subprocess.PIPE)
    read_by(java, "one")
    wait_until("the other member", lambda: "all 1 committed" in rdkafka.text())
    expect(has_feature(context, at), "before")
    wait_until("a commit of the first", lambda: "news" in context.run(tools.command("4.3.1", "kafka-consumer-groups", "--bootstrap-server", at.bootstrap,
                                                                       "--describe", "--group", "g", "--offsets")).out)

    kafka = Broker("kafka", context.work / context.name("kafka"), settings={"broker.id": 1}, coordinator=at.coordinator)
    context.brokers.append(kafka)
    kafka.launch()  # nobody will tell it of partitions
    wait_until("both members to end", lambda: not java.running() and not rdkafka.running())
    expect_in("UnsupportedVersionException: The cluster does not support the new CONSUMER group protocol", java.text())
    expect_in("API version not supported", rdkafka.text())
    expect(not has_feature(context, at), "while Kafka 3.9.2 is there")
    classic = reader("3.9.2", "classic")
    write("two")
    read_by(classic, "two")
    expect("one" not in classic.text().splitlines(), classic.text())
    classic.terminate()

    kafka.stop()
    wait_until("the feature to be back", lambda: has_feature(context, at))
    write("three")
    java = reader("4.3.1", "consumer")
    read_by(java, "three")
    expect("two" not in java.text().splitlines(), java.text())
    java.terminate()
    at.stop()
