"""A client's work at a broker, so that znodes of all kinds are there. usage: work.py BOOTSTRAP"""
import sys

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic


def main(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic("orders", 2, 1)])["orders"].result()
    for kind, name, key, value in ((ConfigResource.Type.TOPIC, "orders", "retention.ms", "7200000"),
                                   (ConfigResource.Type.BROKER, "0", "log.segment.bytes", "104857600")):
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        for result in admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=[entry])]).values():
            result.result()
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True})
    for number in range(100):
        producer.produce("orders", key=str(number), value=f"order {number}")
    producer.flush()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "clerks", "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    seen = set()
    while len(seen) < 100:
        message = consumer.poll(1)
        if message is not None and message.error() is None:
            seen.add(message.value())
    consumer.commit()
    consumer.close()
    admin.create_topics([NewTopic("gone", 1, 1)])["gone"].result()
    admin.delete_topics(["gone"])["gone"].result()
    print("100 records")


if __name__ == "__main__":
    main(*sys.argv[1:])
