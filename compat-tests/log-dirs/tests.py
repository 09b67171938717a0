"""Several log directories: where partitions are made, moves between them, and one that fails or is full while the others
serve."""
import json
import os
import pathlib
import re
import struct
import subprocess

from harness import tools, venv, wire
from harness.context import expect, expect_equal, expect_in
from harness.process import wait_until
from harness.small_disk import SmallDisk

NOT_LEADER, STORAGE_ERROR = 6, 56
DESCRIBE_LOG_DIRS = 35


class TwoDirectories:
    """A broker with two directories, `t` with four partitions, and Kafka's tools at hand."""

    def __init__(self, context, server, disk=None):
        """On a small disk `one` is."""
        self.context, self.server = context, server
        self.broker = context.new_broker(start=False, settings={
            "replica.high.watermark.checkpoint.interval.ms": 500, "log.segment.delete.delay.ms": 1000,
            "log.index.size.max.bytes": 100_000, "log.retention.ms": -1})
        self.one, self.two = self.broker.directory / "one", self.broker.directory / "two"
        if disk:
            self.one, plain = disk.directory / "one", self.broker.command
            self.broker.command = lambda: disk.prefix + plain()
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

    def await_leaders(self):
        """Of all partitions: a broker that has just started doesn't know its topics yet."""
        wait_until("all leaders", lambda: self.context.run(
            ["kcat", "-b", self.broker.bootstrap, "-L", "-t", "t"], code=None).out.count("leader 0") == 4)

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


def test_moves_by_kafkas_tool(context):
    """kafka-reassign-partitions.sh: the replicas stay on their broker, and move to another directory."""
    with tools.ToolServer(context, "3.9.2") as server:
        two = TwoDirectories(context, server)
        two.produce(1, 1000)
        away = two.other(two.home(1))
        plan = context.work / "plan.json"
        plan.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": "t", "partition": 1, "replicas": [0], "log_dirs": [str(away)]}]}))
        base = ["kafka-reassign-partitions", *two.at(), "--reassignment-json-file", plan]
        out = server.run(*base, "--execute", "--replica-alter-log-dirs-throttle", 10_000_000).out
        expect_in("Successfully started partition reassignment for t-1", out)
        expect_in(f"Successfully started moving log directory to {away} for replica t-1 with broker 0", out)
        wait_until("the move", lambda: two.home(1) == away)
        out = server.run(*base, "--verify").out
        expect_in("Reassignment of partition t-1 is completed.", out)
        expect_in("Reassignment of replica t-1-0 completed successfully.", out)
        newest = [str(part) for part in base[1:]]
        expect_in("completed successfully.", context.run(tools.command("4.3.1", base[0], *newest, "--verify")).out)
        expect_in("No partition reassignments found.", server.run("kafka-reassign-partitions", *two.at(), "--list").out)
        plan.write_text(json.dumps({"version": 1, "partitions": [{"topic": "t", "partition": 1, "replicas": [7]}]}))
        refused = server.run(*base, "--execute", code=1)
        expect_in("Unknown broker id 7", refused.out + refused.err)
        two.check(1)


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
        two.await_leaders()
        for partition in range(4):
            two.check(partition)
        lost(two, failing)
        two.other(failing).rename(two.other(failing).with_suffix(".gone"))
        wait_until("the end without any directory", lambda: not two.broker.running())
        expect_in("Shutdown broker because all log dirs in", two.broker.child.text())
        return f"exit code {two.broker.child.wait()}"


def test_failure_is_told_to_the_controller(context):
    """As Kafka tells it: a znode that whoever is the controller reads and removes."""
    with tools.ToolServer(context, "3.9.2") as server:
        two = TwoDirectories(context, server)
        watch = pathlib.Path(__file__).with_name("watch_events.py")
        watcher = context.spawn([venv.python(context), watch, two.broker.coordinator.connect], stdin=subprocess.PIPE)
        wait_until("the place of the controller", lambda: watcher.text() or not watcher.running())
        expect_equal(watcher.text(), "ready\n")
        lost(two, two.one)
        wait_until("the event", lambda: watcher.text().count("\n") > 1 or not watcher.running())
        expect_equal(watcher.text().splitlines()[1], 'log_dir_event_0000000000 {"version":1,"broker":0,"event":1}')
        watcher.popen.stdin.close()
        expect_equal(watcher.wait(), 0)
        expect_in("removed", watcher.text(), "once the broker is the controller again")


