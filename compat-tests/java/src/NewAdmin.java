import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.ApiException;

/** The admin calls that clients of 3.9 and later have. Every expectation was checked against Kafka 3.9.2. */
class NewAdmin {
    static void check(boolean condition, String what) {
        if (!condition) throw new IllegalStateException("not so: " + what);
    }

    static void refused(String error, KafkaFuture<?> future, String... messageParts) throws Exception {
        try {
            future.get();
        } catch (ExecutionException failed) {
            Throwable cause = failed.getCause();
            check(cause instanceof ApiException && cause.getClass().getSimpleName().equals(error),
                  error + " but got " + cause);
            for (String part : messageParts) {
                check(cause.getMessage() != null && cause.getMessage().contains(part), part + " in " + cause.getMessage());
            }
            return;
        }
        throw new IllegalStateException("not refused with " + error);
    }

    static NewTopic topic(String name, int partitions, int factor) {
        return new NewTopic(name, partitions, (short) factor);
    }

    static void topics(Admin admin, String label) throws Exception {
        String name = "admin-" + label;
        CreateTopicsResult created = admin.createTopics(List.of(
            topic(name, 2, 1).configs(Map.of("segment.bytes", "1048576", "compression.type", "lz4")),
            topic("many-" + label, 1000000000, 2)), new CreateTopicsOptions());
        created.values().get(name).get();
        check(created.numPartitions(name).get() == 2, "numPartitions");
        check(created.replicationFactor(name).get() == 1, "replicationFactor");
        check(created.config(name).get().get("segment.bytes").value().equals("1048576"), "segment.bytes in the answer");
        Uuid id = created.topicId(name).get();
        check(!id.equals(Uuid.ZERO_UUID), "topic id");
        refused("InvalidReplicationFactorException", created.values().get("many-" + label));

        refused("TopicExistsException", admin.createTopics(List.of(topic(name, 1, 1))).all(), "already exists");
        refused("InvalidPartitionsException", admin.createTopics(List.of(topic("p0", 0, 1))).all(),
                "Number of partitions must be larger than 0.");
        refused("InvalidReplicationFactorException", admin.createTopics(List.of(topic("r3", 1, 3))).all(),
                "Replication factor: 3 larger than available brokers: 1.");
        refused("InvalidTopicException", admin.createTopics(List.of(topic("no spaces", 1, 1))).all());
        refused("InvalidConfigurationException", admin.createTopics(List.of(
            topic("badconfig", 1, 1).configs(Map.of("segment.bytes", "1")))).all());
        refused("InvalidConfigurationException", admin.createTopics(List.of(
            topic("badkey", 1, 1).configs(Map.of("no.such.key", "1")))).all(), "Unknown topic config name: no.such.key");
        admin.createTopics(List.of(topic("only-validated", 1, 1)), new CreateTopicsOptions().validateOnly(true)).all().get();
        check(!admin.listTopics().names().get().contains("only-validated"), "validateOnly creates nothing");
        String assigned = "assigned-" + label;
        admin.createTopics(List.of(new NewTopic(assigned, Map.of(0, List.of(0), 1, List.of(0))))).all().get();

        TopicDescription description = admin.describeTopics(List.of(name)).allTopicNames().get().get(name);
        check(description.partitions().size() == 2 && description.topicId().equals(id), "describe by name");
        check(description.partitions().get(0).leader().id() == 0, "leader");
        description = admin.describeTopics(TopicCollection.ofTopicIds(List.of(id))).allTopicIds().get().get(id);
        check(description.name().equals(name), "describe by id");
        refused("UnknownTopicOrPartitionException", admin.describeTopics(List.of("none-such")).allTopicNames());

        admin.createPartitions(Map.of(name, NewPartitions.increaseTo(5))).all().get();
        check(admin.describeTopics(List.of(name)).allTopicNames().get().get(name).partitions().size() == 5, "5 partitions");
        refused("InvalidPartitionsException", admin.createPartitions(Map.of(name, NewPartitions.increaseTo(3))).all());
        refused("UnknownTopicOrPartitionException",
                admin.createPartitions(Map.of("none-such", NewPartitions.increaseTo(3))).all());
        admin.deleteTopics(TopicCollection.ofTopicIds(List.of(id))).all().get();
        admin.deleteTopics(List.of(assigned)).all().get();
        refused("UnknownTopicOrPartitionException", admin.deleteTopics(List.of("none-such")).all());
    }

    static String configValue(Admin admin, ConfigResource resource, String key) throws Exception {
        Config config = admin.describeConfigs(List.of(resource)).all().get().get(resource);
        ConfigEntry entry = config.get(key);
        return entry == null ? null : entry.value() + " " + entry.source();
    }

    static void alter(Admin admin, ConfigResource resource, String key, String value, AlterConfigOp.OpType type)
            throws Exception {
        Map<ConfigResource, Collection<AlterConfigOp>> changes =
            Map.of(resource, List.of(new AlterConfigOp(new ConfigEntry(key, value), type)));
        admin.incrementalAlterConfigs(changes).all().get();
    }

    static void eventually(Admin admin, ConfigResource resource, String key, String wanted) throws Exception {
        // Kafka applies configs through a notification, so that the answer may come before the effect.
        String value = null;
        for (int i = 0; i < 600; i++) {
            value = configValue(admin, resource, key);
            if (wanted.equals(value)) return;
            Thread.sleep(50);
        }
        throw new IllegalStateException(key + " is " + value + " instead of " + wanted);
    }

