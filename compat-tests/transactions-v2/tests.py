"""Transactions v2 (KIP-890): every answer of Kafka 4.3.1, its clients, and back to Kafka 3.9.2.

With --target kafka these run on Kafka 4.3.1, as 3.9.2 has no transactions v2."""
import importlib.util
import pathlib
import re

from harness import jars, recorded, tools, wire
from harness.broker import Broker
from harness.context import expect, expect_equal, expect_in
from harness.kraft import Kraft
from harness.process import wait_until
from harness.runner import only

HERE = pathlib.Path(__file__).parent
_spec = importlib.util.spec_from_file_location("transactions_v2_probe", HERE / "probe.py")
probe = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(probe)
raw = probe.load_raw()

SETTINGS = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 300}


def broker(context):
    if context.shared is None:
        if context.target == "kafka":
            context.shared = Kraft(context.work / "kafka", SETTINGS).start()
            context.brokers.append(context.shared)
        else:
            context.shared = context.new_broker(SETTINGS)
    return context.shared


def test_answers(context):
    """Each of about 200, asked for by hand."""
    expected, count = recorded.answers(HERE / "answers.txt"), 0
    for scenario in [*probe.SCENARIOS, probe.records]:
        lines = probe.run(raw, broker(context), scenario)
        context.say("\n".join([f"[{scenario.__name__}]", *lines]))
        wanted = expected[scenario.__name__]
        for line, should in zip(lines, wanted):
            expect_equal(line, should, scenario.__name__)
        expect_equal(len(lines), len(wanted), scenario.__name__)
        count += len(lines)
    expect_equal(set(expected), {one.__name__ for one in [*probe.SCENARIOS, probe.records]})
    return f"{count} answers"


def test_java_4_3_1(context):
    done = context.run(jars.java("4.3.1", "TransactionClient", broker(context).bootstrap, "4.3.1"))
    expect_in("transactions done", done.out)


def test_features_tool(context):
    """What kafka-features says of transactions, and kafka-transactions of ids by pattern."""
    probe.run(raw, broker(context), probe.listing)
    with tools.ToolServer(context, "4.3.1") as server:
        at = ["--bootstrap-server", broker(context).bootstrap]
        out = server.run("kafka-features", *at, "describe").out
        expect(re.search(r"Feature: transaction.version\s+SupportedMinVersion: 0\s+SupportedMaxVersion: 2\s+FinalizedVersionLevel: 2\s", out),
               out)
        out = server.run("kafka-transactions", *at, "list", "--transactional-id-pattern", "listing-[12]").out
        expect_equal(sorted(re.findall(r"listing-\d", out)), ["listing-1", "listing-2"], "ids by pattern")


def without_v2(context, level):
    """A broker of this transaction.version."""
    if context.target == "milena":
        return context.new_broker({**SETTINGS, "milena.transaction.version": level})
    made = Kraft(context.work / context.name("kafka"), SETTINGS, [f"transaction.version={level}"]).start()
    context.brokers.append(made)
    return made


def test_switched_off(context):
    """With transaction.version 0 or 1 clients of 4.3.1 use transactions v1, and are told what Kafka 4.3.1 tells them."""
    expected = recorded.answers(HERE / "answers-switched-off.txt")
    for level in (0, 1):
        at = without_v2(context, level)
        lines = probe.run(raw, at, probe.features)
        expect_equal(lines, expected[f"features of {level}"], f"features of {level}")
        if context.target == "milena":  # whoever knew v2 before goes on; Kafka 4.3.1 at level 0 has no record that could tell of it
            expect_equal(probe.run(raw, at, probe.ends), recorded.answers(HERE / "answers.txt")["ends"], "v2 all the same")
        done = context.run(jars.java("4.3.1", "TransactionClient", at.bootstrap, "off"))
        expect_in("transactions done", done.out)
        with wire.Wire(at) as connection:
            described = raw.Producer(connection, "basic-off").describe()
            expect_equal((described[0], described[2]), ("CompleteCommit", 0), "no end has bumped the epoch")
            found = dict(raw.state_record(key, value) for partition in range(4)
                         for key, value in raw.Producer(connection, "any").records("__transaction_state", partition))
            expect_equal(found["basic-off"].client, 0, "a client of v1")
        at.stop()


def prepare(producer, topic, epoch, next_id):
    """The decision of a commit alone, as a crash right after it leaves it."""
    value = raw.prepared_value(producer.id, epoch, next_id, topic)
    partition = raw.java_hash(producer.name) % 4
    expect_equal(producer.write_internal("__transaction_state", partition, raw.state_key(producer.name), value), "NONE", "decision")


