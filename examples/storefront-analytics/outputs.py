"""The application's output topics, read from the beginning; only what is committed is seen."""
import json

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

import events


def follow(bootstrap, pause_s=1.0):
    """Yields (name of the topic without its prefix, key, value), and None whenever nothing came for a while."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False,
                         "isolation.level": "read_committed"})
    consumer.assign([TopicPartition(events.topic(name), partition, OFFSET_BEGINNING)
                     for name in events.TOPICS[1:] for partition in range(events.PARTITIONS)])
    while True:
        message = consumer.poll(pause_s)
        if message is None:
            yield None
        elif not message.error():
            yield message.topic().removeprefix(events.topic("")), message.key().decode(), json.loads(message.value())
        elif message.error().fatal():
            raise KafkaException(message.error())
