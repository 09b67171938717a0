"""Compacted topics: the same dirty log cleaned by Kafka 3.9.2 and by Milena comes out the same; each goes on from what the
other cleaned; SIGKILL during cleanings loses nothing; __consumer_offsets stays right."""
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import time

from harness import jars, venv
from harness.broker import Broker
from harness.context import expect, expect_equal
from harness.process import wait_until
from harness.runner import only

HERE = pathlib.Path(__file__).parent
QUIET = {"log.cleaner.enable": "false", "zookeeper.session.timeout.ms": 6000}
BUSY = {"log.cleaner.enable": "true", "log.cleaner.backoff.ms": 50, "log.cleaner.threads": 2,
        "log.cleaner.dedupe.buffer.size": 4_194_304, "log.initial.task.delay.ms": 100}


def first_dirty(broker):
    path = broker.data / "cleaner-offset-checkpoint"
    if not path.exists():
        return {}
    lines = path.read_text().splitlines()[2:]
    return {topic: int(offset) for topic, partition, offset in (line.split() for line in lines)}


def active_base(broker, topic):
    return max(int(path.stem) for path in (broker.data / f"{topic}-0").glob("*.log"))


def wait_cleaned(broker, topics):
    wait_until("the cleaner to be done",
               lambda: all(first_dirty(broker).get(topic) == active_base(broker, topic) for topic in topics), guard_s=60)


def read(context, broker, topic, isolation="read_committed"):
    context.wait_for_topic(broker, topic)
    return context.run(["kcat", "-b", broker.bootstrap, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-X",
                        f"isolation.level={isolation}", "-Z", "-f", "%o %T %k %s\n"]).out


def batches(context, broker, topic):
    """What `milena log dump` says of batches and records, checksums included, but for what depends on the time of the
    cleaning (the horizon, which changes the size too) and on the compressor's release."""
    out = []
    for path in sorted((broker.data / f"{topic}-0").glob("*.log")):
        if path.stat().st_size == 0 or int(path.stem) == active_base(broker, topic):
            continue
        for line in context.run([context.binary, "log", "dump", "--records", path]).out.splitlines():
            if line.startswith(("Dumping", "Log starting")):
                continue
            line = re.sub(r" position: \d+", "", line)
            if "OptionalLong[" in line or re.search(r"compresscodec: (gzip|snappy|lz4|zstd)", line, re.IGNORECASE):
                line = re.sub(r" (size|crc): \d+", "", re.sub(r"OptionalLong\[\d+\]", "OptionalLong[]", line))
            out.append(line)
    return out


def newest(text):
    """The last value of each key in what read() returns."""
    return {key: value for _, _, key, value in (line.split(" ", 3) for line in text.splitlines())}


def restart_as(broker, kind, settings):
    broker.kind = kind
    broker.settings.update(settings)
    broker.write_properties()
    broker.start()


