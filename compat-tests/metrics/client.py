"""confluent-kafka writes, reads and commits; then each number of the endpoint is what it did: argv = bootstrap, url."""
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec
from scrape import Scrape

BOOTSTRAP, URL = sys.argv[1], sys.argv[2]
TOPIC, OTHER, GROUP, IDLE_GROUP = "orders", "returns", "readers", "commits-only"
COUNTS = {0: 700, 1: 300, 2: 0}
COMMITTED = {0: 500, 1: 100}
# The names of kafka_exporter 1.9's metrics of a cluster, from its source.
OF_TOPICS = ["kafka_topic_partition_current_offset", "kafka_topic_partition_oldest_offset", "kafka_topic_partition_leader",
             "kafka_topic_partition_replicas", "kafka_topic_partition_in_sync_replica", "kafka_topic_partition_leader_is_preferred",
             "kafka_topic_partition_under_replicated_partition"]
OF_GROUPS = ["kafka_consumergroup_current_offset", "kafka_consumergroup_lag"]
SUMS = ["kafka_consumergroup_current_offset_sum", "kafka_consumergroup_lag_sum"]


def produce(topic, counts, first_ms):
    """Record i of a partition is i seconds younger than its first."""
    producer = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 50, "compression.type": "zstd"})
    failed = []
    for partition, count in counts.items():
        for i in range(count):
            producer.produce(topic, f"value {i}".encode(), partition=partition, timestamp=first_ms + 1000 * i,
                             on_delivery=lambda error, _: error and failed.append(error))
    assert producer.flush(120) == 0 and not failed, failed


def refused(futures, name):
    for future in futures.values():
        try:
            future.result()
            raise AssertionError(f"{name} expected")
        except KafkaException as error:
            assert error.args[0].name() == name, error


def consume(topic, total, group=GROUP, protocol="classic"):
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False})
    consumer.subscribe([topic])
    seen = 0
    while seen < total:
        for message in consumer.consume(1000, 1.0):
            assert message.error() is None, message.error()
            seen += 1
    assert seen == total
    return consumer


def commit(consumer, topic, offsets):
    consumer.commit(offsets=[TopicPartition(topic, partition, offset) for partition, offset in offsets.items()], asynchronous=False)


def check_traffic(scrape):
    scrape.expect(1000, "kafka_server_brokertopicmetrics_messagesin_total", topic=TOPIC)
    scrape.expect(0, "kafka_server_brokertopicmetrics_messagesin_total", topic=OTHER)
    sizes = 0
    for partition, count in COUNTS.items():
        labels = {"topic": TOPIC, "partition": str(partition)}
        scrape.expect(count, "kafka_log_log_logendoffset", **labels)
        scrape.expect(0, "kafka_log_log_logstartoffset", **labels)
        scrape.expect(1, "kafka_log_log_numlogsegments", **labels)
        sizes += scrape.get("kafka_log_log_size", **labels)
    scrape.expect(sizes, "kafka_server_brokertopicmetrics_bytesin_total", topic=TOPIC)
    assert scrape.get("kafka_server_brokertopicmetrics_bytesout_total", topic=TOPIC) >= sizes
    scrape.expect(0, "kafka_server_brokertopicmetrics_bytesout_total", topic=OTHER)
    for name in ("messagesin", "bytesin", "bytesout", "totalproducerequests"):  # the consumer goes on fetching
        family = scrape.family(f"kafka_server_brokertopicmetrics_{name}_total")
        assert family[frozenset()] == sum(value for labels, value in family.items() if labels), name


def check_requests(scrape):
    requests = {}
    for labels, value in scrape.family("kafka_network_requestmetrics_requests_total").items():
        name = dict(labels)["request"]
        requests[name] = requests.get(name, 0) + value
    for labels, value in scrape.family("kafka_network_requestmetrics_totaltimems_count").items():
        assert value == requests.get(dict(labels)["request"], 0), labels
    assert requests["Fetch"] == requests["FetchConsumer"]
    quantiles = [scrape.get("kafka_network_requestmetrics_totaltimems", request="Produce", quantile=part)
                 for part in ("0.50", "0.75", "0.95", "0.98", "0.99", "0.999")]
    assert quantiles == sorted(quantiles) and quantiles[0] > 0, quantiles
    scrape.expect(1, "kafka_network_requestmetrics_errors_total", request="CreateTopics", error="TOPIC_ALREADY_EXISTS")
    scrape.expect(2, "kafka_network_requestmetrics_errors_total", request="DeleteTopics", error="UNKNOWN_TOPIC_OR_PARTITION")
    assert scrape.get("kafka_network_requestmetrics_errors_total", request="CreateTopics", error="NONE") >= 1
    for labels, value in scrape.family("kafka_network_requestmetrics_errors_total").items():
        assert dict(labels)["error"] != "UNKNOWN_SERVER_ERROR", labels
        assert value > 0, labels