class Answer:
    """What is left of a response."""

    def __init__(self, data, flexible):
        self.data, self.at, self.flexible = data, 0, flexible

    def take(self, layout):
        values = struct.unpack_from(">" + layout, self.data, self.at)
        self.at += struct.calcsize(">" + layout)
        return values if len(values) > 1 else values[0]

    def count(self, short=False):
        if not self.flexible:
            return self.take("h" if short else "i")
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - 1

    def string(self):
        return self.take(f"{self.count(short=True)}s").decode()

    def array(self, item):
        found = []
        for _ in range(self.count()):
            found.append(item())
            self.tags()
        return found

    def tags(self):
        if self.flexible:
            expect_equal(self.take("B"), 0, "tags")


def describe_by_hand(broker, version, topics=None):
    """Path -> (error, {(topic, partition): (size, lag, future)}, total bytes, usable bytes, cordoned), or None where the version
    doesn't say."""
    flexible = version >= 2
    count = (lambda number: wire.varint(number + 1)) if flexible else (lambda number: struct.pack(">i", number))
    name, tags = (wire.compact, b"\0") if flexible else (wire.string, b"")
    body = count(-1) if topics is None else count(len(topics)) + b"".join(
        name(topic) + count(len(partitions)) + struct.pack(f">{len(partitions)}i", *partitions) + tags
        for topic, partitions in topics.items())
    with wire.Wire(broker) as connection:
        answer = Answer(connection.ask(wire.header(DESCRIBE_LOG_DIRS, version, 2 if flexible else 1) + body + tags), flexible)
    answer.take("i"), answer.tags(), answer.take("i")
    if version >= 3:
        expect_equal(answer.take("h"), 0, "the error of all")

    def topic():
        topic_name = answer.string()
        return [((topic_name, index), (size, lag, future)) for index, size, lag, future in answer.array(lambda: answer.take("iqq?"))]

    def directory():
        error, path = answer.take("h"), answer.string()
        replicas = {key: facts for found in answer.array(topic) for key, facts in found}
        total, usable = answer.take("qq") if version >= 4 else (None, None)
        return pathlib.Path(path), (error, replicas, total, usable, answer.take("?") if version >= 5 else None)
    found = dict(answer.array(directory))
    answer.tags()
    expect_equal(answer.at, len(answer.data), "bytes of the answer")
    return found


def versions(context):
    return range(0, 5 if context.target == "kafka" else 6)  # v5 is of Kafka 4


def bytes_on_disk(path):
    return {partition: sum(log.stat().st_size for log in path.glob(f"t-{partition}/*.log")) for partition in range(4)
            if (path / f"t-{partition}").exists()}


def test_described(context):
    """DescribeLogDirs in each version, and what is not a byte more or less than the files have."""
    with tools.ToolServer(context, "3.9.2") as server:
        two = TwoDirectories(context, server)
        for partition in range(4):
            two.produce(partition, 10 * (partition + 1))
        for version in versions(context):
            found = describe_by_hand(two.broker, version)
            expect_equal(set(found), {two.one, two.two}, f"v{version}: directories")
            for path, (error, replicas, total, usable, cordoned) in found.items():
                files = {("t", partition): (size, 0, False) for partition, size in bytes_on_disk(path).items()}
                expect_equal((error, replicas, cordoned), (0, files, False if version >= 5 else None), f"v{version}")
                if version >= 4:
                    disk = os.statvfs(path)
                    expect_equal(total, disk.f_blocks * disk.f_frsize, f"v{version}: total bytes")
                    expect(0 < usable <= total, f"v{version}: {usable} usable bytes of {total}")
            some = describe_by_hand(two.broker, version, {"t": [1, 9], "none-such": [0]})
            expect_equal([key for _, replicas, *_ in some.values() for key in replicas], [("t", 1)], f"v{version}: only what is asked for")
            none = describe_by_hand(two.broker, version, {})
            expect_equal([(error, replicas) for error, replicas, *_ in none.values()], [(0, {})] * 2, f"v{version}: of no topic")
        lost(two, two.home(0))
        for version in versions(context):
            offline = [entry for entry in describe_by_hand(two.broker, version).values() if entry[0] != 0]
            unknown = -1 if version >= 4 else None
            expect_equal(offline, [(STORAGE_ERROR, {}, unknown, unknown, False if version >= 5 else None)], f"v{version}: offline")


