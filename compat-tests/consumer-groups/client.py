"""Groups of librdkafka's consumers with group.protocol=consumer: argv = bootstrap."""
import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BOOTSTRAP = sys.argv[1]
TOPIC, GROUP, PARTITIONS, RECORDS = "librdkafka", "librdkafka-group", 4, 400


def consumer(group=GROUP, **more):
    made = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "group.protocol": "consumer",
                     "auto.offset.reset": "earliest", "enable.auto.commit": False, **more})
    made.subscribe([TOPIC])
    return made


def poll_until(members, values, what, condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, f"waited in vain for {what}"
        for member in members:
            message = member.poll(0.01)
            if message is None:
                continue
            assert message.error() is None, message.error()
            values.append(message.value().decode())
            member.commit(message, asynchronous=False)


admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result()
producer = Producer({"bootstrap.servers": BOOTSTRAP})
for number in range(RECORDS):
    producer.produce(TOPIC, str(number), partition=number % PARTITIONS)
producer.flush()

values = []
first = consumer()
poll_until([first], values, "all of them", lambda: len(first.assignment()) == PARTITIONS)
second = consumer()
poll_until([first, second], values, "halves", lambda: len(first.assignment()) == len(second.assignment()) == PARTITIONS // 2)
poll_until([first, second], values, "all records", lambda: len(set(values)) == RECORDS)
first.close()
poll_until([second], values, "the rest", lambda: len(second.assignment()) == PARTITIONS)
offsets = [one.offset for one in second.committed([TopicPartition(TOPIC, number) for number in range(PARTITIONS)], 30)]
assert offsets == [RECORDS // PARTITIONS] * PARTITIONS, offsets
second.close()

# A group that changes its kind while it is used: an eager member of the classic protocol, a newer one, and a classic one again.
CLASSIC = {"group.protocol": "classic", "heartbeat.interval.ms": 300, "session.timeout.ms": 10000}
values = []
first = consumer("mixed-librdkafka", **CLASSIC)
poll_until([first], values, "all of them", lambda: len(first.assignment()) == PARTITIONS)
second = consumer("mixed-librdkafka")
poll_until([first, second], values, "halves", lambda: len(first.assignment()) == len(second.assignment()) == PARTITIONS // 2)
poll_until([first, second], values, "all records", lambda: len(set(values)) == RECORDS)
second.close()
poll_until([first], values, "all of them", lambda: len(first.assignment()) == PARTITIONS)
first.close()
print("librdkafka done,", confluent_kafka.libversion()[0])