def named(connection, *names):
    made = {}
    for name in names:
        made[name] = raw.Producer(connection, name)
        probe.settled(made[name].coordinator)
    return made


def completed(producer):
    wait_until("an end", lambda: producer.describe()[0].startswith("Complete"))
    return producer.describe()[:3]


@only("milena")
def test_to_3_9_2_and_back(context):
    """Transactions v2 that are over, open, decided, and decided under a new producer id, go on in Kafka 3.9.2, which knows
    nothing of v2, and then here again."""
    coordinator = context.new_coordinator("milena")
    one = Broker("milena", context.work / "handed", context.binary, SETTINGS, coordinator=coordinator)
    context.brokers.append(one)
    one.start()
    names, topic = ("over", "open", "decided", "renamed", "spare"), "handed"
    with wire.Wire(one) as connection:
        ids = named(connection, *names)
        wait_until("the topic", lambda: ids["over"].leader_known(topic))
        for name, producer in ids.items():
            expect_equal(probe.settled(producer.init), "NONE", name)
        for name in names[:4]:
            expect_equal(probe.settled(lambda: ids[name].produce(topic, values=(name.encode(),))), "NONE", name)  # noqa: B023
        expect_equal(ids["over"].end(True), (ids["over"].id, 1), "over")
        prepare(ids["decided"], topic, 1, -1)
        prepare(ids["renamed"], topic, 32767, ids["spare"].id)
        identities = {name: producer.id for name, producer in ids.items()}
    one.stop()

    one.kind = "kafka"
    one.start()
    with wire.Wire(one) as connection:
        ids = named(connection, *names)
        expect_equal(completed(ids["over"]), ("CompleteCommit", identities["over"], 1), "over")
        expect_equal(completed(ids["decided"]), ("CompleteCommit", identities["decided"], 1), "decided")
        expect_equal(completed(ids["renamed"]), ("CompleteCommit", identities["renamed"], 32767), "renamed, of which 3.9.2 knows nothing")
        expect_equal(ids["open"].describe(), ("Ongoing", identities["open"], 0, True, {topic: [0]}), "open")
        # Kafka 3.9.2 that starts may take a partition for deleted and leave a decided transaction without its marker; that isn't
        # v2's doing, and is seen to here. Sent again, a marker changes nothing.
        for name, epoch in (("decided", 1), ("renamed", 32767)):
            ids[name].write_marker(topic, True, producer=(identities[name], epoch), version=1)
        ids["open"].take((identities["open"], 0))
        expect_equal(probe.settled(lambda: ids["open"].end(True, version=4)), "NONE", "open")
        expect_equal(completed(ids["open"]), ("CompleteCommit", identities["open"], 0), "open")
        for name, epoch in (("over", 2), ("open", 1), ("decided", 2), ("renamed", 0)):
            producer = ids[name]
            expect_equal((probe.settled(producer.init), producer.epoch), ("NONE", epoch), name)
            expect_equal(producer.id == identities[name], name != "renamed", name)
            expect_equal(probe.settled(lambda: producer.add(topic)), "NONE", name)  # noqa: B023
            expect_equal(producer.produce(topic, version=11, values=(b"v1-" + name.encode(),)), "NONE", name)
            expect_equal(probe.settled(lambda: producer.end(True, version=4)), "NONE", name)  # noqa: B023
            completed(producer)
            identities[name] = producer.id
    one.stop()

    one.kind = "milena"
    one.start()
    with wire.Wire(one) as connection:
        ids = named(connection, *names)
        for name, epoch in (("over", 2), ("open", 1), ("decided", 2), ("renamed", 0)):
            producer = ids[name]
            wait_until("the state", lambda: isinstance(producer.describe(), tuple))  # noqa: B023
            expect_equal(producer.describe()[:3], ("CompleteCommit", identities[name], epoch), name)
            producer.take((identities[name], epoch))
            producer.sequences[(topic, 0)] = 1
            expect_equal(probe.settled(lambda: producer.produce(topic, values=(b"v2-" + name.encode(),))), "NONE", name)  # noqa: B023
            expect_equal(producer.end(True), (identities[name], epoch + 1), name)
        values = [value for _, _, values in ids["over"].read(topic)[0] if isinstance(values, list) for value in values]
    expected = [f"{era}{name}" for era in ("", "v1-", "v2-") for name in names[:4]]
    expect_equal(sorted(values), sorted(expected), "all that was committed, once")
    one.stop()
    coordinator.stop()
