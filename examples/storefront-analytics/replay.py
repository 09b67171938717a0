"""usage: replay.py BOOTSTRAP START_MS SPEED
Creates the topics and sends the events, SPEED times as fast as their own clock goes."""
import json
import sys
import time

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

import events


def create_topics(bootstrap):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for name, created in admin.create_topics([NewTopic(events.topic(name), events.PARTITIONS, 1) for name in events.TOPICS]).items():
        try:
            created.result()
        except Exception as error:  # pylint: disable=broad-except
            sys.exit(f"The topic {name} can't be created: {error}")


def main():
    bootstrap, start_ms, speed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    create_topics(bootstrap)
    print("topics are there", flush=True)
    undelivered = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "partitioner": "murmur2_random", "linger.ms": 5})

    def send(key, event, **options):
        producer.produce(events.topic("events"), json.dumps(event), key, timestamp=event["at"],
                         on_delivery=lambda error, _: undelivered.append(error) if error else None, **options)

    stream, begun = events.stream(start_ms), time.monotonic()
    for event in stream:
        while (wait := begun + (event["at"] - start_ms) / 1000 / speed - time.monotonic()) > 0:
            producer.poll(min(wait, 0.1))
        producer.poll(0)
        send(event["cart"], event)
    for partition in range(events.PARTITIONS):
        send("closing", events.closing(stream), partition=partition)
    producer.flush()
    if undelivered:
        sys.exit(f"{len(undelivered)} events weren't delivered: {undelivered[0]}")
    print(f"sent {len(stream)} events", flush=True)


main()