@only("milena")
def test_same_log_cleaned_by_both(context):
    coordinator = context.new_coordinator("milena")
    kafka = Broker("kafka", context.work / "kafka", context.binary, QUIET, coordinator=coordinator)
    context.brokers.append(kafka)
    kafka.start()
    seed = random.randrange(1_000_000)
    topics = context.run([venv.python(context), HERE / "fill.py", kafka.bootstrap, seed]).out.split()
    kafka.stop()
    ours = Broker("milena", context.work / "milena", context.binary, QUIET, coordinator=coordinator)
    context.brokers.append(ours)
    shutil.copytree(kafka.data, ours.data)
    ours.start()
    dirty = {topic: read(context, ours, topic) for topic in topics}
    ours.stop()

    restart_as(kafka, "kafka", BUSY)
    wait_cleaned(kafka, topics)
    by_kafka = {topic: (read(context, kafka, topic), read(context, kafka, topic, "read_uncommitted")) for topic in topics}
    kafka.stop()
    restart_as(ours, "milena", BUSY)
    wait_cleaned(ours, topics)
    ours.stop()
    same = 0
    for topic in topics:
        expect_equal(batches(context, ours, topic), batches(context, kafka, topic), f"seed {seed}, batches of {topic}")
        same += len(batches(context, ours, topic))

    # Kafka's own tool is content with our files, and its broker goes on from them.
    check = context.root / "compat-tests" / "log-tools" / "check_logs.py"
    done = subprocess.run([sys.executable, check, "--cleaned", ours.data], capture_output=True, text=True, check=False,
                          env={**os.environ, "KAFKA_LIBS": str(jars.jar_dir("3.9.2"))})
    expect(done.returncode == 0, done.stdout + done.stderr)
    context.run([context.binary, "log", "verify", ours.data])
    restart_as(ours, "kafka", {})
    records = 0
    for topic in topics:
        seen = read(context, ours, topic), read(context, ours, topic, "read_uncommitted")
        expect_equal(seen, by_kafka[topic], f"seed {seed}, records of {topic}")
        expect_equal(newest(seen[0]), newest(dirty[topic]), f"seed {seed}, newest of {topic}")
        records += len(seen[0].splitlines())
    ours.stop()
    # And we from Kafka's.
    restart_as(kafka, "milena", {})
    for topic in topics:
        expect_equal(read(context, kafka, topic), by_kafka[topic][0], f"seed {seed}, {topic} cleaned by Kafka")
    kafka.stop()
    coordinator.stop()
    before = sum(len(text.splitlines()) for text in dirty.values())
    return f"seed {seed}: {before} records became {records}, the same {same} lines of batches and records in {len(topics)} topics"


def client(context, what, broker, *arguments):
    return context.run([venv.python(context), HERE / "client.py", what, broker.bootstrap, *arguments]).out


@only("milena")
def test_killed_while_cleaning(context):
    broker = context.new_broker({**BUSY, "log.cleaner.backoff.ms": 1})
    client(context, "create", broker, "killed", 1, "cleanup.policy=compact", "segment.bytes=20000",
           "min.cleanable.dirty.ratio=0.01", "file.delete.delay.ms=0")
    expected = {}
    random_ = random.Random(1)
    for turn in range(8):
        for _ in range(4):
            lines = []
            for _ in range(500):
                key, value = f"key-{random_.randrange(300)}", f"{turn}-{random_.randrange(1_000_000)}"
                expected[key] = value
                lines.append(f"{key}:{value}\n")
            context.run(["kcat", "-b", broker.bootstrap, "-P", "-K:", "-t", "killed", "-p", "0", "-X", "enable.idempotence=true",
                         "-z", random_.choice(["none", "lz4", "zstd"])], stdin="".join(lines))
        time.sleep(random_.random() / 20)
        broker.kill()
        broker.start()
        expect_equal(newest(read(context, broker, "killed")), expected, f"after kill {turn + 1}")
    wait_until("a cleaning", lambda: first_dirty(broker).get("killed", 0) > 0)
    wait_cleaned(broker, ["killed"])
    text = read(context, broker, "killed")
    expect_equal(newest(text), expected, "at the end")
    broker.stop()
    context.run([context.binary, "log", "verify", broker.data])
    return f"8 kills, 16000 records became {len(text.splitlines())} of {len(expected)} keys"


def test_consumer_offsets_are_cleaned(context):
    """A group that commits often: after cleanings and a restart its offsets are the last ones."""
    broker = context.new_broker({**BUSY, "offsets.topic.num.partitions": 1, "offsets.topic.segment.bytes": 2000,
                                 "log.cleaner.min.cleanable.ratio": 0.01})
    client(context, "create", broker, "t", 7)
    committed = client(context, "commit", broker, "t", 7, 300)
    wait_cleaned(broker, ["__consumer_offsets"])
    size = sum(path.stat().st_size for path in (broker.data / "__consumer_offsets-0").glob("*.log"))
    broker.stop()
    broker.start()
    expect_equal(client(context, "commit", broker, "t", 7, 0), committed, "the committed offsets")
    expect_equal(committed.strip(), str([(number, 294 + number if number < 6 else 293) for number in range(7)]), "them")
    broker.stop()
    return f"300 commits in {size} bytes"
