"""Transactions of stock clients, Kafka's tool for them, and SIGKILL in the middle."""
import importlib.util
import pathlib
import re

from harness import jars, tools, venv, wire
from harness.broker import start_again
from harness.context import expect, expect_equal, expect_in
from harness.process import Failure, wait_until
from harness.runner import sanitizer_workload

_spec = importlib.util.spec_from_file_location("transactions_raw", pathlib.Path(__file__).with_name("raw.py"))
raw = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(raw)

SETTINGS = {
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": 300,
    "group.min.session.timeout.ms": 1000,
}
KILLS = 4


def broker(context):
    if context.shared is None:
        context.shared = context.new_broker(SETTINGS)
    return context.shared


def java(context, version):
    done = context.run(jars.java(version, "TransactionClient", broker(context).bootstrap, version))
    expect_in("transactions done", done.out)
    for reason in (f"test of {version}", "member was removed by an admin", "the consumer is being closed"):
        expect_in(f"through explicit `LeaveGroup`; client reason: {reason}", broker(context).child.text())


@sanitizer_workload
def test_java_3_9_2(context):
    java(context, "3.9.2")


def test_java_4_3_1(context):
    java(context, "4.3.1")


def librdkafka(context, python, label):
    program = context.root / "compat-tests" / "transactions" / "client.py"
    out = context.run([python, program, broker(context).bootstrap, label]).out
    expect_in("transactions done", out)
    return out.strip()


def test_librdkafka_2_0_2(context):
    out = librdkafka(context, venv.python(context, "librdkafka-2.0.2"), "old")
    expect_in("librdkafka 2.0.2", out)


@sanitizer_workload
def test_confluent_kafka(context):
    return librdkafka(context, venv.python(context), "new")


def hang(to, topic, producer_id, sequence=0):
    """Error code of a produce, from long ago, into a transaction that the coordinator hasn't heard of."""
    with wire.Wire(to) as connection:
        records = raw.batch(producer_id, 0, sequence, timestamp=1_000_000_000_000)
        return raw.Producer(connection, "nobody").produce(topic, records=records)


def hanging(server, at, *more):
    """Topics that find-hanging tells of."""
    out = server.run("kafka-transactions", *at, "find-hanging", *more).out
    return set(re.findall(r"^(hanging-\S+)\s+0\s+\d+\s+0\s", out, re.MULTILINE))


def abort_by_producer(context, server, at, topic, producer_id):
    """As of brokers that can't tell where a transaction begins: with all that the marker says. Another hangs then."""
    abort = ["kafka-transactions", *at, "abort", "--topic", topic, "--partition", "0", "--producer-id", str(producer_id)]
    expect_equal(hang(broker(context), topic, producer_id), raw.NONE, "a transaction")
    failed = server.run(*abort, "--producer-epoch", "0", code=1)
    expect_in("--coordinator-epoch", failed.out + failed.err)
    server.run(*abort, "--producer-epoch", "0", "--coordinator-epoch", "5")
    expect_equal(hanging(server, at, "--topic", topic), set(), "it is aborted")
    expect_equal(hang(broker(context), topic, producer_id, sequence=1), raw.NONE, "another one")
    failed = server.run(*abort, "--producer-epoch", "0", "--coordinator-epoch", "4", code=1)
    expect_in("Failed to abort transaction", failed.out + failed.err)


def find_hanging(server, at, topics):
    """Where it looks, and for what."""
    expect_equal(hanging(server, at, "--broker-id", "0") & set(topics), set(topics), "of a broker")
    for topic in topics:
        expect_equal(hanging(server, at, "--topic", topic), {topic}, "of a topic")
        expect_equal(hanging(server, at, "--topic", topic, "--partition", "0"), {topic}, "of a partition")
    minutes = ["--max-transaction-timeout", "100000000"]
    expect_equal(hanging(server, at, "--broker-id", "0", *minutes), set(), "nothing hangs for 190 years")


def describe_and_abort(context, server, at, label):
    """A transaction that nobody ends, from an open one of a live producer up to the tool's abort."""
    topic, other, producer_id = f"hanging-{label}", f"hanging-other-{label}", 900_000 + len(label)
    for one in (topic, other):
        server.run("kafka-topics", *at, "--create", "--topic", one)
    every = ["--entity-type", "brokers", "--entity-default", "--alter"]
    expect_equal(hang(broker(context), topic, producer_id), raw.INVALID_MAPPING, "an unknown transaction is refused")
    server.run("kafka-configs", *at, *every, "--add-config", "transaction.partition.verification.enable=false")
    try:
        wait_until("a broker that doesn't verify", lambda: hang(broker(context), topic, producer_id) == raw.NONE)
        abort_by_producer(context, server, at, other, producer_id)
    finally:
        server.run("kafka-configs", *at, *every, "--delete-config", "transaction.partition.verification.enable")
    out = server.run("kafka-transactions", *at, "describe-producers", "--topic", topic, "--partition", "0").out
    expect(re.search(rf"{producer_id}\s+0\s+-1\s+0\s+1000000000000\s+0\b", out), out)
    out = server.run("kafka-transactions", *at, "find-hanging", "--broker-id", "0").out
    expect(re.search(rf"{topic}\s+0\s+{producer_id}\s+0\s+-1\s+0\s+1000000000000", out), out)
    find_hanging(server, at, (topic, other))
    server.run("kafka-transactions", *at, "abort", "--topic", other, "--partition", "0", "--start-offset", "2")
    server.run("kafka-transactions", *at, "abort", "--topic", topic, "--partition", "0", "--start-offset", "0")
    out = server.run("kafka-transactions", *at, "describe-producers", "--topic", topic, "--partition", "0").out
    expect(re.search(rf"{producer_id}\s+0\s+\S+\s+0\s+\d+\s+None", out), out)
    out = server.run("kafka-transactions", *at, "find-hanging", "--broker-id", "0").out
    expect(topic not in out, out)
    out = server.run("kafka-get-offsets", *at, "--topic", topic).out
    expect_equal(out, f"{topic}:0:2\n", "the batch and the marker")