def fill(connection, partition):
    """Appends until the broker refuses; the number that it acknowledged, and the error."""
    records = wire.batch(wire.record(b"f" * 50_000))
    acknowledged = 0
    while acknowledged < 2000:
        error = wire.produce_error(connection.ask(wire.produce(3, "t", records, partition=partition)), "t")
        if error != 0:
            return acknowledged, error
        acknowledged += 1
    return acknowledged, None


def fetch_error(connection, partition):
    return struct.unpack_from(">h", connection.ask(wire.fetch("t", partition=partition)), 4 + 4 + 4 + 2 + len("t") + 4 + 4)[0]


def test_full_directory(context):
    """The append that finds no room fails, its directory ends, and the other serves on; with room and a restart all that was
    acknowledged is there."""
    with tools.ToolServer(context, "3.9.2") as server, SmallDisk(context, 24_000_000) as disk:
        two = TwoDirectories(context, server, disk)
        small = sorted(two.described()[two.one][1])
        large = sorted(two.described()[two.two][1])
        expect_equal(sorted(small + large), [0, 1, 2, 3], "partitions in both")
        for partition in range(4):
            two.produce(partition, 10)
        if disk.mounted:
            expect(describe_by_hand(two.broker, 4)[two.one][2] < 25_000_000, "the size of the small disk")
        with wire.Wire(two.broker) as connection:
            acknowledged, error = fill(connection, small[0])
            expect_equal(error, STORAGE_ERROR, f"the append that finds no room, after {acknowledged}")
            expect(acknowledged > 50, f"only {acknowledged} appends before the disk was full")
            for partition in small:
                expect_equal(fill(connection, partition), (0, STORAGE_ERROR), f"a later append to {partition}")
                wait_until(f"partition {partition} offline", lambda: fetch_error(connection, partition) == NOT_LEADER)
        describe = ["kafka-topics", *two.at(), "--describe", "--topic", "t"]
        wait_until("the partitions without leader", lambda: len(
            server.run(*describe, "--unavailable-partitions").out.strip().splitlines()) == len(small))
        expect_equal({path: entry[0] for path, entry in describe_by_hand(two.broker, 4).items()},
                     {two.one: STORAGE_ERROR, two.two: 0}, "errors of the directories")
        for partition in large:
            two.produce(partition, 10)
            two.check(partition)
        if context.target == "milena":
            expect(any(re.search(f"Stopping serving logs in dir {two.one}.*(No space|too large).*make some, then restart", line)
                       for line in two.broker.child.text().splitlines()), f"no clear message: {two.broker.child.text()[-2000:]}")
        two.broker.stop_broker_only()
        disk.grow(200_000_000)
        two.broker.start()
        two.await_leaders()
        for partition in [*large, *small[1:]]:
            two.check(partition)
            two.produce(partition, 10)
            two.check(partition)
        out = context.run(["kcat", "-C", "-q", "-e", "-b", two.broker.bootstrap, "-t", "t", "-p", small[0], "-o", "beginning",
                           "-f", "%o %S\n"]).out.splitlines()
        wanted = [f"{offset} {100 if offset < 10 else 50_000}" for offset in range(10 + acknowledged)]
        expect(out[:len(wanted)] == wanted and len(out) <= len(wanted) + 1, f"{acknowledged} acknowledged, {len(out) - 10} found")
        with wire.Wire(two.broker) as connection:
            records = wire.batch(wire.record(b"f"))
            expect_equal(wire.produce_error(connection.ask(wire.produce(3, "t", records, partition=small[0])), "t"), 0, "goes on")
        two.broker.stop()
        return f"{acknowledged} records acknowledged before it was full, all found"
