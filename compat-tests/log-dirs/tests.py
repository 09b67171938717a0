"""Several log directories: where partitions are made, moves between them, and one that fails while the others serve."""
import json
import pathlib

from harness import tools, wire
from harness.context import expect, expect_equal, expect_in
from harness.process import wait_until

STORAGE_ERROR = 56


class TwoDirectories:
    """A broker with two directories, `t` with four partitions, and Kafka's tools at hand."""

    def __init__(self, context, server):
        self.context, self.server = context, server
        self.broker = context.new_broker(start=False, settings={
            "replica.high.watermark.checkpoint.interval.ms": 500, "log.segment.delete.delay.ms": 1000})
        self.one, self.two = self.broker.directory / "one", self.broker.directory / "two"
        self.broker.settings["log.dirs"] = f"{self.one},{self.two}"
        self.broker.write_properties()
        self.broker.start()
        self.values = {}
        self.create("t", 4)

    def at(self):
        return ["--bootstrap-server", self.broker.bootstrap]

    def create(self, topic, partitions):
        self.server.run("kafka-topics", *self.at(), "--create", "--topic", topic, "--partitions", partitions)

    def described(self):
        """Path -> (error, {partition of t: description}) as kafka-log-dirs.sh tells."""
        out = self.server.run("kafka-log-dirs", *self.at(), "--describe").out
        brokers = json.loads(next(line for line in out.splitlines() if line.startswith("{")))["brokers"]
        return {pathlib.Path(each["logDir"]): (each["error"], {
            int(part["partition"].removeprefix("t-")): part for part in each["partitions"] if part["partition"].startswith("t-")})
            for each in brokers[0]["logDirs"]}

    def home(self, partition):
        return next(path for path, (_, found) in self.described().items()
                    if partition in found and not found[partition]["isFuture"])

    def other(self, path):
        return self.two if path == self.one else self.one

    def produce(self, partition, count, size=100):
        values = self.values.setdefault(partition, [])
        lines = [f"{partition}-{number}-".ljust(size, "x") for number in range(len(values), len(values) + count)]
        self.context.run(["kcat", "-P", "-b", self.broker.bootstrap, "-t", "t", "-p", partition],
                         stdin="".join(line + "\n" for line in lines))
        values += lines

    def check(self, partition):
        out = self.context.run(["kcat", "-C", "-q", "-e", "-b", self.broker.bootstrap, "-t", "t", "-p", partition,
                                "-o", "beginning"]).out
        expect(out.splitlines() == self.values[partition], f"partition {partition}: other records than were sent")

    def move(self, topic, partition, path):
        return self.server.run("move-replicas", self.broker.bootstrap, topic, partition, path).out.strip()


def test_moves(context):
    with tools.ToolServer(context, "3.9.2") as server:
        two = TwoDirectories(context, server)
        shares = {path: len(found) for path, (_, found) in two.described().items()}
        expect_equal(shares, {two.one: 2, two.two: 2}, "partitions made in each directory")
        two.produce(0, 3000, size=1000)
        home = two.home(0)
        away = two.other(home)
        rate = "replica.alter.log.dirs.io.max.bytes.per.second"
        alter = ["kafka-configs", *two.at(), "--alter", "--entity-type", "brokers", "--entity-name", "0"]
        server.run(*alter, "--add-config", f"{rate}=100000")
        expect_equal(two.move("t", 0, away), "ok")
        wait_until("the copy", lambda: two.described()[away][1].get(0))
        copy = two.described()[away][1][0]
        expect(copy["isFuture"] and copy["offsetLag"] > 0, f"a throttled copy: {copy}")
        expect_equal(two.home(0), home, "while the copy grows")
        two.produce(0, 100)
        two.check(0)
        server.run(*alter, "--delete-config", rate)
        wait_until("the move", lambda: two.home(0) == away and 0 not in two.described()[home][1])
        two.check(0)
        two.produce(0, 100)
        two.check(0)
        wait_until("the old files gone", lambda: not list(home.glob("t-0*")))
        expect_equal(two.move("t", 0, away), "ok", "to where it is")
        expect_equal(two.move("t", 0, two.broker.directory / "three"), "LogDirNotFoundException")
        expect_equal(two.move("later", 0, home), "UnknownTopicOrPartitionException")
        two.create("later", 1)
        expect((home / "later-0").is_dir(), "a partition is made where it was wished before")
        expect_equal(two.broker.stop_broker_only(), 0 if context.target == "milena" else 143)
        two.broker.start()
        expect_equal(two.home(0), away, "after a restart")
        two.check(0)


def lost(two, path):
    path.rename(path.with_suffix(".gone"))
    wait_until(f"{path.name} offline", lambda: "KafkaStorageException" in (two.described()[path][0] or ""))


def test_failed_directory(context):
    with tools.ToolServer(context, "3.9.2") as server:
        two = TwoDirectories(context, server)
        for partition in range(4):
            two.produce(partition, 10)
        failing = two.home(0)
        served = sorted(two.described()[two.other(failing)][1])
        gone = [partition for partition in range(4) if partition not in served]
        lost(two, failing)
        describe = ["kafka-topics", *two.at(), "--describe", "--topic", "t"]
        wait_until("the partitions without leader", lambda: len(
            server.run(*describe, "--unavailable-partitions").out.strip().splitlines()) == len(gone))
        with wire.Wire(two.broker) as connection:
            answer = connection.ask(wire.produce(3, "t", wire.batch(wire.record(b"v"))))
            expect_equal(wire.produce_error(answer, "t"), STORAGE_ERROR, "Produce to a partition of the failed directory")
        for partition in served:
            two.produce(partition, 10)
            two.check(partition)
        two.create("u", 2)
        expect((two.other(failing) / "u-0").is_dir() and (two.other(failing) / "u-1").is_dir(), "new partitions go to what is left")
        expect_equal(two.move("t", served[0], failing), "KafkaStorageException")
        two.broker.stop_broker_only()
        failing.with_suffix(".gone").rename(failing)
        two.broker.start()
        wait_until("all leaders", lambda: not server.run(*describe, "--unavailable-partitions").out.strip())
        for partition in range(4):
            two.check(partition)
        lost(two, failing)
        two.other(failing).rename(two.other(failing).with_suffix(".gone"))
        wait_until("the end without any directory", lambda: not two.broker.running())
        expect_in("Shutdown broker because all log dirs in", two.broker.child.text())
        return f"exit code {two.broker.child.wait()}"
