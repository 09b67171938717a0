"""A static member that comes back: prints what it is given, commits, and goes without leaving. argv = bootstrap, group, instance, topics"""
import sys

from confluent_kafka import Consumer, TopicPartition

bootstrap, group, instance, *topics = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "group.instance.id": instance, "session.timeout.ms": 1_800_000,
                     "max.poll.interval.ms": 1_800_000, "partition.assignment.strategy": "cooperative-sticky", "enable.auto.commit": False})
consumer.subscribe(topics)
while not consumer.assignment():
    consumer.poll(0.05)
print(sorted(f"{one.topic}-{one.partition}" for one in consumer.assignment()))
consumer.commit(offsets=[TopicPartition(topics[0], 0, 1)], asynchronous=False)
consumer.close()
