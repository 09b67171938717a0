"""The same log directories and znodes, in turn under Milena and under Kafka 3.9.2: the door opens both ways."""
import concurrent.futures
import importlib.util
import os
import pathlib
import subprocess
import sys

from harness import jars, venv
from harness.broker import Broker
from harness.context import expect, expect_equal, expect_in
from harness.kraft import Kraft
from harness.log_client import LogClient
from harness.process import wait_until
from harness.runner import only
from harness.wire import Wire

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import golden  # noqa: E402
import way_back  # noqa: E402

HERE = pathlib.Path(__file__).parent


def raw_of(folder):
    spec = importlib.util.spec_from_file_location(f"handover_raw_{folder}", HERE.parent / folder / "raw.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


groups_raw, transactions_raw = raw_of("group-bounds"), raw_of("transactions")
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def produce(context, broker, turn):
    for codec in CODECS:
        data = "".join(f"{turn} {codec} {number}\n" for number in range(1000))
        context.run(["kcat", "-b", broker.bootstrap, "-P", "-t", f"handed-{codec}", "-p", "0", "-z", codec, "-X",
                     "enable.idempotence=true"], stdin=data)


def check(context, broker, turns):
    for codec in CODECS:
        context.wait_for_topic(broker, f"handed-{codec}")
        expected = "".join(f"{turn} {codec} {number}\n" for turn in turns for number in range(1000))
        out = context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", f"handed-{codec}", "-p", "0", "-o", "beginning",
                           "-e", "-q"]).out
        expect_equal(out == expected, True, f"{codec} after {turns}")


def read_on_in_group(context, broker, turn):
    """The group's offsets go along: each turn reads only what the turn wrote."""
    out = context.run(["kcat", "-b", broker.bootstrap, "-G", "handed-group", "-X", "auto.offset.reset=earliest", "-e", "-q",
                       "handed-none"]).out
    expect_equal(out, "".join(f"{turn} none {number}\n" for number in range(1000)), f"group in turn {turn}")


@only("milena")
def test_back_and_forth(context):
    coordinator = context.new_coordinator("milena")
    settings = {"zookeeper.session.timeout.ms": 6000}
    first = Broker("milena", context.work / "broker", context.binary, settings, coordinator=coordinator)
    context.brokers.append(first)
    turns = []
    for kind in ("milena", "kafka", "milena", "kafka"):
        first.kind = kind
        first.start()
        turn = f"{len(turns)}-{kind}"
        if turns:
            check(context, first, turns)
        produce(context, first, turn)
        turns.append(turn)
        check(context, first, turns)
        read_on_in_group(context, first, turn)
        if len(turns) == 1:
            context.run(["kcat", "-b", first.bootstrap, "-P", "-t", "made-by-milena"], stdin="x\n")
        else:
            out = context.run(["kcat", "-b", first.bootstrap, "-L"]).out
            expect_in('topic "made-by-milena" with 1 partitions', out)
        first.stop()
    coordinator.stop()
    return " -> ".join(turns)


