"""kafka-python against a broker: argv = bootstrap, count."""
import sys

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

BOOTSTRAP, COUNT = sys.argv[1], int(sys.argv[2])
TOPIC, GROUP, PARTITIONS = "from-kafka-python", "kafka-python-group", 3


def produce():
    producer = KafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", compression_type="gzip", linger_ms=5)
    sent = [producer.send(TOPIC, value=f"{i}".encode(), key=b"k", partition=i % PARTITIONS, headers=[("n", b"1")],
                          timestamp_ms=1_700_000_000_000 + i) for i in range(COUNT)]
    producer.flush()
    offsets = [(future.get(60).partition, future.get(60).offset) for future in sent]
    assert offsets == [(i % PARTITIONS, i // PARTITIONS) for i in range(COUNT)], "offsets"
    producer.close()


def consumer():
    return KafkaConsumer(TOPIC, bootstrap_servers=BOOTSTRAP, group_id=GROUP, auto_offset_reset="earliest",
                         enable_auto_commit=False)


def consume():
    reader = consumer()
    seen = {partition: [] for partition in range(PARTITIONS)}
    while sum(map(len, seen.values())) < COUNT:
        for records in reader.poll(timeout_ms=1000).values():
            for record in records:
                assert record.key == b"k" and list(record.headers)[0] == ("n", b"1")
                seen[record.partition].append(int(record.value))
    for partition, numbers in seen.items():
        assert numbers == list(range(partition, COUNT, PARTITIONS)), f"order in {partition}"
    reader.commit()
    zero = TopicPartition(TOPIC, 0)
    assert reader.committed(zero) == len(seen[0])
    assert reader.beginning_offsets([zero])[zero] == 0 and reader.end_offsets([zero])[zero] == len(seen[0])
    assert reader.offsets_for_times({zero: 1_700_000_000_003})[zero].offset == 1
    reader.seek(zero, 2)
    again = reader.poll(timeout_ms=5000, max_records=1)
    assert again[zero][0].offset == 2
    reader.close()


def main():
    admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])
    assert TOPIC in admin.list_topics()
    produce()
    consume()
    admin.delete_topics([TOPIC])
    admin.close()
    print(f"kafka-python done, {COUNT} records")


main()
