"""A little of everything with confluent-kafka, the same on every broker: argv = bootstrap."""
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
TOPIC, GROUP = "orders", "readers"


def refused(futures, name):
    for future in futures.values():
        try:
            future.result()
            raise AssertionError(f"{name} expected")
        except KafkaException as error:
            assert error.args[0].name() == name, error


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for future in admin.create_topics([NewTopic(TOPIC, 2, 1)]).values():
        future.result()
    refused(admin.create_topics([NewTopic(TOPIC, 2, 1)]), "TOPIC_ALREADY_EXISTS")
    refused(admin.delete_topics(["no-such-1", "no-such-2"]), "UNKNOWN_TOPIC_OR_PART")
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 50})
    for i in range(1000):
        producer.produce(TOPIC, f"value {i:04}".encode(), partition=i % 2, timestamp=int(time.time() * 1000))
    assert producer.flush(120) == 0
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.subscribe([TOPIC])
    seen = 0
    while seen < 1000:
        seen += sum(1 for message in consumer.consume(1000, 1.0) if message.error() is None)
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 500)], asynchronous=False)
    consumer.close()
    print("operations done")


main()
