import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsOptions;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.ListTopicsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** What clients see of a broker, as the tables of src/log/testdata: expected.tsv, offsets.tsv, producers.tsv and so on. */
class LogDump {
    final LogClient client;
    final Path into;

    LogDump(LogClient client, Path into) throws Exception {
        this.client = client;
        this.into = Files.createDirectories(into);
    }

    static String hex(byte[] bytes) {
        if (bytes == null) return "null";
        if (bytes.length == 0) return "empty";
        StringBuilder text = new StringBuilder(bytes.length * 2);
        for (byte one : bytes) text.append(Character.forDigit((one >> 4) & 15, 16)).append(Character.forDigit(one & 15, 16));
        return text.toString();
    }

    static byte[] bytes(String hex) {
        if (hex.equals("null")) return null;
        if (hex.equals("empty")) return new byte[0];
        byte[] out = new byte[hex.length() / 2];
        for (int i = 0; i < out.length; i++) out[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
        return out;
    }

    List<TopicPartition> partitions(boolean internal, List<String> prefixes) throws Exception {
        TreeSet<String> names = new TreeSet<>(client.admin.listTopics(new ListTopicsOptions().listInternal(internal)).names().get());
        if (!prefixes.isEmpty()) names.removeIf(name -> prefixes.stream().noneMatch(name::startsWith));
        List<TopicPartition> all = new ArrayList<>();
        for (var topic : new TreeMap<>(client.admin.describeTopics(names).allTopicNames().get()).values()) {
            topic.partitions().forEach(one -> all.add(new TopicPartition(topic.name(), one.partition())));
        }
        return all;
    }

    Map<TopicPartition, ListOffsetsResultInfo> ask(List<TopicPartition> of, OffsetSpec what, IsolationLevel isolation) throws Exception {
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        for (TopicPartition one : of) wanted.put(one, what);
        var answer = client.admin.listOffsets(wanted, new ListOffsetsOptions(isolation));
        Map<TopicPartition, ListOffsetsResultInfo> found = new HashMap<>();
        for (TopicPartition one : of) {
            try {
                found.put(one, answer.partitionResult(one).get());
            } catch (ExecutionException refused) {
                found.put(one, null);
            }
        }
        return found;
    }

    String logs(boolean internal, List<String> prefixes) throws Exception {
        List<TopicPartition> all = partitions(internal, prefixes);
        var first = ask(all, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED);
        var end = ask(all, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED);
        var stable = ask(all, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED);
        var newest = ask(all, OffsetSpec.maxTimestamp(), IsolationLevel.READ_UNCOMMITTED);
        List<String> rows = new ArrayList<>();
        for (TopicPartition of : all) {
            ListOffsetsResultInfo max = newest.get(of);
            rows.add(String.join("\t", of.topic(), "" + of.partition(), "" + first.get(of).offset(), "" + end.get(of).offset(),
                "" + stable.get(of).offset(), max == null ? "err" : "" + max.timestamp(), max == null ? "err" : "" + max.offset(),
                max == null ? "err" : max.leaderEpoch().map(Object::toString).orElse("-")));
        }
        Files.write(into.resolve("offsets.tsv"), rows);
        List<String> records = new ArrayList<>();
        read(all, first, end, "read_uncommitted", records);
        read(all, first, stable, "read_committed", records);
        Files.write(into.resolve("expected.tsv"), records);
        producers(all);
        return records.size() + " " + all.size();
    }

    void read(List<TopicPartition> all, Map<TopicPartition, ListOffsetsResultInfo> first, Map<TopicPartition, ListOffsetsResultInfo> end,
              String isolation, List<String> rows) {
        var properties = client.properties("isolation.level", isolation, "enable.auto.commit", "false", "auto.offset.reset", "earliest",
            "fetch.max.wait.ms", "50", "max.partition.fetch.bytes", "3000000");
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> open = new ArrayList<>(all);
            open.removeIf(of -> first.get(of).offset() >= end.get(of).offset());
            consumer.assign(open);
            open.forEach(of -> consumer.seek(of, first.get(of).offset()));
            Map<TopicPartition, List<String>> found = new HashMap<>();
            long late = System.currentTimeMillis() + LogClient.PATIENCE_MS;
            List<TopicPartition> waiting = new ArrayList<>(open);
            while (!waiting.isEmpty()) {
                for (var record : consumer.poll(Duration.ofMillis(100))) {
                    TopicPartition of = new TopicPartition(record.topic(), record.partition());
                    if (record.offset() >= end.get(of).offset()) continue;
                    found.computeIfAbsent(of, one -> new ArrayList<>()).add(row(isolation, record));
                }
                waiting.removeIf(of -> consumer.position(of) >= end.get(of).offset());
                if (System.currentTimeMillis() > late) throw new IllegalStateException("no end of " + waiting);
            }
            open.forEach(of -> rows.addAll(found.getOrDefault(of, List.of())));
        }
    }

