"""A compacted topic while the broker is killed: `create`, `produce` or `verify`, bootstrap, topic, journal.

Records have growing numbers as values and one of few keys. The journal has a line `KEY NUMBER` for each that is acknowledged.
"""
import random
import sys
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

COMMAND, BOOTSTRAP, TOPIC, JOURNAL = sys.argv[1:5]
KEYS = 200
CONFIG = {"cleanup.policy": "compact", "segment.bytes": "20000", "min.cleanable.dirty.ratio": "0.01", "file.delete.delay.ms": "100",
          "delete.retention.ms": "100"}


def create():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.create_topics([NewTopic(TOPIC, 1, 1, config=CONFIG)])[TOPIC].result()


def produce():
    journal = open(JOURNAL, "w", buffering=1, encoding="utf-8")
    dice, number = random.Random(4711), 0

    def delivered(error, message):
        assert error is None, error
        journal.write(f"{message.key().decode()} {message.value().decode()}\n")

    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "linger.ms": 2, "message.timeout.ms": 280000,
                         "compression.type": "lz4", "batch.num.messages": 200, "reconnect.backoff.max.ms": 200, "on_delivery": delivered})
    while True:
        number += 1
        while True:
            try:
                producer.produce(TOPIC, str(number), f"key-{dice.randrange(KEYS)}", 0)
                break
            except BufferError:
                producer.poll(0.01)
        producer.poll(0)
        if number % 20 == 0:
            time.sleep(0.005)


def verify():
    acknowledged, count = {}, 0
    with open(JOURNAL, encoding="utf-8") as journal:
        for line in journal:
            if not line.endswith("\n"):
                break  # torn as the producer was killed
            key, number = line.split()
            acknowledged[key] = int(number)
            count += 1
    reader = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "verify", "enable.auto.commit": False, "enable.partition.eof": True})
    reader.assign([TopicPartition(TOPIC, 0, 0)])
    newest, found, disordered = {}, 0, 0
    while True:
        message = reader.poll(1)
        if message is None:
            continue
        if message.error():
            assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
            break
        key, number = message.key().decode(), int(message.value())
        disordered += number <= newest.get(key, 0)  # a duplicate, too
        newest[key] = number
        found += 1
    reader.close()
    lost = sum(newest.get(key, 0) < number for key, number in acknowledged.items())
    print(f"keys lost {lost}, out of order or twice {disordered}")
    print(f"of {count} acknowledged records of {len(acknowledged)} keys {found} are left")


{"create": create, "produce": produce, "verify": verify}[COMMAND]()
