"""MirrorMaker 2 of Kafka 3.9.2, from another broker of the same kind and from Kafka 3.9.2 at the same time: records, partitions, topic
configs and the translated offsets of consumer groups arrive, and what changes later does, too."""
import re

from harness import jars, tools
from harness.broker import Broker, write_properties
from harness.context import expect, expect_equal, expect_in
from harness.process import Failure, wait_until

TOPIC, PARTITIONS, RECORDS = "orders", 2, 1000
PROPERTIES = {
    "replication.factor": 1, "checkpoints.topic.replication.factor": 1, "heartbeats.topic.replication.factor": 1,
    "offset-syncs.topic.replication.factor": 1, "offset.storage.replication.factor": 1, "status.storage.replication.factor": 1,
    "config.storage.replication.factor": 1, "offset.storage.partitions": 1, "status.storage.partitions": 1, "emit.heartbeats.enabled": "false",
    "sync.group.offsets.enabled": "true", "sync.group.offsets.interval.seconds": 1, "emit.checkpoints.interval.seconds": 1,
    "refresh.topics.interval.seconds": 1, "refresh.groups.interval.seconds": 1, "sync.topic.configs.interval.seconds": 1,
    "offset.lag.max": 0, "target.offset.flush.interval.ms": 1000, "topics": TOPIC, "groups": ".*", "tasks.max": 1,
}


class Cluster:
    """A broker with a name, and the tools on it."""

    def __init__(self, context, server, name, broker):
        self.context, self.server, self.name, self.broker = context, server, name, broker
        self.at = ["--bootstrap-server", broker.bootstrap]

    def run(self, tool, *arguments, code=0):
        return self.server.run(tool, *self.at, *arguments, code=code).out

    def send(self, first, count):
        for partition in range(PARTITIONS):
            lines = "".join(f"{number}:{self.name}-{partition}-{number}\n" for number in range(first, first + count))
            self.context.run(["kcat", "-b", self.broker.bootstrap, "-P", "-t", TOPIC, "-p", partition, "-K", ":"], stdin=lines)

    def read(self, topic):
        """Partition -> keys and values in order."""
        found = {}
        out = self.context.run(["kcat", "-b", self.broker.bootstrap, "-C", "-t", topic, "-e", "-q", "-f", "%p %k:%s\n"], code=None).out
        for line in out.splitlines():
            partition, value = line.split(" ", 1)
            found.setdefault(int(partition), []).append(value)
        return found

    def commit(self, group, offset):
        self.run("kafka-consumer-groups", "--reset-offsets", "--group", group, "--topic", TOPIC, "--to-offset", offset, "--execute")

    def committed(self, group, topic):
        """Partition -> committed offset and lag."""
        out = self.run("kafka-consumer-groups", "--describe", "--group", group, code=None)
        return {int(partition): (int(offset), int(lag))
                for partition, offset, lag in re.findall(rf"{group}\s+{re.escape(topic)}\s+(\d+)\s+(\d+)\s+\d+\s+(\d+)", out)}

    def configs(self, topic):
        out = self.run("kafka-configs", "--describe", "--entity-type", "topics", "--entity-name", topic)
        return dict(re.findall(r"^\s+(\S+?)=(\S*) sensitive", out, re.MULTILINE))


def prepare(source):
    source.run("kafka-topics", "--create", "--topic", TOPIC, "--partitions", PARTITIONS, "--config", "retention.ms=123456789",
               "--config", "cleanup.policy=compact,delete")
    source.send(0, RECORDS)
    for group in ("goes-on", "stays"):
        source.commit(f"{group}-in-{source.name}", RECORDS)


def check(source, target, count):
    topic = f"{source.name}.{TOPIC}"
    wait_until(f"the records of {source.name}", lambda: sum(map(len, target.read(topic).values())) == PARTITIONS * count, pause_s=0.3)
    expect_equal(target.read(topic), source.read(TOPIC), f"records of {source.name}, in order")


def check_offsets(source, target, end):
    """Both groups were at the end of the first records; one of them is at the end of all."""
    topic = f"{source.name}.{TOPIC}"
    for group, at in (("goes-on", end), ("stays", RECORDS)):
        group = f"{group}-in-{source.name}"
        wanted = {each: (at, end - at) for each in range(PARTITIONS)}
        wait_until(f"{group} at {at}", lambda: target.committed(group, topic) == wanted, pause_s=0.3)  # noqa: B023


def test_mirror(context):
    kafka = Broker("kafka", context.work / context.name("kafka"))
    context.brokers.append(kafka)
    brokers = {"one": context.new_broker(), "kafka": kafka.start(), "target": context.new_broker()}
    with tools.ToolServer(context, "3.9.2") as server:
        clusters = {name: Cluster(context, server, name, broker) for name, broker in brokers.items()}
        target, sources = clusters["target"], [clusters["one"], clusters["kafka"]]
        for source in sources:
            prepare(source)
        mirror = context.spawn(jars.java("mirror-3.9.2", "org.apache.kafka.connect.mirror.MirrorMaker", write_properties(
            context.work / "mirror.properties", {
                "clusters": ", ".join(brokers), **{f"{name}.bootstrap.servers": broker.bootstrap for name, broker in brokers.items()},
                **{f"{source.name}->target.enabled": "true" for source in sources}, **PROPERTIES}), heap="512m"))

        def alive(condition):
            def look():
                if not mirror.running():
                    raise Failure(f"MirrorMaker ended: {mirror.text()[-3000:]}")
                return condition()
            return look

        for source in sources:
            topic = f"{source.name}.{TOPIC}"
            wait_until(f"the topic of {source.name}", alive(lambda: topic in target.run("kafka-topics", "--list")), pause_s=0.3)  # noqa: B023
            check(source, target, RECORDS)
            check_offsets(source, target, RECORDS)
        # What changes while it runs.
        for source in sources:
            source.send(RECORDS, RECORDS)
            source.run("kafka-configs", "--alter", "--entity-type", "topics", "--entity-name", TOPIC, "--add-config", "retention.ms=987654321")
            source.commit(f"goes-on-in-{source.name}", 2 * RECORDS)
        for source in sources:
            topic = f"{source.name}.{TOPIC}"
            check(source, target, 2 * RECORDS)
            check_offsets(source, target, 2 * RECORDS)
            wait_until("the config", alive(lambda: target.configs(topic).get("retention.ms") == "987654321"), pause_s=0.3)  # noqa: B023
            expect_equal(target.configs(topic)["cleanup.policy"], "compact,delete", "a config from the beginning")
            described = target.run("kafka-topics", "--describe", "--topic", topic)
            expect_in(f"PartitionCount: {PARTITIONS}", described, "partitions")
        expect(mirror.terminate() in (0, 143), "MirrorMaker's end")
    return f"2 sources, {PARTITIONS * 2 * RECORDS} records of each"