def refusals(producer, topic, group):
    """What isn't right yet, or not at all."""
    unknown = raw.Producer(producer.connection, producer.name + "-unknown")
    unnamed = raw.Producer(producer.connection, "")
    expect_equal(unnamed.init(), raw.INVALID_REQUEST, "an empty id")
    expect_equal([producer.init(0), producer.init(900_001)], [raw.INVALID_TIMEOUT] * 2, "timeouts")
    expect_equal(unknown.end(True), raw.INVALID_MAPPING, "the end of an unknown transaction")
    expect_equal(unknown.add([topic]), {topic: raw.INVALID_MAPPING}, "an unknown transaction")
    expect_equal(producer.init(), raw.NONE, "init")
    expect_equal([producer.end(True), producer.end(False)], [raw.INVALID_STATE] * 2, "nothing was begun")
    expect_equal(producer.add([topic, "none-such"]), {topic: raw.NOT_ATTEMPTED, "none-such": raw.UNKNOWN_TOPIC}, "an unknown topic")
    expect_equal(producer.produce(topic), raw.INVALID_STATE, "a partition that wasn't added")
    expect_equal(producer.produce(topic, name="other"), raw.INVALID_MAPPING, "another's id")
    wait_until("the group's coordinator", lambda: producer.find_coordinator(group) == raw.NONE)
    wait_until("a refusal of a group that wasn't added", lambda: producer.commit_offset(group, topic) == raw.INVALID_STATE)
    expect_equal(producer.commit_offset(group, "none-such"), raw.UNKNOWN_TOPIC, "offsets of an unknown topic")
    producer.epoch += 1
    expect_equal([producer.end(True, version) for version in (1, 2)], [raw.INVALID_EPOCH, raw.FENCED], "another epoch")
    expect_equal([producer.add([topic], version)[topic] for version in (1, 2)], [raw.INVALID_EPOCH, raw.FENCED], "another epoch")
    expect_equal([producer.add_offsets(group, version) for version in (1, 2)], [raw.INVALID_EPOCH, raw.FENCED], "another epoch")
    expect_equal(producer.produce(topic), raw.INVALID_EPOCH, "another epoch")
    producer.epoch -= 1


def test_answers(context):
    """The errors that producers steer by, asked for by hand."""
    topic, group = "answers", "answers-group"
    with wire.Wire(broker(context)) as connection:
        context.run(["kcat", "-b", broker(context).bootstrap, "-P", "-t", topic], stdin="plain\n")
        producer = raw.Producer(connection, "answers")
        wait_until("the coordinator", lambda: producer.find_coordinator() == raw.NONE)
        wait_until("the coordinator's partition", lambda: producer.init() == raw.NONE)
        refusals(producer, topic, group)
        expect_equal(producer.add([topic]), {topic: raw.NONE}, "added")
        expect_equal(producer.add([topic]), {topic: raw.NONE}, "added before")
        expect_equal(producer.produce(topic), raw.NONE, "produced")
        wait_until("the group's coordinator", lambda: producer.add_offsets(group) == raw.NONE)
        wait_until("the group", lambda: producer.commit_offset(group, topic) == raw.NONE)
        expect_equal(producer.end(True), raw.NONE, "committed")
        wait_until("the markers", lambda: producer.end(True) != raw.CONCURRENT)
        expect_equal([producer.end(True), producer.end(False)], [raw.NONE, raw.INVALID_STATE], "ended before")
        expect_equal(producer.produce(topic), raw.INVALID_STATE, "a late batch")
        expect_equal(producer.commit_offset(group, topic), raw.INVALID_STATE, "a late offset")
        before = producer.epoch
        expect_equal((producer.init(), producer.epoch), (raw.NONE, before + 1), "the epoch is bumped")
        expect_equal(producer.add([topic]), {topic: raw.NONE}, "added")
        expect_equal(producer.init(), raw.CONCURRENT, "what is ongoing is aborted first")
        wait_until("the abort", lambda: producer.init() == raw.NONE)
        expect_equal(producer.epoch, before + 3, "fencing took an epoch of its own")
        producer.epoch = before
        expect_equal(producer.add([topic]), {topic: raw.FENCED}, "a zombie")
        expect_equal(producer.produce(topic), raw.INVALID_EPOCH, "a zombie")