    static void configs(Admin admin, String topic) throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        alter(admin, resource, "max.message.bytes", "4000", AlterConfigOp.OpType.SET);
        eventually(admin, resource, "max.message.bytes", "4000 DYNAMIC_TOPIC_CONFIG");
        alter(admin, resource, "max.message.bytes", "", AlterConfigOp.OpType.DELETE);
        eventually(admin, resource, "max.message.bytes", "1048588 DEFAULT_CONFIG");
        alter(admin, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.APPEND);
        eventually(admin, resource, "cleanup.policy", "delete,compact DYNAMIC_TOPIC_CONFIG");
        alter(admin, resource, "cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT);
        eventually(admin, resource, "cleanup.policy", "delete DYNAMIC_TOPIC_CONFIG");
        refused("InvalidConfigurationException", admin.incrementalAlterConfigs(Map.of(resource, List.of(
            new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET)))).all());

        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "0");
        alter(admin, broker, "log.retention.ms", "86400000", AlterConfigOp.OpType.SET);
        eventually(admin, broker, "log.retention.ms", "86400000 DYNAMIC_BROKER_CONFIG");
        alter(admin, broker, "log.retention.ms", "", AlterConfigOp.OpType.DELETE);
        eventually(admin, broker, "log.retention.ms", "null DEFAULT_CONFIG");
        check(configValue(admin, broker, "broker.id").equals("0 STATIC_BROKER_CONFIG"), "broker.id");
        refused("InvalidRequestException", admin.incrementalAlterConfigs(Map.of(broker, List.of(
            new AlterConfigOp(new ConfigEntry("log.dirs", "elsewhere"), AlterConfigOp.OpType.SET)))).all());
    }

    static void offsets(Admin admin, String topic) throws Exception {
        TopicPartition zero = new TopicPartition(topic, 0);
        ListOffsetsResultInfo latest = admin.listOffsets(Map.of(zero, OffsetSpec.latest())).all().get().get(zero);
        check(latest.offset() > 10, "latest");
        check(admin.listOffsets(Map.of(zero, OffsetSpec.earliest())).all().get().get(zero).offset() == 0, "earliest");
        check(admin.listOffsets(Map.of(zero, OffsetSpec.forTimestamp(1003))).all().get().get(zero).offset() == 1, "by time");
        check(admin.listOffsets(Map.of(zero, OffsetSpec.maxTimestamp())).all().get().get(zero).offset() >= 0, "by max time");
        long low = admin.deleteRecords(Map.of(zero, RecordsToDelete.beforeOffset(5))).all().isDone() ? 0 : 0;
        check(low == 0, "started");
        admin.deleteRecords(Map.of(zero, RecordsToDelete.beforeOffset(7))).lowWatermarks().get(zero).get();
        check(admin.listOffsets(Map.of(zero, OffsetSpec.earliest())).all().get().get(zero).offset() == 7, "after deleteRecords");
        refused("OffsetOutOfRangeException",
                admin.deleteRecords(Map.of(zero, RecordsToDelete.beforeOffset(1L << 40))).all());
    }

    static void groups(Admin admin, String topic, String label) throws Exception {
        String group = "plain-group-" + label;
        TopicPartition zero = new TopicPartition(topic, 0);
        check(admin.listConsumerGroups().all().get().stream().anyMatch(listing -> listing.groupId().equals(group)), "listed");
        ConsumerGroupDescription description = admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        check(description.members().isEmpty() && description.coordinator().id() == 0, "described");
        Map<TopicPartition, OffsetAndMetadata> committed =
            admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        check(committed.size() == 3, "three committed partitions");
        admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(3, Optional.empty(), "note"))).all().get();
        OffsetAndMetadata changed = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(zero);
        check(changed.offset() == 3 && changed.metadata().equals("note"), "altered offset");
        admin.deleteConsumerGroupOffsets(group, Set.of(zero)).all().get();
        check(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(zero) == null, "deleted offset");
        admin.deleteConsumerGroups(List.of(group)).all().get();
        check(admin.listConsumerGroups().all().get().stream().noneMatch(listing -> listing.groupId().equals(group)), "gone");
        refused("GroupIdNotFoundException", admin.deleteConsumerGroups(List.of("none-such")).all());
    }

    static void cluster(Admin admin, String topic) throws Exception {
        check(admin.describeLogDirs(List.of(0)).allDescriptions().get().get(0).values().stream()
            .anyMatch(dir -> dir.replicaInfos().containsKey(new TopicPartition(topic, 0))), "log dir names the partition");
        check(admin.describeCluster().controller().get().id() == 0, "controller");
        Map<TopicPartition, Optional<Throwable>> elected = admin.electLeaders(ElectionType.PREFERRED,
            Set.of(new TopicPartition(topic, 0))).partitions().get();
        Optional<Throwable> outcome = elected.get(new TopicPartition(topic, 0));
        check(outcome == null || outcome.isEmpty()
              || outcome.get().getClass().getSimpleName().equals("ElectionNotNeededException"), "election " + outcome);
    }

    static void run(String bootstrap, String topic, String label) throws Exception {
        Map<String, Object> properties = new HashMap<>(Map.of("bootstrap.servers", bootstrap));
        try (Admin admin = Admin.create(properties)) {
            topics(admin, label);
            configs(admin, topic);
            offsets(admin, topic);
            groups(admin, topic, label);
            cluster(admin, topic);
        }
    }
}
