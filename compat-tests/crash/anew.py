"""A topic that is deleted and made anew while the broker is killed: bootstrap, topic and `long`, `anew COUNT` or `verify COUNT`.

Values are the offsets that the records get.
"""
import sys
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP, TOPIC, COMMAND = sys.argv[1:4]
LONG, DELETED = 1500, 1000


def create(admin):
    while True:
        try:
            return admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result()
        except KafkaException as error:  # the old one isn't gone yet
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
            time.sleep(0.01)


def produce(count):
    failures = []
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "acks": "all",
                         "on_delivery": lambda error, message: failures.append(error) if error else None})
    for number in range(count):
        producer.produce(TOPIC, str(number), partition=0)
    producer.flush()
    assert not failures, failures[0]


def make_long():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    create(admin)
    produce(LONG)
    low = admin.delete_records([TopicPartition(TOPIC, 0, DELETED)])
    assert [future.result().low_watermark for future in low.values()] == [DELETED]


def make_anew(count):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    admin.delete_topics([TOPIC], operation_timeout=30)[TOPIC].result()
    create(admin)
    produce(count)


def verify(count):
    reader = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "verify", "enable.auto.commit": False,
                       "enable.partition.eof": True, "auto.offset.reset": "error"})
    reader.assign([TopicPartition(TOPIC, 0, 0)])
    found = []
    while True:
        message = reader.poll(1)
        if message is None:
            continue
        if message.error():
            if message.error().code() == KafkaError._PARTITION_EOF:
                break
            found.append(str(message.error()))
            break
        found.append((message.offset(), message.value().decode()))
    reader.close()
    expected = [(number, str(number)) for number in range(count)]
    assert found == expected, f"{len(found)} instead of {count}: {found[:1]} to {found[-1:]}"
    print(f"{count} records")


if COMMAND == "long":
    make_long()
elif COMMAND == "anew":
    make_anew(int(sys.argv[4]))
else:
    verify(int(sys.argv[4]))