def check_broker(scrape):
    partitions = len(scrape.family("kafka_topic_partition_leader"))
    for name, value in (("kafka_server_replicamanager_partitioncount", partitions), ("kafka_server_replicamanager_leadercount", partitions),
                        ("kafka_server_replicamanager_underreplicatedpartitions", 0), ("kafka_server_replicamanager_offlinereplicacount", 0),
                        ("kafka_controller_kafkacontroller_activecontrollercount", 1),
                        ("kafka_controller_kafkacontroller_offlinepartitionscount", 0),
                        ("kafka_controller_kafkacontroller_globaltopiccount", len(scrape.family("kafka_topic_partitions"))),
                        ("kafka_controller_kafkacontroller_globalpartitioncount", partitions),
                        ("kafka_server_kafkaserver_brokerstate", 3), ("kafka_log_logmanager_offlinelogdirectorycount", 0)):
        scrape.expect(value, name)
    assert scrape.get("kafka_server_socket_server_metrics_connection_count") >= 1
    assert scrape.get("process_resident_memory_bytes") > 1_000_000 and scrape.get("process_open_fds") > 10
    assert abs(time.time() - scrape.get("process_start_time_seconds")) < 3600


def check_beside_the_admin_client(scrape, admin):
    """What kafka_exporter would tell, computed from what a stock client sees of the same broker."""
    topics = admin.list_topics(timeout=30).topics
    scrape.expect(1, "kafka_brokers")
    scrape.expect(1, "kafka_broker_info", id="0", address=BOOTSTRAP)
    places = [TopicPartition(name, partition) for name, topic in topics.items() for partition in topic.partitions]
    latest = {key: future.result().offset for key, future in admin.list_offsets({p: OffsetSpec.latest() for p in places}).items()}
    earliest = {key: future.result().offset for key, future in admin.list_offsets({p: OffsetSpec.earliest() for p in places}).items()}
    expected = {}

    def add(name, value, **labels):
        expected[name, frozenset((key, str(text)) for key, text in labels.items())] = value

    for name, topic in topics.items():
        add("kafka_topic_partitions", len(topic.partitions), topic=name)
        for number, partition in topic.partitions.items():
            place = TopicPartition(name, number)
            values = [latest[place], earliest[place], partition.leader, len(partition.replicas), len(partition.isrs),
                      int(partition.leader == partition.replicas[0]), int(len(partition.isrs) < len(partition.replicas))]
            for metric, value in zip(OF_TOPICS, values, strict=True):
                add(metric, value, topic=name, partition=number)
    for listing in admin.list_consumer_groups().result().valid:
        group = listing.group_id
        description = admin.describe_consumer_groups([group])[group].result()
        add("kafka_consumergroup_members", len(description.members), consumergroup=group)
        offsets = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result().topic_partitions
        for name in {each.topic for each in offsets}:
            committed = {each.partition: each.offset for each in offsets if each.topic == name}
            lags = {number: latest[TopicPartition(name, number)] - offset for number, offset in committed.items()}
            for number in topics[name].partitions:
                add(OF_GROUPS[0], committed.get(number, -1), consumergroup=group, topic=name, partition=number)
                add(OF_GROUPS[1], lags.get(number, -1), consumergroup=group, topic=name, partition=number)
            add(SUMS[0], sum(committed.values()), consumergroup=group, topic=name)
            add(SUMS[1], sum(lags.values()), consumergroup=group, topic=name)
    names = {"kafka_topic_partitions", "kafka_consumergroup_members", *OF_TOPICS, *OF_GROUPS, *SUMS}
    actual = {key: value for key, value in scrape.samples.items() if key[0] in names}
    assert actual == expected, (set(actual.items()) ^ set(expected.items()))
    return len(expected)


