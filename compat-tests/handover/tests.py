"""The same log directories and znodes, in turn under Milena and under Kafka 3.9.2: the door opens both ways."""
import concurrent.futures
import os
import pathlib
import sys

from harness import jars
from harness.broker import Broker
from harness.context import expect_equal, expect_in
from harness.log_client import LogClient
from harness.runner import only

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import golden  # noqa: E402
import way_back  # noqa: E402

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
