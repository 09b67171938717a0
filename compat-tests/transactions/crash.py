"""Transactions while the broker is killed: `produce`, `watch` or `verify`, bootstrap, topic, journal, and for `verify` what
`watch` has written, if it ran.

Each transaction writes its number to each partition. The journal has a line for each before it ends, and one after.
`watch` follows with read_committed, through all kills; its journal has lines `PARTITION OFFSET NUMBER`.
"""
import random
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

COMMAND, BOOTSTRAP, TOPIC, JOURNAL = sys.argv[1:5]
WATCHED = sys.argv[5] if len(sys.argv) > 5 else None
PARTITIONS, RECORDS = 3, 4


def connect(seed):
    by = Producer({"bootstrap.servers": BOOTSTRAP, "transactional.id": f"crash-{seed}", "linger.ms": 1,
                   "transaction.timeout.ms": 10000, "message.timeout.ms": 10000, "reconnect.backoff.max.ms": 200})
    while True:
        try:
            by.init_transactions(30)
            return by
        except KafkaException as failed:
            if failed.args[0].fatal():
                raise


def attempt(by, number, commits, journal):
    """One transaction; the outcome as far as the client knows it."""
    by.begin_transaction()
    for partition in range(PARTITIONS):
        for _ in range(RECORDS):
            by.produce(TOPIC, str(number), partition=partition)
    by.flush(30)
    if not commits:
        journal.write(f"aborted {number}\n")
        by.abort_transaction(30)
        return
    journal.write(f"unknown {number}\n")
    while True:
        try:
            by.commit_transaction(30)
            journal.write(f"committed {number}\n")
            return
        except KafkaException as failed:
            if not failed.args[0].retriable():
                raise


def produce():
    dice = random.Random(4711)
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result()
    journal = open(JOURNAL, "w", buffering=1, encoding="utf-8")
    by, number, incarnation = connect(0), 0, 0
    while True:
        number += 1
        try:
            attempt(by, number, dice.random() < 0.7, journal)
        except KafkaException as failed:
            error = failed.args[0]
            try:
                if error.fatal():
                    raise
                by.abort_transaction(30)
            except KafkaException:
                incarnation += 1
                journal.write(f"producer {incarnation}: {error}\n")
                by = connect(incarnation)


def watch():
    reader = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "watch", "isolation.level": "read_committed",
                       "enable.auto.commit": False, "reconnect.backoff.max.ms": 200})
    reader.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    with open(JOURNAL, "w", buffering=1, encoding="utf-8") as journal:
        while True:
            message = reader.poll(1)
            if message is not None and not message.error():
                journal.write(f"{message.partition()} {message.offset()} {int(message.value())}\n")


def values_of(isolation):
    """Value -> how often, for each partition; the end of each; and what was seen where."""
    reader = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "verify", "isolation.level": isolation,
                       "enable.auto.commit": False, "enable.partition.eof": True})
    reader.assign([TopicPartition(TOPIC, number, 0) for number in range(PARTITIONS)])
    seen, ended, places = [{} for _ in range(PARTITIONS)], set(), set()
    while len(ended) < PARTITIONS:
        message = reader.poll(1)
        if message is None:
            continue
        if message.error():
            if message.error().code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
            continue
        counts, value = seen[message.partition()], int(message.value())
        counts[value] = counts.get(value, 0) + 1
        places.add((message.partition(), message.offset(), value))
    stable = [reader.get_watermark_offsets(TopicPartition(TOPIC, number), 30)[1] for number in range(PARTITIONS)]
    reader.close()
    return seen, stable, places


def verify():
    outcome = {}
    with open(JOURNAL, encoding="utf-8") as journal:
        for line in journal:
            kind, number = line.split(" ", 1)
            if kind != "producer":
                outcome[int(number)] = kind
    # The last one may be open still: the coordinator aborts it.
    while True:
        (committed, stable, places), (_, ends, _) = values_of("read_committed"), values_of("read_uncommitted")
        if stable == ends:
            break
        time.sleep(0.2)
    lost = torn = aborted = doubled = 0
    for number, kind in outcome.items():
        counts = [one.get(number, 0) for one in committed]
        doubled += max(counts) > RECORDS
        torn += len(set(counts)) > 1 or 0 < max(counts) < RECORDS
        lost += kind == "committed" and max(counts) == 0
        aborted += kind == "aborted" and max(counts) > 0
    never = sum(value not in outcome for one in committed for value in one)
    kinds = list(outcome.values())
    print(f"lost {lost}, torn {torn}, aborted but seen {aborted}, doubled {doubled}, never ended but seen {never}")
    print(f"of {kinds.count('committed')} committed, {kinds.count('aborted')} aborted, {kinds.count('unknown')} of unknown outcome")
    if WATCHED:
        with open(WATCHED, encoding="utf-8") as journal:
            rows = [tuple(map(int, line.split())) for line in journal if line.endswith("\n")]
        strange = [row for row in rows if row not in places]
        orders = [[row[1] for row in rows if row[0] == number] for number in range(PARTITIONS)]
        well = not strange and all(order == sorted(set(order)) for order in orders)
        print(f"the follower saw nothing else, and all in order: {len(rows)} records" if well else f"the follower saw {strange[:5]}")


{"produce": produce, "watch": watch, "verify": verify}[COMMAND]()
