"""Transactions through librdkafka: argv = bootstrap, label."""
import sys

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP, LABEL = sys.argv[1], sys.argv[2]
PARTITIONS = 2


def producer(name, **settings):
    made = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": f"{name}-{LABEL}", "linger.ms": 2, **settings})
    made.init_transactions(60)
    return made


def consumer(group, isolation="read_committed"):
    return Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "auto.offset.reset": "earliest",
                     "enable.auto.commit": False, "isolation.level": isolation, "enable.partition.eof": True})


def topic(name):
    made = f"{name}-{LABEL}"
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(made, PARTITIONS, 1)])[made].result()
    return made


def read(name, isolation="read_committed"):
    """All values, from each partition's beginning to the end that the isolation level sees."""
    reader = consumer(f"reader-{LABEL}", isolation)
    reader.assign([TopicPartition(name, number, 0) for number in range(PARTITIONS)])
    values, ended = [], set()
    while len(ended) < PARTITIONS:
        message = reader.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, message.error()
            ended.add(message.partition())
        else:
            values.append(message.value().decode())
    reader.close()
    return sorted(values)


def send(by, name, value, count):
    for number in range(count):
        by.produce(name, value, partition=number % PARTITIONS)
    by.poll(0)


def commit_and_abort():
    name, committed = topic("basic"), []
    by = producer("basic")
    for turn in range(12):
        by.begin_transaction()
        send(by, name, f"t{turn:02}", 4)
        if turn % 3 == 1:
            by.flush()
            by.abort_transaction(60)
        else:
            by.commit_transaction(60)
            committed += [f"t{turn:02}"] * 4
    assert read(name) == committed, read(name)
    assert len(read(name, "read_uncommitted")) == 12 * 4


def zombie():
    name = topic("zombie")
    old = producer("zombie")
    old.begin_transaction()
    send(old, name, "old", 2)
    old.flush()
    heir = producer("zombie")
    try:
        send(old, name, "late", 2)
        old.commit_transaction(60)
        raise AssertionError("the zombie was not fenced")
    except KafkaException as refused:
        assert refused.args[0].fatal(), refused
    heir.begin_transaction()
    send(heir, name, "heir", 2)
    heir.commit_transaction(60)
    assert read(name) == ["heir"] * 2, read(name)


def offsets():
    source, target = topic("source"), topic("target")
    by = producer("source")
    by.begin_transaction()
    send(by, source, "in", 20)
    by.commit_transaction(60)
    copier, group = producer("copier"), f"copiers-{LABEL}"
    for outcome in ("abort", "commit"):
        reader = consumer(group)
        reader.subscribe([source])
        copier.begin_transaction()
        copied = 0
        while copied < 20:
            message = reader.poll(1)
            if message is None or message.error():
                continue
            copier.produce(target, f"{outcome}-{message.offset()}", partition=message.partition())
            copied += 1
        copier.send_offsets_to_transaction(reader.position(reader.assignment()), reader.consumer_group_metadata(), 60)
        getattr(copier, f"{outcome}_transaction")(60)
        wanted = -1001 if outcome == "abort" else 10  # no offset; all ten of each partition
        for one in reader.committed([TopicPartition(source, number) for number in range(PARTITIONS)], 30):
            at_end = one.offset == wanted if outcome == "abort" else one.offset >= wanted
            assert at_end, f"{outcome}: {one}"
        reader.close()
    assert read(target) == sorted(f"commit-{number}" for number in range(10) for _ in range(PARTITIONS)), read(target)


commit_and_abort()
zombie()
offsets()
print("transactions done,", "librdkafka", confluent_kafka.libversion()[0])
