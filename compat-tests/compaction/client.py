"""usage: client.py create BOOTSTRAP TOPIC PARTITIONS [key=value…]
       client.py commit BOOTSTRAP TOPIC PARTITIONS COUNT   commits that often, partition by partition, and prints what is committed
"""
import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic


def create(bootstrap, topic, partitions, *settings):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    config = dict(setting.split("=") for setting in settings)
    admin.create_topics([NewTopic(topic, int(partitions), 1, config=config)])[topic].result()


def commit(bootstrap, topic, partitions, count):
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "often", "enable.auto.commit": False})
    for number in range(int(count)):
        consumer.commit(offsets=[TopicPartition(topic, number % int(partitions), number)], asynchronous=False)
    committed = consumer.committed([TopicPartition(topic, number) for number in range(int(partitions))])
    print(sorted((one.partition, one.offset) for one in committed))


{"create": create, "commit": commit}[sys.argv[1]](*sys.argv[2:])