def visit(archives, client, kind):
    """Starts a broker of this kind on each archive, two at a time, and compares what its clients see."""
    def start(archive):
        archive.start(kind)
        return archive

    rows = {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for archive in pool.map(start, archives):
            for words in archive.questions():
                client.one(archive.name, *words)
            rows[archive.name] = archive.compare()
            archive.stop()
    return rows


@only("milena")
def test_directories_of_real_brokers(context):
    """Each is opened by Milena, then by Kafka, with MILENA_LONG=1 by Milena once more; all see what the archive came with, and
    Kafka's tool is content with the files."""
    names = os.environ.get("MILENA_GOLDEN", ",".join(golden.ALL)).split(",")
    coordinator = context.new_coordinator("milena")
    archives = [golden.Golden(context, name, coordinator) for name in names]
    with LogClient(context, names) as client:
        rows = visit(archives, client, "milena")
        check_files(context, archives)
        expect_equal(visit(archives, client, "kafka"), rows, "rows under Kafka")
        if os.environ.get("MILENA_LONG") == "1":
            expect_equal(visit(archives, client, "milena"), rows, "rows under Milena after Kafka")
    coordinator.stop()
    return ", ".join(f"{name} {count}" for name, count in rows.items()) + " rows equal under both"


@only("milena")
def test_on_to_kafka_4_3_1(context):
    """What Milena has opened, and what it has written, in the hands of Kafka 4.3.1: that one's DumpLogSegments reads the files, and
    that one's broker serves the same, once its metadata has the topics."""
    coordinator = context.new_coordinator("milena")
    archives = [golden.Golden(context, name, coordinator) for name in golden.ALL if name not in golden.UNHEALED]
    with LogClient(context, ["kraft", *(archive.name for archive in archives)]) as client:
        for archive in archives:
            archive.start("milena")
            archive.seen = archive.directory / "seen-by-milena"
            client.one(archive.name, *archive.questions()[0])
            if archive.name == "internal":
                way_back.write_more(client, archive.name, CODECS)
            for words in [("dump", archive.seen, "user"), ("groups", archive.seen), ("transactions", archive.seen)]:
                client.one(archive.name, *words)
            archive.stop()
        check_files(context, archives, "4.3.1")
        back = way_back.WayBack(context, client, archives)
        back.make_topics()
        partitions = back.exchange()
        rows = back.compare()
    coordinator.stop()
    return f"{partitions} partitions, {rows} rows equal under Kafka 4.3.1"


def check_files(context, archives, version="3.9.2"):
    directories = [archive.broker.data for archive in archives if archive.name not in golden.UNHEALED]
    check = context.root / "compat-tests" / "log-tools" / "check_logs.py"
    context.run([sys.executable, check, "--cleaned", "--together", *directories], env={"KAFKA_LIBS": str(jars.jar_dir(version))})
    for directory in directories:
        context.run([context.binary, "log", "verify", directory])


def offsets_of(connection, group):
    wait_until("the group's coordinator", lambda: groups_raw.list_groups(connection)[0] == "NONE")
    return groups_raw.read_offsets(connection.ask(groups_raw.fetch_offsets_request(group)))


def gone_on(context, kind):
    """What becomes of an open transaction and of a static member of the archive "internal" when their clients go on."""
    coordinator = context.new_coordinator("milena")
    archive = golden.Golden(context, "internal", coordinator)
    archive.start(kind)
    at, seen = archive.broker, {}
    wait_until("topic out", lambda: "partition 1, leader 1" in context.run(["kcat", "-b", at.bootstrap, "-L", "-t", "out"], code=None).out)

    def committed():
        return context.run(["kcat", "-b", at.bootstrap, "-C", "-t", "out", "-p", "1", "-o", "beginning", "-e", "-q", "-X",
                            "isolation.level=read_committed", "-f", "%o=%s "]).out
    with Wire(at) as connection:
        groups_raw.coordinator_ready(connection, "g-txn")
        producer = transactions_raw.Producer(connection, "tt-ongoing")
        producer.id, producer.epoch = 3, 0
        seen["before"] = committed(), offsets_of(connection, "g-txn")
        wait_until("the transaction's end", lambda: producer.end(True) == transactions_raw.NONE)
        wait_until("its markers", lambda: producer.end(True) == transactions_raw.NONE)
        seen["after"] = committed(), offsets_of(connection, "g-txn")
        seen["another end"] = producer.end(False)
        seen["next"] = producer.init(), producer.id, producer.epoch
        member = context.run([venv.python(context), HERE / "static_member.py", at.bootstrap, "g-static", "inst-1", "in", "out"])
        seen["member"] = member.out, offsets_of(connection, "g-static")
    expect("Preparing to rebalance group g-static" not in at.child.text(), "it comes back without a rebalance")
    archive.stop()
    coordinator.stop()
    return seen


@only("milena")
def test_clients_go_on(context):
    """Where they stopped on a real broker: the same as on Kafka."""
    milena, kafka = gone_on(context, "milena"), gone_on(context, "kafka")
    expect_equal(milena, kafka, "the same")
    expect(milena["before"] != milena["after"] and milena["before"][1] != milena["after"][1], "the transaction's end was seen")
    expect_in("in-0", milena["member"][0])
    return f"{milena['after']}"


SHORT_SESSIONS = {"group.consumer.min.session.timeout.ms": 1000, "group.consumer.session.timeout.ms": 2000,
                  "group.consumer.min.heartbeat.interval.ms": 300, "group.consumer.heartbeat.interval.ms": 300}


class News:
    """A topic, and members of KIP-848 that read it and commit."""

    def __init__(self, context):
        self.context = context

    def write(self, at, count):
        lines = "".join(f"{number}\n" for number in range(count))
        self.context.run(["kcat", "-b", at.bootstrap, "-P", "-t", "news", "-p", "0"], stdin=lines)

    def member(self, at, group, count):
        """One that has read this many."""
        program = HERE.parent / "consumer-groups" / "member.py"
        child = self.context.spawn([venv.python(self.context), program, at.bootstrap, group, "consumer", "news", group, str(count)],
                                   stdin=subprocess.PIPE)
        wait_until(f"{count} records of {group}", lambda: f"all {count} committed" in child.text() or not child.running())
        expect(child.running(), child.text())
        return child

    def comes_and_goes(self, at, group, count):
        child = self.member(at, group, count)
        child.popen.stdin.close()
        expect_equal(child.wait(), 0, child.text())

    def offsets(self, at):
        with Wire(at) as connection:
            groups_raw.coordinator_ready(connection, "left")
            return [offsets_of(connection, group).get(("news", 0)) for group in ("left", "held")]


@only("milena")
def test_newer_groups_there_and_back(context):
    """Kafka 3.9.2 ignores what it doesn't know of groups of KIP-848, but has their offsets; back on Milena they go on from there. One has
    left, of the other a member was still there."""
    coordinator = context.new_coordinator("milena")
    settings = {"zookeeper.session.timeout.ms": 6000, **SHORT_SESSIONS}
    at = Broker("milena", context.work / "newer", context.binary, settings, coordinator=coordinator)
    context.brokers.append(at)
    at.start()
    news = News(context)
    news.write(at, 10)
    news.comes_and_goes(at, "left", 10)
    held = news.member(at, "held", 10)
    at.stop_broker_only()
    held.kill()
    at.kind = "kafka"
    at.start()
    context.wait_for_topic(at, "news")
    expect_equal(news.offsets(at), [10, 10], "offsets under Kafka")
    news.write(at, 5)
    out = context.run(["kcat", "-b", at.bootstrap, "-G", "left", "-e", "-q", "news"]).out
    expect_equal(out, "0\n1\n2\n3\n4\n", "what a classic member of the same group reads there")
    at.stop_broker_only()
    at.kind = "milena"
    at.start()
    context.wait_for_topic(at, "news")
    expect_equal(news.offsets(at), [15, 10], "offsets back on Milena")
    news.write(at, 3)
    news.comes_and_goes(at, "left", 3)
    news.comes_and_goes(at, "held", 8)
    expect_equal(news.offsets(at), [18, 18], "offsets in the end")
    at.stop()
    coordinator.stop()


@only("milena")
def test_newer_groups_on_to_kafka_4_3_1(context):
    """Which knows them, and goes on with them in the epochs that follow."""
    settings = {"offsets.topic.num.partitions": 1, "num.partitions": 1, **SHORT_SESSIONS}
    at, kraft = context.new_broker(settings), Kraft(context.work / "newer-kraft", settings)
    context.brokers.append(kraft)
    kraft.start()
    news = News(context)
    news.write(kraft, 1)
    news.offsets(kraft)  # makes the topic
    expect_equal(kraft.stop() in (0, 143), True, "Kafka 4.3.1 ends")
    news.write(at, 10)
    news.comes_and_goes(at, "left", 10)
    held = news.member(at, "held", 10)
    at.stop()
    held.kill()
    way_back.exchange_partitions(at.data, kraft.data, ["news-0", "__consumer_offsets-0"])
    kraft.start()
    with Wire(kraft) as connection:
        groups_raw.coordinator_ready(connection, "left")
        wait_until("groups", lambda: groups_raw.list_groups(connection)[0] == "NONE")
        expect_equal(sorted(groups_raw.list_groups(connection)[1]), [("held", "consumer"), ("left", "consumer")], "groups")
    expect_equal(news.offsets(kraft), [10, 10], "offsets under Kafka 4.3.1")
    news.write(kraft, 5)
    news.comes_and_goes(kraft, "left", 5)
    news.comes_and_goes(kraft, "held", 5)
    expect_equal(news.offsets(kraft), [15, 15], "offsets in the end")
    text = kraft.child.text()
    expect_in("[GroupId left] Bumped group epoch to 4 with", text)  # the first member made it 2, and its end 3
    expect_in("[GroupId held] Bumped group epoch to 3 with", text)
    expect_equal(kraft.stop() in (0, 143), True, "Kafka 4.3.1 ends")
