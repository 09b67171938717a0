"""usage: fill.py BOOTSTRAP SEED

A seeded history on confluent-kafka: keyed records with tombstones in every codec, idempotent producers, transactions
with commits and aborts. Topics fill-none, fill-<codec>, fill-idempotent, fill-txn, each with one partition.
"""
import random
import sys

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
CONFIG = {"cleanup.policy": "compact", "segment.bytes": "3000", "index.interval.bytes": "200",
          "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "3155760000000", "file.delete.delay.ms": "1000"}
T0 = 4_102_444_800_000  # the year 2100: producers aren't forgotten


def produce(producer, topic, random_, number, times):
    key = f"key-{random_.randrange(40)}"
    value = None if random_.random() < 0.15 else f"{number}-" + "v" * random_.randrange(60)
    times[0] += random_.randrange(5)
    producer.produce(topic, value, key, 0, timestamp=T0 + times[0])


def main():
    bootstrap, seed = sys.argv[1], int(sys.argv[2])
    random_ = random.Random(seed)
    topics = [f"fill-{codec}" for codec in CODECS] + ["fill-idempotent", "fill-txn"]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for future in admin.create_topics([NewTopic(topic, 1, 1, config=CONFIG) for topic in topics]).values():
        future.result()
    times = [0]
    for codec in CODECS:
        producer = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "linger.ms": 1000})
        for number in range(600):
            produce(producer, f"fill-{codec}", random_, number, times)
            if random_.random() < 0.15:
                producer.flush()
        producer.flush()
    for _ in range(6):
        producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 1000})
        for number in range(40):
            produce(producer, "fill-idempotent", random_, number, times)
            if random_.random() < 0.3:
                producer.flush()
        producer.flush()
    producers = []
    for name in range(3):
        producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"fill-{name}", "linger.ms": 1000})
        producer.init_transactions()
        producers.append(producer)
    for _ in range(25):
        chosen = random_.sample(producers, 2)
        for producer in chosen:
            producer.begin_transaction()
        for number in range(random_.randrange(1, 12)):
            produce(random_.choice(chosen), "fill-txn", random_, number, times)
            if random_.random() < 0.3:
                for producer in chosen:
                    producer.flush()
        for producer in chosen:
            if random_.random() < 0.5:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
    # What was dirty last lies in a segment that isn't active any more.
    producer = Producer({"bootstrap.servers": bootstrap})
    for topic in topics:
        for number in range(2):
            producer.produce(topic, "x" * 2900, f"filler-{number}", 0, timestamp=T0 + times[0])
            producer.flush()
    print(" ".join(topics))


main()
