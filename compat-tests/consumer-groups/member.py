"""A member that stays until its standard input ends: argv = bootstrap, group, protocol, topic, client id, number of
records after which it tells its id."""
import select
import sys

from confluent_kafka import Consumer

bootstrap, group, protocol, topic, client, total = sys.argv[1:]
settings = {"bootstrap.servers": bootstrap, "group.id": group, "group.protocol": protocol, "client.id": client,
            "auto.offset.reset": "earliest", "enable.auto.commit": False}
if protocol == "classic":
    settings |= {"partition.assignment.strategy": "roundrobin", "heartbeat.interval.ms": 300}
consumer = Consumer(settings)
consumer.subscribe([topic])
count = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    message = consumer.poll(0.05)
    if message is not None:
        assert message.error() is None, message.error()
        consumer.commit(message, asynchronous=False)
        count += 1
        if count == int(total):
            print(f"all {count} committed by {consumer.memberid()}", flush=True)
consumer.close()