    static String row(String isolation, ConsumerRecord<byte[], byte[]> record) {
        List<String> headers = new ArrayList<>();
        for (Header one : record.headers()) headers.add(hex(one.key().getBytes(StandardCharsets.UTF_8)) + "=" + hex(one.value()));
        return String.join("\t", isolation.equals("read_committed") ? "rc" : "ru", record.topic(), "" + record.partition(),
            "" + record.offset(), record.timestampType().toString(), "" + record.timestamp(),
            record.leaderEpoch().map(Object::toString).orElse("-"), hex(record.key()), hex(record.value()),
            headers.isEmpty() ? "-" : String.join(";", headers));
    }

    void producers(List<TopicPartition> all) throws Exception {
        List<TopicPartition> wanted = new ArrayList<>(all);
        wanted.removeIf(of -> of.topic().startsWith("__"));
        var answer = client.admin.describeProducers(wanted).all().get();
        List<String> rows = new ArrayList<>();
        for (TopicPartition of : wanted) {
            List<ProducerState> states = new ArrayList<>(answer.get(of).activeProducers());
            states.sort(Comparator.comparingLong(ProducerState::producerId));
            for (ProducerState one : states) {
                rows.add(String.join("\t", of.topic(), "" + of.partition(), "" + one.producerId(), "" + one.producerEpoch(),
                    "" + one.lastSequence(), "" + one.lastTimestamp(),
                    one.coordinatorEpoch().isPresent() ? "" + one.coordinatorEpoch().getAsInt() : "-",
                    one.currentTransactionStartOffset().isPresent() ? "" + one.currentTransactionStartOffset().getAsLong() : "-"));
            }
        }
        Files.write(into.resolve("producers.tsv"), rows);
    }

    String groups() throws Exception {
        List<String> states = new ArrayList<>(), offsets = new ArrayList<>();
        TreeSet<String> names = new TreeSet<>();
        client.admin.listConsumerGroups().all().get().forEach(one -> names.add(one.groupId()));
        for (String name : names) {
            var group = client.admin.describeConsumerGroups(List.of(name)).all().get().get(name);
            List<String> members = new ArrayList<>();
            for (var member : group.members()) {
                TreeSet<String> assigned = new TreeSet<>();
                member.assignment().topicPartitions().forEach(one -> assigned.add(one.toString()));
                members.add(member.groupInstanceId().orElse("-") + ":" + member.clientId() + ":" + assigned);
            }
            states.add(String.join("\t", name, group.state().toString(), "" + group.isSimpleConsumerGroup(), group.partitionAssignor(),
                String.join(";", members)));
            TreeMap<TopicPartition, OffsetAndMetadata> committed = new TreeMap<>(Comparator.comparing(TopicPartition::toString));
            committed.putAll(client.admin.listConsumerGroupOffsets(name).partitionsToOffsetAndMetadata().get());
            committed.forEach((of, at) -> offsets.add(String.join("\t", name, of.topic(), "" + of.partition(),
                at == null ? "null" : "" + at.offset(), at == null ? "-" : at.leaderEpoch().map(Object::toString).orElse("-"),
                at == null ? "-" : at.metadata())));
        }
        Files.write(into.resolve("groups.tsv"), states);
        Files.write(into.resolve("group-offsets.tsv"), offsets);
        return names.size() + "";
    }

    /** The offsets of one group; waits until no transaction has any pending. */
    static String committed(Admin admin, String group) throws Exception {
        TreeMap<String, String> text = new TreeMap<>();
        var stable = new ListConsumerGroupOffsetsOptions().requireStable(true);
        admin.listConsumerGroupOffsets(Map.of(group, new ListConsumerGroupOffsetsSpec()), stable).all().get().get(group)
            .forEach((of, at) -> text.put(of.toString(), at.offset() + ":" + at.metadata()));
        return text.toString().replace(" ", "");
    }

    String transactions() throws Exception {
        TreeSet<String> names = new TreeSet<>();
        client.admin.listTransactions().all().get().forEach(one -> names.add(one.transactionalId()));
        List<String> rows = new ArrayList<>();
        for (String name : names) {
            var one = client.admin.describeTransactions(List.of(name)).description(name).get();
            TreeSet<String> touched = new TreeSet<>();
            one.topicPartitions().forEach(of -> touched.add(of.toString()));
            rows.add(String.join("\t", name, one.state().toString(), "" + one.producerId(), "" + one.producerEpoch(),
                "" + one.transactionTimeoutMs(), touched.toString()));
        }
        Files.write(into.resolve("transactions.tsv"), rows);
        return names.size() + "";
    }
}