def check_seconds(scrape, first_ms, offsets):
    for partition, offset in offsets.items():
        seconds = scrape.get("kafka_consumergroup_lag_seconds", consumergroup=GROUP, topic=TOPIC, partition=str(partition))
        if offset == COUNTS[partition]:
            assert seconds == 0, seconds
            continue
        written = first_ms / 1000 + offset
        assert scrape.before - written - 0.002 <= seconds <= scrape.after - written, (partition, seconds)


def main():
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    for future in admin.create_topics([NewTopic(TOPIC, 3, 1), NewTopic(OTHER, 1, 1)]).values():
        future.result()
    refused(admin.create_topics([NewTopic(TOPIC, 1, 1)]), "TOPIC_ALREADY_EXISTS")
    refused(admin.delete_topics(["no-such-1", "no-such-2"]), "UNKNOWN_TOPIC_OR_PART")
    first = Scrape(URL)
    first_ms = int(time.time() * 1000) - 3_600_000
    produce(TOPIC, COUNTS, first_ms)
    consumer = consume(TOPIC, 1000)
    commit(consumer, TOPIC, COMMITTED)
    alone = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": IDLE_GROUP, "enable.auto.commit": False})
    commit(alone, OTHER, {0: 0})

    scrape = Scrape(URL)
    scrape.check_counters_after(first)
    check_traffic(scrape)
    check_requests(scrape)
    check_broker(scrape)
    scrape.expect(400, "kafka_consumergroup_lag_sum", consumergroup=GROUP, topic=TOPIC)
    scrape.expect(600, "kafka_consumergroup_current_offset_sum", consumergroup=GROUP, topic=TOPIC)
    scrape.expect(1, "kafka_consumergroup_members", consumergroup=GROUP)
    scrape.expect(-1, "kafka_consumergroup_lag", consumergroup=GROUP, topic=TOPIC, partition="2")
    scrape.expect(1, "kafka_coordinator_group_groupmetadatamanager_numgroupsstable")
    scrape.expect(1, "kafka_coordinator_group_groupmetadatamanager_numgroupsempty")
    scrape.expect(3, "kafka_coordinator_group_groupmetadatamanager_numoffsets")
    check_seconds(scrape, first_ms, COMMITTED)
    compared = check_beside_the_admin_client(scrape, admin)

    commit(consumer, TOPIC, {0: 700, 1: 299})
    check_seconds(Scrape(URL), first_ms, {0: 700, 1: 299})
    commit(consumer, TOPIC, {1: 300, 2: 0})
    later = Scrape(URL)
    later.check_counters_after(scrape)
    later.expect(0, "kafka_consumergroup_lag_sum", consumergroup=GROUP, topic=TOPIC)
    check_seconds(later, first_ms, {0: 700, 1: 300, 2: 0})
    consumer.close()
    left = Scrape(URL)
    left.expect(0, "kafka_consumergroup_members", consumergroup=GROUP)
    left.expect(0, "kafka_consumergroup_lag_sum", consumergroup=GROUP, topic=TOPIC)
    check_beside_the_admin_client(left, admin)
    newer = consume(TOPIC, 1000, "newer-readers", "consumer")  # KIP-848
    commit(newer, TOPIC, {0: 10})
    of_newer = Scrape(URL)
    of_newer.expect(1, "kafka_consumergroup_members", consumergroup="newer-readers")
    of_newer.expect(690, "kafka_consumergroup_lag_sum", consumergroup="newer-readers", topic=TOPIC)
    newer.close()
    Scrape(URL).expect(0, "kafka_consumergroup_members", consumergroup="newer-readers")
    for future in admin.delete_topics([OTHER]).values():
        future.result()
    gone = Scrape(URL)
    assert f'topic="{OTHER}"' not in gone.text
    gone.expect(left.get("kafka_controller_kafkacontroller_globaltopiccount") - 1, "kafka_controller_kafkacontroller_globaltopiccount")
    print(f"metrics done: {len(scrape.samples)} samples, {compared} of them as a client computes them")


main()
