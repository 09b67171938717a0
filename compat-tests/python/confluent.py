"""confluent-kafka against a broker: argv = bootstrap, count."""
import sys

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

BOOTSTRAP, COUNT = sys.argv[1], int(sys.argv[2])
TOPIC, GROUP, PARTITIONS = "from-confluent", "confluent-group", 3


def create(admin):
    admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result()
    try:
        admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result()
        raise AssertionError("second create was not refused")
    except KafkaException as refused:
        assert refused.args[0].name() == "TOPIC_ALREADY_EXISTS", refused
    admin.create_partitions([NewPartitions(TOPIC, PARTITIONS)])[TOPIC].result()
    resource = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[
        ConfigEntry("retention.ms", "77777", incremental_operation=AlterConfigOpType.SET)])
    admin.incremental_alter_configs([resource])[resource].result()
    value = None
    while value != "77777":
        value = admin.describe_configs([ConfigResource(ResourceType.TOPIC, TOPIC)])
        value = list(value.values())[0].result()["retention.ms"].value
    cluster = admin.describe_cluster().result()
    assert len(cluster.nodes) == 1 and cluster.controller.id == 0


def produce():
    delivered = []

    def on_delivery(error, message):
        assert error is None, error
        delivered.append((message.partition(), message.offset()))

    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "compression.type": codec,
                             "linger.ms": 5})
        for i in range(COUNT):
            producer.produce(TOPIC, f"{codec} {i}".encode(), f"key-{i}".encode(), partition=i % PARTITIONS,
                             on_delivery=on_delivery, headers={"codec": codec}, timestamp=1_700_000_000_000 + i)
            producer.poll(0)
        assert producer.flush(120) == 0
    assert len(set(delivered)) == 5 * COUNT, "every record has its own offset"


def consume(total):
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "enable.partition.eof": False})
    consumer.subscribe([TOPIC])
    last = {}
    seen = 0
    while seen < total:
        for message in consumer.consume(1000, 1.0):
            assert message.error() is None, message.error()
            codec, number = message.value().decode().split()
            number = int(number)
            assert message.headers() == [("codec", codec.encode())]
            assert message.timestamp()[1] == 1_700_000_000_000 + number
            before = last.get((codec, message.partition()))
            assert before is None and number < PARTITIONS or number == before + PARTITIONS, "order"
            last[codec, message.partition()] = number
            seen += 1
    consumer.commit(asynchronous=False)
    low, high = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0))
    assert low == 0 and high >= 5 * COUNT // PARTITIONS, (low, high)
    found = consumer.offsets_for_times([TopicPartition(TOPIC, 0, 1_700_000_000_003)])[0]
    assert found.offset == 1, found
    consumer.close()
    return seen


def finish(admin, total):
    listed = admin.list_consumer_groups().result()
    assert GROUP in [group.group_id for group in listed.valid]
    described = admin.describe_consumer_groups([GROUP])[GROUP].result()
    assert described.state.name == "EMPTY" and described.coordinator.id == 0
    request = ConsumerGroupTopicPartitions(GROUP)
    offsets = admin.list_consumer_group_offsets([request])[GROUP].result().topic_partitions
    assert sum(partition.offset for partition in offsets) == total, offsets
    latest = admin.list_offsets({TopicPartition(TOPIC, 0): OffsetSpec.latest()})
    assert list(latest.values())[0].result().offset >= total // PARTITIONS
    admin.delete_records([TopicPartition(TOPIC, 0, 5)])
    admin.delete_consumer_groups([GROUP])[GROUP].result()
    admin.delete_topics([TOPIC])[TOPIC].result()


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    create(admin)
    produce()
    total = consume(5 * COUNT)
    finish(admin, total)
    print(f"confluent-kafka done, {total} records")


main()
