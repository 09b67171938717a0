"""The two sides of the comparison: each a coordinator, a log directory, and a broker of either kind on them."""
import concurrent.futures
import os

from harness import venv
from harness.broker import Broker
from harness.context import expect
from harness.process import Failure, wait_until

SETTINGS = {
    "log.retention.check.interval.ms": 200, "log.flush.start.offset.checkpoint.interval.ms": 200,
    "log.initial.task.delay.ms": 100, "log.segment.delete.delay.ms": 200, "log.cleaner.backoff.ms": 50, "log.cleaner.threads": 1, "log.cleaner.dedupe.buffer.size": 4_194_304, "producer.id.expiration.ms": 2_147_483_647,
    "offsets.topic.num.partitions": 3, "transaction.state.log.num.partitions": 3, "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": 0, "num.network.threads": 2, "num.io.threads": 4,
    # No machine is so busy that a session ends in the middle of a step, which Kafka answers with an error of its own.
    "zookeeper.connection.timeout.ms": 120_000, "zookeeper.session.timeout.ms": 120_000,
}
UNREGISTER = """
import sys
from kazoo.client import KazooClient
client = KazooClient(hosts=sys.argv[1], timeout=120)
client.start(120)
for path in ("/brokers/ids/0", "/controller"):
    if client.exists(path):
        client.delete(path)
client.stop()
"""


class Sides:
    def __init__(self, context):
        self.context, self.brokers = context, []
        for kind in ("kafka", "milena"):
            coordinator = context.new_coordinator("milena", settings={"maxSessionTimeout": 120_000})
            broker = Broker(kind, context.work / context.name(f"{kind}-first"), context.binary, SETTINGS, coordinator=coordinator)
            context.brokers.append(broker)
            self.brokers.append(broker)
        self.start(self.brokers)

    @property
    def milena(self):
        return next(broker for broker in self.brokers if broker.kind == "milena")

    def start(self, brokers):
        def one(broker):
            if "/brokers/ids/0" in broker.coordinator.command(b"dump"):  # SIGKILL left it, and its session may last
                self.context.run([venv.python(self.context), "-c", UNREGISTER, broker.coordinator.connect])
            return broker.start()
        with concurrent.futures.ThreadPoolExecutor(len(brokers)) as pool:
            list(pool.map(one, brokers))

    def restart(self, how, starts, cuts):
        """how: one of history.RESTARTS; starts: log start offsets by partition. Where each of `cuts` ends now."""
        brokers = [self.milena] if how.endswith("bounce") else self.brokers
        for broker in brokers:
            if "kill" in how:
                # What DeleteRecords did isn't kept at once: as with Kafka, SIGKILL may take it back.
                wait_until("the checkpoint of log starts", lambda b=broker: self.kept(b, starts))
                broker.kill()
            else:
                code = broker.stop_broker_only()
                expect(code in (0, 143), f"{broker.kind} ended with exit code {code}")
        ends = {name: end for name, cut in cuts.items() if (end := self.cut_off(name, cut)) is not None}
        if "swap" in how:
            for broker in self.brokers:
                broker.kind = "kafka" if broker.kind == "milena" else "milena"
        self.start(brokers)
        return ends

    def cut_off(self, name, cut):
        """Both sides lose the same batches of their last segments, and of the first of them all but a part."""
        end = cut.choose(max(self.bases(broker, name)[-1] for broker in self.brokers))
        for broker in self.brokers if end is not None else []:
            path = broker.data / name / f"{self.bases(broker, name)[-1]:020}.log"
            data, at = path.read_bytes(), 0
            while int.from_bytes(data[at:at + 8], "big") != end:
                expect(at < len(data), f"{path} of {broker.kind} has no batch at {end}")
                at += 12 + int.from_bytes(data[at + 8:at + 12], "big")
            size = 12 + int.from_bytes(data[at + 8:at + 12], "big")
            os.truncate(path, at + int(size * cut.part))
        return end

    def wait_cleaned(self, partitions, starts):
        """Until the cleaners have nothing left to do; starts: log start offsets by partition."""
        def caught_up(broker, name):
            bases = self.bases(broker, name)
            return len(bases) == 1 or bases and bases[-1] <= max(self.checkpoint(broker, "cleaner").get(name, 0), starts[name])
        for broker in self.brokers:
            for name in partitions:
                try:
                    wait_until("", lambda b=broker, n=name: caught_up(b, n), guard_s=60)
                except Failure as late:
                    first_dirty = self.checkpoint(broker, "cleaner").get(name)
                    raise Failure(f"{broker.kind} doesn't clean {name}: first dirty {first_dirty}, "
                                  f"{self.bases(broker, name)}") from late

    def kept(self, broker, starts):
        kept = self.checkpoint(broker, "log-start")
        return all(start == 0 or kept.get(name, 0) >= start or self.bases(broker, name)[0] >= start
                   for name, start in starts.items())

    @staticmethod
    def bases(broker, name):
        return sorted(int(path.stem) for path in (broker.data / name).glob("*.log"))

    @staticmethod
    def checkpoint(broker, what):
        path = broker.data / f"{what}-offset-checkpoint"
        if not path.exists():
            return {}
        rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines()[2:])
        return {f"{topic}-{partition}": int(offset) for topic, partition, offset in rows}

    def stop(self):
        for broker in self.brokers:
            broker.stop_broker_only()
            broker.coordinator.stop()