def tool(context, version):
    at = ["--bootstrap-server", broker(context).bootstrap]
    with tools.ToolServer(context, version) as server:
        # What the clients of the tests before have left.
        out = server.run("kafka-transactions", *at, "list").out
        expect(re.search(r"basic-3.9.2\s+0\s+\d+\s+Complete(Abort|Commit)", out), out)
        expect(re.search(r"slow-3.9.2\s+0\s+\d+\s+CompleteAbort", out), out)
        out = server.run("kafka-transactions", *at, "describe", "--transactional-id", "slow-3.9.2").out
        expect(re.search(r"0\s+slow-3.9.2\s+\d+\s+\d+\s+CompleteAbort\s+1000\s+", out), out)
        missing = server.run("kafka-transactions", *at, "describe", "--transactional-id", "none-such", code=1)
        expect_in("because the ID could not be found", missing.out + missing.err)
        describe_and_abort(context, server, at, version)


def test_tool_3_9_2(context):
    tool(context, "3.9.2")


def test_tool_4_3_1(context):
    tool(context, "4.3.1")


COPIED, COPIED_PARTITIONS = 40_000, 4


def copier(context, at, version, source, target):
    return context.spawn(jars.java(
        version, "org.apache.kafka.tools.TransactionalMessageCopier", "--broker-list", at.bootstrap, "--input-topic", source, "--input-partition", 0,
        "--output-topic", target, "--consumer-group", "copiers", "--transactional-id", f"copier-{version}", "--transaction-size", 50,
        "--enable-random-aborts", "--group-mode", "--use-group-metadata"))


def values_by_partition(context, at, topic, isolation):
    found = [[] for _ in range(COPIED_PARTITIONS)]
    out = context.run(["kcat", "-b", at.bootstrap, "-C", "-t", topic, "-e", "-q", "-X", f"isolation.level={isolation}", "-f", "%p %s\n"]).out
    for line in out.splitlines():
        partition, value = line.split()
        found[int(partition)].append(int(value))
    return found


def test_message_copier(context):
    """Kafka's own proof: two of its copiers, one of 3.9.2 and one of 4.3.1 (transactions v2), share a topic, abort by chance, and the broker
    is killed under them. What read_committed sees of the copy is the topic."""
    at = context.new_broker({**SETTINGS, "num.partitions": COPIED_PARTITIONS})
    for partition in range(COPIED_PARTITIONS):
        values = "".join(f"{number}\n" for number in range(partition, COPIED, COPIED_PARTITIONS))
        context.run(["kcat", "-b", at.bootstrap, "-P", "-t", "original", "-p", partition], stdin=values)
    copiers = [copier(context, at, version, "original", "copy") for version in ("3.9.2", "4.3.1")]

    def copied(one):
        found = re.findall(r'"totalProcessed":(\d+)', one.text())
        return int(found[-1]) if found else 0

    # Whichever is first: the other comes while the broker is away, or after it. Who has nothing left to do ends well.
    wait_until("a part of it", lambda: any(copied(one) > 0 or not one.running() for one in copiers))
    at.kill()
    before = [copied(one) for one in copiers]
    expect(sum(before) < COPIED, "the kill came too late")
    start_again(at)
    for one in copiers:
        expect_equal(one.wait(), 0, f"exit code: {one.text()[-3000:]}")
    expect_equal(values_by_partition(context, at, "copy", "read_committed"),
                 [list(range(partition, COPIED, COPIED_PARTITIONS)) for partition in range(COPIED_PARTITIONS)], "the copy")
    written = sum(map(len, values_by_partition(context, at, "copy", "read_uncommitted")))
    expect(written > COPIED, "some were aborted")
    at.stop()
    return f"killed after {before}; {COPIED} records copied by {[copied(one) for one in copiers]}, {written - COPIED} aborted"


def test_killed(context):
    """A producer of transactions goes on over SIGKILLs of the broker; its journal tells what must be seen."""
    victim = context.new_broker(SETTINGS)
    program, journal = context.root / "compat-tests" / "transactions" / "crash.py", context.work / "journal.txt"
    python = venv.python(context)
    producer = context.spawn([python, program, "produce", victim.bootstrap, "crashing", journal])

    def committed():
        if not producer.running():
            raise Failure(f"the producer ended: {producer.text()[-2000:]}")
        return journal.read_text(encoding="utf-8").count("committed ") if journal.exists() else 0

    def goes_on(what):
        before = committed()
        wait_until(f"40 more transactions {what}", lambda: committed() >= before + 40, guard_s=120)

    for number in range(KILLS):
        goes_on(f"after {number} kills")
        victim.kill()
        start_again(victim)
    goes_on("after the last restart")
    producer.kill()
    out = context.run([python, program, "verify", victim.bootstrap, "crashing", journal]).out.strip()
    expect_in("lost 0, torn 0, aborted but seen 0, doubled 0, never ended but seen 0", out)
    victim.stop()
    return f"{KILLS} kills; " + out.replace("\n", "; ")
