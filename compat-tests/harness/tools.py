"""Kafka's own command line tools, as processes or inside one JVM (java/src/ToolServer.java)."""
import struct
import subprocess
import threading

from harness import jars
from harness.context import Finished
from harness.process import HANG_GUARD_S, Failure

# script name -> main class in 3.9.2 and in 4.3.1
CLASSES = {
    "kafka-topics": ("org.apache.kafka.tools.TopicCommand",) * 2,
    "kafka-console-producer": ("kafka.tools.ConsoleProducer", "org.apache.kafka.tools.ConsoleProducer"),
    "kafka-console-consumer": ("org.apache.kafka.tools.consumer.ConsoleConsumer",) * 2,
    "kafka-configs": ("kafka.admin.ConfigCommand",) * 2,
    "kafka-consumer-groups": ("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",) * 2,
    "kafka-get-offsets": ("org.apache.kafka.tools.GetOffsetShell",) * 2,
    "kafka-delete-records": ("org.apache.kafka.tools.DeleteRecordsCommand",) * 2,
    "kafka-log-dirs": ("org.apache.kafka.tools.LogDirsCommand",) * 2,
    "kafka-broker-api-versions": ("kafka.admin.BrokerApiVersionsCommand",
                                  "org.apache.kafka.tools.BrokerApiVersionsCommand"),
    "kafka-producer-perf-test": ("org.apache.kafka.tools.ProducerPerformance",) * 2,
    "kafka-consumer-perf-test": ("org.apache.kafka.tools.ConsumerPerformance",) * 2,
    "kafka-verifiable-producer": ("org.apache.kafka.tools.VerifiableProducer",) * 2,
    "kafka-verifiable-consumer": ("org.apache.kafka.tools.VerifiableConsumer",) * 2,
    "kafka-dump-log": ("kafka.tools.DumpLogSegments", "org.apache.kafka.tools.DumpLogSegments"),
    "kafka-acls": ("kafka.admin.AclCommand", "org.apache.kafka.tools.AclCommand"),
    "kafka-leader-election": ("org.apache.kafka.tools.LeaderElectionCommand",) * 2,
    "kafka-reassign-partitions": ("org.apache.kafka.tools.reassign.ReassignPartitionsCommand",) * 2,
    "kafka-transactions": ("org.apache.kafka.tools.TransactionsCommand",) * 2,
    "kafka-features": ("org.apache.kafka.tools.FeatureCommand",) * 2,
    "move-replicas": ("MoveReplicas",) * 2,  # ours, over the stock Admin client
    "zookeeper-shell": ("org.apache.zookeeper.ZooKeeperMainWithTlsSupportForKafka", None),
}


def main_class(version, tool):
    return CLASSES[tool][0 if version.startswith("3.") else 1]


def command(version, tool, *arguments):
    return jars.java(version, main_class(version, tool), *arguments)


class ToolServer:
    """One JVM that runs the tools of one Kafka version."""

    def __init__(self, context, version):
        self.context, self.version = context, version
        self.errors = (context.work / f"tools-{version}.log").open("wb")
        self.process = subprocess.Popen(jars.java(version, "ToolServer", heap="512m"), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()

    def _read(self, count):
        data = self.process.stdout.read(count)
        if len(data) != count:
            raise Failure(f"the tools' JVM ended; see tools-{self.version}.log")
        return data

    def run(self, tool, *arguments, stdin=b"", code=0, guard_s=HANG_GUARD_S):
        self.context.say(f"{self.version} {tool} {' '.join(map(str, arguments))}")
        parts = [main_class(self.version, tool).encode(), stdin.encode() if isinstance(stdin, str) else stdin,
                 *[str(argument).encode() for argument in arguments]]
        watchdog = threading.Timer(guard_s, self.process.kill)
        watchdog.start()
        try:
            self.process.stdin.write(struct.pack(">i", len(parts))
                                     + b"".join(struct.pack(">i", len(part)) + part for part in parts))
            self.process.stdin.flush()
            actual = struct.unpack(">i", self._read(4))[0]
            out = self._read(struct.unpack(">i", self._read(4))[0])
            err = self._read(struct.unpack(">i", self._read(4))[0])
        finally:
            watchdog.cancel()
        result = Finished(actual, out, err)
        self.context.say(f"-> {actual}\n{result.out[-6000:]}{result.err[-6000:]}")
        if code is not None and actual != code:
            raise Failure(f"exit code {actual} instead of {code}: {tool} {' '.join(map(str, arguments))}\n"
                          f"{result.out[-1500:]}{result.err[-1500:]}")
        return result
